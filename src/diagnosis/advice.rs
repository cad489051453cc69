//! What a person can do about a cause.

use super::cause::Cause;

/// What can be done about a [`Cause`], and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Advice {
    /// What helps: time, a refresh, or a person.
    pub remedy: Remedy,
    /// What the app's owner can do.
    pub owner: &'static str,
    /// What the org's admin can do.
    pub admin: &'static str,
    /// Where in the org's Setup, if there is such a place.
    pub setup: Option<&'static str>,
}

/// What helps against a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Remedy {
    /// It passes by itself.
    Wait,
    /// The next refresh, which the layer makes by itself.
    Refresh,
    /// Neither: a person must change something.
    Person,
}

impl Remedy {
    /// A stable name: `wait`, `refresh` or `person`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Refresh => "refresh",
            Self::Person => "person",
        }
    }
}

impl Advice {
    /// Names of pages and switches are those of Salesforce Help on session settings, connected apps, API Access
    /// Control, OAuth usage and login history.
    pub(super) fn on(cause: Cause) -> Self {
        use Remedy::{Person, Refresh, Wait};
        let (remedy, owner, admin, setup) = match cause {
            Cause::Expired => (
                Refresh,
                "nothing, the session is refreshed as soon as the token endpoint lets it",
                "nothing; if sessions end too early for the work at hand, a longer time-out helps",
                Some("Setup > Security > Session Settings, Timeout Value"),
            ),
            Cause::WrongInstanceUrl => (
                Refresh,
                "send relative URIs, so that requests follow the org; check that the login host is the org's (production, \
                 sandbox or My Domain) and that no host is configured by hand",
                "tell the app's owner the org's My Domain URL, above all after a move, a sandbox refresh or a rename",
                Some("Setup > Company Settings > My Domain"),
            ),
            Cause::IpLocked => (
                Person,
                "let API calls and token requests leave by the same addresses, and tell the admin which those are",
                "allow the app's addresses: relax the app's IP restrictions, add them to the profile's login IP ranges, \
                 or do not lock sessions to the address they began at",
                Some(
                    "Setup > Security > Session Settings, Lock sessions to the IP address from which they originated; Setup > \
                     Apps > Connected Apps > Manage Connected Apps, IP Relaxation; Setup > Users > Profiles, Login IP Ranges",
                ),
            ),
            Cause::ApiAccessControl => (
                Person,
                "ask the org's admin to approve the app; no new session changes anything before that",
                "install the app if it is not, and give its users access to it, by profile or permission set",
                Some(
                    "Setup > Security > API Access Control; Setup > Apps > Connected Apps > Manage Connected Apps (or External \
                     Client Apps), Permitted Users",
                ),
            ),
            Cause::Revoked => (
                Person,
                "let the customer connect again, then install the new consent with `Session::reconnect`; a grant that no \
                 person gave comes back as soon as its user may use the app again. If this recurs, let all processes \
                 share one token store: the sixth approval of one user and app revokes the first",
                "see whether the user is active and may use the app, and in the login history who revoked it",
                Some(
                    "Setup > Apps > Connected Apps > Connected Apps OAuth Usage; Setup > Identity > Login History",
                ),
            ),
            Cause::Maintenance => (
                Wait,
                "wait, and hold writes back; reads may work meanwhile",
                "see the org's instance on Salesforce Trust for the end of the maintenance",
                None,
            ),
            Cause::MissingScope => (
                Person,
                "ask for the scopes `api` and `refresh_token` and let the customer connect again: a refresh keeps the old scopes",
                "allow the app the scope \"Manage user data via APIs (api)\"",
                Some("Setup > Apps > App Manager, the app's OAuth settings"),
            ),
            Cause::ClientRejected => (
                Person,
                "check consumer key, secret, audience and grant type; a new app takes some minutes to become known",
                "check that the app still exists, is not blocked and allows this flow",
                Some(
                    "Setup > Apps > App Manager; Setup > Apps > Connected Apps > Connected Apps OAuth Usage",
                ),
            ),
            Cause::PasswordExpired => (
                Person,
                "tell the user",
                "let the user set a new password, or give integration users a profile whose passwords do not expire",
                Some("Setup > Users > Profiles, Password Policies"),
            ),
            Cause::PermissionMissing => (
                Person,
                "see which permission the code names, and ask for it",
                "give the user the permission (`API Enabled` before all), or enable the feature for the org",
                Some("Setup > Users > Permission Sets"),
            ),
            Cause::LimitReached => (
                Wait,
                "send less at once, and spread the work: daily limits count 24 hours back",
                "see who uses the org's API requests up; more of them can be bought",
                Some("Setup > Environments > System Overview, API Usage"),
            ),
            Cause::MalformedCredentials => (
                Person,
                "look for whatever changes headers between this layer and Salesforce: another layer, a proxy",
                "nothing",
                None,
            ),
            Cause::TokenFormat => (
                Person,
                "use the access token format that this API asks for, JWT or opaque",
                "set the app's access token format",
                Some("Setup > Apps > App Manager, the app's OAuth settings"),
            ),
            Cause::ResourceRefuses => (
                Person,
                "look at what stands behind this path: an Apex class may pass on another system's 401, and guests may not use \
                 every resource",
                "read the debug log of the user while the path is asked",
                Some("Setup > Environments > Logs > Debug Logs"),
            ),
            Cause::Intermediary => (
                Person,
                "find out who answered: a corporate proxy, a firewall, a captive portal; let it pass Salesforce's hosts",
                "nothing",
                None,
            ),
            Cause::Local => (
                Person,
                "see the error: it names the store, the network or the setting that failed",
                "nothing",
                None,
            ),
            Cause::Unknown => (
                Person,
                "try `Session::diagnose`, which asks Salesforce about the session; keep this text for support",
                "compare with the login history and the event log at the time of the request",
                Some("Setup > Identity > Login History"),
            ),
        };
        Self { remedy, owner, admin, setup }
    }
}
