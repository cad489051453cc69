//! A service that takes Tower's contract at its word.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use http::{Request, header::AUTHORIZATION};
use tower::Service;
use tower_salesforce_auth::BoxError;

use crate::{
    Body,
    support::{Api, BoxFuture},
};

/// Panics when it is called without having been polled ready, and when it is used after it failed; a clone starts
/// without a reservation, whatever its original holds.
pub(crate) struct Probe {
    api: Api,
    id: usize,
    state: State,
    shared: Arc<Shared>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Reserved,
    Failed,
}

#[derive(Default)]
struct Shared {
    clones: AtomicUsize,
    held: AtomicUsize,
    calls: Mutex<Vec<usize>>,
    readiness: Mutex<Vec<Readiness>>,
    parked: Mutex<Vec<Waker>>,
}

/// What polling for readiness yields instead of success, once.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Readiness {
    Ready,
    Fails,
    Pending,
}

impl Probe {
    pub(crate) fn new(api: Api) -> Self {
        Self { api, id: 0, state: State::Idle, shared: Arc::default() }
    }

    /// How many reservations are held by anybody.
    pub(crate) fn held(&self) -> usize {
        self.shared.held.load(SeqCst)
    }

    /// Which clones were called, in order. The first of all is number 0.
    pub(crate) fn calls(&self) -> Vec<usize> {
        self.shared.calls.lock().unwrap().clone()
    }

    /// What the next polls for readiness yield, those of clones that hold no reservation.
    pub(crate) fn script(&self, script: &[Readiness]) {
        *self.shared.readiness.lock().unwrap() = script.iter().rev().copied().collect();
    }

    /// Wakes those who were told to wait.
    pub(crate) fn wake(&self) {
        self.shared.parked.lock().unwrap().drain(..).for_each(Waker::wake);
    }

    pub(crate) fn id(&self) -> usize {
        self.id
    }

    pub(crate) fn is_reserved(&self) -> bool {
        self.state == State::Reserved
    }

    fn leave(&mut self, state: State) -> State {
        if self.state == State::Reserved {
            self.shared.held.fetch_sub(1, SeqCst);
        }
        std::mem::replace(&mut self.state, state)
    }
}

impl Clone for Probe {
    fn clone(&self) -> Self {
        let id = self.shared.clones.fetch_add(1, SeqCst) + 1;
        Self { api: self.api.clone(), id, state: State::Idle, shared: Arc::clone(&self.shared) }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.leave(State::Idle);
    }
}

impl Service<Request<Body>> for Probe {
    type Response = http::Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        assert_ne!(self.state, State::Failed, "F168: used after it failed");
        if self.state == State::Reserved {
            return Poll::Ready(Ok(()));
        }
        match self.shared.readiness.lock().unwrap().pop().unwrap_or(Readiness::Ready) {
            Readiness::Ready => {
                self.state = State::Reserved;
                self.shared.held.fetch_add(1, SeqCst);
                Poll::Ready(Ok(()))
            }
            Readiness::Fails => {
                self.state = State::Failed;
                Poll::Ready(Err("no connection is to be had".into()))
            }
            Readiness::Pending => {
                self.shared.parked.lock().unwrap().push(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        assert_eq!(self.leave(State::Idle), State::Reserved, "F162: called without being polled ready");
        let token = request.headers().get(AUTHORIZATION).expect("a token");
        assert!(token.is_sensitive(), "S07");
        assert_eq!(request.headers().get_all(AUTHORIZATION).iter().count(), 1, "S06");
        self.shared.calls.lock().unwrap().push(self.id);
        let answer = self.api.call(request);
        Box::pin(async move { Ok(answer.await?) })
    }
}
