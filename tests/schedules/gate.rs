//! Where a process meets the outside: each store operation, token request and API request announces itself here and
//! waits until it is told what came of it.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt, io,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use tokio::sync::{Notify, oneshot};
use tower::Service;
use tower_salesforce_auth::{
    BoxError,
    store::{Capabilities, Revision, Scope, StoreError, StoreKey, Stored, Swap, TokenStore},
};

use crate::support::{BoxFuture, json};

/// The header that names the caller of a request.
pub(crate) const CALLER: &str = "x-caller";

/// One session of one process. A process that is started again is another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Site {
    pub(crate) process: usize,
    pub(crate) life: usize,
    pub(crate) connection: usize,
}

/// What a process asks of the outside.
#[derive(Clone)]
pub(crate) enum Asked {
    Load(StoreKey),
    Swap { key: StoreKey, expected: Option<Revision>, record: Vec<u8> },
    Token { refresh_token: String },
    Api { bearer: String, host: String, caller: usize },
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(_) => f.write_str("load"),
            Self::Swap { record, .. } => {
                let record: serde_json::Value = serde_json::from_slice(record).unwrap_or_default();
                let claim = if record["claim"].is_null() { "" } else { ", claimed" };
                write!(f, "store {}{claim}, {}", record["refresh_token"], record["health"]["state"])
            }
            Self::Token { refresh_token } => write!(f, "present {refresh_token}"),
            Self::Api { bearer, caller, .. } => write!(f, "request {caller} with {bearer}"),
        }
    }
}

/// What it is told.
pub(crate) enum Answer {
    Loaded(Option<Stored>),
    Swapped(Swap),
    /// The store does not answer; whether it has done what it was asked for is not known.
    Ambiguous,
    Unavailable,
    Json(u16, String),
    Reset,
    /// The connection was refused: nothing has left.
    Unsent,
}

/// What was asked and not answered yet. Its process may have given it up meanwhile, or be dead.
pub(crate) struct Pending {
    pub(crate) site: Site,
    pub(crate) asked: Asked,
    pub(crate) answer: oneshot::Sender<Answer>,
}

impl Pending {
    pub(crate) fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }
}

/// All that is pending, by number, which grows.
#[derive(Default)]
pub(crate) struct Desk {
    pub(crate) pending: BTreeMap<usize, Pending>,
    pub(crate) announced: usize,
}

impl Desk {
    /// Puts what was announced since the number `from` in an order of its own: those who wait for one refresh are woken
    /// in one that tokio draws.
    pub(crate) fn sort(&mut self, from: usize) {
        let mut fresh: Vec<Pending> = self.pending.split_off(&from).into_values().collect();
        fresh.sort_by_key(|pending| {
            let caller = match pending.asked {
                Asked::Api { caller, .. } => Some(caller),
                _ => None,
            };
            (pending.site.process, pending.site.connection, caller)
        });
        self.pending.extend((from..).zip(fresh));
        self.announced = self.pending.last_key_value().map_or(from, |(last, _)| from.max(last + 1));
    }
}

/// The outside as one session sees it: its store, its token endpoint, its API.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) desk: Arc<Mutex<Desk>>,
    pub(crate) site: Site,
    /// Tells of changed records, where the store hints at them.
    pub(crate) hints: Option<Arc<Notify>>,
    /// Whether the store keeps what it has taken, come what may.
    pub(crate) is_durable: bool,
}

impl Gate {
    async fn ask(&self, asked: Asked) -> Answer {
        let (answer, told) = oneshot::channel();
        {
            let mut desk = self.desk.lock().unwrap();
            let number = desk.announced;
            desk.announced += 1;
            desk.pending.insert(number, Pending { site: self.site, asked, answer });
        }
        match told.await {
            Ok(answer) => answer,
            Err(_) => std::future::pending().await,
        }
    }
}

impl TokenStore for Gate {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        match self.ask(Asked::Load(key.clone())).await {
            Answer::Loaded(stored) => Ok(stored),
            _ => Err(StoreError::unavailable("down")),
        }
    }

    async fn compare_and_swap(
        &self,
        key: &StoreKey,
        expected: Option<Revision>,
        record: &[u8],
    ) -> Result<Swap, StoreError> {
        match self.ask(Asked::Swap { key: key.clone(), expected, record: record.to_vec() }).await {
            Answer::Swapped(swap) => Ok(swap),
            Answer::Ambiguous => Err(StoreError::ambiguous("no answer")),
            _ => Err(StoreError::unavailable("down")),
        }
    }

    async fn changed(&self, _: &StoreKey) {
        match &self.hints {
            Some(hints) => hints.notified().await,
            None => std::future::pending().await,
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Scope::Host, self.is_durable).accept_loss()
    }
}

/// The transport of token requests.
#[derive(Clone)]
pub(crate) struct Endpoint(pub(crate) Gate);

impl Service<Request<Full<Bytes>>> for Endpoint {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = BoxFuture<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let gate = self.0.clone();
        Box::pin(async move {
            let form = request.into_body().collect().await?.to_bytes();
            let refresh_token = std::str::from_utf8(&form)?
                .split('&')
                .find_map(|field| field.strip_prefix("refresh_token="))
                .unwrap_or_default()
                .to_owned();
            match gate.ask(Asked::Token { refresh_token }).await {
                Answer::Json(status, body) => Ok(json(status, body)),
                Answer::Unsent => Err(io::Error::from(io::ErrorKind::ConnectionRefused).into()),
                _ => Err("connection reset".into()),
            }
        })
    }
}

/// The API that the layer wraps.
#[derive(Clone)]
pub(crate) struct Api(pub(crate) Gate);

impl Service<Request<Full<Bytes>>> for Api {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let gate = self.0.clone();
        let header =
            |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let bearer = header(AUTHORIZATION.as_str()).trim_start_matches("Bearer ").to_owned();
        let caller = header(CALLER).parse().expect("the caller's number");
        let host = request.uri().host().unwrap_or_default().to_owned();
        Box::pin(async move {
            match gate.ask(Asked::Api { bearer, host, caller }).await {
                Answer::Json(status, body) => Ok(json(status, body)),
                _ => unreachable!("an API answers"),
            }
        })
    }
}
