//! An API that answers at once, remembers what it got, and insists on the contract of `Service`.

use std::{
    future::{Future, Ready, ready},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri, Version, header};
use http_body_util::{BodyExt, Full};
use tower::Service;
use tower_salesforce_auth::BoxError;

use super::support::EXPIRED;

/// The `Authorization` of the first token that `support::Org` issues, and of the second.
pub(crate) const OLD: &str = "Bearer 00DR0000000KvIt!token.1";
pub(crate) const NEW: &str = "Bearer 00DR0000000KvIt!token.2";

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) mark: Option<Mark>,
    pub(crate) body: Bytes,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mark(pub(crate) u8);

type Answer = Box<dyn Fn(&Got) -> Result<Response<Full<Bytes>>, BoxError> + Send + Sync>;

/// An API that answers at once. It insists on being polled ready before each call, on the very clone that is called.
pub(crate) struct Probe {
    reserved: bool,
    shared: Arc<State>,
}

pub(crate) struct State {
    answer: Answer,
    got: Mutex<Vec<Got>>,
    reserved: AtomicUsize,
    ready_error: Mutex<Option<&'static str>>,
}

impl Probe {
    pub(crate) fn new(
        answer: impl Fn(&Got) -> Result<Response<Full<Bytes>>, BoxError> + Send + Sync + 'static,
    ) -> Self {
        let shared = State {
            answer: Box::new(answer),
            got: Mutex::default(),
            reserved: AtomicUsize::new(0),
            ready_error: Mutex::default(),
        };
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

    /// The next `poll_ready` of any clone fails.
    pub(crate) fn fail_readiness(&self, error: &'static str) {
        *self.shared.ready_error.lock().unwrap() = Some(error);
    }

    pub(crate) fn reservations(&self) -> usize {
        self.shared.reserved.load(SeqCst)
    }
}

impl Clone for Probe {
    fn clone(&self) -> Self {
        Self { reserved: false, shared: Arc::clone(&self.shared) }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if self.reserved {
            self.shared.reserved.fetch_sub(1, SeqCst);
        }
    }
}

impl Service<Request<Full<Bytes>>> for Probe {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if let Some(error) = self.shared.ready_error.lock().unwrap().take() {
            return Poll::Ready(Err(error.into()));
        }
        if !std::mem::replace(&mut self.reserved, true) {
            self.shared.reserved.fetch_add(1, SeqCst);
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        assert!(std::mem::replace(&mut self.reserved, false), "called without being polled ready");
        self.shared.reserved.fetch_sub(1, SeqCst);
        let (parts, body) = request.into_parts();
        let mut body = pin!(body.collect());
        let Poll::Ready(Ok(body)) = body.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("a full body is ready")
        };
        let got = Got {
            method: parts.method,
            uri: parts.uri,
            version: parts.version,
            headers: parts.headers,
            mark: parts.extensions.get().cloned(),
            body: body.to_bytes(),
        };
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
