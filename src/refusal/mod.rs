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
//! | REST, and all that speak like it: Bulk 2.0, Tooling, Connect, Apex REST | 401, a JSON array, object or XML with `INVALID_SESSION_ID` |
//! | Bulk 1.0 (`/services/async/`) | 400, XML or JSON with `InvalidSessionId` |
//! | SOAP (`/services/Soap/`) | 500, a fault with `INVALID_SESSION_ID` |
//! | identity (`/id/`, `/services/oauth2/`) | 403, the plain text `Bad_OAuth_Token` |
//!
//! What is inside a 2xx is data and never a refusal, also where it holds errors of sub-requests. Which codes and texts
//! are known, how surely, and from where, says [`known`].

mod body;
mod bulk;
mod entries;
mod identity;
mod json;
mod redact;
mod redirect;
mod rest;
mod soap;
mod wording;
mod xml;

use http::{HeaderMap, StatusCode};

use self::entries::{Entry, Reading};
pub use self::wording::{Certainty, Wording, known};
pub(crate) use self::{bulk::is_addressed as is_bulk, redact::without_long_words};

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
    /// The request went to a host that is not the org's: resend to the right one.
    WrongHost,
    /// Writes are paused while the org is in maintenance.
    ReadOnlyMaintenance,
    /// The org is not there for now.
    OrgUnavailable,
    /// A limit was reached.
    RateLimited,
    /// A permission is missing.
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
}

impl<'a> Head<'a> {
    /// The head of the answer to a request for `path`.
    #[must_use]
    pub fn new(status: StatusCode, headers: &'a HeaderMap, path: &'a str) -> Self {
        Self { status, headers, path }
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
    /// The message, without session ids, escaped and capped at 256 bytes.
    pub message: Option<String>,
}

/// Whether a response may be a refusal, so that its body is worth a look. Reads the head only.
///
/// Never true of a 2xx. It is true of every status from 400: no document says under which one Salesforce reports that
/// writes are paused for maintenance.
#[must_use]
pub fn is_candidate(head: Head<'_>) -> bool {
    is_error(head.status) || redirect::is_to_login(head)
}

/// Names what a response says about the session it was sent with.
///
/// `body` is the beginning of the response's body, as received; it may be cut off anywhere, and what is beyond 16 KiB
/// is not read. A body with a `content-encoding` is not decoded: its response is judged by the head.
#[must_use]
pub fn classify(head: Head<'_>, body: &[u8]) -> Verdict {
    interpret(head, &body::text(head, body)).verdict
}

/// As [`classify`], and keeps the words of the refusal for whoever has to find its cause.
#[must_use]
pub fn read(head: Head<'_>, body: &[u8]) -> Refusal {
    let text = body::text(head, body);
    let Reading { verdict, entry } = interpret(head, &text);
    Refusal {
        verdict,
        code: entry.code.as_deref().map(redact::shown),
        message: entry.message.as_deref().map(redact::shown),
    }
}

fn interpret<'a>(head: Head<'_>, text: &'a str) -> Reading<'a> {
    if !is_error(head.status) {
        let verdict = if redirect::is_to_login(head) { Verdict::WrongHost } else { Verdict::NotAuth };
        return Reading { verdict, entry: Entry::default() };
    }
    let found = if soap::is_addressed(head.path) {
        soap::read(head, text)
    } else if bulk::is_addressed(head.path) {
        bulk::read(head, text)
    } else if identity::is_addressed(head.path) {
        identity::read(head, text)
    } else {
        rest::read(head, text)
    };
    Reading { verdict: found.verdict.unwrap_or_else(|| by_status(head)), entry: found.entry }
}

fn is_error(status: StatusCode) -> bool {
    status.as_u16() >= 400
}

/// Set on answers that Salesforce Edge made because it could not reach the org (as ForceCLI reads it).
const EDGE_ERROR: &str = "x-sfdc-edge-err";

/// What a response means whose body says nothing, or nothing known.
fn by_status(head: Head<'_>) -> Verdict {
    match head.status.as_u16() {
        401 => Verdict::UnrecognisedRefusal,
        403 => Verdict::Forbidden,
        // Edge: the org is being set up, was moved, or is gone. 503: maintenance and overload.
        420 | 503 => Verdict::OrgUnavailable,
        429 => Verdict::RateLimited,
        500.. if head.headers.contains_key(EDGE_ERROR) => Verdict::OrgUnavailable,
        _ => Verdict::NotAuth,
    }
}

/// Whether `text` holds `needle`, whatever the case of ASCII letters.
fn contains_ignoring_case(text: &str, needle: &str) -> bool {
    let Some((first, rest)) = needle.as_bytes().split_first() else { return true };
    text.as_bytes().windows(needle.len()).any(|window| {
        // The first byte alone decides nearly always.
        matches!(window.split_first(), Some((at, after)) if at.eq_ignore_ascii_case(first) && after.eq_ignore_ascii_case(rest))
    })
}
