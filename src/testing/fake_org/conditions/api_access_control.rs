//! API Access Control.

use super::{super::answers::Answer, Asked, Cause, Conditions, Form, Presented, Problem, Refusal, Wording};

/// API Access Control: the application is not on the org's allow-list, and every API request of every session is
/// refused from the first.
///
/// OAuth goes on: tokens are issued, the identity URL and introspection are served. [`app_not_installed`] and
/// [`user_not_approved`] have the token endpoint refuse as well.
///
/// *Recorded*: [`Wording::NotValid`], and that changes of an app's policies lead to it (jsforce). *Reported*: that API
/// Access Control does (autoRABIT's manual); 403 `CLIENT_NOT_ACCESSIBLE_FOR_USER` of an application that is no longer
/// allowed, for [`Wording::Error`].
///
/// [`app_not_installed`]: Self::app_not_installed
/// [`user_not_approved`]: Self::user_not_approved
#[derive(Clone, Debug, Default)]
#[must_use = "a condition does nothing until it is imposed"]
pub struct ApiAccessControl {
    wording: Wording,
    /// `error` and `error_description` of every token request.
    tokens: Option<(&'static str, &'static str)>,
}

impl ApiAccessControl {
    /// The policy, with tokens issued as ever.
    pub fn new() -> Self {
        Self::default()
    }

    /// How API requests are refused.
    pub fn wording(mut self, wording: Wording) -> Self {
        self.wording = wording;
        self
    }

    /// Token requests get 400 `invalid_client`, `app must be installed into org` (recorded on the page that a login is
    /// sent to, reported of the token endpoint).
    pub fn app_not_installed(mut self) -> Self {
        self.tokens = Some(("invalid_client", "app must be installed into org"));
        self
    }

    /// Token requests get 400 `invalid_app_access`, `user is not admin approved to access this app` (recorded).
    pub fn user_not_approved(mut self) -> Self {
        self.tokens = Some(("invalid_app_access", "user is not admin approved to access this app"));
        self
    }
}

impl Cause for ApiAccessControl {
    fn slot(conditions: &mut Conditions) -> &mut Option<Self> {
        &mut conditions.api_access_control
    }

    fn from_query(query: &Form) -> Result<Self, Problem> {
        let policy = Self::new().wording(Wording::from_query(query)?);
        match query.get("tokens") {
            None => Ok(policy),
            Some("app-not-installed") => Ok(policy.app_not_installed()),
            Some("user-not-approved") => Ok(policy.user_not_approved()),
            Some(_) => Err(Problem::Malformed("tokens")),
        }
    }

    fn refusal(&self, presented: &Presented<'_>) -> Option<Answer> {
        (!presented.to_identity()).then(|| self.wording.refusal(presented))
    }

    fn token_refusal(&self, _asked: &Asked) -> Option<Refusal> {
        self.tokens.map(|(error, description)| Refusal(error, description.to_owned()))
    }
}
