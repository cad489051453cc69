//! Callers that go away: whatever they leave, a rotated token is kept.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

mod support;

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use http::StatusCode;
use support::{Org, Probe, get};
use tower::{Layer, ServiceExt};
use tower_salesforce_auth::{Event, SalesforceAuthLayer};

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
    assert_eq!(error.kind(), tower_salesforce_auth::AuthErrorKind::ShuttingDown);
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
    assert_eq!(kinds, [tower_salesforce_auth::AuthErrorKind::ShuttingDown; 2]);
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
