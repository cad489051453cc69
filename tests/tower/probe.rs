//! An API that answers at once, remembers what it got, and insists on the contract of `Service`.

use std::{
    future::{Ready, ready},
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri, header};
use http_body_util::Full;
use tower::Service;
use tower_salesforce_auth::BoxError;

use super::support::EXPIRED;

/// The `Authorization` of the first token that `support::Org` issues, and of the second.
pub(crate) const OLD: &str = "Bearer 00DR0000000KvIt!token.1";
pub(crate) const NEW: &str = "Bearer 00DR0000000KvIt!token.2";

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
}

type Answer = Box<dyn Fn(&Got) -> Result<Response<Full<Bytes>>, BoxError> + Send + Sync>;

/// An API that answers at once. It insists on being polled ready before each call, on the very clone that is called.
pub(crate) struct Probe {
    reserved: bool,
    shared: Arc<State>,
}

pub(crate) struct State {
    answer: Answer,
    got: Mutex<Vec<Got>>,
}

impl Probe {
    pub(crate) fn new(
        answer: impl Fn(&Got) -> Result<Response<Full<Bytes>>, BoxError> + Send + Sync + 'static,
    ) -> Self {
        let shared = State { answer: Box::new(answer), got: Mutex::default() };
        Self { reserved: false, shared: Arc::new(shared) }
    }

    /// Accepts the second token and refuses any other.
    pub(crate) fn after_refresh() -> Self {
        Self::new(|got| Ok(if token(got) == NEW { reply(200, "{}") } else { reply(401, EXPIRED) }))
    }

    pub(crate) fn always(status: u16, body: &'static str) -> Self {
        Self::new(move |_| Ok(reply(status, body)))
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.shared.got.lock().unwrap().clone()
    }
}

impl Clone for Probe {
    fn clone(&self) -> Self {
        Self { reserved: false, shared: Arc::clone(&self.shared) }
    }
}

impl Service<Request<Full<Bytes>>> for Probe {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.reserved = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        assert!(std::mem::replace(&mut self.reserved, false), "called without being polled ready");
        let (parts, _) = request.into_parts();
        let got = Got { uri: parts.uri, headers: parts.headers };
        let answer = (self.shared.answer)(&got);
        self.shared.got.lock().unwrap().push(got);
        ready(answer)
    }
}

pub(crate) fn token(got: &Got) -> &str {
    got.headers[header::AUTHORIZATION].to_str().unwrap()
}

pub(crate) fn reply(status: u16, body: &'static str) -> Response<Full<Bytes>> {
    Response::builder().status(status).header("x-answer", "kept").body(Full::from(body)).unwrap()
}
