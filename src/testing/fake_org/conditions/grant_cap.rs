//! How many grants of one app a user may have.

use super::{super::control::number, Cause, Conditions, Form, Problem, flag};

/// How many grants a user may have of one app: one more revokes the oldest, its refresh token and its sessions.
///
/// Every consent is one grant ([`FakeOrg::issue_token_response`](crate::testing::FakeOrg::issue_token_response) and its
/// like). A refresh is none, it goes on with the grant that it belongs to. A JWT bearer or client credentials request is
/// one with [`counting_sessions`](Self::counting_sessions) only. Grants over the cap that were there before are revoked
/// at the next one. A cap of 1 lets two processes evict each other that consent by turns.
///
/// *Recorded*: five, and that the oldest is revoked (documentation of Oracle Integration). *Inferred*: that refreshes do
/// not count; whether the grants without a refresh token do is not known. Their requests after the eviction are refused
/// as those of any revoked grant: `expired access/refresh token`.
#[derive(Clone, Debug)]
#[must_use = "a condition does nothing until it is imposed"]
pub struct GrantCap {
    pub(in super::super) most: usize,
    pub(in super::super) counting_sessions: bool,
}

impl GrantCap {
    /// Five, as Salesforce has it.
    pub fn new() -> Self {
        Self::of(5)
    }

    /// Another number of grants; 0 is taken for 1.
    pub fn of(most: usize) -> Self {
        Self { most: most.max(1), counting_sessions: false }
    }

    /// Sessions that were started without a refresh token, by the grants JWT bearer and client credentials, count as
    /// well while they live.
    pub fn counting_sessions(mut self) -> Self {
        self.counting_sessions = true;
        self
    }
}

impl Default for GrantCap {
    fn default() -> Self {
        Self::new()
    }
}

impl Cause for GrantCap {
    fn slot(conditions: &mut Conditions) -> &mut Option<Self> {
        &mut conditions.grant_cap
    }

    fn from_query(query: &Form) -> Result<Self, Problem> {
        let most = match number(query, "most")? {
            None => return Ok(Self { counting_sessions: flag(query, "counting_sessions")?, ..Self::new() }),
            Some(most) => usize::try_from(most).map_err(|_| Problem::Malformed("most"))?,
        };
        Ok(Self { counting_sessions: flag(query, "counting_sessions")?, ..Self::of(most) })
    }
}
