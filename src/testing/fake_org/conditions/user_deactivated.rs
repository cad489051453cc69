//! A user who may not log in any more.

use std::net::IpAddr;

use super::{
    super::{answers::Answer, state::Sessions},
    Asked, Cause, Conditions, Form, Places, Presented, Problem, Refusal, flag,
};

/// The user is deactivated or frozen: all sessions end at once, and no grant gives a token. When it is lifted, refresh
/// tokens work again.
///
/// *Reported*: 400 `invalid_grant`, `inactive user` (Marketo's diagnostics page); `inactive_user` as the `error` is
/// known from a header of the Mobile SDK for iOS. *Inferred*: that refresh tokens outlive it.
#[derive(Clone, Debug, Default)]
#[must_use = "a condition does nothing until it is imposed"]
pub struct UserDeactivated {
    as_error: bool,
}

impl UserDeactivated {
    /// The user is deactivated.
    pub fn new() -> Self {
        Self::default()
    }

    /// Token requests get `inactive_user`, `user is inactive` in place of `invalid_grant`, `inactive user`.
    pub fn as_error(mut self) -> Self {
        self.as_error = true;
        self
    }
}

impl Cause for UserDeactivated {
    fn slot(conditions: &mut Conditions) -> &mut Option<Self> {
        &mut conditions.user_deactivated
    }

    fn from_query(query: &Form) -> Result<Self, Problem> {
        Ok(Self { as_error: flag(query, "as_error")? })
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
        let (error, description) = if self.as_error {
            ("inactive_user", "user is inactive")
        } else {
            ("invalid_grant", "inactive user")
        };
        Some(Refusal(error, description.to_owned()))
    }
}
