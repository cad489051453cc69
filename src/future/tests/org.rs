//! An org that answers at once, and remembers what it got.

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
use tower_service::Service;

use super::REFUSAL;
use crate::BoxError;

/// What the org got.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    pub(super) mark: Option<Mark>,
    pub(super) body: Bytes,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mark(pub(super) u8);

type Answer = Box<dyn Fn(&Got) -> Result<Response<Full<Bytes>>, BoxError> + Send + Sync>;

/// An org that answers at once. It insists on being polled ready before each call, on the very clone that is called.
pub(super) struct Org {
    reserved: bool,
    shared: Arc<OrgState>,
}

pub(super) struct OrgState {
    answer: Answer,
    got: Mutex<Vec<Got>>,
    reserved: AtomicUsize,
    ready_error: Mutex<Option<&'static str>>,
}

impl Org {
    pub(super) fn new(
        answer: impl Fn(&Got) -> Result<Response<Full<Bytes>>, BoxError> + Send + Sync + 'static,
    ) -> Self {
        let shared = OrgState {
            answer: Box::new(answer),
            got: Mutex::default(),
            reserved: AtomicUsize::new(0),
            ready_error: Mutex::default(),
        };
        Self { reserved: false, shared: Arc::new(shared) }
    }

    /// Accepts the new token and refuses any other.
    pub(super) fn after_refresh() -> Self {
        Self::new(|got| {
            Ok(if token(got) == "Bearer 00D!new" { reply(200, "{}") } else { reply(401, REFUSAL) })
        })
    }

    pub(super) fn always(status: u16, body: &'static str) -> Self {
        Self::new(move |_| Ok(reply(status, body)))
    }

    pub(super) fn got(&self) -> Vec<Got> {
        self.shared.got.lock().unwrap().clone()
    }

    /// The next `poll_ready` of any clone fails.
    pub(super) fn fail_readiness(&self, error: &'static str) {
        *self.shared.ready_error.lock().unwrap() = Some(error);
    }

    pub(super) fn reservations(&self) -> usize {
        self.shared.reserved.load(SeqCst)
    }
}

impl Clone for Org {
    fn clone(&self) -> Self {
        Self { reserved: false, shared: Arc::clone(&self.shared) }
    }
}

impl Drop for Org {
    fn drop(&mut self) {
        if self.reserved {
            self.shared.reserved.fetch_sub(1, SeqCst);
        }
    }
}

impl Service<Request<Full<Bytes>>> for Org {
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

pub(super) fn token(got: &Got) -> &str {
    got.headers[header::AUTHORIZATION].to_str().unwrap()
}

pub(super) fn reply(status: u16, body: &'static str) -> Response<Full<Bytes>> {
    Response::builder().status(status).header("x-answer", "kept").body(Full::from(body)).unwrap()
}
