use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use super::*;
use crate::{
    grant::LoginHost,
    token_endpoint::{TokenErrorKind, in_memory::at},
};

type Ready = fn() -> Poll<Result<(), BoxError>>;

/// A service that is ready as `ready` says, and panics when it is called without having been ready.
struct Strict {
    ready: Ready,
    was_ready: bool,
    called: Arc<AtomicUsize>,
    fails: Option<io::ErrorKind>,
}

impl Clone for Strict {
    /// Readiness is a clone's own.
    fn clone(&self) -> Self {
        Self { ready: self.ready, was_ready: false, called: Arc::clone(&self.called), fails: self.fails }
    }
}

impl Service<Request<Full<Bytes>>> for Strict {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let ready = (self.ready)();
        self.was_ready = matches!(ready, Poll::Ready(Ok(())));
        ready
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        assert!(std::mem::take(&mut self.was_ready), "called without being ready");
        self.called.fetch_add(1, Ordering::Relaxed);
        std::future::ready(match self.fails {
            Some(kind) => Err(Box::new(Wrapped(kind.into()))),
            None => Ok(Response::new(Full::from(r#"{"access_token":"00Dxx!new"}"#))),
        })
    }
}

/// An error below another, as clients wrap them.
#[derive(Debug)]
struct Wrapped(io::Error);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("request failed")
    }
}

impl StdError for Wrapped {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

/// What `n` exchanges over such a service end in, and how often the service was called.
async fn exchange(ready: Ready, fails: Option<io::ErrorKind>) -> (Result<(), TokenErrorKind>, usize) {
    let called = Arc::new(AtomicUsize::new(0));
    let service = Strict { ready, was_ready: false, called: Arc::clone(&called), fails };
    let endpoint = at(LoginHost::Production, Transport::new(service));
    let outcome = endpoint.exchange(&[("grant_type", "refresh_token")]).await;
    (outcome.map(|_| ()).map_err(|error| error.kind()), called.load(Ordering::Relaxed))
}

#[tokio::test]
async fn f162_a_clone_is_made_ready_and_then_called() {
    assert_eq!(exchange(|| Poll::Ready(Ok(())), None).await, (Ok(()), 1));
}

#[tokio::test]
async fn f096_a_service_that_fails_before_it_is_ready_has_sent_nothing() {
    let outcome = exchange(|| Poll::Ready(Err("closed".into())), None).await;
    assert_eq!(outcome, (Err(TokenErrorKind::NotSent), 0));
}

#[tokio::test(start_paused = true)]
async fn f096_a_service_that_is_never_ready_has_sent_nothing() {
    let begun = crate::clock::now();
    let outcome = exchange(|| Poll::Pending, None).await;
    assert_eq!(outcome, (Err(TokenErrorKind::NotSent), 0));
    assert_eq!(begun.elapsed(), Duration::from_secs(10));
}

#[tokio::test]
async fn f096_f097_only_proof_makes_a_failed_request_unsent() {
    use io::ErrorKind::*;
    for (error, kind) in [
        (ConnectionRefused, TokenErrorKind::NotSent),
        (AddrNotAvailable, TokenErrorKind::NotSent),
        (HostUnreachable, TokenErrorKind::OutcomeUnknown),
        (NetworkUnreachable, TokenErrorKind::OutcomeUnknown),
        (ConnectionReset, TokenErrorKind::OutcomeUnknown),
        (BrokenPipe, TokenErrorKind::OutcomeUnknown),
        (TimedOut, TokenErrorKind::OutcomeUnknown),
        (UnexpectedEof, TokenErrorKind::OutcomeUnknown),
        (Other, TokenErrorKind::OutcomeUnknown),
    ] {
        assert_eq!(exchange(|| Poll::Ready(Ok(())), Some(error)).await, (Err(kind), 1), "{error:?}");
    }
}

#[test]
fn a_transport_is_shared_between_threads_whatever_the_service_is() {
    fn is_shared<T: Send + Sync + Clone + 'static>(_: &T) {}
    let unsync = std::cell::Cell::new(0);
    let transport = Transport::new(tower::service_fn(move |_: Request<Full<Bytes>>| {
        unsync.set(1);
        std::future::ready(Ok::<_, BoxError>(Response::new(Full::<Bytes>::default())))
    }));
    is_shared(&transport);
}
