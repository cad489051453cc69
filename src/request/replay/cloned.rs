//! Bodies that can be cloned.

use std::fmt;

use http::Extensions;
use http_body::Body;

use super::{Kept, Replay, sealed};
use crate::NotResendable;

/// Keeps a clone of the body: the default.
///
/// The inner service gets the caller's own body type, so an existing stack keeps its types. A clone must be
/// independent of its original, as those of `Full<Bytes>` are, and ought to be cheap: it is made before every send.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cloned;

impl sealed::Replay for Cloned {}

#[diagnostic::do_not_recommend]
impl<B: Body + Clone> Replay<B> for Cloned {
    type Body = B;
    type Kept = ClonedBody<B>;

    fn keep(&self, body: B, _extensions: &mut Extensions) -> (B, Option<ClonedBody<B>>) {
        let kept = ClonedBody(body.clone());
        (body, Some(kept))
    }
}

/// A clone of a request body.
pub struct ClonedBody<B>(B);

impl<B> fmt::Debug for ClonedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClonedBody").finish_non_exhaustive()
    }
}

impl<B> sealed::Kept for ClonedBody<B> {}

impl<B: Body> Kept for ClonedBody<B> {
    type Body = B;

    fn hold(&mut self) -> Result<(), NotResendable> {
        Ok(()) // the first send has a body of its own
    }

    fn into_body(self) -> Result<B, NotResendable> {
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::{BodyExt, Full};

    use super::*;

    #[tokio::test]
    async fn f154_the_kept_body_is_whole_after_the_first_was_sent_and_shares_its_bytes() {
        let bytes = Bytes::from(vec![b'x'; 1000]);
        let (sent, kept) = Cloned.keep(Full::new(bytes.clone()), &mut Extensions::new());
        assert_eq!(sent.collect().await.unwrap().to_bytes().as_ptr(), bytes.as_ptr());
        let again = kept.unwrap().into_body().unwrap().collect().await.unwrap().to_bytes();
        assert_eq!((again.len(), again.as_ptr()), (1000, bytes.as_ptr()));
    }
}
