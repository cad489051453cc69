//! What benches share: requests, the service below the layer, and what others put between the two.
//!
//! The inner service is in memory and ready at once, so that the difference to [`Bare`] is what stands above it.
// Each bench uses its own part; a panic here is a broken bench.
#![allow(clippy::disallowed_methods, reason = "the clock of a bench is the real one")]
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod arrivals;
pub mod contenders;
pub mod instructions;
pub mod medians;
pub mod org;
pub mod results;

use std::{
    future::{Ready, ready},
    hint::black_box,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{
    HeaderValue, Method, Request, Response, Uri, header,
    uri::{Authority, Parts, Scheme},
};
use http_body_util::{Empty, Full};
use tower::{Service, ServiceExt, retry};
use tower_salesforce_auth::{
    BoxError, Session,
    grant::{Client, LoginHost, RefreshToken},
    store::{MemoryStore, SharedStore},
    token_endpoint::TokenResponse,
};

pub type Body = Full<Bytes>;

/// Sends so many requests.
pub type Rounds = Box<dyn FnMut(usize)>;

pub const ACCESS_TOKEN: &str =
    "00DR0000000KvIt!AR8AQP0bench.token.of.usual.length.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN";
pub const HOST: &str = "acme.my.salesforce.com";

/// The requests that clients of Salesforce send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A GET whose parts are all constants.
    Static,
    /// A GET with a URI from a `String` and three headers, one of them from a `&str`: most requests.
    Typical,
    /// A POST of a record.
    Post,
    /// A GET with 20 headers, as behind a gateway.
    ManyHeaders,
}

impl Shape {
    pub const ALL: [Self; 4] = [Self::Static, Self::Typical, Self::Post, Self::ManyHeaders];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Typical => "typical",
            Self::Post => "post",
            Self::ManyHeaders => "many_headers",
        }
    }

    pub fn request(self) -> Request<Body> {
        match self {
            Self::Static => {
                let mut request = Request::new(Full::default());
                *request.uri_mut() = Uri::from_static("/services/data/v65.0/limits");
                request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
                request
            }
            Self::Typical => typical(Method::GET, Full::default()),
            Self::Post => {
                let record = br#"{"Name":"Acme","Industry":"Manufacturing","NumberOfEmployees":1200}"#;
                let mut request = typical(Method::POST, Full::new(Bytes::copy_from_slice(record)));
                request
                    .headers_mut()
                    .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                request
            }
            Self::ManyHeaders => {
                let mut request = typical(Method::GET, Full::default());
                for name in [
                    "x-forwarded-for",
                    "x-forwarded-host",
                    "x-forwarded-proto",
                    "x-request-id",
                    "x-correlation-id",
                    "x-b3-traceid",
                    "x-b3-spanid",
                    "x-b3-sampled",
                    "traceparent",
                    "tracestate",
                    "accept-language",
                    "accept-encoding",
                    "cache-control",
                    "pragma",
                    "sforce-query-options",
                    "sforce-auto-assign",
                    "if-none-match",
                ] {
                    request.headers_mut().insert(
                        header::HeaderName::from_static(name),
                        HeaderValue::from_static("4bf92f3577b34da6a3ce929d0e0e4736"),
                    );
                }
                request
            }
        }
    }
}

fn typical(method: Method, body: Body) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(String::from("/services/data/v65.0/sobjects/Account/001R0000003GeJ1IAK"))
        .header(header::ACCEPT, HeaderValue::from_static("application/json"))
        .header(header::USER_AGENT, HeaderValue::from_static("bench/1.0"))
        .header("sforce-call-options", "client=bench")
        .body(body)
        .unwrap()
}

/// Answers 200 at once.
#[derive(Clone, Copy, Debug)]
pub struct Bare;

impl<B> Service<Request<B>> for Bare {
    type Response = Response<Empty<Bytes>>;
    type Error = BoxError;
    type Future = Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    #[inline(always)]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let request = black_box(request);
        arrivals::arrived(|| {
            (request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes), request.uri().host())
        });
        ready(Ok(Response::new(Empty::new())))
    }
}

/// The least that anything of this kind can do: a ready header value and ready parts of a URI, for one token for ever.
#[derive(Clone, Debug)]
pub struct Limit<S> {
    inner: S,
    authorization: HeaderValue,
    scheme: Scheme,
    authority: Authority,
}

impl<S> Limit<S> {
    pub fn new(inner: S) -> Self {
        let mut authorization = HeaderValue::try_from(format!("Bearer {ACCESS_TOKEN}")).unwrap();
        authorization.set_sensitive(true);
        Self { inner, authorization, scheme: Scheme::HTTPS, authority: HOST.parse().unwrap() }
    }
}

impl<S: Service<Request<Body>>> Service<Request<Body>> for Limit<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let path = std::mem::take(request.uri_mut()).into_parts().path_and_query;
        let mut parts = Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = path;
        *request.uri_mut() = Uri::from_parts(parts).unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, self.authorization.clone());
        self.inner.call(request)
    }
}

/// Sends a 401 once more: the policy that most would write, for [`tower::retry`] above [`Limit`].
#[derive(Clone, Copy, Debug)]
pub struct Once;

impl<B, E> retry::Policy<Request<Body>, Response<B>, E> for Once {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<Body>, result: &mut Result<Response<B>, E>) -> Option<Ready<()>> {
        matches!(result, Ok(response) if response.status() == 401).then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        Some(request.clone())
    }
}

/// A session with a token that is alive.
pub fn session() -> Session {
    session_on(MemoryStore::volatile())
}

/// A session with a token that is alive, kept in `store`.
pub fn session_on(store: impl Into<SharedStore>) -> Session {
    let grant = RefreshToken::new(Client::public("client"), LoginHost::Production, "seed");
    let session = Session::builder("bench", grant).store(store).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(session.reconnect(consent())).unwrap();
    session
}

/// What a customer's consent gave.
pub fn consent() -> TokenResponse {
    TokenResponse::from_json(
        format!(
            r#"{{"access_token":"{ACCESS_TOKEN}","refresh_token":"refresh","instance_url":"https://{HOST}","token_type":"Bearer"}}"#
        )
        .as_bytes(),
    )
    .unwrap()
}

/// Sends `request` through a service that answers at once.
pub fn call<S>(service: &mut S, request: Request<Body>)
where
    S: Service<Request<Body>>,
    S::Error: std::fmt::Debug,
{
    let ready = service.ready().now_or_never().expect("ready at once").unwrap();
    black_box(ready.call(request).now_or_never().expect("answered at once").unwrap());
}
