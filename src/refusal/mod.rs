//! What Salesforce means when it refuses.
//!
//! [`classify`] is pure and total: it reads a response's head and a bounded piece of its body and names a [`Verdict`].
//! It never panics and never looks at more than 16 KiB.
//!
//! ```
//! use http::{HeaderMap, StatusCode};
//! use tower_salesforce_auth::refusal::{self, Head, Verdict};
//!
//! let headers = HeaderMap::new();
//! let head = Head::new(StatusCode::UNAUTHORIZED, &headers, "/services/data/v65.0/limits");
//! let body = br#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#;
//! assert_eq!(refusal::classify(head, body), Verdict::SessionExpired);
//!
//! // The same code, but here the session is alive, and a new one would be refused as well.
//! let body = br#"[{"message":"This session is not valid for use with the REST API","errorCode":"INVALID_SESSION_ID"}]"#;
//! assert_eq!(refusal::classify(head, body), Verdict::SessionNotPermitted);
//! ```
//!
//! Salesforce's APIs refuse in different words. The request's path says which one was asked, and each has its dialect:
//!
//! | API | how a dead session looks there |
//! |---|---|
//! | REST, and all that speak like it: Bulk 2.0, Tooling, Connect, GraphQL, Apex REST | 401, a JSON array, object or XML with `INVALID_SESSION_ID` |
//! | Bulk 1.0 (`/services/async/`) | 400, XML or JSON with `InvalidSessionId` |
//! | SOAP (`/services/Soap/`) | 500, a fault with `INVALID_SESSION_ID` |
//! | identity (`/id/`, `/services/oauth2/`) | 403, the plain text `Bad_OAuth_Token` |
//! | Data Cloud (`/services/a360/`, `/api/v1/`, `/api/v2/`) | 401, a JSON object or the login page |
//! | Agent API (`/einstein/`) | 401, a JSON object; an empty 404 for a token that is not in JWT format |
//! | Streaming API | 200, a CometD message that failed: [`cometd`] |
//! | Pub/Sub API | a gRPC status: [`grpc`] |
//!
//! For [`classify`] what is inside a 2xx is data and never a refusal, also where it holds errors of sub-requests (Composite,
//! GraphQL). Which codes and texts are known, how surely, and from where, says [`known`].

mod agent;
mod body;
mod bulk;
mod cometd;
mod dialect;
mod entries;
mod grpc;
mod html;
mod identity;
mod json;
mod redact;
mod redirect;
mod rest;
mod soap;
mod status;
mod wording;
mod xml;

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use self::entries::{Entry, Found, Reading};
pub use self::{
    cometd::cometd,
    grpc::grpc,
    wording::{Certainty, Wording, known},
};
pub(crate) use self::{dialect::Dialect, redact::without_long_words};
use crate::retry_after;

/// The most bytes of a body that are looked at.
pub(crate) const PEEK_BYTES: usize = 16 * 1024;

/// What a response says about the session it was sent with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// The session is not alive on this host: refresh once, resend once.
    SessionExpired,
    /// The session is alive but may not do this: a refresh helps rarely, at most one per cool-down.
    SessionNotPermitted,
    /// A 401 that nobody recognises, perhaps a proxy's: as expired, but at most one refresh per cool-down.
    UnrecognisedRefusal,
    /// The request went to a host that is not the org's, or that has no API: resend to the right one.
    WrongHost,
    /// Writes are paused while the org is in maintenance.
    ReadOnlyMaintenance,
    /// The org is not there for now.
    OrgUnavailable,
    /// A limit was reached.
    RateLimited,
    /// A permission is missing, or a login that the caller made by itself was refused.
    Forbidden,
    /// The request itself is malformed in its credentials.
    MalformedRequest,
    /// The user's password has expired; a person must change it.
    PasswordExpired,
    /// The endpoint does not take access tokens of this format.
    TokenFormat,
    /// Nothing about the session.
    NotAuth,
}

/// The parts of a response that are read before its body.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Head<'a> {
    /// The response's status.
    pub status: StatusCode,
    /// The response's headers.
    pub headers: &'a HeaderMap,
    /// The path of the request that was answered.
    pub path: &'a str,
    /// The host that the request was sent to, with its port if that is not 443, as far as it is known: a redirect to the
    /// same API elsewhere is then told from one within the host.
    pub host: Option<&'a str>,
}

impl<'a> Head<'a> {
    /// The head of the answer to a request for `path`.
    #[must_use]
    pub fn new(status: StatusCode, headers: &'a HeaderMap, path: &'a str) -> Self {
        Self { status, headers, path, host: None }
    }

    /// The same head, of an answer that came from `host`.
    #[must_use]
    pub fn from_host(mut self, host: &'a str) -> Self {
        self.host = Some(host);
        self
    }
}

/// A head whose request is known by its API: all that is left of the path when the answer comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) dialect: Dialect,
    pub(crate) host: Option<&'a str>,
}

impl<'a> From<Head<'a>> for Answer<'a> {
    fn from(Head { status, headers, path, host }: Head<'a>) -> Self {
        Self { status, headers, dialect: Dialect::of(path), host }
    }
}

/// A refusal with the words it was made in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// What it means.
    pub verdict: Verdict,
    /// The error code, without an XML prefix, escaped and capped at 256 bytes.
    pub code: Option<String>,
    /// The message, without session ids, escaped and capped at 256 bytes. Of a page, its title,
    /// or else the words by which it was recognised.
    pub message: Option<String>,
    /// How long to wait before the next try, if the answer asks for it (`Retry-After`, in seconds or as a date; at most
    /// 24 hours, after which every limit of Salesforce's begins anew).
    pub retry_after: Option<Duration>,
}

impl Refusal {
    fn new(verdict: Verdict, entry: &Entry<'_>) -> Self {
        Self {
            verdict,
            code: entry.code.as_deref().map(redact::shown),
            message: entry.message.as_deref().map(redact::shown),
            retry_after: None,
        }
    }
}

/// Whether a response may be a refusal, so that its body is worth a look. Reads the head only.
///
/// Never true of a 2xx. It is true of every status from 400: no document says under which one Salesforce reports that
/// writes are paused for maintenance.
#[must_use]
pub fn is_candidate(head: Head<'_>) -> bool {
    head.status.as_u16() >= 300 && suspects(head.into())
}

/// Names what a response says about the session it was sent with.
///
/// `body` is the beginning of the response's body, as received; it may be cut off anywhere, and what is beyond 16 KiB
/// is not read. A body with a `content-encoding` is not decoded: its response is judged by the head.
#[must_use]
pub fn classify(head: Head<'_>, body: &[u8]) -> Verdict {
    interpret(head.into(), &body::text(head.headers, body)).verdict
}

/// As [`classify`], and keeps the words of the refusal for whoever has to find its cause.
#[must_use]
pub fn read(head: Head<'_>, body: &[u8]) -> Refusal {
    read_answer(head.into(), body)
}

/// As [`is_candidate`].
pub(crate) fn suspects(answer: Answer<'_>) -> bool {
    is_error(answer.status) || redirect::is_refusal(answer)
}

/// As [`read`].
pub(crate) fn read_answer(answer: Answer<'_>, body: &[u8]) -> Refusal {
    let text = body::text(answer.headers, body);
    let Reading { verdict, entry } = interpret(answer, &text);
    Refusal { retry_after: retry_after(answer, verdict), ..Refusal::new(verdict, &entry) }
}

fn interpret<'a>(answer: Answer<'_>, text: &'a str) -> Reading<'a> {
    if !is_error(answer.status) {
        let verdict = if redirect::is_refusal(answer) { Verdict::WrongHost } else { Verdict::NotAuth };
        return Reading { verdict, entry: Entry::default() };
    }
    let found = in_dialect(answer, text);
    Reading { verdict: found.verdict.unwrap_or_else(|| status::verdict(answer)), entry: found.entry }
}

fn in_dialect<'a>(answer: Answer<'_>, text: &'a str) -> Found<'a> {
    match answer.dialect {
        Dialect::OwnCredentials => identity::read_other(answer),
        _ if html::is_page(text) => html::read(answer, text),
        Dialect::Rest | Dialect::DataCloud | Dialect::Elsewhere => rest::read(answer, text),
        Dialect::Bulk => bulk::read(answer, text),
        Dialect::Soap => soap::read(answer, text),
        Dialect::Identity => identity::read(answer, text),
        Dialect::Agent => agent::read(answer, text),
    }
}

fn is_error(status: StatusCode) -> bool {
    status.as_u16() >= 400
}

/// No limit of Salesforce's lasts longer: requests are counted over 24 hours.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

fn retry_after(answer: Answer<'_>, verdict: Verdict) -> Option<Duration> {
    if verdict == Verdict::NotAuth {
        return None;
    }
    retry_after::of(answer.headers).map(|wait| wait.min(LONGEST_RETRY_AFTER))
}
