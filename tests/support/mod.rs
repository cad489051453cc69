//! An org in memory: a token endpoint with rotation and an API that knows which token is alive, without a socket, so
//! that paused time is exact.
// Each test binary uses its own part; a panic here is a failed test.
#![allow(dead_code, unused_imports, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod probe;

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use tokio::{sync::Semaphore, task::JoinHandle};
use tower::Service;
use tower_salesforce_auth::{
    AccessToken, AuthError, BoxError, Session, SessionBuilder,
    grant::{Client, LoginHost, RefreshToken},
    store::MemoryStore,
    token_endpoint::TokenResponse,
};

pub use self::probe::Probe;

pub const ORG: &str = "00DR0000000KvIt";
pub const SEED: &str = "seed-refresh-token";
pub const EXPIRED: &str = r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#;
pub const NOT_PERMITTED: &str =
    r#"[{"message":"This session is not valid for use with the REST API","errorCode":"INVALID_SESSION_ID"}]"#;

pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What the token endpoint does instead of granting.
#[derive(Clone, Debug)]
pub enum Token {
    /// Grants, with these fields of the answer replaced or added (`null` removes).
    Patched(serde_json::Value),
    Answer(u16, &'static str),
    Lost,
    Panic,
}

/// A request as the API saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

#[derive(Default)]
struct State {
    /// The access token that is alive; its number counts the grants.
    alive: Option<String>,
    issued: usize,
    refresh_token: Option<String>,
    reused: usize,
    instance: String,
    token_script: VecDeque<Token>,
    /// The API's answer to everything, instead of asking whether the token is alive.
    api_answer: Option<(u16, &'static str)>,
    seen: Vec<Seen>,
    /// The forms that the token and the revocation endpoint were sent.
    forms: Vec<String>,
    answers_revocations: bool,
    refused_path: Option<&'static str>,
}

#[derive(Clone)]
pub struct Org {
    state: Arc<Mutex<State>>,
    pub token_requests: Arc<AtomicUsize>,
    pub api_requests: Arc<AtomicUsize>,
    pub refused: Arc<AtomicUsize>,
    token_delay: Arc<Mutex<Duration>>,
    api_gate: Arc<Mutex<Option<Arc<Semaphore>>>>,
    token_gate: Arc<Mutex<Option<Arc<Semaphore>>>>,
}

impl Org {
    pub fn new() -> Self {
        let state = State {
            refresh_token: Some(SEED.into()),
            instance: "https://acme.my.salesforce.com".into(),
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            token_requests: Arc::default(),
            api_requests: Arc::default(),
            refused: Arc::default(),
            token_delay: Arc::default(),
            api_gate: Arc::default(),
            token_gate: Arc::default(),
        }
    }

    /// A session with rotation on a volatile store.
    pub fn session(&self) -> Session {
        self.builder().build().expect("a session")
    }

    pub fn builder(&self) -> SessionBuilder {
        Session::builder("acme", grant()).store(MemoryStore::volatile()).transport(self.transport())
    }

    pub fn transport(&self) -> TokenTransport {
        TokenTransport(self.clone())
    }

    pub fn api(&self) -> Api {
        Api(self.clone())
    }

    pub fn expire(&self) {
        self.state.lock().unwrap().alive = None;
    }

    pub fn move_to(&self, instance: &str) {
        self.state.lock().unwrap().instance = instance.into();
    }

    /// The next token requests do this, then the endpoint grants again.
    pub fn script(&self, script: impl IntoIterator<Item = Token>) {
        self.state.lock().unwrap().token_script.extend(script);
    }

    pub fn answer_api(&self, answer: Option<(u16, &'static str)>) {
        self.state.lock().unwrap().api_answer = answer;
    }

    /// A refresh takes this long from now on.
    pub fn delay_tokens(&self, delay: Duration) {
        *self.token_delay.lock().unwrap() = delay;
    }

    /// Token requests wait for permits of the returned semaphore.
    pub fn hold_tokens(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        *self.token_gate.lock().unwrap() = Some(Arc::clone(&gate));
        gate
    }

    pub fn hold_api(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        *self.api_gate.lock().unwrap() = Some(Arc::clone(&gate));
        gate
    }

    /// Lets everything through that `hold_api` holds, and holds no more.
    pub fn open_api(&self, gate: Arc<Semaphore>) {
        *self.api_gate.lock().unwrap() = None;
        gate.add_permits(1_000_000);
    }

    /// This path is refused like an expired session, whatever the token.
    pub fn refuse_path(&self, path: &'static str) {
        self.state.lock().unwrap().refused_path = Some(path);
    }

    pub fn token_requests(&self) -> usize {
        self.token_requests.load(Ordering::SeqCst)
    }

    pub fn api_requests(&self) -> usize {
        self.api_requests.load(Ordering::SeqCst)
    }

    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }

    pub fn issued(&self) -> usize {
        self.state.lock().unwrap().issued
    }

    /// How often a spent refresh token was presented.
    pub fn reused(&self) -> usize {
        self.state.lock().unwrap().reused
    }

    /// The refresh token that is alive.
    pub fn refresh_token(&self) -> Option<String> {
        self.state.lock().unwrap().refresh_token.clone()
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    pub fn forms(&self) -> Vec<String> {
        self.state.lock().unwrap().forms.clone()
    }

    /// Revocations succeed from now on, and take no answer from the script.
    pub fn answer_revocations(&self) {
        self.state.lock().unwrap().answers_revocations = true;
    }

    fn answer_token_request(&self, form: &str) -> Result<Response<Full<Bytes>>, BoxError> {
        let presented = form
            .split('&')
            .find_map(|field| field.strip_prefix("refresh_token="))
            .map(str::to_owned)
            .unwrap_or_default();
        let mut state = self.state.lock().unwrap();
        if state.answers_revocations && form.starts_with("token=") {
            return Ok(json(200, String::new()));
        }
        let turn = state.token_script.pop_front().unwrap_or(Token::Patched(serde_json::json!({})));
        let patch = match turn {
            Token::Answer(status, body) => return Ok(json(status, body.to_owned())),
            Token::Lost => return Err("connection reset".into()),
            Token::Panic => {
                drop(state);
                panic!("the token endpoint's transport has a bug")
            }
            Token::Patched(patch) => patch,
        };
        let mints = form.contains("grant_type=client_credentials");
        if !mints && state.refresh_token.as_deref() != Some(presented.as_str()) {
            state.reused += 1;
            state.refresh_token = None;
            state.alive = None;
            let body = r#"{"error":"invalid_grant","error_description":"expired access/refresh token"}"#;
            return Ok(json(400, body.into()));
        }
        state.issued += 1;
        let n = state.issued;
        let mut answer = serde_json::json!({
            "access_token": format!("{ORG}!token.{n}"),
            "refresh_token": format!("refresh.{n}"),
            "instance_url": state.instance,
            "id": format!("https://login.salesforce.com/id/{ORG}MAK/005R0000000pgIjIAI"),
            "token_type": "Bearer",
            "issued_at": format!("{}", 1_779_461_039_000_u64 + n as u64),
            "scope": "api refresh_token",
            "signature": "c2ln",
        });
        for (name, value) in patch.as_object().expect("an object") {
            if value.is_null() {
                answer.as_object_mut().unwrap().remove(name);
            } else {
                answer[name] = value.clone();
            }
        }
        state.alive = answer["access_token"].as_str().map(str::to_owned);
        if let Some(next) = answer.get("refresh_token").and_then(|token| token.as_str()) {
            state.refresh_token = Some(next.to_owned());
        }
        Ok(json(200, answer.to_string()))
    }
}

pub fn grant() -> RefreshToken {
    RefreshToken::new(Client::confidential("client", "client-secret"), LoginHost::Production, SEED)
}

/// A session of the org's on `store`.
pub fn on(org: &Org, store: &Probe) -> Session {
    org.builder().store(store.clone()).allow_plaintext_store().build().unwrap()
}

/// A refresh whose token request, the org's second, is under way.
pub async fn refresh_under_way(org: &Org, session: &Session) -> JoinHandle<Result<AccessToken, AuthError>> {
    let session = session.clone();
    let refresh = tokio::spawn(async move { session.refresh().await });
    while org.token_requests() < 2 {
        tokio::task::yield_now().await;
    }
    refresh
}

/// What a person's consent in the org with this id brings.
pub fn consent(org: &str) -> TokenResponse {
    let body = serde_json::json!({
        "access_token": format!("{org}!consented"),
        "refresh_token": "consented-refresh",
        "instance_url": "https://acme.my.salesforce.com",
        "id": format!("https://login.salesforce.com/id/{org}/005R0000000pgIj"),
        "token_type": "Bearer",
        "issued_at": "1779461039475",
    });
    TokenResponse::from_json(body.to_string().as_bytes()).unwrap()
}

pub fn json(status: u16, body: String) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json;charset=UTF-8")
        .body(Full::from(body))
        .unwrap()
}

pub fn get(target: &str) -> Request<Full<Bytes>> {
    Request::get(target).body(Full::default()).unwrap()
}

#[derive(Clone)]
pub struct TokenTransport(Org);

impl Service<Request<Full<Bytes>>> for TokenTransport {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = BoxFuture<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let org = self.0.clone();
        Box::pin(async move {
            org.token_requests.fetch_add(1, Ordering::SeqCst);
            let form = request.into_body().collect().await?.to_bytes();
            org.state.lock().unwrap().forms.push(String::from_utf8(form.to_vec())?);
            let delay = *org.token_delay.lock().unwrap();
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            let gate = org.token_gate.lock().unwrap().clone();
            if let Some(gate) = gate {
                gate.acquire().await?.forget();
            }
            org.answer_token_request(std::str::from_utf8(&form)?)
        })
    }
}

/// The API: 200 with the token's number for the living token, the recorded 401 for any other.
#[derive(Clone)]
pub struct Api(Org);

impl Service<Request<Full<Bytes>>> for Api {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let org = self.0.clone();
        org.api_requests.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let Ok(body) = body.collect().await;
            let gate = org.api_gate.lock().unwrap().clone();
            if let Some(gate) = gate {
                gate.acquire().await.unwrap().forget();
            }
            let mut state = org.state.lock().unwrap();
            let bearer = head
                .headers
                .get(AUTHORIZATION)
                .and_then(|value| value.to_str().ok())
                .and_then(|value| value.strip_prefix("Bearer "))
                .map(str::to_owned);
            state.seen.push(Seen {
                method: head.method,
                uri: head.uri,
                headers: head.headers,
                body: body.to_bytes(),
            });
            let refused =
                state.refused_path.is_some_and(|path| state.seen.last().unwrap().uri.path() == path);
            let answer = match state.api_answer {
                _ if refused => json(401, EXPIRED.to_owned()),
                Some((status, body)) => json(status, body.to_owned()),
                None if bearer.is_some() && bearer == state.alive => {
                    json(200, format!(r#"{{"token":"{}"}}"#, state.issued))
                }
                None => json(401, EXPIRED.to_owned()),
            };
            if answer.status() == StatusCode::UNAUTHORIZED {
                org.refused.fetch_add(1, Ordering::SeqCst);
            }
            Ok(answer)
        })
    }
}

/// Reads a whole body.
pub async fn text<B>(response: Response<B>) -> String
where
    B: http_body::Body,
    B::Error: std::fmt::Debug,
{
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    String::from_utf8(body.to_vec()).expect("text")
}
