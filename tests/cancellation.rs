//! Callers that go away: whatever they leave, a rotated token is kept.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

mod support;

use std::{
    convert::Infallible,
    future::{Future, ready},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use support::{EXPIRED, ORG, Org, Probe, consent, get};
use tower::{Layer, Service, ServiceExt};
use tower_salesforce_auth::{
    AuthError, AuthErrorKind, Diagnosis, Event, Outcome, SalesforceAuthLayer, Session, refusal::Verdict,
};

/// Lets everything that can run do so.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn f001_f003_f005_a_caller_dropped_at_any_poll_loses_nothing() {
    for cold in [true, false] {
        let mut refreshed = 0;
        for polls in 0.. {
            let (org, store) = (Org::new(), Probe::default());
            let session = org.builder().store(store.clone()).build().unwrap();
            let service = SalesforceAuthLayer::new(session.clone()).layer(org.api());
            if !cold {
                service.clone().oneshot(get("/warm")).await.unwrap();
                org.expire();
            }
            let mut events = session.events();
            let (before, written) = (org.token_requests(), store.applied());
            let done = {
                let mut call = pin!(service.clone().oneshot(get("/r")));
                let mut done = false;
                for _ in 0..polls {
                    if let Poll::Ready(response) = call.as_mut().poll(&mut Context::from_waker(Waker::noop()))
                    {
                        assert_eq!(response.unwrap().status(), StatusCode::OK);
                        done = true;
                        break;
                    }
                    tokio::task::yield_now().await;
                }
                done
            };
            settle().await;
            let requests = org.token_requests() - before;
            assert!(requests <= 1, "{polls} polls: {requests} token requests");
            refreshed += requests;

            // Whatever was rotated is known: the next call works, without a spent token being shown.
            assert_eq!(
                service.oneshot(get("/next")).await.unwrap().status(),
                StatusCode::OK,
                "{polls} polls"
            );
            assert_eq!(org.token_requests() - before, 1, "{polls} polls");
            assert_eq!(org.reused(), 0, "{polls} polls");
            assert_eq!(store.applied() - written, 2, "{polls} polls: claimed once, committed once");
            drop(session);
            let mut published = 0;
            while let Ok(Some(event)) = tokio::time::timeout(Duration::ZERO, events.next()).await {
                published += usize::from(matches!(event, Event::Refreshed { .. }));
            }
            assert_eq!(published, 1, "{polls} polls: published once");
            if done {
                break;
            }
            assert!(polls < 500, "the call never ends");
        }
        assert!(refreshed > 1, "the refresh was reached by some of the dropped callers");
    }
}

#[tokio::test(start_paused = true)]
async fn f002_a_million_dropped_waiters_leave_nothing_behind() {
    let org = Org::new();
    let gate = org.hold_tokens();
    let session = org.session();
    for _ in 0..100_000 {
        let mut wait = pin!(session.access_token());
        let _ = wait.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
    gate.add_permits(1);
    session.access_token().await.unwrap();
    assert_eq!(org.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn f004_a_call_that_is_never_polled_starts_nothing() {
    let org = Org::new();
    let mut service = SalesforceAuthLayer::new(org.session()).layer(org.api());
    let service = service.ready().await.unwrap();
    drop(tower::Service::call(service, get("/r")));
    settle().await;
    assert_eq!((org.token_requests(), org.api_requests()), (0, 0));
}

#[test]
fn f012_waiters_of_a_runtime_that_shuts_down_get_an_error() {
    let org = Org::new();
    let _gate = org.hold_tokens();
    let flying = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let waiting = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let session = org.builder().runtime(flying.handle().clone()).build().unwrap();
    let error = waiting.block_on(async {
        let wait = tokio::spawn({
            let session = session.clone();
            async move { session.access_token().await }
        });
        while org.token_requests() == 0 {
            tokio::task::yield_now().await;
        }
        flying.shutdown_background();
        wait.await.unwrap().unwrap_err()
    });
    assert_eq!(error.kind(), AuthErrorKind::ShuttingDown);
}

#[test]
fn f012_a_refresh_on_a_runtime_that_is_gone_is_an_error_and_not_a_deadlock() {
    let org = Org::new();
    let gone = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let session = org.builder().runtime(gone.handle().clone()).build().unwrap();
    drop(gone);
    let (done, outcome) = std::sync::mpsc::channel();
    // A thread of its own: a deadlock must fail the test and not hang it.
    std::thread::spawn(move || {
        let waiting = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let kinds = waiting.block_on(async {
            [session.access_token().await.unwrap_err().kind(), session.refresh().await.unwrap_err().kind()]
        });
        let _ = done.send(kinds);
    });
    let kinds = outcome.recv_timeout(Duration::from_secs(20)).expect("no deadlock");
    assert_eq!(kinds, [AuthErrorKind::ShuttingDown; 2]);
    assert_eq!(org.token_requests(), 0);
}

#[test]
fn f014_a_session_and_its_layer_are_built_without_a_runtime() {
    let org = Org::new();
    let service = SalesforceAuthLayer::new(org.session()).layer(org.api());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let response = runtime.block_on(service.oneshot(get("/r"))).unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

/// Wakes the thread that drives a future.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The plainest executor: this thread, which knows nothing of tokio.
fn drive<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let (mut future, mut cx) = (pin!(future), Context::from_waker(&waker));
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

type FrameResult = Result<Frame<Bytes>, Infallible>;

/// A service that answers 401, with a body of these frames.
fn refusing<B: Stream<Item = FrameResult> + Send>(
    body: fn() -> B,
) -> impl Service<Request<Full<Bytes>>, Response = Response<StreamBody<B>>, Error = Infallible> + Clone {
    tower::service_fn(move |_| {
        ready(Ok(Response::builder().status(401).body(StreamBody::new(body())).unwrap()))
    })
}

/// What an expired session is refused with, after a moment.
fn late() -> impl Stream<Item = FrameResult> + Send {
    stream::once(async {
        tokio::task::yield_now().await;
        Ok(Frame::data(Bytes::from_static(EXPIRED.as_bytes())))
    })
}

#[test]
fn f014_a_caller_outside_of_any_runtime_is_served_on_the_one_that_the_session_was_given() {
    let (org, runtime) = (Org::new(), runtime());
    let session = org.builder().runtime(runtime.handle().clone()).build().unwrap();
    let service = SalesforceAuthLayer::new(session.clone()).layer(org.api());
    drive(session.access_token()).unwrap();
    org.expire();
    // Refused, refreshed, sent once more.
    assert_eq!(drive(service.oneshot(get("/r"))).unwrap().status(), StatusCode::OK);
    // A refusal that comes late is waited for.
    let response = drive(SalesforceAuthLayer::new(session.clone()).layer(refusing(late)).oneshot(get("/r")));
    let response = response.unwrap();
    assert_eq!(Diagnosis::of(&response).unwrap().verdict(), Some(Verdict::SessionExpired));
    drive(session.reconnect(consent(ORG))).unwrap();
    org.answer_revocations();
    drive(session.revoke()).unwrap();
    drive(session.close(Duration::from_secs(5))).unwrap();
    assert_eq!((org.token_requests(), org.api_requests()), (4, 2));

    let gate = org.hold_tokens();
    let budget = Duration::ZERO;
    let builder = org.builder().runtime(runtime.handle().clone()).wait_budget(budget);
    let error = drive(builder.build().unwrap().access_token()).unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::WaitBudgetExceeded);
    gate.add_permits(1);
}

#[test]
fn f014_without_any_runtime_a_caller_gets_an_error_and_a_look_ends_at_once() {
    let (org, runtime) = (Org::new(), runtime());
    let session = org.session();
    let kind = AuthErrorKind::ShuttingDown;
    assert_eq!(drive(session.access_token()).unwrap_err().kind(), kind);
    // Nor can it wait for what another caller has started.
    let gate = org.hold_tokens();
    let refresh = runtime.spawn({
        let session = session.clone();
        async move { session.refresh().await }
    });
    while org.token_requests() == 0 {
        thread::yield_now();
    }
    assert_eq!(drive(session.access_token()).unwrap_err().kind(), kind);
    assert_eq!(drive(session.close(Duration::from_secs(5))).unwrap_err().kind(), kind);
    assert_eq!(drive(session.revoke()).unwrap_err().kind(), kind);
    assert_eq!(drive(session.reconnect(consent(ORG))).unwrap_err().kind(), kind);
    gate.add_permits(1);
    runtime.block_on(refresh).unwrap().unwrap();

    // With a token at hand requests are sent, and a refusal is handed back, even one whose body never comes.
    let response =
        drive(SalesforceAuthLayer::new(session).layer(refusing(stream::pending)).oneshot(get("/r"))).unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let Outcome::RefreshFailed(error) = Diagnosis::of(&response).unwrap().outcome() else {
        panic!("{:?}", Diagnosis::of(&response))
    };
    assert_eq!((error.kind(), org.token_requests()), (kind, 1));
}

/// What needs timers in the task that calls it.
async fn kinds(session: &Session) -> [Option<AuthErrorKind>; 4] {
    let kind = |result: Result<(), AuthError>| result.err().map(|error| error.kind());
    [
        kind(session.access_token().await.map(drop)),
        kind(session.reconnect(consent(ORG)).await),
        kind(session.revoke().await),
        kind(session.close(Duration::from_secs(5)).await),
    ]
}

#[test]
fn f014_a_caller_on_a_runtime_without_timers_uses_those_of_the_one_that_was_given_or_gets_an_error() {
    let timeless = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (org, runtime) = (Org::new(), runtime());
    org.answer_revocations();
    let given = org.builder().runtime(runtime.handle().clone()).build().unwrap();
    assert_eq!(timeless.block_on(kinds(&given)), [None; 4]);
    let refused = [Some(AuthErrorKind::ShuttingDown); 3];
    assert_eq!(timeless.block_on(kinds(&org.session()))[..3], refused);
    timeless.block_on(async { org.session().diagnose().await });
}

#[test]
fn f012_f014_a_caller_outside_of_any_runtime_gets_an_error_when_the_given_one_is_gone() {
    let (org, gone) = (Org::new(), runtime());
    let session = org.builder().runtime(gone.handle().clone()).build().unwrap();
    drop(gone);
    assert_eq!(drive(kinds(&session))[..3], [Some(AuthErrorKind::ShuttingDown); 3]);
    drive(async { session.diagnose().await });
    assert_eq!(org.token_requests(), 0);
}
