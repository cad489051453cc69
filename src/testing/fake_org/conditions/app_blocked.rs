//! An app that is not served any more.

use std::net::IpAddr;

use super::{
    super::{answers::Answer, state::Sessions},
    Asked, Cause, Conditions, Form, Places, Presented, Problem, Refusal,
};

/// The connected app is blocked, uninstalled or deleted: all sessions end at once, and no grant gives a token. When it
/// is lifted, refresh tokens work again.
///
/// *Inferred*: that refresh tokens outlive it, and which of the token endpoint's errors belongs to which event; the
/// errors themselves are recorded or reported.
#[derive(Clone, Debug)]
#[must_use = "a condition does nothing until it is imposed"]
pub struct AppBlocked {
    error: &'static str,
    description: &'static str,
}

impl AppBlocked {
    /// An admin blocks the app: `OAUTH_APP_BLOCKED`, `this app is blocked by admin` (reported of the redirect that ends
    /// a login, inferred for the token endpoint).
    pub fn by_admin() -> Self {
        Self { error: "OAUTH_APP_BLOCKED", description: "this app is blocked by admin" }
    }

    /// The app is uninstalled: `invalid_client`, `app must be installed into org` (reported).
    pub fn uninstalled() -> Self {
        Self { error: "invalid_client", description: "app must be installed into org" }
    }

    /// The external client app is uninstalled: `invalid_grant`, `External client app is not installed in this org`
    /// (the text is reported, the `error` inferred).
    pub fn external_app_uninstalled() -> Self {
        Self { error: "invalid_grant", description: "External client app is not installed in this org" }
    }

    /// The app is deleted, or its consumer key exchanged: `invalid_client_id`, `client identifier invalid` (recorded).
    pub fn deleted() -> Self {
        Self { error: "invalid_client_id", description: "client identifier invalid" }
    }
}

impl Cause for AppBlocked {
    fn slot(conditions: &mut Conditions) -> &mut Option<Self> {
        &mut conditions.app_blocked
    }

    fn from_query(query: &Form) -> Result<Self, Problem> {
        Ok(match query.get("how") {
            None | Some("by-admin") => Self::by_admin(),
            Some("uninstalled") => Self::uninstalled(),
            Some("external-app-uninstalled") => Self::external_app_uninstalled(),
            Some("deleted") => Self::deleted(),
            Some(_) => return Err(Problem::Malformed("how")),
        })
    }

    fn begin(&self, sessions: &mut Sessions) {
        sessions.expire_all();
    }

    /// For what the test issues meanwhile.
    fn refusal(&self, presented: &Presented<'_>) -> Option<Answer> {
        Some(presented.dialect.dead_session(presented.head))
    }

    fn hides(&self, _started_from: IpAddr, _places: Places) -> bool {
        true
    }

    fn token_refusal(&self, _asked: &Asked) -> Option<Refusal> {
        Some(Refusal(self.error, self.description.to_owned()))
    }
}
