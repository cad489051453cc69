//! What one request pays for the layer while its token is alive: `cargo bench --bench hot_path`.
//!
//! The inner service is in memory and ready at once, so that the difference to `bare` is the layer. `retry` is the usual
//! alternative: `tower::retry` with a policy that keeps a clone of each request, below it a header with a static token.
//! Read the ratios of one run; the machine's noise is in all of them alike.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)] // a panic here is a broken bench

use std::{
    future::{Ready, ready},
    hint::black_box,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{Empty, Full};
use tower::{Layer, Service, ServiceExt, retry};
use tower_salesforce_auth::{
    BoxError, SalesforceAuthLayer, Session,
    grant::{Client, LoginHost, RefreshToken},
    replay,
    store::MemoryStore,
    token_endpoint::TokenResponse,
};

type Body = Full<Bytes>;

/// Answers 200 at once.
#[derive(Clone)]
struct Bare;

impl Service<Request<Body>> for Bare {
    type Response = Response<Empty<Bytes>>;
    type Error = BoxError;
    type Future = Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        black_box(request);
        ready(Ok(Response::new(Empty::new())))
    }
}

/// A static token and a base URL, below `tower::retry`.
#[derive(Clone)]
struct StaticToken<S> {
    inner: S,
    authorization: HeaderValue,
    base: Uri,
}

impl<S: Service<Request<Body>>> Service<Request<Body>> for StaticToken<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        let base = self.base.clone().into_parts();
        (parts.scheme, parts.authority) = (base.scheme, base.authority);
        *request.uri_mut() = Uri::from_parts(parts).unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, self.authorization.clone());
        self.inner.call(request)
    }
}

/// Sends a 401 once more.
#[derive(Clone)]
struct Once;

impl<B, E> retry::Policy<Request<Body>, Response<B>, E> for Once {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<Body>, result: &mut Result<Response<B>, E>) -> Option<Ready<()>> {
        matches!(result, Ok(response) if response.status() == 401).then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        Some(request.clone())
    }
}

fn session() -> Session {
    let grant = RefreshToken::new(Client::public("client"), LoginHost::Production, "seed");
    let session = Session::builder("bench", grant).store(MemoryStore::volatile()).build().unwrap();
    let consent = TokenResponse::from_json(
        br#"{"access_token":"00DR0000000KvIt!AR8AQP0bench.token.of.usual.length.0123456789abcdefghijklmnopqrstuvwxyz",
             "refresh_token":"refresh","instance_url":"https://acme.my.salesforce.com","token_type":"Bearer"}"#,
    )
    .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(session.reconnect(consent)).unwrap();
    session
}

/// A GET with a URI from a `String` and three headers, one of them from a `&str`.
fn request() -> Request<Body> {
    Request::get(String::from("/services/data/v65.0/sobjects/Account/001R0000003GeJ1IAK"))
        .header(header::ACCEPT, HeaderValue::from_static("application/json"))
        .header(header::USER_AGENT, HeaderValue::from_static("bench/1.0"))
        .header("sforce-call-options", "client=bench")
        .body(Full::default())
        .unwrap()
}

fn call<S>(service: &mut S, request: Request<Body>)
where
    S: Service<Request<Body>>,
    S::Error: std::fmt::Debug,
{
    let ready = service.ready().now_or_never().expect("ready at once").unwrap();
    black_box(ready.call(request).now_or_never().expect("answered at once").unwrap());
}

fn hot_path(criterion: &mut Criterion) {
    let auth = SalesforceAuthLayer::new(session());
    let with_token = StaticToken {
        inner: Bare,
        authorization: HeaderValue::from_static(
            "Bearer 00DR0000000KvIt!AR8AQP0bench.token.of.usual.length.0123456789",
        ),
        base: Uri::from_static("https://acme.my.salesforce.com"),
    };

    let mut group = criterion.benchmark_group("hot_path");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    macro_rules! shape {
        ($name:literal, $service:expr) => {
            let mut service = $service;
            group.bench_function(concat!($name, "/long-lived"), |bencher| {
                bencher.iter_batched(request, |request| call(&mut service, request), BatchSize::SmallInput);
            });
            group.bench_function(concat!($name, "/cloned"), |bencher| {
                bencher.iter_batched(
                    request,
                    |request| call(&mut service.clone(), request),
                    BatchSize::SmallInput,
                );
            });
        };
    }
    shape!("bare", Bare);
    shape!("ours", auth.layer(Bare));
    shape!("ours_never", auth.replay(replay::Never).layer(Bare));
    shape!("retry", retry::Retry::new(Once, with_token));
    group.finish();
}

criterion_group!(benches, hot_path);
criterion_main!(benches);
