//! A Salesforce org on the loopback interface.
//!
//! [`FakeOrg`] is a real HTTP server (HTTP/1.1, and HTTP/2 by prior knowledge, on the same port) that behaves as
//! Salesforce does as far as authentication can tell. Point any client at it, of this crate or not, in Rust or
//! not: sessions end by idle time on a clock that the test moves, refresh tokens rotate and punish reuse, the org moves
//! to another host, and every answer can be dropped, cut short, delayed or replaced. How sessions and grants are refused
//! follows what public projects recorded from Salesforce: statuses, error codes and texts.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, StatusCode, header::AUTHORIZATION};
//! use http_body_util::{BodyExt, Full};
//! use hyper_util::{client::legacy::Client, rt::TokioExecutor};
//! use tower_salesforce_auth::testing::{FakeOrg, TokenAnswer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let org = FakeOrg::start().await?;
//! let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
//!
//! // A user consents: what the authorization code exchange answers, and what an application stores.
//! let consent: serde_json::Value = serde_json::from_str(&org.issue_token_response())?;
//! let limits = |token: &str| {
//!     Request::get(format!("{}/services/data/v65.0/limits", org.instance_url()))
//!         .header(AUTHORIZATION, format!("Bearer {token}"))
//!         .body(Full::default())
//! };
//! let answer = client.request(limits(consent["access_token"].as_str().unwrap_or_default())?).await?;
//! assert_eq!(answer.status(), StatusCode::OK);
//!
//! // Two idle hours pass at once, and the session is dead.
//! org.advance(std::time::Duration::from_secs(2 * 60 * 60));
//! let answer = client.request(limits(consent["access_token"].as_str().unwrap_or_default())?).await?;
//! assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
//!
//! // A refresh, but its answer is lost on the way: the refresh token is spent all the same.
//! org.answer_token_requests(TokenAnswer::DropAfter.next(1));
//! let refresh = || {
//!     let form = format!(
//!         "grant_type=refresh_token&client_id={}&client_secret={}&refresh_token={}",
//!         org.client_id(),
//!         org.client_secret(),
//!         consent["refresh_token"].as_str().unwrap_or_default(),
//!     );
//!     Request::post(format!("{}/services/oauth2/token", org.url())).body(Full::from(form))
//! };
//! assert!(client.request(refresh()?).await.is_err());
//!
//! // So trying again is reuse, which revokes the whole grant.
//! let answer = client.request(refresh()?).await?;
//! assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
//! let body = answer.into_body().collect().await?.to_bytes();
//! assert_eq!(body, r#"{"error":"invalid_grant","error_description":"expired access/refresh token"}"#);
//! assert_eq!(org.counters().families_revoked, 1);
//! # Ok(())
//! # }
//! ```
//!
//! # What is served
//!
//! | resource | behaviour |
//! |---|---|
//! | `POST /services/oauth2/token` | the grants `refresh_token`, `urn:ietf:params:oauth:grant-type:jwt-bearer` and `client_credentials`. Two requests at once with one refresh token: the second gets `token request is already being processed`. An assertion's claims are checked, its signature is not |
//! | `/services/oauth2/revoke` | an access token ends its session, a refresh token its whole family |
//! | `POST /services/oauth2/introspect` | with the client's credentials, in the form or as Basic |
//! | `/services/oauth2/userinfo`, `/id/{org}/{user}` | a dead session is 403 `Bad_OAuth_Token` in plain text |
//! | `/services/data` | the versions, without a session |
//! | `/services/data/v65.0/limits` | and any other version of the form `vNN.0` |
//! | `/services/data/v65.0/query?q=…` | `SELECT … FROM <type> [LIMIT n]`, 2,000 records a page or the `batchSize` of `Sforce-Query-Options` (200 to 2,000), then `nextRecordsUrl` |
//! | `POST /services/data/v65.0/sobjects/{type}`, `GET …/{type}/{id}` | records that are created can be read and queried |
//! | `/services/apexrest/echo` | any method: the method, target, length and SHA-256 of what arrived |
//! | `/services/async/…` (Bulk API 1.0) | session in `X-SFDC-Session`; a dead one is 400 `InvalidSessionId`, in XML or JSON as the request |
//! | `/services/Soap/…` | session in the envelope (or, unlike Salesforce, in `Authorization`); a dead one is a 500 fault |
//!
//! Any accepted request resets its session's idle time. Request bodies are read to the end before anything is
//! answered, unless a script says otherwise; the echo holds no more than a frame of them.
//!
//! # What differs from Salesforce
//!
//! It speaks plain HTTP on 127.0.0.1, which clients must be told to allow; any signature of a JWT is accepted;
//! scopes, profiles and IP rules do not exist (their refusals can be scripted); login host and My Domain are one host
//! until the org moves; a token request takes no time, so that two overlap only at a [`Gate`]. No recording was at hand
//! of errors that are not about sessions or grants (revoking an unknown token, a malformed query, a wrong method, an
//! unknown Bulk resource): their texts are approximations, and so are the values of cookies and limits.
//!
//! # Control over HTTP
//!
//! For suites in other languages `cargo run --example fake_org` serves an org and prints its address and credentials
//! as JSON. It has [`FakeOrgBuilder::control_plane`] switched on: everything that a test decides is a request with a
//! query. Answers are JSON.
//!
//! | request | as |
//! |---|---|
//! | `POST /__fake/expire` | [`FakeOrg::expire_sessions`] |
//! | `POST /__fake/advance?seconds=7200` | [`FakeOrg::advance`] |
//! | `POST /__fake/revoke` | [`FakeOrg::revoke_refresh_tokens`] |
//! | `POST /__fake/move` | [`FakeOrg::move_host`]; answers the new `instance_url` |
//! | `POST /__fake/consent` | [`FakeOrg::issue_token_response`] |
//! | `GET /__fake/counters` | [`FakeOrg::counters`] |
//! | `POST /__fake/token-answer?kind=drop-after&times=1` | [`FakeOrg::answer_token_requests`]; kinds `normal`, `drop-before`, `drop-after`, `truncate`, `stall`, `huge`, `html` (`status`), `patch` (`patch`, a JSON merge patch), `already-processing`, `error` (`description`, `error`) |
//! | `POST /__fake/api-answer?kind=dead-session&times=1` | [`FakeOrg::answer_api_requests`]; kinds `normal`, `drop-before`, `drop-after`, `truncate`, `stall`, `huge`, `html` (`status`), `patch`, `dead-session`, `early-dead-session` (`bytes`), `not-permitted`, `unrecognised`, `error` (`status`, `code`, `message`) |
//!
//! Without `times` an answer stays until the next one is chosen; `kind=normal` ends it.

mod answers;
mod api;
mod assertion;
mod body;
mod builder;
mod clock;
mod control;
mod counters;
mod data;
mod faults;
mod form;
mod gate;
mod legacy;
mod mint;
mod org;
mod server;
mod state;
mod token;
mod upload;
mod userinfo;

use std::{fmt, io, sync::Arc, time::Duration};

use self::org::Org;
pub use self::{
    api::LeftHost,
    builder::FakeOrgBuilder,
    counters::Counters,
    faults::{ApiAnswer, Script, TokenAnswer},
    gate::Gate,
};

/// A Salesforce org on the loopback interface, see [the module](self).
///
/// Dropping it stops it: the ports are closed, connections and waiting requests end.
pub struct FakeOrg {
    org: Arc<Org>,
    url: String,
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

    /// The login host, and the first instance URL: `http://127.0.0.1:PORT`, without a slash at the end.
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

    /// Revokes all refresh tokens, and with them the sessions that came of them: what a user does who disconnects the
    /// application.
    pub fn revoke_refresh_tokens(&self) {
        self.org.state().sessions.revoke_refresh_tokens();
    }

    /// Moves the org to another host, and returns its URL.
    ///
    /// From now on tokens carry the new `instance_url`, and the old host answers as [`LeftHost`] says. The login host
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
