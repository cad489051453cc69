//! A real session whose token endpoint is a script: what is granted, when, and how often it was asked for.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::ready,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::sync::Semaphore;

use super::{NEW, NEW_TOKEN, OLD, OLD_TOKEN};
use crate::{
    Reconnect, Secret, Session, SessionBuilder,
    grant::{Grant, LoginHost},
    session::Live,
    store::MemoryStore,
    token_endpoint::{TokenEndpoint, TokenError, TokenErrorKind, TokenResponse},
};

/// What one exchange comes to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    /// This token, at this host.
    Grant(&'static str, &'static str),
    Fail(TokenErrorKind),
    Panic,
}

/// A session with a rotating grant, and the script of its token endpoint. Beyond the script, the new token is granted.
pub(super) struct Connection {
    pub(super) session: Session,
    script: Arc<Script>,
}

impl Connection {
    /// Without a token.
    pub(super) fn cold() -> Self {
        Self::built(|builder| builder)
    }

    pub(super) fn built(build: impl FnOnce(SessionBuilder) -> SessionBuilder) -> Self {
        let script = Arc::new(Script::default());
        let grant =
            Scripted { host: LoginHost::Production, seed: "seed".into(), script: Arc::clone(&script) };
        // Revoking is the only request that goes past the grant.
        let transport = tower::service_fn(|_: Request<Full<Bytes>>| {
            ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())))
        });
        let builder = Session::builder("acme", grant).store(MemoryStore::volatile()).transport(transport);
        Self { session: build(builder).build().unwrap(), script }
    }

    /// With the old token, which nobody has used yet.
    pub(super) async fn hot() -> Self {
        Self::cold().heated().await
    }

    pub(super) async fn heated(self) -> Self {
        self.publish(OLD_TOKEN, OLD).await;
        self
    }

    /// With the old token, after it was in use for so long that it may well have expired.
    pub(super) async fn aged() -> Self {
        let connection = Self::hot().await;
        connection.live().accept();
        tokio::time::advance(Duration::from_secs(3_600)).await;
        connection
    }

    /// Adds to the script.
    pub(super) fn turns(self, turns: impl IntoIterator<Item = Turn>) -> Self {
        self.script.turns.lock().unwrap().extend(turns);
        self
    }

    /// Serves another token from now on, without an exchange.
    pub(super) async fn publish(&self, token: &str, host: &str) {
        self.session.reconnect(Reconnect::new(response(token, host))).await.unwrap();
    }

    /// Serves another org's token from now on.
    pub(super) async fn publish_other_org(&self, token: &str, host: &str) {
        self.session.reconnect(Reconnect::new(response(token, host)).accept_new_org()).await.unwrap();
    }

    pub(super) fn live(&self) -> Arc<Live> {
        self.session.live().unwrap()
    }

    /// How often the token endpoint was asked.
    pub(super) fn exchanges(&self) -> usize {
        self.script.exchanges.load(SeqCst)
    }

    /// Exchanges wait from now on for [`let_through`](Self::let_through).
    pub(super) fn hold(&self) {
        self.script.holds.store(true, SeqCst);
    }

    pub(super) fn let_through(&self) {
        self.script.gate.add_permits(1);
    }

    /// Lets the refresh task run until it has sent its `n`th request.
    pub(super) async fn exchanging(&self, n: usize) {
        for _ in 0..100 {
            if self.exchanges() == n {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("{} exchanges instead of {n}", self.exchanges());
    }
}

fn response(token: &str, host: &str) -> TokenResponse {
    TokenResponse::new(token)
        .with_refresh_token(format!("refresh-of-{token}"))
        .with_instance_url(format!("https://{host}"))
}

struct Script {
    turns: Mutex<VecDeque<Turn>>,
    exchanges: AtomicUsize,
    holds: AtomicBool,
    gate: Semaphore,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            turns: Mutex::default(),
            exchanges: AtomicUsize::new(0),
            holds: AtomicBool::new(false),
            gate: Semaphore::new(0),
        }
    }
}

struct Scripted {
    host: LoginHost,
    seed: Secret,
    script: Arc<Script>,
}

impl Grant for Scripted {
    fn kind(&self) -> &'static str {
        "scripted"
    }

    fn client_id(&self) -> &str {
        "client"
    }

    fn login_host(&self) -> &LoginHost {
        &self.host
    }

    fn seed(&self) -> Option<&Secret> {
        Some(&self.seed)
    }

    async fn exchange(&self, _: &TokenEndpoint, _: Option<&Secret>) -> Result<TokenResponse, TokenError> {
        self.script.exchanges.fetch_add(1, SeqCst);
        if self.script.holds.load(SeqCst) {
            self.script.gate.acquire().await.unwrap().forget();
        }
        let turn = self.script.turns.lock().unwrap().pop_front();
        match turn.unwrap_or(Turn::Grant(NEW_TOKEN, NEW)) {
            Turn::Grant(token, host) => Ok(response(token, host)),
            Turn::Fail(kind) => Err(TokenError::new(kind)),
            Turn::Panic => panic!("the grant has a bug"),
        }
    }
}
