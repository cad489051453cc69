//! Readiness: who is polled, what is held meanwhile, what an error means.

use std::future::poll_fn;

use http::Request;
use tokio::task::coop::unconstrained;
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit};
use tower_salesforce_auth::{AuthError, AuthErrorKind, BoxError, SalesforceAuth, SalesforceAuthLayer};

use crate::{
    Body, expired,
    probe::{Probe, Readiness},
    settle, status,
    support::{Org, get},
    token_requests, until, warm,
};

fn probe(org: &Org) -> Probe {
    Probe::new(org.api())
}

async fn ready(service: &mut SalesforceAuth<Probe>) {
    poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
}

fn has_a_permit(limited: &ConcurrencyLimit<Probe>) -> bool {
    let mut stranger = limited.clone();
    let mut readiness = task::spawn(poll_fn(|cx| Service::<Request<Body>>::poll_ready(&mut stranger, cx)));
    readiness.poll().is_ready()
}

fn kind(error: &BoxError) -> Option<AuthErrorKind> {
    AuthError::find(&**error).map(AuthError::kind)
}

#[tokio::test(start_paused = true)]
async fn f162_every_send_goes_to_a_service_that_was_polled_ready() {
    // The probe panics otherwise. Three ways to a token, for a handle that stays and for one that is cloned.
    for stays in [true, false] {
        let org = Org::new();
        let probe = probe(&org);
        let mut service = SalesforceAuthLayer::new(org.session()).layer(probe.clone());
        for round in ["no token", "a living token", "an expired one"] {
            if round == "an expired one" {
                org.expire();
            }
            let status = if stays {
                ready(&mut service).await;
                service.call(get("/r")).await.unwrap().status().as_u16()
            } else {
                status(service.clone()).await.unwrap()
            };
            assert_eq!((status, probe.held()), (200, 0), "{round}");
        }
        assert_eq!((probe.calls().len(), org.token_requests()), (4, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn f162_the_first_send_uses_the_reservation_and_the_resend_one_of_its_own() {
    let org = Org::new();
    let mut service = expired(&org, probe(&org)).await;
    ready(&mut service).await;
    let reserved = service.get_ref().id();
    assert!(service.get_ref().is_reserved());
    service.call(get("/r")).await.unwrap();
    let calls = service.get_ref().calls();
    assert_eq!((calls.len(), calls[0]), (2, reserved));
    assert_ne!(calls[1], reserved);
}

#[tokio::test(start_paused = true)]
async fn f163_nothing_is_reserved_while_the_first_token_is_awaited() {
    let org = Org::new();
    let gate = org.hold_tokens();
    let mut service = SalesforceAuthLayer::new(org.session()).layer(probe(&org));
    ready(&mut service).await;
    assert_eq!(service.get_ref().held(), 1);
    let mut call = task::spawn(service.call(get("/r")));
    assert_eq!(service.get_ref().held(), 0, "given back at once");
    assert_pending!(call.poll());
    token_requests(&org, 1).await;
    assert_eq!((service.get_ref().held(), org.api_requests()), (0, 0));
    gate.add_permits(1);
    assert_eq!(call.await.unwrap().status(), 200);
    assert_eq!((service.get_ref().held(), service.get_ref().calls().len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn f163_nothing_is_reserved_while_a_refused_session_is_refreshed() {
    let org = Org::new();
    let mut service = expired(&org, probe(&org)).await;
    let gate = org.hold_tokens();
    ready(&mut service).await;
    let mut call = task::spawn(service.call(get("/r")));
    assert_pending!(call.poll());
    token_requests(&org, 2).await;
    assert_eq!((service.get_ref().held(), service.get_ref().calls().len()), (0, 1));
    gate.add_permits(1);
    assert_eq!(call.await.unwrap().status(), 200);
    assert_eq!((service.get_ref().held(), service.get_ref().calls().len()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn f163_f164_a_limit_of_one_is_free_for_others_while_a_hundred_requests_wait_for_a_refresh() {
    let org = Org::new();
    let limited = ConcurrencyLimit::new(probe(&org), 1);
    let service = expired(&org, limited.clone()).await;
    let gate = org.hold_tokens();
    let waiting: Vec<_> = (0..100).map(|_| tokio::spawn(status(service.clone()))).collect();
    until(|| org.refused() == 100).await;
    settle().await;

    assert!(has_a_permit(&limited));

    gate.add_permits(1);
    for call in waiting {
        assert_eq!(call.await.unwrap().unwrap(), 200);
    }
    assert_eq!((org.token_requests(), org.api_requests()), (2, 200));
}

#[tokio::test(start_paused = true)]
async fn f168_an_error_of_readiness_is_passed_on_and_the_service_is_not_used_again() {
    let org = Org::new();
    let service = warm(&org, probe(&org)).await;

    // Before the first send: the caller's own poll.
    let mut handle = service.clone();
    service.get_ref().script(&[Readiness::Fails]);
    let error = poll_fn(|cx| handle.poll_ready(cx)).await.unwrap_err();
    assert_eq!((error.to_string().as_str(), kind(&error)), ("no connection is to be had", None));

    // Before the resend.
    org.expire();
    let mut handle = service.clone();
    ready(&mut handle).await;
    service.get_ref().script(&[Readiness::Fails]);
    let error = handle.call(get("/r")).await.unwrap_err();
    assert_eq!(error.to_string(), "no connection is to be had");
    assert_eq!((org.api_requests(), org.token_requests(), service.get_ref().held()), (1, 2, 0));

    // The session is none the worse for it.
    assert_eq!(status(service.clone()).await.unwrap(), 200);
    assert_eq!(org.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn f168_an_error_of_readiness_after_the_wait_for_a_token_is_final() {
    let org = Org::new();
    let mut service = SalesforceAuthLayer::new(org.session()).layer(probe(&org));
    ready(&mut service).await;
    service.get_ref().script(&[Readiness::Fails]);
    let mut call = task::spawn(service.call(get("/r")));
    assert_pending!(call.poll());
    until(|| call.is_woken()).await;
    assert_eq!(assert_ready!(call.poll()).unwrap_err().to_string(), "no connection is to be had");
    assert_pending!(call.poll(), "polled once too often, it neither panics nor sends");
    assert_eq!((org.api_requests(), org.token_requests()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn f169_polling_for_readiness_starts_no_refresh_and_hands_the_wait_through() {
    let org = Org::new();
    let mut service = SalesforceAuthLayer::new(org.session()).layer(probe(&org));
    service.get_ref().script(&[Readiness::Pending, Readiness::Pending]);
    let inner = service.get_ref().clone();
    {
        let mut readiness = task::spawn(poll_fn(|cx| service.poll_ready(cx)));
        assert_pending!(readiness.poll());
        settle().await;
        assert!(!readiness.is_woken());
        inner.wake();
        assert!(readiness.is_woken());
        assert_pending!(readiness.poll());
        inner.wake();
        assert!(assert_ready!(readiness.poll()).is_ok());
        assert!(assert_ready!(readiness.poll()).is_ok());
    }
    settle().await;
    assert_eq!((org.token_requests(), org.api_requests(), inner.held()), (0, 0, 1), "one reservation");
}

#[tokio::test(start_paused = true)]
async fn f170_a_service_that_was_ready_and_is_dropped_leaves_no_permit_and_no_flight() {
    let org = Org::new();
    let limited = ConcurrencyLimit::new(probe(&org), 1);
    for cold in [true, false] {
        let mut service = SalesforceAuthLayer::new(org.session()).layer(limited.clone());
        if !cold {
            service = expired(&org, limited.clone()).await;
        }
        let before = org.token_requests();
        poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
        drop(service);
        // A call that is never polled, too.
        let mut service = SalesforceAuthLayer::new(org.session()).layer(limited.clone());
        poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
        drop(service.call(get("/r")));
        drop(service);
        settle().await;
        assert_eq!((limited.get_ref().held(), org.token_requests()), (0, before));
        assert!(has_a_permit(&limited));
    }
}

#[tokio::test(start_paused = true)]
async fn s05_a_request_that_is_not_sent_gives_its_reservation_back() {
    let org = Org::new();
    let mut service = warm(&org, probe(&org)).await;
    for (target, expected) in [
        ("https://evil.example/", AuthErrorKind::ForeignOrigin),
        ("*", AuthErrorKind::UnsupportedTarget),
        ("acme.my.salesforce.com:443", AuthErrorKind::UnsupportedTarget),
    ] {
        ready(&mut service).await;
        let call = service.call(get(target));
        assert_eq!(service.get_ref().held(), 0, "{target}: also while the error is not fetched");
        assert_eq!(kind(&call.await.unwrap_err()), Some(expected), "{target}");
    }
    assert_eq!((org.api_requests(), service.get_ref().held()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn f171_ten_thousand_waiters_are_woken_once_each_and_not_before() {
    let org = Org::new();
    let gate = org.hold_tokens();
    let service = SalesforceAuthLayer::new(org.session()).layer(probe(&org));
    // Unconstrained: they all run in one task, whose budget they would use up.
    let call = |n| task::spawn(unconstrained(service.clone().oneshot(get(&format!("/{n}")))));
    let mut calls: Vec<_> = (0..10_000).map(call).collect();
    for call in &mut calls {
        assert_pending!(call.poll());
    }
    token_requests(&org, 1).await;
    settle().await;
    assert_eq!(calls.iter().filter(|call| call.is_woken()).count(), 0, "no busy wake");
    gate.add_permits(1);
    until(|| calls.iter().all(|call| call.is_woken())).await;
    for call in &mut calls {
        assert_eq!(assert_ready!(call.poll()).unwrap().status(), 200, "one wake is enough");
    }
    assert_eq!((org.token_requests(), org.api_requests()), (1, 10_000));
}

#[tokio::test(start_paused = true)]
async fn f171_a_call_that_waits_for_its_answer_is_not_woken_for_anything_else() {
    let org = Org::new();
    let gate = org.hold_api();
    let service = warm(&org, probe(&org)).await;
    let mut call = task::spawn(service.oneshot(get("/r")));
    assert_pending!(call.poll());
    settle().await;
    assert!(!call.is_woken());
    gate.add_permits(1);
    assert!(call.is_woken());
    assert_eq!(assert_ready!(call.poll()).unwrap().status(), 200);
}
