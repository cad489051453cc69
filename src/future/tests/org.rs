//! An org that answers at once, insists on its readiness, and remembers what happened to it.

use std::{
    future::{Future, Ready, ready},
    mem,
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

use super::{NEW_TOKEN, REFUSAL};
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

/// What happened to the org's handles, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A handle became ready: it holds a reservation.
    Reserved,
    /// A reservation was used.
    Called,
    /// A reservation was dropped unused.
    GivenBack,
}

type Answer = Box<dyn Fn(&Got) -> Result<Response<Full<Bytes>>, BoxError> + Send + Sync>;

/// An org that answers at once. It panics unless it was polled ready before each call, on the very handle that is
/// called; a handle is ready at its second poll, and a clone begins anew.
pub(super) struct Org {
    readiness: Readiness,
    shared: Arc<OrgState>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    Unasked,
    Asked,
    Reserved,
}

struct OrgState {
    answer: Answer,
    got: Mutex<Vec<Got>>,
    steps: Mutex<Vec<Step>>,
    ready_error: Mutex<Option<&'static str>>,
    asked: AtomicUsize,
}

impl Org {
    pub(super) fn new(
        answer: impl Fn(&Got) -> Result<Response<Full<Bytes>>, BoxError> + Send + Sync + 'static,
    ) -> Self {
        let shared = OrgState {
            answer: Box::new(answer),
            got: Mutex::default(),
            steps: Mutex::default(),
            ready_error: Mutex::default(),
            asked: AtomicUsize::new(0),
        };
        Self { readiness: Readiness::Unasked, shared: Arc::new(shared) }
    }

    /// Accepts the token that is named and refuses any other.
    pub(super) fn accepting(token: &'static str) -> Self {
        Self::new(move |got| {
            let accepted = self::token(got).strip_prefix("Bearer ") == Some(token);
            Ok(if accepted { reply(200, "{}") } else { reply(401, REFUSAL) })
        })
    }

    /// Accepts the new token and refuses any other.
    pub(super) fn after_refresh() -> Self {
        Self::accepting(NEW_TOKEN)
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

    /// How many reservations were asked for.
    pub(super) fn asked(&self) -> usize {
        self.shared.asked.load(SeqCst)
    }

    pub(super) fn steps(&self) -> Vec<Step> {
        self.shared.steps.lock().unwrap().clone()
    }

    /// How many handles hold a reservation now.
    pub(super) fn reservations(&self) -> usize {
        let steps = self.steps();
        let reserved = steps.iter().filter(|step| **step == Step::Reserved).count();
        reserved - (steps.len() - reserved)
    }

    fn note(&self, step: Step) {
        self.shared.steps.lock().unwrap().push(step);
    }
}

impl Clone for Org {
    fn clone(&self) -> Self {
        Self { readiness: Readiness::Unasked, shared: Arc::clone(&self.shared) }
    }
}

impl Drop for Org {
    fn drop(&mut self) {
        if self.readiness == Readiness::Reserved {
            self.note(Step::GivenBack);
        }
    }
}

impl Service<Request<Full<Bytes>>> for Org {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if let Some(error) = self.shared.ready_error.lock().unwrap().take() {
            return Poll::Ready(Err(error.into()));
        }
        match self.readiness {
            Readiness::Unasked => {
                self.readiness = Readiness::Asked;
                self.shared.asked.fetch_add(1, SeqCst);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Readiness::Asked => {
                self.readiness = Readiness::Reserved;
                self.note(Step::Reserved);
            }
            Readiness::Reserved => {}
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let readiness = mem::replace(&mut self.readiness, Readiness::Unasked);
        assert_eq!(readiness, Readiness::Reserved, "called without being polled ready");
        self.note(Step::Called);
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
