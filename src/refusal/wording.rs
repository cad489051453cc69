//! The codes and texts that are known, as a table.

use super::Verdict;

/// How sure a [`Wording`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Certainty {
    /// Recorded from Salesforce, or documented by it.
    Recorded,
    /// Told by people who met it.
    Reported,
    /// Concluded from a name or from like cases.
    Inferred,
}

/// A code or text that Salesforce refuses with, and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wording {
    /// The error code, whatever its case; `None` stands for every code, and for none.
    pub code: Option<&'static str>,
    /// What the message contains, whatever its case, written small; `None` stands for every message, and for none.
    pub message: Option<&'static str>,
    /// What it means.
    pub verdict: Verdict,
    /// How sure that is.
    pub certainty: Certainty,
    /// Where it is documented or was met.
    pub source: &'static str,
}

/// Every wording that is known, in the order in which they are tried: the first that fits counts.
#[must_use]
pub fn known() -> &'static [Wording] {
    KNOWN
}

/// Whether words about the session may be taken at their word, where they stand.
///
/// A status other than the dialect's own for a refused session means that the text is somebody else's: of an Apex class
/// that called out and failed, of a validation rule (F150).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionWords {
    Ignored,
    /// Only with a code that is known: messages of SOAP faults may be an application's.
    Coded,
    Believed,
}

/// What an error with this code and message means, if that is known.
pub(super) fn verdict(code: Option<&str>, message: Option<&str>, words: SessionWords) -> Option<Verdict> {
    find(code, message, words).map(|wording| wording.verdict)
}

/// The first wording that fits an error with this code and message.
pub(super) fn find(
    code: Option<&str>,
    message: Option<&str>,
    words: SessionWords,
) -> Option<&'static Wording> {
    // `LOGIN_OAUTH_INVALID_TOKEN(db=1703,…)`
    let code = code.map(|code| code.split_once('(').map_or(code, |(code, _)| code));
    let message = message.map(str::to_ascii_lowercase);
    let fits = |wording: &&Wording| {
        let about_session = matches!(wording.verdict, Verdict::SessionExpired | Verdict::SessionNotPermitted);
        let believed = match words {
            SessionWords::Ignored => !about_session,
            SessionWords::Coded => !about_session || wording.code.is_some(),
            SessionWords::Believed => true,
        };
        believed
            && wording.code.is_none_or(|known| code.is_some_and(|code| code.eq_ignore_ascii_case(known)))
            && wording
                .message
                .is_none_or(|part| message.as_ref().is_some_and(|message| message.contains(part)))
    };
    KNOWN.iter().find(fits)
}

const fn code(code: &'static str, verdict: Verdict, certainty: Certainty, source: &'static str) -> Wording {
    Wording { code: Some(code), message: None, verdict, certainty, source }
}

const fn text(
    message: &'static str,
    verdict: Verdict,
    certainty: Certainty,
    source: &'static str,
) -> Wording {
    Wording { code: None, message: Some(message), verdict, certainty, source }
}

const fn both(
    code: &'static str,
    message: &'static str,
    verdict: Verdict,
    certainty: Certainty,
    source: &'static str,
) -> Wording {
    Wording { code: Some(code), message: Some(message), verdict, certainty, source }
}

/// The REST API Developer Guide's page of codes.
const REST_GUIDE: &str = "REST API Developer Guide, status codes and error responses";
/// The enumerations of the partner WSDL, API 66.0.
const PARTNER_WSDL: &str = "Partner WSDL 66.0, ExceptionCode";
/// The enumeration in Salesforce's own client.
const BULK_CODES: &str = "forcedotcom/wsc, AsyncExceptionCode";
const LOGIN_STATUS: &str = "EventLogFile reference, LOGIN_STATUS";
const PUBSUB_GUIDE: &str = "Pub/Sub API Developer Guide, handling errors";

use Certainty::{Inferred, Recorded, Reported};
use Verdict::{
    Forbidden, MalformedRequest, NotAuth, OrgUnavailable, PasswordExpired, RateLimited, ReadOnlyMaintenance,
    SessionExpired, SessionNotPermitted, UnrecognisedRefusal, WrongHost,
};

#[rustfmt::skip]
static KNOWN: &[Wording] = &[
    // One code, two families: only the message says whether a new session would be any better.
    both("INVALID_SESSION_ID", "not valid for use with", SessionNotPermitted, Recorded, "jsforce pull request 1301; jsforce since 3.10.9 does not refresh on it"),
    text("not attached to agent", SessionNotPermitted, Recorded, "jsforce pull request 1652; jsforce since 3.10.9 does not refresh on it"),
    both("INVALID_SESSION_ID", "session expired or invalid", SessionExpired, Recorded, "restforce issue 284"),
    both("INVALID_SESSION_ID", "illegal session", SessionExpired, Recorded, "forcedotcom/wsc, SoapConnection; CumulusCI test_profiles"),
    both("INVALID_SESSION_ID", "session not found", SessionExpired, Recorded, "forcedotcom/wsc, SoapConnection"),
    both("INVALID_SESSION_ID", "session timed out", SessionExpired, Recorded, "forcedotcom/wsc, SoapConnection"),
    code("INVALID_SESSION_ID", SessionExpired, Inferred, REST_GUIDE),
    both("InvalidSessionId", "not valid for use with", SessionNotPermitted, Inferred, "the same message under the code of Bulk 1.0"),
    code("InvalidSessionId", SessionExpired, Recorded, BULK_CODES),
    code("Bad_OAuth_Token", SessionExpired, Recorded, "SalesforceMobileSDK-Android, RestClient"),
    code("invalid_token", SessionExpired, Inferred, "RFC 6750 §3.1, for resources that speak OAuth"),
    code("sfdc.platform.eventbus.grpc.service.auth.error", SessionExpired, Recorded, "apache/camel, PubSubApiClient; pub-sub-api-java-client issue 3"),
    code("sfdc.platform.eventbus.grpc.service.auth.refresh.invalid", SessionExpired, Recorded, "apache/camel, PubSubApiClient"),

    text("destination url not reset", WrongHost, Recorded, "amazon-connect-salesforce-lambda issue 12 (REST); undees/rforce issue 27 (SOAP); ApexUnit issue 65 (Bulk 1.0)"),
    code("URL_NOT_RESET", WrongHost, Recorded, "restforce issue 939"),
    code("InvalidUrl", WrongHost, Recorded, BULK_CODES),
    code("ORG_NOT_OWNED_BY_INSTANCE", WrongHost, Inferred, PARTNER_WSDL),

    code("INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", ReadOnlyMaintenance, Recorded, PARTNER_WSDL),
    text("updates can't be made during maintenance", ReadOnlyMaintenance, Reported, "salesforce.stackexchange.com question 194022"),

    code("ORG_IN_MAINTENANCE", OrgUnavailable, Inferred, PARTNER_WSDL),
    code("LOGIN_ERROR_ORG_IN_MAINTENANCE", OrgUnavailable, Inferred, LOGIN_STATUS),
    code("ORG_IS_SIGNING_UP", OrgUnavailable, Inferred, PARTNER_WSDL),
    code("SERVER_UNAVAILABLE", OrgUnavailable, Reported, "restforce issue 156"),
    code("FUNCTIONALITY_TEMPORARILY_UNAVAILABLE", OrgUnavailable, Inferred, PARTNER_WSDL),
    code("SSO_SERVICE_DOWN", OrgUnavailable, Inferred, PARTNER_WSDL),
    text("down for maintenance", OrgUnavailable, Reported, "Force.com-Toolkit-for-NET issue 160"),
    text("undergoing maintenance", OrgUnavailable, Inferred, "like the row above"),
    text("setting things up", OrgUnavailable, Recorded, "airbyte source-salesforce, rate_limiting (Edge)"),
    code("sfdc.platform.eventbus.grpc.service.unavailable", OrgUnavailable, Reported, PUBSUB_GUIDE),

    code("REQUEST_LIMIT_EXCEEDED", RateLimited, Recorded, REST_GUIDE),
    code("ExceededQuota", RateLimited, Recorded, BULK_CODES),
    both("403", "concurrent user limit exceeded", RateLimited, Recorded, "salesforce-streaming-client issue 15 (CometD)"),
    code("sfdc.platform.eventbus.grpc.concurrent.client.limit.exceeded", RateLimited, Reported, PUBSUB_GUIDE),

    code("INVALID_OPERATION_WITH_EXPIRED_PASSWORD", PasswordExpired, Reported, "restforce issue 607"),
    text("you must call setpassword", PasswordExpired, Inferred, "the message of the row above, alone"),

    code("INVALID_AUTH_HEADER", MalformedRequest, Recorded, PARTNER_WSDL),
    code("INVALID_HEADER_TYPE", MalformedRequest, Inferred, "the message of INVALID_AUTH_HEADER, as a code"),
    code("Missing_OAuth_Token", MalformedRequest, Recorded, "ascendix/salesforce-jdbc, ForceOAuthClient"),
    code("HTTPS_Required", MalformedRequest, Inferred, "answer of the identity URL"),
    code("HttpsRequired", MalformedRequest, Inferred, BULK_CODES),
    code("LOGIN_OAUTH_INVALID_TOKEN", MalformedRequest, Reported, "django-salesforce: a write without a JSON content type"),

    code("API_DISABLED_FOR_ORG", Forbidden, Recorded, "Force.com-Toolkit-for-NET issue 150"),
    code("API_CURRENTLY_DISABLED", Forbidden, Reported, "restforce issue 562"),
    code("APEX_REST_SERVICES_DISABLED", Forbidden, Recorded, PARTNER_WSDL),
    code("CLIENT_NOT_ACCESSIBLE_FOR_USER", Forbidden, Reported, PARTNER_WSDL),
    code("CLIENT_REQUIRE_UPDATE_FOR_USER", Forbidden, Inferred, PARTNER_WSDL),
    code("UNSUPPORTED_CLIENT", Forbidden, Inferred, PARTNER_WSDL),
    code("INVALID_CLIENT", Forbidden, Inferred, PARTNER_WSDL),
    code("OAUTH_APPROVAL_ERROR_GENERIC", Forbidden, Reported, "shown when an app is not installed in the org, or not approved"),
    code("FUNCTIONALITY_NOT_ENABLED", Forbidden, Recorded, PARTNER_WSDL),
    code("FeatureNotEnabled", Forbidden, Recorded, BULK_CODES),
    code("InvalidUser", Forbidden, Inferred, BULK_CODES),
    code("INSUFFICIENT_ACCESS", Forbidden, Recorded, PARTNER_WSDL),
    code("INSUFFICIENT_ACCESS_OR_READONLY", Forbidden, Recorded, PARTNER_WSDL),
    code("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", Forbidden, Recorded, PARTNER_WSDL),
    code("MUTUAL_AUTHENTICATION_FAILED", Forbidden, Inferred, PARTNER_WSDL),
    code("ORG_LOCKED", Forbidden, Inferred, PARTNER_WSDL),
    code("ORG_ADMIN_LOCKED", Forbidden, Inferred, PARTNER_WSDL),
    code("TRIAL_EXPIRED", Forbidden, Inferred, PARTNER_WSDL),
    code("INACTIVE_ORG", Forbidden, Inferred, "SalesforceMobileSDK-iOS, SFSDKOAuth2: inactive_org at the token endpoint"),
    code("INACTIVE_PORTAL", Forbidden, Inferred, PARTNER_WSDL),
    code("PORTAL_NO_ACCESS", Forbidden, Inferred, PARTNER_WSDL),
    code("TXN_SECURITY_NO_ACCESS", Forbidden, Inferred, PARTNER_WSDL),
    code("TXN_SECURITY_FAIL_CLOSE", Forbidden, Inferred, PARTNER_WSDL),
    code("TXN_SECURITY_TWO_FA_REQUIRED", Forbidden, Inferred, PARTNER_WSDL),
    code("TXN_SECURITY_END_A_SESSION", Forbidden, Inferred, PARTNER_WSDL),
    code("TransactionSecurityBlock", Forbidden, Inferred, BULK_CODES),
    code("Wrong_Org", Forbidden, Recorded, "ascendix/salesforce-jdbc, ForceOAuthClient"),
    code("Invalid_Scope", Forbidden, Reported, "answer of /services/oauth2/singleaccess"),
    // A login over SOAP: of the caller's own user, not of the session. Repeating it locks the user out.
    code("INVALID_LOGIN", Forbidden, Recorded, "simple-salesforce, test_login"),
    code("LOGIN_MUST_USE_SECURITY_TOKEN", Forbidden, Inferred, PARTNER_WSDL),
    code("LOGIN_CHALLENGE_ISSUED", Forbidden, Inferred, PARTNER_WSDL),
    code("LOGIN_CHALLENGE_PENDING", Forbidden, Inferred, PARTNER_WSDL),
    code("LOGIN_DURING_RESTRICTED_DOMAIN", Forbidden, Inferred, PARTNER_WSDL),
    code("LOGIN_DURING_RESTRICTED_TIME", Forbidden, Inferred, PARTNER_WSDL),
    code("PASSWORD_LOCKOUT", Forbidden, Inferred, PARTNER_WSDL),

    // Passes by itself, whatever the status: no permission is missing.
    code("TXN_SECURITY_METERING_ERROR", NotAuth, Recorded, "airbyte source-salesforce, test_rate_limiting"),
    code("TXN_SECURITY_RUNTIME_ERROR", NotAuth, Inferred, PARTNER_WSDL),

    // CometD: the same session may shake hands again.
    both("403", "unknown client", NotAuth, Recorded, "CometD.NetCore.Salesforce issue 43"),
    both("402", "unknown client", NotAuth, Reported, "the number in older releases"),
    // CometD: what stands behind it is told elsewhere in the message, or not at all.
    both("403", "handshake denied", UnrecognisedRefusal, Inferred, "jsforce, streaming extension: the true reason may be a 401"),
    both("401", "request requires authentication", SessionExpired, Recorded, "restforce issue 103 (CometD)"),
    both("401", "authentication invalid", SessionExpired, Recorded, "jsforce, streaming extension (CometD)"),

    // Words without a code, or under one that is not known.
    text("session expired or invalid", SessionExpired, Inferred, "the message of INVALID_SESSION_ID, alone"),
    text("not valid for use with the rest api", SessionNotPermitted, Inferred, "the message of INVALID_SESSION_ID, alone"),
    text("not valid for use with the api", SessionNotPermitted, Inferred, "the message of INVALID_SESSION_ID over SOAP, alone"),
    text("invalid_session_id", SessionExpired, Inferred, "the code in a message, or alone as text"),
    text("authorization header verification failed", SessionExpired, Recorded, "Salesforce-CDP-jdbc, ResponseEnum (Data Cloud)"),
    text("invalid jwt (not before or expired)", SessionExpired, Inferred, "the details of the row above, alone"),
    text("access_token is invalid", SessionExpired, Inferred, "Account Engagement, error 184"),
    text("invalid access token", SessionExpired, Inferred, "like the row above"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wording_is_reached_by_its_own_words() {
        for wording in known() {
            let found = KNOWN.iter().find(|other| {
                other.code.is_none_or(|code| Some(code) == wording.code)
                    && other
                        .message
                        .is_none_or(|part| wording.message.is_some_and(|text| text.contains(part)))
            });
            assert_eq!(found, Some(wording));
            assert_eq!(verdict(wording.code, wording.message, SessionWords::Believed), Some(wording.verdict));
            assert!(!wording.source.is_empty());
            assert!(
                !wording.message.unwrap_or_default().contains(|letter: char| letter.is_ascii_uppercase())
            );
        }
    }

    #[test]
    fn case_does_not_matter() {
        let (code, text) = ("invalid_session_ID", "THIS SESSION IS NOT VALID FOR USE WITH THE API");
        assert_eq!(verdict(Some(code), Some(text), SessionWords::Coded), Some(SessionNotPermitted));
    }

    #[test]
    fn f150_words_about_the_session_count_where_the_dialect_says_them() {
        let dead = (Some("INVALID_SESSION_ID"), Some("Session expired or invalid"));
        let alone = (None, dead.1);
        let foreign = (Some("CUSTOM"), dead.1);
        for (words, expected) in [
            (SessionWords::Ignored, [None, None, None]),
            (SessionWords::Coded, [Some(SessionExpired), None, None]),
            (SessionWords::Believed, [Some(SessionExpired); 3]),
        ] {
            assert_eq!([dead, alone, foreign].map(|(code, message)| verdict(code, message, words)), expected);
        }
        assert_eq!(verdict(Some("REQUEST_LIMIT_EXCEEDED"), None, SessionWords::Ignored), Some(RateLimited));
    }
}
