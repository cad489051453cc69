//! The causes that a refusal of the token endpoint can have, and what a person does about each.

/// Why the token endpoint refused, as finely as its answer says.
///
/// [`TokenErrorKind`](super::TokenErrorKind) says what a program may do next, this says what has happened. The words
/// that each is recognised by are listed by [`known`](super::known).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenErrorReason {
    // --- passes by itself ---
    /// Another request with the same refresh token is under way.
    RequestInProgress,
    /// The user logged in too often within an hour (3,600 times), or the app asked for too many tokens.
    LoginRateExceeded,
    /// Too many requests: a 429 without words.
    RateLimited,
    /// The user's profile allows no login at this hour.
    LoginHours,
    /// The org or its host is in maintenance.
    Maintenance,
    /// The endpoint, or a gateway before it, could not answer: 406, 408, 425, 5xx, `server_error`.
    Unavailable,

    // --- somebody must change the app, the org or this program's configuration ---
    /// Logins from this machine's address are not allowed.
    IpRestricted,
    /// No app with this consumer key is known here.
    ClientUnknown,
    /// The consumer secret is wrong, or the app does not take this way of authentication.
    ClientCredentialsWrong,
    /// The app is not installed in the org.
    AppNotInstalled,
    /// An administrator blocks the app in the org.
    AppBlocked,
    /// The user is not approved for the app.
    UserNotApproved,
    /// The app may not use this OAuth flow, or the host does not serve it.
    GrantTypeUnsupported,
    /// The host does not serve this grant: client credentials need the org's My Domain.
    DomainUnsupported,
    /// The app's client credentials policy names no user to run as.
    RunAsUserMissing,
    /// The assertion's audience is not the login host.
    AudienceInvalid,
    /// The assertion's signature or claims are wrong.
    AssertionInvalid,
    /// The assertion had expired when it arrived.
    AssertionExpired,
    /// The org does not let apps use its APIs through OAuth.
    ApiDisabled,
    /// The request lacks a parameter, or has one that the app's settings do not allow.
    RequestInvalid,
    /// The token is not known here: an answer of revocation and introspection.
    TokenUnknown,
    /// Revocation and introspection take no token of this type.
    TokenTypeUnsupported,
    /// No org answers at this host: it was deleted, moved, or is not ready yet (a 420 of Salesforce's edge).
    OrgGone,
    /// The answer is not a token endpoint's: of a proxy, a firewall, a login page.
    NotTokenEndpoint,
    /// The host answers with a redirect, which is not followed.
    Redirected,

    // --- the grant has ended ---
    /// The refresh token is unknown: revoked, unused for too long, replaced by a rotation, or pushed out by a newer
    /// approval of the same user, who may have five of one app.
    ExpiredOrRevoked,
    /// The authorisation code was used or is too old.
    AuthorizationCodeExpired,
    /// The user's credentials changed, or the access was revoked.
    AuthenticationFailure,
    /// The user is deactivated or frozen.
    UserInactive,
    /// The org is not active: locked, expired, deleted.
    OrgInactive,
    /// The user's password has expired.
    PasswordExpired,
    /// The user must prove who they are: a code, another factor.
    ChallengeRequired,
}

impl TokenErrorReason {
    /// What a person can do about it, with the page of Setup where there is one; `None` where waiting is all.
    ///
    /// The words behind `Setup:` find the page through Setup's Quick Find box.
    #[must_use]
    pub fn hint(self) -> Option<&'static str> {
        Some(match self {
            Self::RequestInProgress | Self::RateLimited | Self::Maintenance | Self::Unavailable => {
                return None;
            }
            Self::LoginRateExceeded => {
                "find out who logs in so often with this user (Setup: Login History), and give each integration a user \
                 of its own"
            }
            Self::LoginHours => {
                "wait, or allow logins at this hour (Setup: Profiles > the user's profile > Login Hours)"
            }
            Self::IpRestricted => {
                "allow this machine's address in the profile's login IP ranges (Setup: Profiles > the user's profile > \
                 Login IP Ranges), or in the app's IP policy and refresh token allow-list (Setup: External Client App \
                 Manager, or Manage Connected Apps)"
            }
            Self::ClientUnknown => {
                "check the consumer key, and that the login host is this org's (Setup: App Manager > the app > Manage \
                 Consumer Details); a new app needs some minutes"
            }
            Self::ClientCredentialsWrong => {
                "check the consumer key and secret, and that the login host is this org's (Setup: App Manager > the app > \
                 Manage Consumer Details); a new secret needs some minutes"
            }
            Self::AppNotInstalled => {
                "an administrator must install the app in the org (Setup: Connected Apps OAuth Usage > Install, or \
                 External Client App Manager)"
            }
            Self::AppBlocked => {
                "an administrator must unblock the app (Setup: Connected Apps OAuth Usage > Unblock)"
            }
            Self::UserNotApproved => {
                "an administrator must approve the app for this user's profile or a permission set (Setup: Manage \
                 Connected Apps > the app, or External Client App Manager > the app > Policies)"
            }
            Self::GrantTypeUnsupported => {
                "enable this OAuth flow in the app (Setup: App Manager > the app > OAuth settings), and check that the \
                 login host is the org's"
            }
            Self::DomainUnsupported => "use the org's My Domain as the login host (Setup: My Domain)",
            Self::RunAsUserMissing => {
                "name a Run As user in the app's client credentials policy (Setup: External Client App Manager, or \
                 Manage Connected Apps > the app > Policies)"
            }
            Self::AudienceInvalid => {
                "set the audience to the login host: https://login.salesforce.com, https://test.salesforce.com, or the \
                 site"
            }
            Self::AssertionInvalid => {
                "check that the key belongs to the certificate of the app (Setup: App Manager > the app > digital \
                 signatures), and this machine's clock"
            }
            Self::AssertionExpired => "check this machine's clock",
            Self::ApiDisabled => {
                "give the user the API Enabled permission (Setup: Profiles or Permission Sets > System Permissions), and \
                 check that the org's edition has API access"
            }
            Self::RequestInvalid => {
                "compare the request's parameters with the app's OAuth settings (Setup: App Manager > the app)"
            }
            Self::TokenTypeUnsupported => "hand over an access token or a refresh token that this org issued",
            Self::OrgGone => {
                "the org is not at this host: it was deleted, has moved, or is not ready yet (Setup: My Domain shows \
                 where it is)"
            }
            Self::NotTokenEndpoint => {
                "this is no answer of a token endpoint: check the login host and the proxies on the way"
            }
            Self::Redirected => {
                "redirects are not followed; use the host that the org really logs in at, its My Domain (Setup: My Domain)"
            }
            Self::ExpiredOrRevoked | Self::TokenUnknown => {
                "see why the token ended: revoked, unused for too long, or a sixth approval of the same user (Setup: \
                 Connected Apps OAuth Usage, and the app's refresh token policy)"
            }
            Self::AuthorizationCodeExpired => {
                "start the authorisation again: a code works once and not for long"
            }
            Self::AuthenticationFailure => {
                "see whether the password was changed or the access revoked (Setup: Users > the user > Login History)"
            }
            Self::UserInactive => "an administrator must activate or unfreeze the user (Setup: Users)",
            Self::OrgInactive => {
                "the org's owner must ask Salesforce to activate the org (Setup: Company Information)"
            }
            Self::PasswordExpired => {
                "the user must set a new password, or an administrator let it never expire (Setup: Users, Password \
                 Policies)"
            }
            Self::ChallengeRequired => {
                "the user must log in interactively once, from this network (Setup: Identity Verification)"
            }
        })
    }
}
