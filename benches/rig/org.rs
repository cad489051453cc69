//! An org in memory: an API that knows which token is alive, and a token endpoint that takes its time.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::Full;
use tower::Service;
use tower_salesforce_auth::{
    BoxError, Session,
    grant::{Client, LoginHost, RefreshToken},
    store::SharedStore,
    token_endpoint::TokenResponse,
};

use super::{ACCESS_TOKEN, Body, HOST};

const EXPIRED: &str = r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#;
const REVOKED: &str = r#"{"error":"invalid_grant","error_description":"expired access/refresh token"}"#;

/// What the token endpoint says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// A new token, the old ones being dead.
    Granted,
    /// That the customer must connect again.
    Refused,
}

/// Tokens are numbered; the one with the largest number is alive.
#[derive(Clone, Debug)]
pub struct Org(Arc<State>);

#[derive(Debug)]
struct State {
    alive: AtomicUsize,
    token_requests: AtomicUsize,
    api_calls: AtomicUsize,
    tokens: Tokens,
    delay: Duration,
}

impl Org {
    /// An org whose token endpoint answers after `delay`.
    pub fn new(tokens: Tokens, delay: Duration) -> Self {
        let [alive, token_requests, api_calls] = [const { AtomicUsize::new(0) }; 3];
        Self(Arc::new(State { alive, token_requests, api_calls, tokens, delay }))
    }

    /// A session of the org's on `store`, with a token that is alive.
    pub async fn session(&self, store: impl Into<SharedStore>) -> Session {
        let grant = RefreshToken::new(Client::public("client"), LoginHost::Production, "seed");
        let session = Session::builder("bench", grant)
            .store(store)
            .allow_plaintext_store()
            .transport(TokenEndpoint(self.clone()))
            .build()
            .unwrap();
        let consent =
            TokenResponse::from_json(token(self.0.alive.load(Ordering::SeqCst)).as_bytes()).unwrap();
        session.reconnect(consent).await.unwrap();
        session
    }

    pub fn api(&self) -> Api {
        Api(self.clone())
    }

    /// The header of a request with the token that is alive.
    pub fn authorization(&self) -> HeaderValue {
        let number = self.0.alive.load(Ordering::SeqCst);
        HeaderValue::try_from(format!("Bearer {ACCESS_TOKEN}.{number}")).unwrap()
    }

    /// Ends the token that is alive.
    pub fn expire(&self) {
        self.0.alive.fetch_add(1, Ordering::SeqCst);
    }

    pub fn token_requests(&self) -> usize {
        self.0.token_requests.load(Ordering::SeqCst)
    }

    pub fn api_calls(&self) -> usize {
        self.0.api_calls.load(Ordering::SeqCst)
    }
}

fn token(number: usize) -> String {
    format!(
        r#"{{"access_token":"{ACCESS_TOKEN}.{number}","refresh_token":"refresh.{number}","instance_url":"https://{HOST}","id":"https://login.salesforce.com/id/00DR0000000KvItMAK/005R0000000pgIjIAI","token_type":"Bearer","issued_at":"1779461039475","scope":"api refresh_token"}}"#
    )
}

/// Answers at once: 200 to the living token, the recorded 401 to any other.
#[derive(Clone, Debug)]
pub struct Api(Org);

impl Service<Request<Body>> for Api {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Ready<Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.0.api_calls.fetch_add(1, Ordering::Relaxed);
        let token = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let number = token.and_then(|token| token.rsplit('.').next()?.parse().ok());
        let alive = number == Some(self.0.0.alive.load(Ordering::Acquire));
        ready(Ok(if alive { json(200, "{}") } else { json(401, EXPIRED) }))
    }
}

/// The transport of token requests.
#[derive(Clone, Debug)]
struct TokenEndpoint(Org);

impl Service<Request<Body>> for TokenEndpoint {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        let org = self.0.clone();
        Box::pin(async move {
            org.0.token_requests.fetch_add(1, Ordering::SeqCst);
            if !org.0.delay.is_zero() {
                tokio::time::sleep(org.0.delay).await;
            }
            Ok(match org.0.tokens {
                Tokens::Granted => json(200, token(org.0.alive.fetch_add(1, Ordering::SeqCst) + 1)),
                Tokens::Refused => json(400, REVOKED),
            })
        })
    }
}

fn json(status: u16, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status.try_into().unwrap();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=UTF-8"));
    response
}
