//! What the handle, the connections and the requests of one org share.

use std::{
    collections::HashSet,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{net::TcpListener, task::JoinSet};

use super::{
    answers::Answer,
    api::LeftHost,
    clock::Clock,
    conditions::{Conditions, Part, Places},
    counters::Counters,
    data::Records,
    faults::{ApiAnswer, Script, TokenAnswer},
    gate::Turnstile,
    server,
    state::{Issued, Sessions},
};

/// How long to wait before a port or a connection is asked for again: the system has none to give just now.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(5);

pub(super) struct Org {
    pub(super) facts: Facts,
    state: Mutex<State>,
    /// Accept loops and token requests. `None` once the org has stopped.
    tasks: Mutex<Option<JoinSet<()>>>,
}

/// What does not change while an org lives.
pub(super) struct Facts {
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) org_id: String,
    pub(super) user_id: String,
    pub(super) username: String,
    pub(super) session_timeout: Duration,
    pub(super) secret_required: bool,
    pub(super) left_host: LeftHost,
    pub(super) separate_login_host: bool,
    pub(super) control_plane: bool,
}

pub(super) struct State {
    pub(super) clock: Clock,
    pub(super) sessions: Sessions,
    pub(super) records: Records,
    pub(super) counters: Counters,
    pub(super) conditions: Conditions,
    /// Where clients are.
    pub(super) places: Places,
    /// Base URLs in the order of their use: the first is the login host, the last is where the org is.
    pub(super) hosts: Vec<String>,
    /// Refresh tokens whose request is under way.
    pub(super) processing: HashSet<String>,
    pub(super) token_script: Script<TokenAnswer>,
    pub(super) token_gate: Option<Arc<Turnstile>>,
    pub(super) api_script: Script<ApiAnswer>,
    pub(super) api_gate: Option<Arc<Turnstile>>,
    token_requests_under_way: u64,
    api_requests_under_way: u64,
}

/// Which of the two kinds of requests.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Token,
    Api,
}

impl Org {
    pub(super) fn new(facts: Facts, sessions: Sessions, records: Records, host: String) -> Arc<Self> {
        Arc::new(Self {
            facts,
            state: Mutex::new(State {
                clock: Clock::default(),
                sessions,
                records,
                counters: Counters::default(),
                conditions: Conditions::default(),
                places: Places::default(),
                hosts: vec![host],
                processing: HashSet::new(),
                token_script: Script::default(),
                token_gate: None,
                api_script: Script::default(),
                api_gate: None,
                token_requests_under_way: 0,
                api_requests_under_way: 0,
            }),
            tasks: Mutex::new(Some(JoinSet::new())),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `task` until it ends or the org stops, whichever comes first.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(tasks) = &mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner) {
            while tasks.try_join_next().is_some() {}
            tasks.spawn(task);
        }
    }

    /// Takes all tasks: dropping them stops the org, which starts none afterwards.
    pub(super) fn take_tasks(&self) -> Option<JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Counts a request as under way for as long as the returned guard lives.
    pub(super) fn under_way(self: &Arc<Self>, kind: Kind) -> UnderWay {
        let mut state = self.state();
        let (now, most) = state.concurrency(kind);
        *now += 1;
        *most = (*most).max(*now);
        UnderWay { org: Arc::clone(self), kind }
    }

    /// Whether the org has left this host. Logging in stays possible at the login host.
    pub(super) fn has_left(&self, host: usize, path: &str) -> bool {
        let login = path.starts_with("/services/oauth2/") || path.starts_with("/id/");
        host + 1 != self.state().hosts.len() && !(host == 0 && login)
    }

    /// What answers before the org has a say.
    pub(super) fn page(&self, part: Part) -> Option<Answer> {
        let state = &mut *self.state();
        let page = state.conditions.page(part)?;
        state.counters.pages += 1;
        Some(page)
    }

    /// Binds another port and moves there.
    pub(super) async fn move_host(self: &Arc<Self>) -> String {
        let (listener, url) = loop {
            match bind(0).await {
                Ok(bound) => break bound,
                Err(_) => exhausted().await,
            }
        };
        let host = {
            let mut state = self.state();
            state.hosts.push(url.clone());
            state.hosts.len() - 1
        };
        self.spawn(server::accept(listener, Arc::clone(self), host));
        url
    }
}

impl State {
    pub(super) fn instance_url(&self) -> &str {
        self.hosts.last().map_or("", String::as_str)
    }

    /// A grant that needs no refresh token to be presented.
    pub(super) fn grant(&mut self, offline: bool) -> Issued {
        let issued = self.sessions.grant(&mut self.clock, self.places.tokens, offline);
        if let Some(cap) = self.conditions.grant_cap.as_ref().filter(|cap| offline || cap.counting_sessions) {
            let evicted = self.sessions.evict(cap.most, cap.counting_sessions, self.clock.now());
            self.counters.grants_evicted += evicted;
        }
        issued
    }

    /// The gate that a request of this kind has to wait at.
    pub(super) fn held(&self, kind: Kind) -> Option<Arc<Turnstile>> {
        let gate = match kind {
            Kind::Token => &self.token_gate,
            Kind::Api => &self.api_gate,
        };
        gate.clone().filter(|gate| !gate.is_open())
    }

    fn concurrency(&mut self, kind: Kind) -> (&mut u64, &mut u64) {
        match kind {
            Kind::Token => {
                (&mut self.token_requests_under_way, &mut self.counters.max_concurrent_token_requests)
            }
            Kind::Api => (&mut self.api_requests_under_way, &mut self.counters.max_concurrent_requests),
        }
    }
}

/// A request that is under way.
pub(super) struct UnderWay {
    org: Arc<Org>,
    kind: Kind,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        *self.org.state().concurrency(self.kind).0 -= 1;
    }
}

/// Binds a port of the loopback interface and names the origin it serves.
pub(super) async fn bind(port: u16) -> io::Result<(TcpListener, String)> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}

/// Waits until the system may have a descriptor or a port again.
pub(super) async fn exhausted() {
    tokio::time::sleep(EXHAUSTED_PAUSE).await;
}
