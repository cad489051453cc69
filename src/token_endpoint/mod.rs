//! The token endpoint: one bounded request, a strict reading of its answer, a name for every failure.
//!
//! Requests are `POST`s with a form body over the session's own transport. Redirects are not followed, answers are read
//! to 64 KiB within 10 s, compressed answers are refused. Over the same transport go the reads of the org that a
//! diagnosis asks for.

mod answer;
mod error;
mod exchange;
mod form;
#[cfg(feature = "hyper-client")]
mod hyper;
#[cfg(test)]
pub(crate) mod in_memory;
mod introspect;
pub(crate) mod read;
mod reading;
mod reason;
mod revoke;
mod taxonomy;
mod transfer;
mod transport;
mod wording;

pub use self::{
    answer::TokenResponse,
    error::{TokenError, TokenErrorKind},
    exchange::TokenEndpoint,
    introspect::Introspection,
    reason::TokenErrorReason,
    wording::{Wording, known},
};
pub(crate) use self::{answer::is_token, transport::Transport};

/// What is kept of an answer that broke off.
#[cfg(fuzzing)]
pub(crate) fn salvage(body: &[u8]) -> TokenError {
    TokenResponse::salvage(body, "the answer broke off")
}

/// What an answer says about a token.
#[cfg(fuzzing)]
pub(crate) fn introspection(body: &[u8]) -> Result<Introspection, TokenError> {
    Introspection::read(body, taxonomy::Asked::elsewhere())
}
