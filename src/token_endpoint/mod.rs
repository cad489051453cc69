//! The token endpoint: one bounded request, a strict reading of its answer, a name for every failure.
//!
//! Requests are `POST`s with a form body over the session's own transport. Redirects are not followed, answers are read
//! to 64 KiB within 10 s, compressed answers are refused.

mod answer;
mod error;
mod exchange;
mod form;
#[cfg(feature = "hyper-client")]
mod hyper;
#[cfg(test)]
pub(crate) mod probe;
mod reading;
mod revoke;
mod taxonomy;
mod transport;

pub use self::{
    answer::TokenResponse,
    error::{TokenError, TokenErrorKind},
    exchange::TokenEndpoint,
};
pub(crate) use self::{answer::is_token, transport::Transport};

/// What is kept of an answer that broke off.
#[cfg(fuzzing)]
pub(crate) fn salvage(body: &[u8]) -> TokenError {
    TokenResponse::salvage(body, "the answer broke off")
}
