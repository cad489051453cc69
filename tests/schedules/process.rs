//! A process: a runtime of its own with a clock of its own, its sessions, and those who call them.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::Request;
use http_body_util::Full;
use tokio::{runtime::Runtime, task::JoinHandle, time::Instant};
use tower::{Layer, ServiceExt};
use tower_salesforce_auth::{
    AuthError, AuthErrorKind, Event, Events, Generation, SalesforceAuthLayer, Session,
    grant::{Client, LoginHost, RefreshToken},
};

use crate::{
    gate::{Api, CALLER, Desk, Endpoint, Gate, Site},
    outside::{self, Outside, Violation},
};

/// The world begins some time after 1970.
const WALL: Duration = Duration::from_secs(1_779_000_000);

/// How a call ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    Served,
    /// An answer that is no success, with the layer's diagnosis.
    HandedBack,
    Failed(AuthErrorKind),
}

/// What is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Call {
    /// A request through the layer.
    Request,
    /// `Session::refresh`.
    Refresh,
    /// `Session::access_token`.
    Token,
}

pub(crate) struct Caller {
    pub(crate) process: usize,
    pub(crate) call: Call,
    task: JoinHandle<()>,
    ended: Arc<Mutex<Option<Ended>>>,
    /// How long the process was awake when the call began.
    pub(crate) since: Duration,
    /// How long the API took to answer it.
    pub(crate) at_api: Duration,
    pub(crate) is_over: bool,
}

impl Caller {
    pub(crate) fn ended(&self) -> Option<Ended> {
        *self.ended.lock().unwrap()
    }

    /// Gives up waiting.
    pub(crate) fn cancel(&mut self) {
        self.task.abort();
        self.is_over = true;
    }
}

pub(crate) struct Process {
    runtime: Runtime,
    pub(crate) life: usize,
    began: Instant,
    began_at: Duration,
    /// Up to when it has lived, in the world's time.
    clock: Duration,
    /// How long it was awake.
    pub(crate) awake: Duration,
    /// Until when it stands still.
    pub(crate) asleep_until: Option<Duration>,
    pub(crate) sessions: Vec<Served>,
}

pub(crate) struct Served {
    pub(crate) session: Session,
    gate: Gate,
    events: Events,
    generation: Option<Generation>,
    serial: usize,
}

impl Process {
    pub(crate) fn start(
        process: usize,
        life: usize,
        now: Duration,
        desk: &Arc<Mutex<Desk>>,
        outside: &Outside,
    ) -> Self {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let inside = runtime.enter();
        let began = Instant::now();
        let serve = |connection| {
            let site = Site { process, life, connection };
            let gate = Gate {
                desk: Arc::clone(desk),
                site,
                hints: outside.hints.clone(),
                is_durable: outside.is_durable(),
            };
            let client = Client::confidential("client", "client-secret");
            let seed = outside::refresh_token(connection, 0);
            let session = Session::builder(
                outside::name(connection),
                RefreshToken::new(client, LoginHost::Production, seed),
            )
            .store(gate.clone())
            .transport(Endpoint(gate.clone()))
            .runtime(runtime.handle().clone())
            .simulated((process * 1_000 + life * 10 + connection) as u64, WALL + now)
            .build()
            .expect("a session");
            let events = session.events();
            Served { session, gate, events, generation: None, serial: 0 }
        };
        let sessions = (0..outside.grants.len()).map(serve).collect();
        drop(inside);
        let (clock, awake) = (now, Duration::ZERO);
        Self { runtime, life, began, began_at: now, clock, awake, asleep_until: None, sessions }
    }

    /// Lives on up to `now`: everything that can run does so, each timer in its turn. Paused time moves only when nothing
    /// can run, so that the end of the pause is the proof that all is quiet.
    pub(crate) fn live(&mut self, now: Duration) {
        let until = self.began + (now - self.began_at);
        self.awake += now.saturating_sub(self.clock);
        self.clock = now;
        self.runtime.block_on(async {
            tokio::time::sleep_until(until).await;
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
        });
    }

    /// Wakes `now`, with all timers late at once.
    pub(crate) fn wake(&mut self, now: Duration) {
        self.asleep_until = None;
        let gap = now.saturating_sub(self.clock);
        self.clock = now;
        self.runtime.block_on(tokio::time::advance(gap));
    }

    pub(crate) fn call(&self, process: usize, connection: usize, call: Call, number: usize) -> Caller {
        let served = &self.sessions[connection];
        let session = served.session.clone();
        let service = SalesforceAuthLayer::new(session.clone()).layer(Api(served.gate.clone()));
        let ended = Arc::new(Mutex::new(None));
        let task = self.runtime.spawn({
            let ended = Arc::clone(&ended);
            async move {
                let end = match call {
                    Call::Request => {
                        let request = Request::get("/services/data/v62.0/limits")
                            .header(CALLER, number)
                            .body(Full::<Bytes>::default())
                            .unwrap();
                        match service.oneshot(request).await {
                            Ok(response) if response.status().is_success() => Ended::Served,
                            Ok(_) => Ended::HandedBack,
                            Err(error) => Ended::Failed(kind(&*error)),
                        }
                    }
                    Call::Refresh => end(session.refresh().await),
                    Call::Token => end(session.access_token().await),
                };
                *ended.lock().unwrap() = Some(end);
            }
        });
        Caller { process, call, task, ended, since: self.awake, at_api: Duration::ZERO, is_over: false }
    }

    /// I6: what a session has told, and what it serves, only ever gets newer.
    pub(crate) fn look(&mut self, outside: &mut Outside) {
        for served in &mut self.sessions {
            while let Some(Some(event)) = served.events.next().now_or_never() {
                outside.heard(&event);
                if let Event::Refreshed { generation, .. } | Event::Adopted { generation, .. } = event
                    && served.generation.replace(generation).is_some_and(|before| before >= generation)
                {
                    outside.violated(Violation::Backwards);
                }
            }
            if served.generation.is_none() {
                // To ask for a token would start a refresh.
                continue;
            }
            let Some(Ok(token)) = served.session.access_token().now_or_never() else { continue };
            let serial = outside::serial(token.expose()).unwrap_or_default();
            if serial < served.serial || Some(token.generation()) < served.generation {
                outside.violated(Violation::Backwards);
            }
            served.serial = serial;
        }
    }

    pub(crate) fn site(&self, process: usize, connection: usize) -> Site {
        Site { process, life: self.life, connection }
    }

    /// Whether a connection's token of that number is the last that was seen to be served.
    pub(crate) fn serves(&self, connection: usize, serial: usize) -> bool {
        self.sessions[connection].serial == serial
    }

    pub(crate) fn is_stored(&self) -> bool {
        self.sessions.iter().all(|served| served.session.is_stored())
    }
}

fn end<T>(outcome: Result<T, AuthError>) -> Ended {
    match outcome {
        Ok(_) => Ended::Served,
        Err(error) => Ended::Failed(error.kind()),
    }
}

fn kind(error: &(dyn std::error::Error + 'static)) -> AuthErrorKind {
    error.downcast_ref::<AuthError>().expect("an error of the layer").kind()
}
