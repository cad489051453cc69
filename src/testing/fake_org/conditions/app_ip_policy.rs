//! The IP relaxation policy of the connected app.

use std::net::IpAddr;

use super::{super::answers::Answer, Cause, Conditions, Form, Presented, Problem, Wording, addresses, flag};

/// "Enforce IP restrictions" of the connected app: every API request from outside the allowed addresses is refused,
/// whatever its session, so that no refresh heals it.
///
/// Without [`allowing`](Self::allowing) no address is allowed. Tokens are still issued; combine it with
/// [`RefreshIpAllowlist`](super::RefreshIpAllowlist) to have refreshes refused as well.
///
/// *Recorded*: the policy (help on IP relaxation); jsforce counts it among the causes of
/// [`Wording::NotValid`]. *Reported*: that text, cured by "Relax IP restrictions" (nango #4344). *Inferred*: that the
/// identity URL refuses too.
#[derive(Clone, Debug, Default)]
#[must_use = "a condition does nothing until it is imposed"]
pub struct AppIpPolicy {
    allowed: Vec<IpAddr>,
    wording: Wording,
    identity_served: bool,
}

impl AppIpPolicy {
    /// The policy, with no address allowed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an address that API requests may come from.
    pub fn allowing(mut self, address: impl Into<IpAddr>) -> Self {
        self.allowed.push(address.into());
        self
    }

    /// How a request from elsewhere is refused.
    pub fn wording(mut self, wording: Wording) -> Self {
        self.wording = wording;
        self
    }

    /// The identity URL and userinfo are served from everywhere.
    pub fn identity_served(mut self) -> Self {
        self.identity_served = true;
        self
    }
}

impl Cause for AppIpPolicy {
    fn slot(conditions: &mut Conditions) -> &mut Option<Self> {
        &mut conditions.app_ip_policy
    }

    fn from_query(query: &Form) -> Result<Self, Problem> {
        Ok(Self {
            allowed: addresses(query, "allowing")?,
            wording: Wording::from_query(query)?,
            identity_served: flag(query, "identity_served")?,
        })
    }

    fn refusal(&self, presented: &Presented<'_>) -> Option<Answer> {
        let spared = presented.to_identity() && self.identity_served;
        let allowed = spared || self.allowed.contains(&presented.places.api);
        (!allowed).then(|| self.wording.refusal(presented))
    }
}
