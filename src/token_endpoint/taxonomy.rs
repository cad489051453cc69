//! What a refusal of the token endpoint means.
//!
//! Pure: the same answer has the same meaning, whatever happened before. What follows from a meaning (read the store
//! again, wait, latch) is decided by the refresh.

use std::time::Duration;

use http::{
    HeaderMap, HeaderName, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER},
};

use super::{
    error::{TokenError, TokenErrorKind},
    form,
    reading::{self, Reading},
    reason::TokenErrorReason::{self, *},
    wording,
};
use crate::retry_after;

/// What a refusal answers.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    grant: GrantType,
    /// The form: a server may repeat what was sent to it, and no error may.
    sent: &'a [(&'a str, &'a str)],
}

impl<'a> Asked<'a> {
    /// A request with this form.
    pub(super) fn with(form: &'a [(&'a str, &'a str)]) -> Self {
        Self { grant: GrantType::of(form), sent: form }
    }

    /// The form, which no text of the answer may repeat.
    pub(super) fn sent(&self) -> &'a [(&'a str, &'a str)] {
        self.sent
    }

    /// A request that somebody else made.
    pub(super) fn elsewhere() -> Self {
        Self { grant: GrantType::Other, sent: &[] }
    }
}

/// What was asked for: the same words mean different things to different grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GrantType {
    RefreshToken,
    JwtBearer,
    ClientCredentials,
    /// A user's own flow.
    Other,
}

impl GrantType {
    /// Reads the grant off the form that asks for it.
    fn of(form: &[(&str, &str)]) -> Self {
        match form.iter().find(|(name, _)| *name == "grant_type").map(|(_, value)| *value) {
            Some("refresh_token") => Self::RefreshToken,
            Some("urn:ietf:params:oauth:grant-type:jwt-bearer") => Self::JwtBearer,
            Some("client_credentials") => Self::ClientCredentials,
            _ => Self::Other,
        }
    }

    /// Whether a person who connects again can bring the grant back. Of a flow that is not known it is assumed.
    fn has_person(self) -> bool {
        matches!(self, Self::RefreshToken | Self::Other)
    }
}

/// Salesforce counts logins by the hour. Asking at the usual pace keeps the counter up, waiting it out in full would
/// outlast a lifted limit (F100).
const LOGIN_RATE_WAIT: Duration = Duration::from_secs(5 * 60);

/// No endpoint may silence a connection for longer than this (F098).
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// The error for an answer that names its reason, `code`.
pub(super) fn named(asked: Asked<'_>, code: &str, read: &Reading) -> TokenError {
    // An answer may repeat its own tokens, too.
    let mut secrets = asked.sent.to_vec();
    secrets.extend(read.access_token.iter().map(|token| ("access_token", token.expose())));
    secrets.extend(read.refresh_token.iter().map(|token| ("refresh_token", token.expose())));
    let description = read.error_description.as_deref();
    let reason =
        wording::reason(code, description.unwrap_or_default()).map(|reason| in_context(reason, asked.grant));
    let kind = match reason {
        Some(reason) => kind(reason, asked.grant),
        // Certain: RFC 6749 §5.2. In unknown words it is taken as final, but nothing is deleted (inferred).
        None if code.eq_ignore_ascii_case("invalid_grant") => ended(asked.grant),
        // A definite refusal for an unknown reason: a person must look, but nothing says that the grant has ended.
        None => TokenErrorKind::OperatorMustAct,
    };
    let wait = (reason == Some(LoginRateExceeded)).then_some(LOGIN_RATE_WAIT);
    let redact = |text| form::redact(text, &secrets);
    TokenError::new(kind)
        .with_answer(Some(&redact(code)), description.map(redact).as_deref())
        .with_reason(reason)
        .with_hint(nobody_to_ask(kind, reason, code))
        .with_retry_after(wait)
}

/// The meaning of words that do not mean the same to each grant.
fn in_context(reason: TokenErrorReason, grant: GrantType) -> TokenErrorReason {
    match (reason, grant) {
        // Certain: what a refresh was told before Winter '25 when another one was under way.
        (AuthorizationCodeExpired, GrantType::RefreshToken) => RequestInProgress,
        // Reported.
        (AuthorizationCodeExpired, GrantType::JwtBearer) => AssertionExpired,
        (reason, _) => reason,
    }
}

/// What may be done next, by what has happened.
fn kind(reason: TokenErrorReason, grant: GrantType) -> TokenErrorKind {
    match reason {
        RequestInProgress => TokenErrorKind::AlreadyProcessing,
        LoginRateExceeded | RateLimited | LoginHours | Maintenance | Unavailable => TokenErrorKind::Transient,
        ExpiredOrRevoked
        | AuthorizationCodeExpired
        | AuthenticationFailure
        | UserInactive
        | OrgInactive
        | PasswordExpired
        | ChallengeRequired => ended(grant),
        _ => TokenErrorKind::OperatorMustAct,
    }
}

/// Where nobody consented, nobody can consent again: the user or the app's policy must be put right.
fn ended(grant: GrantType) -> TokenErrorKind {
    if grant.has_person() { TokenErrorKind::Reauthorise } else { TokenErrorKind::OperatorMustAct }
}

/// The hint where a grant has ended that no person gave, if the reason has none that says more.
fn nobody_to_ask(kind: TokenErrorKind, reason: Option<TokenErrorReason>, code: &str) -> Option<&'static str> {
    let vague = match reason {
        None => code.eq_ignore_ascii_case("invalid_grant"),
        Some(reason) => matches!(reason, ExpiredOrRevoked | AuthorizationCodeExpired),
    };
    (vague && kind == TokenErrorKind::OperatorMustAct)
        .then_some("check the user of this grant (active, approved for the app) and the app")
}

/// The error for an answer whose status is not a success.
///
/// `body` is what could be read of it, at most 64 KiB.
pub(super) fn refused(asked: Asked<'_>, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> TokenError {
    let read = reading::read(body);
    let code = read.error.as_deref().filter(|_| read.fault.is_none() && !is_encoded(headers));
    let by_status = |kind, reason: TokenErrorReason| {
        TokenError::new(kind).with_reason(Some(reason)).with_note(&describe(status, headers))
    };
    let error = match (status.as_u16(), code) {
        (429, _) => by_status(TokenErrorKind::Transient, RateLimited),
        (503, _) if is_maintenance(body) => by_status(TokenErrorKind::Transient, Maintenance)
            .with_note(&format!("down for maintenance, {}", describe(status, headers))),
        (503, _) if is_before_processing(headers, body) => by_status(TokenErrorKind::Transient, Unavailable),
        (400..=499, Some(code)) => named(asked, code, &read),
        // Certain: tap-salesforce and airbyte meet it as a hiccup of the gateway. 408 and 425 say that nothing was
        // processed (RFC 9110 §15.5.9, RFC 8470 §5.2).
        (406 | 408 | 425, None) => by_status(TokenErrorKind::Transient, Unavailable),
        // Certain: Salesforce Edge, which answers for orgs that were deleted, moved, or are not ready yet. It may be
        // the last of these, and so is not taken as the end of the grant.
        (420, None) => by_status(TokenErrorKind::OperatorMustAct, OrgGone),
        // Nobody who answers 4xx has issued tokens (RFC 9110 §15.5), so the outcome is known; but whoever answers
        // without the endpoint's JSON is a proxy, a firewall or another server, and stays until somebody acts.
        (400..=499, None) => by_status(TokenErrorKind::OperatorMustAct, NotTokenEndpoint),
        // F110: a redirect is not followed, since that would show the credentials to another host.
        (300..=399, _) => by_status(TokenErrorKind::OutcomeUnknown, Redirected),
        // F097: the tokens may have been issued before whatever failed, whatever the body says.
        (500.., _) => by_status(TokenErrorKind::OutcomeUnknown, Unavailable),
        _ => TokenError::new(TokenErrorKind::OutcomeUnknown).with_note(&describe(status, headers)),
    };
    let asked = matches!(error.kind(), TokenErrorKind::Transient | TokenErrorKind::AlreadyProcessing)
        .then(|| retry_after::of(headers))
        .flatten()
        .map(|wait| wait.min(LONGEST_RETRY_AFTER));
    let wait = asked.max(error.retry_after());
    error.with_retry_after(wait)
}

/// Whether the body is the page that Salesforce shows during maintenance.
fn is_maintenance(body: &[u8]) -> bool {
    String::from_utf8_lossy(body).to_ascii_lowercase().contains("down for maintenance")
}

/// Whether a 503 was recognisably sent before the request was processed.
///
/// A proxy whose upstream broke off answers 503 as well, after the upstream may have issued tokens. Taken as harmless
/// besides the maintenance page are: an empty body (reported of the login hosts), a request to come back, Salesforce's own
/// overload code, and pages of its edge and its content network.
fn is_before_processing(headers: &HeaderMap, body: &[u8]) -> bool {
    const EDGE: HeaderName = HeaderName::from_static("x-sfdc-edge-err");
    let words = String::from_utf8_lossy(body).to_ascii_lowercase();
    words.trim().is_empty()
        || headers.contains_key(RETRY_AFTER)
        || headers.contains_key(EDGE)
        || headers.get(http::header::SERVER).is_some_and(|server| server == "AkamaiNetStorage")
        || ["server_unavailable", "server too busy", "temporarily_unavailable"]
            .iter()
            .any(|known| words.contains(known))
}

/// Whether the answer is a page: of a captive portal, a proxy, a login form.
pub(super) fn is_page(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"<")
}

/// F103: of a page that is not the endpoint's, status and content type are told and nothing else.
pub(super) fn describe(status: StatusCode, headers: &HeaderMap) -> String {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    match (content_type, is_encoded(headers)) {
        (_, true) => format!("HTTP {}, compressed although no compression was accepted", status.as_u16()),
        (Some(content_type), false) => format!("HTTP {} with content type {content_type}", status.as_u16()),
        (None, false) => format!("HTTP {} without a content type", status.as_u16()),
    }
}

/// F106: whether the answer is compressed. `identity` says that it is not; a token is not given up for it.
pub(super) fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

#[cfg(test)]
mod tests;
