//! The root causes, and how sure a diagnosis is of one.

use std::fmt;

use super::{advice::Advice, evidence::Evidence};

/// Why a request was refused, or could not be sent: the root, not the symptom.
///
/// The first six are what Salesforce answers `INVALID_SESSION_ID` for. The others look like them to a client that reads
/// the status alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The session has reached its time-out.
    Expired,
    /// The request went to a host that is not, or is no longer, the org's.
    WrongInstanceUrl,
    /// The session, the app or the refresh token may be used from certain IP addresses only.
    IpLocked,
    /// The org lets only approved apps use its APIs, or only approved users use this app, and this one is not approved.
    ApiAccessControl,
    /// The grant was revoked: by the user, by an admin, by a changed password, or by the sixth approval of one app.
    Revoked,
    /// The org is in maintenance or in read-only mode.
    Maintenance,
    /// The app did not ask for the scope `api`.
    MissingScope,
    /// Salesforce refuses the app itself: its key, its secret or its configuration.
    ClientRejected,
    /// The user's password has expired.
    PasswordExpired,
    /// The user or the org's edition lacks a permission.
    PermissionMissing,
    /// A limit is reached.
    LimitReached,
    /// The credentials are malformed as they arrive: a layer below or a proxy rewrites them.
    MalformedCredentials,
    /// The API does not take access tokens of this format.
    TokenFormat,
    /// The session is let in elsewhere: what stands behind this path refuses by itself, such as an Apex class that
    /// passes on another system's answer, or a resource that is not for guests.
    ResourceRefuses,
    /// Not Salesforce answered but something before it: a proxy, a firewall, a captive portal.
    Intermediary,
    /// The fault is on this side: the store, the network, the configuration. The error says which.
    Local,
    /// Nothing that is known points to a cause.
    Unknown,
}

impl Cause {
    /// A stable name for logs, alerts and JSON: `expired`, `wrong_instance_url`, `ip_locked`, `api_access_control`,
    /// `revoked`, `maintenance`, `missing_scope`, `client_rejected`, `password_expired`, `permission_missing`,
    /// `limit_reached`, `malformed_credentials`, `token_format`, `resource_refuses`, `intermediary`, `local`, `unknown`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::WrongInstanceUrl => "wrong_instance_url",
            Self::IpLocked => "ip_locked",
            Self::ApiAccessControl => "api_access_control",
            Self::Revoked => "revoked",
            Self::Maintenance => "maintenance",
            Self::MissingScope => "missing_scope",
            Self::ClientRejected => "client_rejected",
            Self::PasswordExpired => "password_expired",
            Self::PermissionMissing => "permission_missing",
            Self::LimitReached => "limit_reached",
            Self::MalformedCredentials => "malformed_credentials",
            Self::TokenFormat => "token_format",
            Self::ResourceRefuses => "resource_refuses",
            Self::Intermediary => "intermediary",
            Self::Local => "local",
            Self::Unknown => "unknown",
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn advice(self) -> Advice {
        Advice::on(self)
    }
}

/// The cause as half a sentence.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "the session reached its time-out",
            Self::WrongInstanceUrl => "the host is not, or is no longer, the org's",
            Self::IpLocked => "an IP restriction: the session may not be used from this address",
            Self::ApiAccessControl => {
                "API Access Control: the org does not let this app, or this user of the app, use its APIs"
            }
            Self::Revoked => "the grant was revoked",
            Self::Maintenance => "the org is in maintenance or in read-only mode",
            Self::MissingScope => "the app did not ask for the scope `api`",
            Self::ClientRejected => "Salesforce refuses the app's own key, secret or configuration",
            Self::PasswordExpired => "the user's password has expired",
            Self::PermissionMissing => "the user, or the org's edition, lacks a permission",
            Self::LimitReached => "a limit is reached",
            Self::MalformedCredentials => "the credentials are malformed when they arrive",
            Self::TokenFormat => "this API does not take access tokens of this format",
            Self::ResourceRefuses => "the resource refuses by itself: the session is let in elsewhere",
            Self::Intermediary => "not Salesforce answered but a proxy or firewall before it",
            Self::Local => "the fault is on this side: the store, the network or the configuration",
            Self::Unknown => "unknown",
        })
    }
}

/// How sure a diagnosis is of a cause.
///
/// `High` is kept for what Salesforce says in so many words. Where it answers alike for several causes the likeliest of
/// them is `Medium`, however suggestive the circumstances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Confidence {
    /// Possible.
    Low,
    /// Likely.
    Medium,
    /// As good as certain.
    High,
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        })
    }
}

/// A cause, how sure it is, and what speaks for it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RankedCause {
    /// The cause.
    pub cause: Cause,
    /// How sure the diagnosis is of it.
    pub confidence: Confidence,
    /// What speaks for it.
    pub because: Vec<Evidence>,
}
