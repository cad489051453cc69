//! What an org has seen.

/// What a [`FakeOrg`](super::FakeOrg) has seen since it was started.
///
/// A request is counted when its head has arrived, before it waits at a [`Gate`](super::Gate) and whatever is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Requests to anything but the token, revocation and introspection endpoints: data, identity, Bulk, SOAP.
    pub requests: u64,
    /// Those of [`requests`](Self::requests) that were not let in: a dead or missing session, a host that the org has
    /// left, a [condition](super::conditions), a scripted refusal.
    pub refused: u64,
    /// Those of [`refused`](Self::refused) whose session lived: a condition refused it.
    pub living_sessions_refused: u64,
    /// Requests of any kind, token requests included, that an
    /// [`Intermediary`](super::conditions::Intermediary) or a [`Maintenance`](super::conditions::Maintenance) page
    /// answered.
    pub pages: u64,
    /// Requests that carried no credentials where some are needed.
    pub unauthenticated: u64,
    /// Requests whose credentials could not be read: two `Authorization` headers, another scheme, stray characters.
    pub malformed_credentials: u64,
    /// Requests that carried an access token of another org. Never seen from a client that keeps its orgs apart.
    pub foreign_tokens: u64,
    /// Requests that arrived at a host after the org had left it, or at a login host that is none of its own.
    pub left_host_requests: u64,
    /// The most [`requests`](Self::requests) that were under way at once.
    pub max_concurrent_requests: u64,
    /// Requests to the token endpoint.
    pub token_requests: u64,
    /// Token requests that were refused, by the rules or by a script.
    pub token_requests_refused: u64,
    /// The most token requests that were under way at once.
    pub max_concurrent_token_requests: u64,
    /// Token answers that carried a new access token, also those that were then lost on the way by a script.
    pub tokens_issued: u64,
    /// Refresh tokens that were presented after they had been spent.
    pub refresh_tokens_reused: u64,
    /// Grants that were revoked because one of their spent refresh tokens was presented again.
    pub families_revoked: u64,
    /// Grants that were revoked because of a [`GrantCap`](super::conditions::GrantCap).
    pub grants_evicted: u64,
    /// Requests to the revocation endpoint.
    pub revocations: u64,
    /// Requests to the introspection endpoint.
    pub introspections: u64,
    /// TCP connections that were accepted.
    pub connections: u64,
}
