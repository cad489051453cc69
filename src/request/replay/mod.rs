//! How a request's body is kept for the one resend after a refusal.
//!
//! A strategy is chosen on the layer with [`SalesforceAuthLayer::replay`](crate::SalesforceAuthLayer::replay):
//!
//! | strategy | bodies | what the inner service sees | a refused request |
//! |---|---|---|---|
//! | [`Cloned`] (the default) | `Clone`: `Full<Bytes>`, `Empty<Bytes>`, `String` | the caller's own body type | is sent once more |
//! | [`Never`] | any | the caller's own body type | is handed back; the session is refreshed for the next one |

mod cloned;
mod never;

use http_body::Body;

pub use self::{
    cloned::{Cloned, ClonedBody},
    never::{Never, Nothing},
};

/// A strategy for keeping request bodies of type `B`.
///
/// The trait is sealed: [`Cloned`] and [`Never`] implement it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot keep a request body of type `{B}` for the resend",
    label = "this layer's replay strategy does not fit the request body `{B}`",
    note = "`replay::Cloned`, the default, needs a body that is `Clone`, such as `Full<Bytes>`, `Empty<Bytes>` or `String`",
    note = "`SalesforceAuthLayer::new(session).replay(replay::Never)` takes any body and hands a refused request back without a resend"
)]
pub trait Replay<B>: Clone + sealed::Replay {
    /// The body that the inner service gets.
    type Body: Body;

    /// What stays behind for the resend.
    type Kept: Kept<Body = Self::Body>;

    /// Makes the body to send, and what is needed to send it again: `None` if it cannot be sent twice.
    fn keep(&self, body: B) -> (Self::Body, Option<Self::Kept>);
}

/// What is kept of a request body. Sealed.
pub trait Kept: sealed::Kept {
    /// The body that the inner service gets.
    type Body: Body;

    /// The body once more, from its first byte; `None` if it was not kept in full after all.
    fn into_body(self) -> Option<Self::Body>;
}

mod sealed {
    /// A strategy of this crate.
    pub trait Replay {}

    /// A kept body of this crate.
    pub trait Kept {}
}
