//! The words that the token endpoint refuses in, as a table.

use super::reason::TokenErrorReason;
use crate::refusal::Certainty;

/// Words that the token endpoint refuses with, and what they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wording {
    /// `error`, whatever its case; `None` stands for every code.
    pub code: Option<&'static str>,
    /// What `error_description` contains, whatever its case (here in lower case); `None` stands for every description, and for none.
    pub description: Option<&'static str>,
    /// What it means.
    pub reason: TokenErrorReason,
    /// How sure that is.
    pub certainty: Certainty,
    /// Where it is documented or was met.
    pub source: &'static str,
}

/// Every wording that is known, in the order in which they are tried: the first that fits counts.
///
/// `expired authorization code` has three meanings: on a refresh token grant another request was under way (until
/// Winter '25), on JWT bearer the assertion has expired, on an authorisation code it says what it means.
#[must_use]
pub fn known() -> &'static [Wording] {
    KNOWN
}

/// What these words mean, if they are known.
pub(super) fn reason(code: &str, description: &str) -> Option<TokenErrorReason> {
    let description = description.to_ascii_lowercase();
    let fits = |wording: &&Wording| {
        wording.code.is_none_or(|known| code.eq_ignore_ascii_case(known))
            && wording.description.is_none_or(|part| description.contains(part))
    };
    KNOWN.iter().find(fits).map(|wording| wording.reason)
}

const fn text(
    description: &'static str,
    reason: TokenErrorReason,
    certainty: Certainty,
    source: &'static str,
) -> Wording {
    Wording { code: None, description: Some(description), reason, certainty, source }
}

const fn code(
    code: &'static str,
    reason: TokenErrorReason,
    certainty: Certainty,
    source: &'static str,
) -> Wording {
    Wording { code: Some(code), description: None, reason, certainty, source }
}

/// The page "OAuth 2.0 Authorization Errors" (`remoteaccess_oauth_flow_errors`).
const HELP: &str = "Salesforce Help, OAuth 2.0 Authorization Errors";
/// The names and texts that the login history and event log files have for the same refusals.
const LOGIN_STATUS: &str = "EventLogFile reference, LOGIN_STATUS";
/// The constants of Salesforce's own client.
const MOBILE_SDK: &str = "SalesforceMobileSDK-iOS, SFSDKOAuth2";
const MARKETO: &str = "Marketo Sales Insight, Salesforce diagnostics";
const ADMIN_APPROVED: &str = "recorded of apps whose users an administrator approves";
const REVOKING: &str = "Mobile SDK Development Guide, Revoking OAuth Tokens";
const RFC6749: &str = "RFC 6749, section 5.2";

use Certainty::{Inferred, Recorded, Reported};
use TokenErrorReason::{
    ApiDisabled, AppBlocked, AppNotInstalled, AssertionInvalid, AudienceInvalid, AuthenticationFailure,
    AuthorizationCodeExpired, ChallengeRequired, ClientCredentialsWrong, ClientUnknown, DomainUnsupported,
    ExpiredOrRevoked, GrantTypeUnsupported, IpRestricted, LoginHours, LoginRateExceeded, Maintenance,
    OrgInactive, PasswordExpired, RequestInProgress, RequestInvalid, RunAsUserMissing, TokenTypeUnsupported,
    TokenUnknown, Unavailable, UserInactive, UserNotApproved,
};

// The description is the more exact half of an answer: one `invalid_grant` covers everything from "wait a second" to
// "never again". An `invalid_grant` in other words has no row: it is taken as final, its reason stays unknown.
#[rustfmt::skip]
static KNOWN: &[Wording] = &[
    text("token request is already being processed", RequestInProgress, Recorded, "Salesforce release notes, Winter '25"),
    text("expired authorization code", AuthorizationCodeExpired, Recorded, "Salesforce release notes, Summer '24 and Winter '25"),
    text("retry your request", Unavailable, Recorded, "forcedotcom/datacloud-jdbc, ShadedJarIntegrationTest"),
    text("login rate exceeded", LoginRateExceeded, Reported, "restforce; login status LOGIN_ERROR_RATE_EXCEEDED"),
    text("get access token limit exceeded", LoginRateExceeded, Reported, "login status LOGIN_OAUTH_EXCEED_GET_AT_LMT"),
    text("invalid login hours", LoginHours, Inferred, MOBILE_SDK),
    text("organization is in maintenance", Maintenance, Inferred, LOGIN_STATUS),

    // Before "ip restricted": the Mobile SDK joins the two in one text.
    text("expired access/refresh token", ExpiredOrRevoked, Recorded, "restforce, refresh_error_response; airbyte issue 82783"),

    // "ip restricted by app developer" is the refresh token allow-list, the rest the login IP ranges.
    text("ip restricted", IpRestricted, Reported, MOBILE_SDK),
    text("ip address not allowed", IpRestricted, Inferred, LOGIN_STATUS),
    text("app must be installed into org", AppNotInstalled, Reported, "the authorisation page since September 2025"),
    text("app is not installed", AppNotInstalled, Inferred, "the same of external client apps"),
    text("package for this consumer is not installed", AppNotInstalled, Inferred, LOGIN_STATUS),
    text("app is blocked by admin", AppBlocked, Reported, "the redirect that ends a login to a blocked app"),
    text("not admin approved", UserNotApproved, Recorded, ADMIN_APPROVED),
    text("hasn't approved this consumer", UserNotApproved, Recorded, "simple-salesforce, test_login"),
    text("oauth api access disabled", ApiDisabled, Inferred, LOGIN_STATUS),
    text("audience is invalid", AudienceInvalid, Recorded, "recorded of a JWT bearer request"),
    text("invalid assertion", AssertionInvalid, Recorded, "simple-salesforce, test_login"),
    text("request not supported on this domain", DomainUnsupported, Reported, "pozil/pub-sub-api-node-client issue 58"),
    text("no client credentials user enabled", RunAsUserMissing, Reported, "told by many who set the flow up"),
    text("client identifier invalid", ClientUnknown, Recorded, "simple-salesforce, test_login"),
    text("invalid client credentials", ClientCredentialsWrong, Recorded, MOBILE_SDK),

    // Also "authentication failure - Invalid Password".
    text("authentication failure", AuthenticationFailure, Recorded, "forcedotcom/datacloud-jdbc; restforce"),
    text("inactive user", UserInactive, Reported, MARKETO),
    text("inactive organization", OrgInactive, Reported, MARKETO),
    text("password expired", PasswordExpired, Reported, "told of refreshes"),
    text("challenge required", ChallengeRequired, Reported, "told of refreshes"),

    code("invalid_client_id", ClientUnknown, Recorded, "simple-salesforce, test_login"),
    code("invalid_client", ClientCredentialsWrong, Recorded, RFC6749),
    code("invalid_client_credentials", ClientCredentialsWrong, Reported, MOBILE_SDK),
    code("invalid_app_access", UserNotApproved, Recorded, ADMIN_APPROVED),
    code("OAUTH_APP_BLOCKED", AppBlocked, Reported, "the redirect that ends a login to a blocked app"),
    code("unauthorized_client", GrantTypeUnsupported, Recorded, RFC6749),
    code("unsupported_grant_type", GrantTypeUnsupported, Recorded, HELP),
    code("redirect_uri_mismatch", RequestInvalid, Recorded, HELP),
    code("invalid_request", RequestInvalid, Recorded, HELP),
    code("invalid_scope", RequestInvalid, Inferred, RFC6749),
    code("inactive_user", UserInactive, Reported, MOBILE_SDK),
    code("inactive_org", OrgInactive, Reported, MOBILE_SDK),
    code("rate_limit_exceeded", LoginRateExceeded, Reported, MOBILE_SDK),
    code("server_error", Unavailable, Inferred, "RFC 6749, section 4.1.2.1"),
    code("temporarily_unavailable", Unavailable, Inferred, "RFC 6749, section 4.1.2.1"),

    // Revocation.
    code("invalid_token", TokenUnknown, Recorded, REVOKING),
    code("unsupported_token_type", TokenTypeUnsupported, Recorded, REVOKING),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wording_is_reached_by_its_own_words_in_any_case() {
        for wording in known() {
            let (code, description) =
                (wording.code.unwrap_or("invalid_grant"), wording.description.unwrap_or_default());
            for (code, description) in [
                (code.to_owned(), description.to_owned()),
                (code.to_ascii_uppercase(), format!("Failed: {}!", description.to_ascii_uppercase())),
            ] {
                assert_eq!(reason(&code, &description), Some(wording.reason), "{code} {description}");
            }
            assert!(!wording.source.is_empty());
        }
    }

    #[test]
    fn the_description_counts_before_the_code() {
        assert_eq!(reason("invalid_client", "app must be installed into org"), Some(AppNotInstalled));
        assert_eq!(reason("invalid_client", "words that nobody has seen yet"), Some(ClientCredentialsWrong));
        assert_eq!(
            reason("invalid_grant", "expired access/refresh token, or IP restricted"),
            Some(ExpiredOrRevoked)
        );
    }

    #[test]
    fn unknown_words_have_no_reason() {
        for (code, description) in [
            ("invalid_grant", "words that nobody has seen yet"),
            ("invalid_grant", ""),
            ("a_code_of_tomorrow", ""),
        ] {
            assert_eq!(reason(code, description), None, "{code} {description}");
        }
    }
}
