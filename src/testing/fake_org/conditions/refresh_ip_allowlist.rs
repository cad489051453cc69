//! The allow-list of addresses that refresh tokens may be used from.

use std::net::IpAddr;

use super::{Asked, Cause, Conditions, Form, Problem, Refusal, addresses};

/// The refresh token IP allow-list of an app: a refresh from outside it is refused, and its refresh token stays good.
///
/// Without [`allowing`](Self::allowing) no address is allowed. Living sessions go on, and the other grants are not
/// concerned.
///
/// *Reported*: 400 `invalid_grant`, `ip restricted by app developer` (composio's documentation). `ip restricted` without
/// more, of a profile's login IP ranges, is known from a header of the Mobile SDK for iOS.
#[derive(Clone, Debug)]
#[must_use = "a condition does nothing until it is imposed"]
pub struct RefreshIpAllowlist {
    allowed: Vec<IpAddr>,
    description: String,
}

impl RefreshIpAllowlist {
    /// The list, with no address on it.
    pub fn new() -> Self {
        Self { allowed: Vec::new(), description: "ip restricted by app developer".to_owned() }
    }

    /// Adds an address to the list.
    pub fn allowing(mut self, address: impl Into<IpAddr>) -> Self {
        self.allowed.push(address.into());
        self
    }

    /// The `error_description` of the refusal.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }
}

impl Default for RefreshIpAllowlist {
    fn default() -> Self {
        Self::new()
    }
}

impl Cause for RefreshIpAllowlist {
    fn slot(conditions: &mut Conditions) -> &mut Option<Self> {
        &mut conditions.refresh_ip_allowlist
    }

    fn from_query(query: &Form) -> Result<Self, Problem> {
        let list = Self { allowed: addresses(query, "allowing")?, ..Self::new() };
        Ok(match query.get("description") {
            Some(description) => list.description(description),
            None => list,
        })
    }

    fn token_refusal(&self, asked: &Asked) -> Option<Refusal> {
        let refused = asked.refresh && !self.allowed.contains(&asked.places.tokens);
        refused.then(|| Refusal("invalid_grant", self.description.clone()))
    }
}
