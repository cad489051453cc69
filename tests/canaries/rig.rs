//! A stack over a real org in which every secret is noted as it passes by.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{Layer, Service, ServiceExt, util::BoxCloneSyncService};
use tower_salesforce_auth::{
    BoxError, Diagnosis, PeekBody, SalesforceAuthLayer, Session, SessionBuilder,
    grant::{Client, LoginHost, RefreshToken},
    store::{Capabilities, MemoryStore, Revision, Scope, StoreError, StoreKey, Stored, Swap, TokenStore},
    testing::FakeOrg,
};

use crate::watch::Watch;

pub(crate) type Ask = Request<Full<Bytes>>;
pub(crate) type Stack = BoxCloneSyncService<Ask, Response<PeekBody<Incoming>>, BoxError>;
pub(crate) type Http = legacy::Client<HttpConnector, Full<Bytes>>;

pub(crate) struct Rig {
    pub(crate) org: FakeOrg,
    pub(crate) watch: Watch,
    pub(crate) store: LeakyStore,
    http: Http,
    sessions: AtomicUsize,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        let (org, watch) = (FakeOrg::start().await.unwrap(), Watch::new());
        watch.secret(org.client_secret());
        let mut http = legacy::Client::builder(TokioExecutor::new());
        Self {
            org,
            watch,
            store: LeakyStore::default(),
            http: http.http2_only(true).build_http(),
            sessions: AtomicUsize::new(0),
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::confidential(self.org.client_id(), self.org.client_secret())
    }

    pub(crate) fn host(&self) -> LoginHost {
        LoginHost::my_domain(self.org.url())
    }

    /// A session of its own, with a consent of its own.
    pub(crate) fn builder(&self) -> SessionBuilder {
        let seed = self.org.issue_refresh_token();
        self.watch.secret(&seed);
        let grant = RefreshToken::new(self.client(), self.host(), seed);
        self.watch.debug(&grant);
        let number = self.sessions.fetch_add(1, Ordering::SeqCst);
        self.finish(Session::builder(format!("acme-{number}"), grant))
    }

    /// What all sessions have: the store, and a transport that notes what it carries.
    pub(crate) fn finish(&self, builder: SessionBuilder) -> SessionBuilder {
        let builder = builder
            .store(self.store.clone())
            .transport(noting(self.http.clone(), self.watch.clone()))
            .wait_budget(Duration::from_secs(2))
            .allow_loopback();
        self.watch.debug(&builder);
        builder
    }

    pub(crate) fn stack(&self, session: &Session) -> Stack {
        let stack = SalesforceAuthLayer::new(session.clone()).layer(self.http.clone());
        self.watch.debug(&stack);
        BoxCloneSyncService::new(stack)
    }

    /// Sends a request and prints all there is to print. Returns the status, 0 for an error.
    pub(crate) async fn send(&self, stack: &Stack, target: &str) -> u16 {
        let request = Request::get(target).body(Full::default()).unwrap();
        let result = ServiceExt::oneshot(stack.clone(), request).await;
        if let Some(diagnosis) = Diagnosis::of_result(&result) {
            self.watch.debug(diagnosis);
            self.watch.display(diagnosis);
        }
        match result {
            Ok(response) => {
                self.watch.debug(&response.extensions());
                let status = response.status().as_u16();
                let _ = response.into_body().collect().await;
                status
            }
            Err(error) => {
                self.watch.error(&*error);
                0
            }
        }
    }
}

/// A store whose driver and whose code are as talkative as can be.
#[derive(Clone, Default)]
pub(crate) struct LeakyStore {
    inner: Arc<MemoryStore>,
    mode: Arc<AtomicU8>,
}

pub(crate) const HEALTHY: u8 = 0;
/// Errors repeat the connection string.
pub(crate) const DOWN: u8 = 1;
/// The error of a swap repeats the record.
pub(crate) const REPEATS: u8 = 2;
pub(crate) const PANICS: u8 = 3;

/// A password of the store's own.
pub(crate) const DSN: &str =
    "postgres://app:canary-password-0123456789@db.internal:5432/tokens?password=canary-password-0123456789";

impl LeakyStore {
    pub(crate) fn set(&self, mode: u8) {
        self.mode.store(mode, Ordering::SeqCst);
    }

    fn fault(&self, record: &[u8]) -> Result<(), StoreError> {
        match self.mode.load(Ordering::SeqCst) {
            DOWN => Err(StoreError::unavailable(std::io::Error::other(format!("cannot connect to {DSN}")))),
            REPEATS if !record.is_empty() => {
                Err(StoreError::ambiguous(format!("rejected row {}", String::from_utf8_lossy(record))))
            }
            PANICS if !record.is_empty() => panic!("the store has a bug"),
            _ => Ok(()),
        }
    }
}

impl TokenStore for LeakyStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        self.fault(&[])?;
        self.inner.load(key).await
    }

    async fn compare_and_swap(
        &self,
        key: &StoreKey,
        expected: Option<Revision>,
        record: &[u8],
    ) -> Result<Swap, StoreError> {
        self.fault(record)?;
        self.inner.compare_and_swap(key, expected, record).await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Scope::Process, true)
    }
}

type Body = StreamBody<stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, hyper::Error>>>>;

/// Notes what is sent to the token endpoint and what comes back, and passes both on as they are.
fn noting(
    http: Http,
    watch: Watch,
) -> impl Service<Ask, Response = Response<Body>, Error = BoxError, Future: Send> + Clone + Send + Sync + 'static
{
    tower::service_fn(move |request: Ask| {
        let (mut http, watch) = (http.clone(), watch.clone());
        async move {
            let (head, body) = request.into_parts();
            let form = body.collect().await?.to_bytes();
            for field in std::str::from_utf8(&form)?.split('&') {
                let Some((name, value)) = field.split_once('=') else { continue };
                if !matches!(name, "grant_type" | "client_id" | "format" | "scope") {
                    watch.secret(value);
                }
            }
            let (head, mut body) = http.call(Request::from_parts(head, Full::from(form))).await?.into_parts();
            let (mut frames, mut text) = (Vec::new(), Vec::new());
            while let Some(frame) = body.frame().await {
                if let Ok(Some(data)) = frame.as_ref().map(Frame::data_ref) {
                    text.extend_from_slice(data);
                }
                let failed = frame.is_err();
                frames.push(frame);
                if failed {
                    break;
                }
            }
            note_tokens(&watch, &String::from_utf8_lossy(&text));
            Ok(Response::from_parts(head, StreamBody::new(stream::iter(frames))))
        }
    })
}

/// The tokens of an answer, whole or not.
pub(crate) fn note_tokens(watch: &Watch, answer: &str) {
    for name in ["\"access_token\":\"", "\"refresh_token\":\""] {
        for (at, _) in answer.match_indices(name) {
            let value = &answer[at + name.len()..];
            watch.secret(value.split('"').next().unwrap_or_default());
        }
    }
}
