//! Answers that a test chooses in place of the org's own.

use std::collections::VecDeque;

use bytes::Bytes;
use http::Response;
use serde_json::{Map, Value};

use super::answers::Answer;

/// What the token endpoint does with a request, chosen with
/// [`FakeOrg::answer_token_requests`](super::FakeOrg::answer_token_requests).
///
/// The variants fall into two kinds, and for refresh token rotation the difference is the point: those that say
/// *processed* spend the presented refresh token and issue a new one, whether the client learns of it or not; the
/// others leave everything as it was.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TokenAnswer {
    /// As Salesforce would.
    Normal,
    /// Not processed; the connection (HTTP/1) or the stream (HTTP/2) is closed without an answer.
    DropBefore,
    /// Processed; then the connection or the stream is closed without an answer.
    DropAfter,
    /// Processed; half of the answer's body arrives, then the connection or the stream ends.
    Truncate,
    /// Processed; half of the answer's body arrives, then nothing until the client gives up.
    Stall,
    /// Processed; 10 MiB of white space precede the JSON, which is valid.
    Huge,
    /// Not processed; an HTML page with this status (420 is the page of an org that is gone, others say maintenance).
    Html(u16),
    /// Not processed; this answer, with any status, headers and body.
    Raw(Response<Bytes>),
    /// Processed; the answer's JSON is changed by this merge patch (RFC 7396): fields are replaced, `null` removes one.
    Patch(Value),
    /// Not processed; 400 `invalid_grant`, `token request is already being processed`.
    AlreadyProcessing,
    /// Not processed; 400 `invalid_grant` with this description.
    InvalidGrant(String),
    /// Not processed; 400 with this `error` and `error_description`.
    Error {
        /// For example `invalid_client_id`.
        error: String,
        /// For example `client identifier invalid`.
        description: String,
    },
}

/// What the org does with a request to anything but its token, revocation and introspection endpoints, chosen with
/// [`FakeOrg::answer_api_requests`](super::FakeOrg::answer_api_requests).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ApiAnswer {
    /// As Salesforce would.
    Normal,
    /// Not processed; the connection (HTTP/1) or the stream (HTTP/2) is closed without an answer.
    DropBefore,
    /// Processed; then the connection or the stream is closed without an answer.
    DropAfter,
    /// Processed; half of the answer's body arrives, then the connection or the stream ends.
    Truncate,
    /// Processed; half of the answer's body arrives, then nothing until the client gives up.
    Stall,
    /// Processed; 10 MiB of white space precede the answer's body.
    Huge,
    /// Not processed; an HTML page with this status (420 is the page of an org that is gone, others say maintenance).
    Html(u16),
    /// Not processed; this answer, with any status, headers and body.
    Raw(Response<Bytes>),
    /// Processed; if the answer is a JSON object, it is changed by this merge patch (RFC 7396).
    Patch(Value),
    /// Not processed; refused as a dead session is, in the manner of the API that was called. The session lives on.
    DeadSession,
    /// As [`DeadSession`](Self::DeadSession), but answered before the request's body is read.
    ///
    /// What the client goes on to send is thrown away over HTTP/1, where the connection would otherwise be reset and
    /// take the answer with it; over HTTP/2 the stream is reset with `NO_ERROR`.
    EarlyDeadSession,
    /// As [`EarlyDeadSession`](Self::EarlyDeadSession), but answered once this many bytes of the request's body have
    /// arrived, or all of it if it is shorter.
    MidwayDeadSession(u64),
    /// Not processed; 401 `This session is not valid for use with the REST API`, or its like in the API that was called:
    /// alive, but forbidden by a policy.
    NotPermitted,
    /// Not processed; 401 with an empty body.
    Unrecognised,
    /// Not processed; a REST error, an array of one.
    Error {
        /// The HTTP status.
        status: u16,
        /// For example `REQUEST_LIMIT_EXCEEDED`.
        code: String,
        /// For example `TotalRequests Limit exceeded.`
        message: String,
    },
}

/// Which answers come, and for how many requests each.
///
/// An answer by itself stays until another is chosen. [`TokenAnswer::next`] and [`ApiAnswer::next`] bound it;
/// [`then`](Self::then) adds what comes after. When a script has run out the org answers normally.
#[derive(Clone, Debug)]
pub struct Script<A> {
    /// `None`: for ever.
    steps: VecDeque<(A, Option<u64>)>,
}

impl<A: Clone> Script<A> {
    /// What follows when this script has run out. After an answer that stays, nothing does.
    #[must_use]
    pub fn then(mut self, next: impl Into<Self>) -> Self {
        self.steps.extend(next.into().steps);
        self
    }

    fn bounded(answer: A, n: u64) -> Self {
        Self { steps: VecDeque::from([(answer, Some(n))]) }
    }

    /// The answer for the request that just arrived, if one was chosen.
    pub(super) fn take(&mut self) -> Option<A> {
        while let Some((answer, left)) = self.steps.front_mut() {
            match left {
                None => return Some(answer.clone()),
                Some(0) => drop(self.steps.pop_front()),
                Some(n) => {
                    *n -= 1;
                    return Some(answer.clone());
                }
            }
        }
        None
    }
}

impl<A> Default for Script<A> {
    fn default() -> Self {
        Self { steps: VecDeque::new() }
    }
}

impl<A> From<A> for Script<A> {
    fn from(answer: A) -> Self {
        Self { steps: VecDeque::from([(answer, None)]) }
    }
}

/// What is to be done with one request.
pub(super) enum Plan {
    /// Do as Salesforce would, then hand the answer over in this way.
    Process(Delivery),
    /// Answer this and do nothing.
    Answer(Answer),
    /// Do nothing and say nothing.
    Drop,
}

/// How an answer is handed over.
pub(super) enum Delivery {
    Whole,
    Patched(Value),
    Huge,
    Truncated,
    Stalled,
    Dropped,
}

// === impl TokenAnswer ===

impl TokenAnswer {
    /// This answer for the next `n` requests only.
    #[must_use]
    pub fn next(self, n: u64) -> Script<Self> {
        Script::bounded(self, n)
    }

    /// The answer with this field replaced, as by [`Patch`](Self::Patch).
    #[must_use]
    pub fn with(field: &str, value: impl Into<Value>) -> Self {
        Self::Patch(field_patch(field, value.into()))
    }

    /// The answer without this field, as by [`Patch`](Self::Patch).
    #[must_use]
    pub fn without(field: &str) -> Self {
        Self::Patch(field_patch(field, Value::Null))
    }
}

// === impl ApiAnswer ===

impl ApiAnswer {
    /// This answer for the next `n` requests only.
    #[must_use]
    pub fn next(self, n: u64) -> Script<Self> {
        Script::bounded(self, n)
    }
}

fn field_patch(field: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(field.to_owned(), value)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_runs_its_steps_in_order_and_ends() {
        let mut script = TokenAnswer::DropBefore.next(2).then(TokenAnswer::Huge.next(1));
        assert!(matches!(script.take(), Some(TokenAnswer::DropBefore)));
        assert!(matches!(script.take(), Some(TokenAnswer::DropBefore)));
        assert!(matches!(script.take(), Some(TokenAnswer::Huge)));
        assert!(script.take().is_none());
    }

    #[test]
    fn an_answer_by_itself_stays() {
        let mut script = Script::from(ApiAnswer::Unrecognised);
        for _ in 0..5 {
            assert!(matches!(script.take(), Some(ApiAnswer::Unrecognised)));
        }
    }
}
