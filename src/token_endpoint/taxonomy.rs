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

#[derive(Clone, Copy)]
enum Meaning {
    AlreadyProcessing,
    /// "Expired authorization code", whose meaning depends on the grant.
    ExpiredCode,
    Transient,
    LoginRate,
    Operator(&'static str),
    Gone,
}

use Meaning::{AlreadyProcessing, ExpiredCode, Gone, LoginRate, Operator, Transient};

/// What `error_description` says, in lower case; the first row that it contains counts. The words are the more exact
/// half of an answer: one `invalid_grant` covers everything from "wait a second" to "never again".
///
/// *Certain* rows are documented by Salesforce, recorded, or in Salesforce's own code; *reported* ones rest on one
/// witness; *inferred* ones on analogy.
const DESCRIPTIONS: &[(&str, Meaning)] = &[
    // Certain: Salesforce release notes Summer '24 and Winter '25, "token request is already being processed".
    ("token request is already being processed", AlreadyProcessing),
    // Certain: the same before Winter '25 (same notes); for JWT bearer an assertion that has expired (reported).
    ("expired authorization code", ExpiredCode),
    // Certain: tests of Salesforce's datacloud-jdbc driver.
    ("retry your request", Transient),
    // Reported: n8n and restforce users; 3,600 logins an hour and user (F100).
    ("login rate exceeded", LoginRate),
    // Reported: login status LOGIN_OAUTH_EXCEED_GET_AT_LMT.
    ("get access token limit exceeded", LoginRate),
    // Certain (wording of the Mobile SDK's constants), that it passes: inferred.
    ("invalid login hours", Transient),
    // Certain: recorded by restforce, and by airbyte with rotation on. First before "ip restricted": the Mobile SDK
    // joins them in one text.
    ("expired access/refresh token", Gone),
    // Reported: the refresh token IP allow-list, and login IP ranges of the profile.
    ("ip restricted", Operator("allow this machine's address in the app's or the profile's IP ranges")),
    // Reported: the authorisation page since September 2025.
    ("must be installed into org", Operator(INSTALL)),
    // Inferred from the row above, for external client apps.
    ("app is not installed", Operator(INSTALL)),
    // Certain: recorded.
    ("not admin approved", Operator(APPROVE)),
    // Certain: simple-salesforce's tests.
    ("hasn't approved this consumer", Operator(APPROVE)),
    // Certain: recorded.
    (
        "audience is invalid",
        Operator(
            "set the audience to the login host: https://login.salesforce.com, https://test.salesforce.com, or the site",
        ),
    ),
    // Certain: simple-salesforce's tests.
    (
        "invalid assertion",
        Operator("check that the key belongs to the certificate of the app, and this machine's clock"),
    ),
    // Certain: many witnesses.
    ("request not supported on this domain", Operator("use the org's My Domain as the login host")),
    // Certain: many witnesses.
    (
        "no client credentials user enabled",
        Operator("name a Run As user in the app's client credentials policy"),
    ),
    // Certain: datacloud-jdbc and restforce; a changed password or a revoked session.
    ("authentication failure", Gone),
    // Reported: Marketo's diagnostics page.
    ("inactive user", Gone),
    ("inactive organization", Gone),
    // Reported.
    ("password expired", Gone),
    ("challenge required", Gone),
];

const INSTALL: &str = "an administrator must install the app in the org";
const APPROVE: &str = "an administrator must approve the app for this user (a permission set or profile)";
const CREDENTIALS: &str =
    "check the consumer key and secret, and that the login host is this org's; a new app needs some minutes";

/// What `error` says, in lower case, when the description does not decide.
const CODES: &[(&str, Meaning)] = &[
    // Certain: RFC 6749 §5.2 and Salesforce Help "OAuth 2.0 Authorization Errors". An `invalid_grant` in unknown words
    // is taken as final, but nothing is deleted (inferred).
    ("invalid_grant", Gone),
    ("invalid_client", Operator(CREDENTIALS)),
    ("invalid_client_id", Operator(CREDENTIALS)),
    ("invalid_client_credentials", Operator(CREDENTIALS)),
    ("unauthorized_client", Operator("enable this OAuth flow in the app's settings")),
    ("invalid_app_access", Operator(APPROVE)),
    (
        "unsupported_grant_type",
        Operator("enable this OAuth flow in the app, and check that the login host is the org's"),
    ),
    // Reported: the constants of the Mobile SDK.
    ("inactive_user", Gone),
    ("inactive_org", Gone),
    // Reported.
    ("rate_limit_exceeded", LoginRate),
    // RFC 6749 §4.1.2.1, at this endpoint by analogy (inferred).
    ("server_error", Transient),
    ("temporarily_unavailable", Transient),
];

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
    let grant = asked.grant;
    let words = description.unwrap_or_default().to_ascii_lowercase();
    let meaning = DESCRIPTIONS.iter().find(|(known, _)| words.contains(known)).or_else(|| {
        let code = code.to_ascii_lowercase();
        CODES.iter().find(|(known, _)| code == *known)
    });
    let (kind, hint) = match meaning.map(|(_, meaning)| *meaning) {
        Some(AlreadyProcessing) => (TokenErrorKind::AlreadyProcessing, None),
        Some(ExpiredCode) => match grant {
            GrantType::RefreshToken => (TokenErrorKind::AlreadyProcessing, None),
            GrantType::JwtBearer => (TokenErrorKind::OperatorMustAct, Some("check this machine's clock")),
            _ => gone(grant),
        },
        Some(Transient | LoginRate) => (TokenErrorKind::Transient, None),
        Some(Operator(hint)) => (TokenErrorKind::OperatorMustAct, Some(hint)),
        Some(Gone) => gone(grant),
        // A definite refusal for an unknown reason: a person must look, but nothing says that the grant has ended.
        None => (TokenErrorKind::OperatorMustAct, None),
    };
    let wait = matches!(meaning, Some((_, LoginRate))).then_some(LOGIN_RATE_WAIT);
    let redact = |text| form::redact(text, &secrets);
    TokenError::new(kind)
        .with_answer(Some(&redact(code)), description.map(redact).as_deref())
        .with_hint(hint)
        .with_retry_after(wait)
}

/// Where nobody consented, nobody can consent again: the user or the app's policy must be put right.
fn gone(grant: GrantType) -> (TokenErrorKind, Option<&'static str>) {
    if grant.has_person() {
        (TokenErrorKind::Reauthorise, None)
    } else {
        (
            TokenErrorKind::OperatorMustAct,
            Some("check the user of this grant (active, approved for the app) and the app"),
        )
    }
}

/// The error for an answer whose status is not a success.
///
/// `body` is what could be read of it, at most 64 KiB.
pub(super) fn refused(asked: Asked<'_>, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> TokenError {
    let read = reading::read(body);
    let code = read.error.as_deref().filter(|_| read.fault.is_none() && !is_encoded(headers));
    let by_status = |kind| TokenError::new(kind).with_note(&describe(status, headers));
    let error = match (status.as_u16(), code) {
        (429, _) => by_status(TokenErrorKind::Transient),
        (503, _) if is_before_processing(headers, body) => by_status(TokenErrorKind::Transient),
        (400..=499, Some(code)) => named(asked, code, &read),
        // Certain: tap-salesforce and airbyte meet it as a hiccup of the gateway. 408 and 425 say that nothing was
        // processed (RFC 9110 §15.5.9, RFC 8470 §5.2).
        (406 | 408 | 425, None) => by_status(TokenErrorKind::Transient),
        // Certain: Salesforce Edge, which answers for orgs that were deleted, moved, or are not ready yet. It may be
        // the last of these, and so is not taken as the end of the grant.
        (420, None) => by_status(TokenErrorKind::OperatorMustAct)
            .with_hint(Some("the org is not at this host: it was deleted, has moved, or is not ready yet")),
        // Nobody who answers 4xx has issued tokens (RFC 9110 §15.5), so the outcome is known; but whoever answers
        // without the endpoint's JSON is a proxy, a firewall or another server, and stays until somebody acts.
        (400..=499, None) => by_status(TokenErrorKind::OperatorMustAct).with_hint(Some(
            "this is no answer of a token endpoint: check the login host and the proxies on the way",
        )),
        // F110: a redirect is not followed, since that would show the credentials to another host.
        (300..=399, _) => by_status(TokenErrorKind::OutcomeUnknown).with_hint(Some(
            "redirects are not followed; use the host that the org really logs in at, its My Domain",
        )),
        // F097: the tokens may have been issued before whatever failed, whatever the body says.
        _ => by_status(TokenErrorKind::OutcomeUnknown),
    };
    let asked = matches!(error.kind(), TokenErrorKind::Transient | TokenErrorKind::AlreadyProcessing)
        .then(|| retry_after::of(headers))
        .flatten()
        .map(|wait| wait.min(LONGEST_RETRY_AFTER));
    let wait = asked.max(error.retry_after());
    error.with_retry_after(wait)
}

/// Whether a 503 was recognisably sent before the request was processed.
///
/// A proxy whose upstream broke off answers 503 as well, after the upstream may have issued tokens. Taken as harmless
/// are: an empty body (reported of the login hosts), a request to come back, Salesforce's own overload code, the
/// maintenance page, and pages of its edge and its content network.
fn is_before_processing(headers: &HeaderMap, body: &[u8]) -> bool {
    const EDGE: HeaderName = HeaderName::from_static("x-sfdc-edge-err");
    let words = String::from_utf8_lossy(body).to_ascii_lowercase();
    words.trim().is_empty()
        || headers.contains_key(RETRY_AFTER)
        || headers.contains_key(EDGE)
        || headers.get(http::header::SERVER).is_some_and(|server| server == "AkamaiNetStorage")
        || ["server_unavailable", "server too busy", "temporarily_unavailable", "down for maintenance"]
            .iter()
            .any(|known| words.contains(known))
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
