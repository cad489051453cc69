//! How a request's body is kept for the one resend after a refusal.
//!
//! A strategy is chosen on the layer with [`SalesforceAuthLayer::replay`](crate::SalesforceAuthLayer::replay):
//!
//! | strategy | bodies | what the inner service sees | a refused request |
//! |---|---|---|---|
//! | [`Cloned`] (the default) | `Clone`: `Full<Bytes>`, `Empty<Bytes>`, `String` | the caller's own body type | is sent once more |
//! | [`Buffered`] | any: streams, `Incoming`, boxed bodies | [`BufferedBody`] around it, `Sync` | is sent once more, unless more than a cap had been sent |
//! | [`Never`] | any | the caller's own body type | is handed back; the session is refreshed for the next one |
//!
//! Bodies that are in memory anyway are best cloned. [`Buffered`] is for what streams, and remembers as much of it as
//! the cap allows; a request that outgrows it is handed back. [`Never`] is for requests that must not be sent twice, and
//! for clients that take no other body type and whose requests are better made anew by the caller.
//!
//! A client that takes one fixed body type, as those of axum and tonic do, is reached with a `map_request` below the
//! layer:
//!
//! ```
//! use http::{Request, Response};
//! use http_body_util::BodyExt;
//! use tower::{Service, ServiceBuilder};
//! use tower_salesforce_auth::{
//!     BoxError, SalesforceAuthLayer, Session,
//!     replay::{Buffered, BufferedBody},
//! };
//!
//! type FixedBody = http_body_util::combinators::BoxBody<bytes::Bytes, BoxError>; // neither `Clone` nor a type of ours
//!
//! fn salesforce<C>(session: Session, client: C) -> impl Service<Request<FixedBody>, Error = BoxError>
//! where
//!     C: Service<Request<FixedBody>, Response = Response<FixedBody>, Error = BoxError> + Clone,
//! {
//!     ServiceBuilder::new()
//!         .layer(SalesforceAuthLayer::new(session).replay(Buffered::default()))
//!         .map_request(|request: Request<BufferedBody<FixedBody>>| request.map(BufferedBody::boxed))
//!         .service(client)
//! }
//! ```
//!
//! [`Diagnosis`](crate::Diagnosis) tells a caller whose request was handed back why it was not sent again, as
//! [`NotResendable`].

mod buffered;
mod cloned;
mod never;

use http::Extensions;
use http_body::Body;

pub use self::{
    buffered::{Buffered, BufferedBody, BufferedKept, Cap, TakenOver},
    cloned::{Cloned, ClonedBody},
    never::{Never, Nothing},
};
use crate::NotResendable;

/// A strategy for keeping request bodies of type `B`.
///
/// The trait is sealed: [`Cloned`], [`Buffered`] and [`Never`] implement it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot keep a request body of type `{B}` for the resend",
    label = "this layer's replay strategy does not fit the request body `{B}`",
    note = "`replay::Cloned`, the default, needs a body that is `Clone`, such as `Full<Bytes>`, `Empty<Bytes>` or `String`",
    note = "`SalesforceAuthLayer::new(session).replay(replay::Buffered::default())` takes any body whose error is an `Into<BoxError>`, and hands a `BufferedBody` to the inner service",
    note = "`SalesforceAuthLayer::new(session).replay(replay::Never)` takes any body and hands a refused request back without a resend"
)]
pub trait Replay<B>: Clone + sealed::Replay {
    /// The body that the inner service gets.
    type Body: Body;

    /// What stays behind for the resend.
    type Kept: Kept<Body = Self::Body>;

    /// Makes the body to send, and what is needed to send it again: `None` if nothing is kept.
    ///
    /// Takes what is meant for the strategy out of the request's extensions.
    fn keep(&self, body: B, extensions: &mut Extensions) -> (Self::Body, Option<Self::Kept>);
}

/// What is kept of a request body. Sealed.
pub trait Kept: sealed::Kept {
    /// The body that the inner service gets.
    type Body: Body;

    /// Stops the first send where it is, if it still goes on, so that what can be said now about the second stays
    /// true. Dropping what is kept lets the first send go on.
    ///
    /// # Errors
    ///
    /// Why the body cannot be sent again. The first send goes on.
    fn hold(&mut self) -> Result<(), NotResendable>;

    /// The body once more, from its first byte. Ends the first send, if it still goes on.
    ///
    /// # Errors
    ///
    /// Why the body cannot be sent again; never after [`hold`](Self::hold) has succeeded. The first send goes on.
    fn into_body(self) -> Result<Self::Body, NotResendable>;
}

mod sealed {
    /// A strategy of this crate.
    pub trait Replay {}

    /// A kept body of this crate.
    pub trait Kept {}
}
