//! The end of every stack, where the request arrives: a peer that put no token on it would look fast.

use std::{
    future::Ready,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    task::{Context, Poll},
};

use http::{Request, header::AUTHORIZATION};
use tower::{BoxError, Service};

use crate::{
    rig::{Bare, Body},
    set_up,
};

static LOOKING: AtomicBool = AtomicBool::new(false);
static TOKENS: AtomicUsize = AtomicUsize::new(0);

/// How many of three requests of a peer, or of what is subtracted, arrive with a token.
pub fn tokens_of_three(name: &str) -> usize {
    let mut rounds = set_up(name);
    TOKENS.store(0, Ordering::Relaxed);
    LOOKING.store(true, Ordering::Relaxed);
    rounds(3);
    LOOKING.store(false, Ordering::Relaxed);
    TOKENS.load(Ordering::Relaxed)
}

/// To be called for each request with its `Authorization`. All do, also what is subtracted, so that the one branch that
/// it takes otherwise cancels.
pub(crate) fn arrived<'a>(authorization: impl FnOnce() -> Option<&'a [u8]>) {
    if LOOKING.load(Ordering::Relaxed) && authorization().is_some_and(|value| value.starts_with(b"Bearer ")) {
        TOKENS.fetch_add(1, Ordering::Relaxed);
    }
}

/// [`Bare`], of requests that arrive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End;

impl Service<Request<Body>> for End {
    type Response = <Bare as Service<Request<Body>>>::Response;
    type Error = BoxError;
    type Future = Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Service::<Request<Body>>::poll_ready(&mut Bare, context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        arrived(|| request.headers().get(AUTHORIZATION).map(AsRef::as_ref));
        Bare.call(request)
    }
}
