//! Bodies that are sent once.

use std::{convert::Infallible, fmt, marker::PhantomData};

use http::Extensions;
use http_body::Body;

use super::{Kept, Replay, sealed};
use crate::NotResendable;

/// Keeps nothing: any body will do, and no request is sent twice.
///
/// A refusal still refreshes the session for the requests that follow; the refused one gets its answer with a
/// diagnosis that says so.
#[derive(Clone, Copy, Debug, Default)]
pub struct Never;

impl sealed::Replay for Never {}

#[diagnostic::do_not_recommend]
impl<B: Body> Replay<B> for Never {
    type Body = B;
    type Kept = Nothing<B>;

    fn keep(&self, body: B, _extensions: &mut Extensions) -> (B, Option<Nothing<B>>) {
        (body, None)
    }
}

/// What [`Never`] keeps of a body: there is no value of this type.
pub struct Nothing<B> {
    never: Infallible,
    body: PhantomData<fn() -> B>,
}

impl<B> fmt::Debug for Nothing<B> {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = self.body;
        match self.never {}
    }
}

impl<B> sealed::Kept for Nothing<B> {}

impl<B: Body> Kept for Nothing<B> {
    type Body = B;

    fn hold(&mut self) -> Result<(), NotResendable> {
        match self.never {}
    }

    fn into_body(self) -> Result<B, NotResendable> {
        match self.never {}
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::{Full, combinators::UnsyncBoxBody};

    use super::*;

    #[test]
    fn f153_nothing_is_kept_of_any_body() {
        let extensions = &mut Extensions::new();
        assert!(Never.keep(Full::new(Bytes::from_static(b"abc")), extensions).1.is_none());
        let stream = UnsyncBoxBody::new(Full::new(Bytes::from_static(b"abc")));
        assert!(Never.keep(stream, extensions).1.is_none());
        assert_eq!(size_of::<Option<Nothing<Full<Bytes>>>>(), 0, "and the future pays nothing for it");
    }
}
