//! Bodies that are remembered while they stream.
//!
//! ```text
//!   caller's body ──► Shared ──► first copy ──► inner service
//!                       │ remembers
//!                       ▼
//!   refused:          Memory, then the rest of the caller's body ──► second copy ──► inner service
//! ```
//!
//! One place owns the caller's body: [`shared`], which the first copy polls it through. A refusal holds the first copy
//! where it is; the resend takes memory and body away from it; a refusal that goes to the caller lets it go on.

mod body;
mod memory;
mod shared;
mod source;

use http::Extensions;
use http_body::Body;

pub use self::{
    body::{BufferedBody, TakenOver},
    shared::BufferedKept,
};
use super::{Replay, sealed};
use crate::BoxError;

/// What is remembered of a body unless something else is asked for: Salesforce's JSON requests are far smaller, and a
/// thousand requests at once take no more than a gigabyte.
const DEFAULT_CAP: usize = 1024 * 1024;

/// Remembers what is sent of a body, up to a cap: for streams and any other body that is not `Clone`.
///
/// Nothing waits while nothing is refused: each frame goes to the inner service as it comes, and is remembered by
/// reference where its data is `Bytes`. A refusal that can lead to a second send holds the first while the session
/// refreshes. The second begins with what is remembered and goes on with the rest of the caller's body, so that a
/// refusal that comes early costs no more than what had left by then, also for bodies that are larger than the cap; the
/// first gets the error [`TakenOver`] in place of the rest, so that a client closes its connection (HTTP/1) or resets
/// its stream (HTTP/2). If the refusal goes to the caller, the first send goes on.
///
/// Once more than the cap has been sent, nothing is remembered any more and the request will not be sent again: a
/// refusal then refreshes the session for the next one, and its [`Diagnosis`](crate::Diagnosis) says
/// [`BodyOverCap`](crate::NotResendable::BodyOverCap). What was remembered is given up as soon as the request is
/// answered otherwise.
///
/// The inner service gets [`BufferedBody`]s: `Sync`, also around a body that is not, and `Default`. The caller's body
/// needs nothing but an error that fits into a [`BoxError`].
///
/// # Limits
///
/// The cap counts bytes of data and trailers, not allocations: a kilobyte that refers to a larger buffer keeps that
/// buffer alive. A client that is blocked in writing, because the server neither reads nor closes, polls no body and
/// learns that it was taken over only when the server closes the connection; hyper's HTTP/1 client is one.
///
/// ```
/// # use tower_salesforce_auth::{SalesforceAuthLayer, Session, replay};
/// # fn layer(session: Session) {
/// let layer = SalesforceAuthLayer::new(session).replay(replay::Buffered::new(4 * 1024 * 1024));
/// // A request may have a cap of its own:
/// let mut request = http::Request::new("body");
/// request.extensions_mut().insert(replay::Cap(64 * 1024));
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffered {
    cap: usize,
}

/// How much of one request's body [`Buffered`] remembers, in bytes: an extension of the request, in place of the
/// strategy's own cap. It is taken out before the request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap(
    /// Bytes; 0 remembers nothing, so that only a request whose body had not begun is sent again.
    pub usize,
);

impl Buffered {
    /// Remembers at most `cap` bytes of each body. The default is 1 MiB.
    #[must_use]
    pub const fn new(cap: usize) -> Self {
        Self { cap }
    }

    /// How many bytes of a body are remembered at most.
    #[must_use]
    pub const fn cap(&self) -> usize {
        self.cap
    }
}

impl Default for Buffered {
    fn default() -> Self {
        Self::new(DEFAULT_CAP)
    }
}

impl sealed::Replay for Buffered {}

#[diagnostic::do_not_recommend]
impl<B> Replay<B> for Buffered
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Body = BufferedBody<B>;
    type Kept = BufferedKept<B>;

    fn keep(&self, body: B, extensions: &mut Extensions) -> (BufferedBody<B>, Option<BufferedKept<B>>) {
        let cap = extensions.remove().map_or(self.cap, |Cap(cap)| cap);
        let kept = BufferedKept::new(body, cap);
        (kept.first(), Some(kept))
    }
}

#[cfg(test)]
mod tests;
