//! The handle on an org: what a test holds.

use std::{fmt, io, net::IpAddr, sync::Arc, time::Duration};

use super::{
    builder::FakeOrgBuilder,
    conditions::Condition,
    counters::Counters,
    faults::{ApiAnswer, Script, TokenAnswer},
    gate::Gate,
    org::Org,
    revocation::Revocation,
    token,
};

/// A Salesforce org on the loopback interface, see [the module](super).
///
/// Dropping it stops it: the ports are closed, connections and waiting requests end.
pub struct FakeOrg {
    pub(super) org: Arc<Org>,
    pub(super) url: String,
}

impl FakeOrg {
    /// Starts an org with the defaults of [`builder`](Self::builder): refresh tokens rotate, sessions live for two idle
    /// hours, a client secret is required.
    ///
    /// # Errors
    ///
    /// As [`FakeOrgBuilder::start`].
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// Sets up an org that differs from the default.
    pub fn builder() -> FakeOrgBuilder {
        FakeOrgBuilder::new()
    }

    /// Stops the org and waits until its ports are closed, so that the next connection is refused.
    pub async fn stop(self) {
        if let Some(mut tasks) = self.org.take_tasks() {
            tasks.shutdown().await;
        }
    }

    // --- who the org is ---

    /// The login host, and the first instance URL unless the two are
    /// [separate](FakeOrgBuilder::separate_login_host): `http://127.0.0.1:PORT`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Where the org is now: what token answers carry as `instance_url`.
    #[must_use]
    pub fn instance_url(&self) -> String {
        self.org.state().instance_url().to_owned()
    }

    /// The consumer key of the org's one connected app.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.org.facts.client_id
    }

    /// The consumer secret.
    #[must_use]
    pub fn client_secret(&self) -> &str {
        &self.org.facts.client_secret
    }

    /// The org's id, 18 characters. Every `FakeOrg` has its own.
    #[must_use]
    pub fn org_id(&self) -> &str {
        &self.org.facts.org_id
    }

    /// The id of the org's one user, 18 characters.
    #[must_use]
    pub fn user_id(&self) -> &str {
        &self.org.facts.user_id
    }

    /// The user's name, which a JWT bearer assertion has as its subject.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.org.facts.username
    }

    // --- tokens without a token request ---

    /// Lets the user consent once more, and returns the refresh token that came of it: the first of a new family.
    #[must_use]
    pub fn issue_refresh_token(&self) -> String {
        self.org.state().grant(true).refresh_token.unwrap_or_default()
    }

    /// Lets the user consent once more, and returns the whole JSON body that the authorization code exchange answers.
    #[must_use]
    pub fn issue_token_response(&self) -> String {
        let issued = self.org.state().grant(true);
        token::response(&self.org, issued).to_string()
    }

    /// Starts a session without a refresh token, and returns its access token.
    #[must_use]
    pub fn issue_access_token(&self) -> String {
        self.org.state().grant(false).access_token
    }

    // --- what happens to it ---

    /// Moves the clock that sessions grow idle by. Nothing else moves it, and it moves nothing else: `issued_at` and
    /// the `exp` of assertions go by the wall clock.
    pub fn advance(&self, by: Duration) {
        self.org.state().clock.advance(by);
    }

    /// Ends all living sessions. Refresh tokens stay good.
    pub fn expire_sessions(&self) {
        self.org.state().sessions.expire_all();
    }

    /// Revokes all grants, and with them all sessions. Grants that come later are not concerned.
    pub fn revoke(&self, revocation: Revocation) {
        self.org.state().sessions.revoke_all(&revocation);
    }

    /// Revokes all grants as a user does who disconnects the application: [`revoke`](Self::revoke) with
    /// [`Revocation::by_user`].
    pub fn revoke_refresh_tokens(&self) {
        self.revoke(Revocation::by_user());
    }

    /// Puts a condition in force, see [`conditions`](super::conditions). It replaces one of the same type, and combines with others.
    pub fn impose(&self, condition: impl Condition) {
        self.org.state().impose(condition);
    }

    /// Lifts the condition of this type, if it is in force.
    pub fn lift<C: Condition>(&self) {
        self.org.state().lift::<C>();
    }

    /// Lifts all conditions. Scripts and gates stay.
    pub fn lift_all(&self) {
        self.org.state().lift_all();
    }

    /// Tells the org from which address clients reach it from now on. It is 127.0.0.1 at first, as is the truth.
    ///
    /// Of interest to the conditions about addresses alone. Consents and sessions that the test
    /// [issues](Self::issue_token_response) come from there as well.
    pub fn place_clients(&self, address: impl Into<IpAddr>) {
        let address = address.into();
        self.place_token_requests(address);
        self.place_api_requests(address);
    }

    /// As [`place_clients`](Self::place_clients), for token requests only: sessions are started from there.
    pub fn place_token_requests(&self, address: impl Into<IpAddr>) {
        self.org.state().places.tokens = address.into();
    }

    /// As [`place_clients`](Self::place_clients), for all requests but those for tokens.
    pub fn place_api_requests(&self, address: impl Into<IpAddr>) {
        self.org.state().places.api = address.into();
    }

    /// Moves the org to another host, and returns its URL.
    ///
    /// From now on tokens carry the new `instance_url`, and the old host answers as [`LeftHost`](super::LeftHost) says. The login host
    /// stays what it was. Sessions survive the move; as a client learns of the new host only from a token answer, a
    /// test usually sees the old host refuse and a refresh follow.
    ///
    /// Waits while the system has no port to give.
    pub async fn move_host(&self) -> String {
        self.org.move_host().await
    }

    /// Chooses how token requests are answered from now on, in place of what was chosen before.
    ///
    /// An answer by itself stays; [`TokenAnswer::next`] bounds it. [`TokenAnswer::Normal`] ends it.
    pub fn answer_token_requests(&self, script: impl Into<Script<TokenAnswer>>) {
        self.org.state().token_script = script.into();
    }

    /// Chooses how other requests are answered from now on, in place of what was chosen before.
    ///
    /// An answer by itself stays; [`ApiAnswer::next`] bounds it. [`ApiAnswer::Normal`] ends it.
    pub fn answer_api_requests(&self, script: impl Into<Script<ApiAnswer>>) {
        self.org.state().api_script = script.into();
    }

    /// Holds all token requests that arrive from now on, until the gate is released or dropped.
    ///
    /// They have been read and counted when they wait, and their refresh token is being processed: a second request
    /// with it does not wait but is refused. A client that leaves meanwhile changes nothing, its request is processed
    /// all the same.
    #[must_use = "a gate that is dropped holds nothing"]
    pub fn hold_token_requests(&self) -> Gate {
        let (gate, turnstile) = Gate::new();
        self.org.state().token_gate = Some(turnstile);
        gate
    }

    /// Holds all other requests that arrive from now on, until the gate is released or dropped.
    ///
    /// They have been read and counted when they wait. Whether their session lives is decided when they go on: to see
    /// late refusals, hold requests, end the sessions, and let them through one by one.
    #[must_use = "a gate that is dropped holds nothing"]
    pub fn hold_api_requests(&self) -> Gate {
        let (gate, turnstile) = Gate::new();
        self.org.state().api_gate = Some(turnstile);
        gate
    }

    // --- what it has seen ---

    /// What the org has seen so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.org.state().counters
    }
}

impl Drop for FakeOrg {
    fn drop(&mut self) {
        drop(self.org.take_tasks());
    }
}

impl fmt::Debug for FakeOrg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeOrg")
            .field("url", &self.url)
            .field("instance_url", &self.instance_url())
            .field("org_id", &self.org_id())
            .finish_non_exhaustive()
    }
}
