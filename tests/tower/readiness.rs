//! Reservations: of what is below the layer, and when they are given back.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt, util::BoxCloneService};
use tower_salesforce_auth::{BoxError, SalesforceAuthLayer};

use super::{SECOND_HOST, auth, connected, probe::Probe, request, support::Org};

fn poll_once<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn f163_nothing_is_reserved_while_a_token_is_waited_for() {
    let org = Org::new();
    org.move_to(&format!("https://{SECOND_HOST}"));
    let (session, held) = (org.session(), org.hold_tokens());
    let api = Probe::always(200, "{}");
    let mut auth = auth(&session, &api);
    let mut response = Box::pin(auth.ready().await.unwrap().call(request("/x")));
    assert_eq!(api.reservations(), 0, "before the first poll");
    assert!(poll_once(&mut response).is_pending());
    assert_eq!((api.reservations(), api.got().len()), (0, 0));
    held.add_permits(1);
    assert_eq!(response.await.unwrap().status(), StatusCode::OK);
    assert_eq!((api.got()[0].uri.host(), api.reservations()), (Some(SECOND_HOST), 0));
}

#[tokio::test(start_paused = true)]
async fn f163_nothing_is_reserved_while_a_refresh_goes_on() {
    let (org, session) = connected().await;
    let held = org.hold_tokens();
    let api = Probe::after_refresh();
    let mut auth = auth(&session, &api);
    let mut response = Box::pin(auth.ready().await.unwrap().call(request("/x")));
    assert!(poll_once(&mut response).is_pending());
    assert_eq!((api.reservations(), api.got().len()), (0, 1));
    held.add_permits(1);
    assert_eq!(response.await.unwrap().status(), StatusCode::OK);
    assert_eq!((api.reservations(), api.got().len()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn f168_an_error_of_readiness_is_final() {
    let (org, session) = connected().await;
    let api = Probe::after_refresh();
    let mut auth = auth(&session, &api);
    let response = auth.ready().await.unwrap().call(request("/x"));
    api.fail_readiness("shed");
    assert_eq!(response.await.unwrap_err().to_string(), "shed", "F167: of the clone for the resend");
    assert_eq!((api.got().len(), org.token_requests()), (1, 2));
    api.fail_readiness("closed");
    assert_eq!(auth.ready().await.err().unwrap().to_string(), "closed");
}

#[tokio::test(start_paused = true)]
async fn f169_being_polled_ready_starts_no_refresh() {
    let org = Org::new();
    let api = Probe::always(200, "{}");
    let mut auth = auth(&org.session(), &api);
    for _ in 0..3 {
        auth.ready().await.unwrap();
    }
    drop(auth);
    tokio::task::yield_now().await;
    assert_eq!((org.token_requests(), api.reservations()), (0, 0), "F170");
}

#[tokio::test(start_paused = true)]
async fn f170_a_caller_dropped_at_any_poll_leaves_no_reservation_behind() {
    for polls in 0..12 {
        let (_org, session) = connected().await;
        let api = Probe::after_refresh();
        let mut response = Box::pin(auth(&session, &api).oneshot(request("/x")));
        for _ in 0..polls {
            if poll_once(&mut response).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(response);
        assert_eq!(api.reservations(), 0, "after {polls} polls");
        assert!(api.got().len() <= 2);
    }
}

#[tokio::test(start_paused = true)]
async fn polled_again_after_its_answer_it_stays_pending() {
    let (_org, session) = connected().await;
    let api = Probe::after_refresh();
    let mut auth = auth(&session, &api);
    let mut response = Box::pin(auth.ready().await.unwrap().call(request("/x")));
    assert!(response.as_mut().await.is_ok());
    assert!(poll_once(&mut response).is_pending());
    let mut response = Box::pin(auth.ready().await.unwrap().call(request("*")));
    assert!(response.as_mut().await.is_err());
    assert!(poll_once(&mut response).is_pending());
}

#[tokio::test(start_paused = true)]
async fn f173_a_service_that_is_not_sync_can_be_spawned() {
    let (_org, session) = connected().await;
    let api = Probe::after_refresh();
    let erased: BoxCloneService<Request<Full<Bytes>>, Response<Full<Bytes>>, BoxError> =
        BoxCloneService::new(api.clone());
    let mut auth = SalesforceAuthLayer::new(session).layer(erased);
    let response = tokio::spawn(auth.clone().oneshot(request("/x"))).await.unwrap().unwrap();
    assert_eq!((response.status(), api.got().len()), (StatusCode::OK, 2));
    let response =
        tokio::spawn(async move { auth.ready().await?.call(request("/x")).await }).await.unwrap().unwrap();
    assert_eq!((response.status(), api.got().len()), (StatusCode::OK, 3));
}
