//! Sessions that are locked to an address.

use std::net::IpAddr;

use super::{super::answers::Answer, Cause, Conditions, Form, Places, Presented, Problem, Wording, flag};

/// "Lock sessions to the IP address from which they originated": an API request that comes from another address than
/// the session's token request did is refused.
///
/// [`FakeOrg::place_clients`](crate::testing::FakeOrg::place_clients) tells where clients are. A refresh heals a client
/// that has moved, because its new session is locked to the new address; it heals nothing for a client whose API
/// requests leave by another address than its token requests. Sessions that were started before the lock was imposed
/// are locked as well.
///
/// *Recorded*: the setting, and that calls are blocked (Streaming API guide). *Inferred*: everything about the answer.
/// By default it is [`Wording::NotValid`], the identity URL refuses too, and introspection says that the session is
/// active, which it is.
#[derive(Clone, Debug, Default)]
#[must_use = "a condition does nothing until it is imposed"]
pub struct IpLock {
    wording: Wording,
    introspection_inactive: bool,
    identity_served: bool,
}

impl IpLock {
    /// The lock, with the answers of the default.
    pub fn new() -> Self {
        Self::default()
    }

    /// How a request from elsewhere is refused.
    pub fn wording(mut self, wording: Wording) -> Self {
        self.wording = wording;
        self
    }

    /// Introspection says `{"active":false}` of a session that its client cannot use from where it is.
    pub fn introspection_inactive(mut self) -> Self {
        self.introspection_inactive = true;
        self
    }

    /// The identity URL and userinfo are served from everywhere.
    pub fn identity_served(mut self) -> Self {
        self.identity_served = true;
        self
    }
}

impl Cause for IpLock {
    fn slot(conditions: &mut Conditions) -> &mut Option<Self> {
        &mut conditions.ip_lock
    }

    fn from_query(query: &Form) -> Result<Self, Problem> {
        Ok(Self {
            wording: Wording::from_query(query)?,
            introspection_inactive: flag(query, "introspection_inactive")?,
            identity_served: flag(query, "identity_served")?,
        })
    }

    fn refusal(&self, presented: &Presented<'_>) -> Option<Answer> {
        let elsewhere = presented.started_from != presented.places.api;
        let spared = presented.to_identity() && self.identity_served;
        (elsewhere && !spared).then(|| self.wording.refusal(presented))
    }

    fn hides(&self, started_from: IpAddr, places: Places) -> bool {
        self.introspection_inactive && started_from != places.api
    }
}
