//! Clients, servers and a wire tap on loopback.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::{JoinHandle, JoinSet},
};
use tower::{Layer, Service};
use tower_salesforce_auth::{
    BoxError, SalesforceAuth, SalesforceAuthLayer, Session,
    grant::{Client as App, LoginHost, RefreshToken},
    store::MemoryStore,
    testing::{FakeOrg, TokenAnswer},
};

use crate::support::Org;

pub(crate) type Client = legacy::Client<HttpConnector, Full<Bytes>>;
pub(crate) type AnswerBody = UnsyncBoxBody<Bytes, BoxError>;

/// The versions of HTTP that every test of both runs with.
pub(crate) const BOTH: [Version; 2] = [Version::Http1, Version::Http2];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Http1,
    /// By prior knowledge.
    Http2,
}

impl Version {
    pub(crate) fn client(self) -> Client {
        legacy::Client::builder(TokioExecutor::new())
            .http2_only(self == Self::Http2)
            // Windows as browsers and hyper have them by default are a megabyte: too large to see a cap.
            .http2_initial_stream_window_size(65_535)
            .http2_initial_connection_window_size(65_535)
            .build_http()
    }
}

/// A session on `org`, whose tokens say that the org is at `instance`.
pub(crate) fn session_at(org: &FakeOrg, instance: &str) -> Session {
    org.answer_token_requests(TokenAnswer::with("instance_url", instance));
    session(org)
}

pub(crate) fn session(org: &FakeOrg) -> Session {
    let app = App::confidential(org.client_id(), org.client_secret());
    let grant = RefreshToken::new(app, LoginHost::my_domain(org.url()), org.issue_refresh_token());
    Session::builder("acme", grant).store(MemoryStore::volatile()).allow_loopback().build().unwrap()
}

/// A session whose token endpoint is in memory, so that all connections are the API's, with the instance at `url`; and
/// the layer over `client`, with a token at hand.
pub(crate) async fn over<S: Clone>(org: &Org, url: &str, client: S) -> SalesforceAuth<S> {
    org.move_to(url);
    let session = org.builder().allow_loopback().build().unwrap();
    session.access_token().await.unwrap();
    SalesforceAuthLayer::new(session).layer(client)
}

/// Counts what the layer sends.
#[derive(Clone)]
pub(crate) struct Counting<S> {
    inner: S,
    sends: Arc<AtomicUsize>,
}

impl<S> Counting<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner, sends: Arc::default() }
    }

    pub(crate) fn sends(&self) -> usize {
        self.sends.load(SeqCst)
    }
}

impl<S: Service<R>, R> Service<R> for Counting<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.sends.fetch_add(1, SeqCst);
        self.inner.call(request)
    }
}

/// Goes on at a signal that is to come while `call` is under way.
pub(crate) async fn signal<T: std::fmt::Debug>(signal: &Notify, call: &mut JoinHandle<T>) {
    tokio::select! {
        () = signal.notified() => {}
        ended = call => panic!("the call has ended before: {ended:?}"),
    }
}

/// A server of HTTP/1.1 and HTTP/2 that answers as a closure says, and counts its connections. Ends when dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    connections: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start<F, A>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
        A: Future<Output = Response<AnswerBody>> + Send + 'static,
    {
        Self::accepting(move |stream| {
            let answer = answer.clone();
            async move {
                let service = service_fn(move |request| {
                    let answer = answer(request);
                    async { Ok::<_, Infallible>(answer.await) }
                });
                let builder = auto::Builder::new(TokioExecutor::new());
                // How a connection ends is what the test is about.
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            }
        })
        .await
    }

    /// A server that does with each connection what `serve` does.
    pub(crate) async fn accepting<F, S>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> S + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                accepted.fetch_add(1, SeqCst);
                stream.set_nodelay(true).unwrap();
                open.spawn(serve(stream));
            }
        });
        Self { url, connections, _tasks: tasks }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }
}

/// What clients wrote, by connection, on its way to another port.
pub(crate) struct Tap {
    pub(crate) server: Server,
    written: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Tap {
    pub(crate) async fn before(url: &str) -> Self {
        let target: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
        let written = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let record = Arc::clone(&written);
        let server = Server::accepting(move |stream| {
            let record = Arc::clone(&record);
            async move {
                let connection = {
                    let mut record = record.lock().unwrap();
                    record.push(Vec::new());
                    record.len() - 1
                };
                let (mut from_client, mut to_client) = stream.into_split();
                let (mut from_server, mut to_server) = TcpStream::connect(target).await.unwrap().into_split();
                let back = tokio::spawn(async move {
                    let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
                });
                let mut bytes = [0; 16_384];
                while let Ok(read @ 1..) = from_client.read(&mut bytes).await {
                    // Recorded before it goes on: whoever has the answer finds the question here.
                    record.lock().unwrap()[connection].extend_from_slice(&bytes[..read]);
                    if to_server.write_all(&bytes[..read]).await.is_err() {
                        break;
                    }
                }
                drop(to_server);
                let _ = back.await;
            }
        })
        .await;
        Self { server, written }
    }

    pub(crate) fn written(&self) -> Vec<Vec<u8>> {
        self.written.lock().unwrap().clone()
    }
}

pub(crate) fn answer(status: u16, body: AnswerBody) -> Response<AnswerBody> {
    Response::builder().status(status).header("content-type", "application/json").body(body).unwrap()
}

pub(crate) fn whole(text: impl Into<Bytes>) -> AnswerBody {
    Full::new(text.into()).map_err(|never| match never {}).boxed_unsync()
}
