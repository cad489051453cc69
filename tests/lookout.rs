//! What another process stores while this one must not refresh.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

mod support;

use std::{sync::atomic::Ordering, time::Duration};

use http::{StatusCode, header::AUTHORIZATION};
use support::{Api, EXPIRED, NOT_PERMITTED, ORG, Org, Probe, Token, consent, get, on};
use tokio::time::{Instant, advance};
use tower::{Layer, ServiceExt};
use tower_salesforce_auth::{
    AuthErrorKind, Diagnosis, Outcome, SalesforceAuth, SalesforceAuthLayer, Session, replay,
    token_endpoint::TokenResponse,
};

type Service = SalesforceAuth<Api, replay::Cloned>;

/// A session in a cool-down, which its second token request has begun.
async fn cooling_down(org: &Org, store: &Probe) -> (Session, Service) {
    in_a_cool_down(org, on(org, store)).await
}

async fn in_a_cool_down(org: &Org, session: Session) -> (Session, Service) {
    let service = SalesforceAuthLayer::new(session.clone()).layer(org.api());
    assert_eq!(service.clone().oneshot(get("/warm")).await.unwrap().status(), StatusCode::OK);
    org.answer_api(Some((401, NOT_PERMITTED)));
    assert!(matches!(outcome(&service).await, Outcome::RefusedAgain));
    advance(Duration::from_secs(1)).await;
    assert_eq!(org.token_requests(), 2);
    (session, service)
}

/// The outcome of a request that is refused.
async fn outcome(service: &Service) -> Outcome {
    let response = service.clone().oneshot(get("/r")).await.unwrap();
    Diagnosis::of(&response).expect("a refusal").outcome().clone()
}

fn loads(store: &Probe) -> usize {
    store.loads.load(Ordering::SeqCst)
}

async fn a_look_after(store: &Probe, before: usize) {
    for _ in 0..1_000 {
        if loads(store) > before {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("nobody looks");
}

#[tokio::test(start_paused = true)]
async fn f174_what_another_process_stores_during_a_cool_down_is_served_without_a_token_request() {
    let (org, store) = (Org::new(), Probe::default());
    let (_session, service) = cooling_down(&org, &store).await;
    let theirs = on(&org, &store);
    theirs.access_token().await.unwrap();
    theirs.refresh().await.unwrap();
    org.answer_api(None);
    let before = loads(&store);
    for api_requests in [2, 1] {
        let sent = org.api_requests();
        assert_eq!(service.clone().oneshot(get("/r")).await.unwrap().status(), StatusCode::OK);
        assert_eq!(org.api_requests() - sent, api_requests);
    }
    assert_eq!((loads(&store) - before, org.token_requests(), org.reused()), (1, 3, 0));
}

#[tokio::test(start_paused = true)]
async fn f176_what_another_process_stores_during_the_pause_after_a_failure_is_served() {
    let (org, store) = (Org::new(), Probe::default());
    let (mine, theirs) = (on(&org, &store), on(&org, &store));
    let service = SalesforceAuthLayer::new(mine).layer(org.api());
    service.clone().oneshot(get("/warm")).await.unwrap();
    org.answer_api(Some((401, EXPIRED)));
    org.script([Token::Answer(400, r#"{"error":"invalid_client"}"#)]);
    assert!(matches!(outcome(&service).await, Outcome::RefreshFailed(_)));
    for _ in 0..3 {
        advance(Duration::from_secs(1)).await;
        assert!(matches!(outcome(&service).await, Outcome::RefreshFailed(_)), "what was refused is no news");
    }
    theirs.reconnect(consent(ORG)).await.unwrap();
    advance(Duration::from_secs(1)).await;
    assert!(matches!(outcome(&service).await, Outcome::RefusedAgain), "the in-memory org knows no consent");
    let resent = org.seen().pop().unwrap().headers.remove(AUTHORIZATION).unwrap();
    assert!(resent.to_str().unwrap().ends_with("consented"));
    assert_eq!(org.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn f176_a_first_token_that_another_process_gets_during_the_pause_after_a_failure_is_served() {
    let (org, store) = (Org::new(), Probe::default());
    let (mine, theirs) = (on(&org, &store), on(&org, &store));
    org.script([Token::Answer(400, r#"{"error":"invalid_client"}"#)]);
    let failure = mine.access_token().await.unwrap_err();
    assert_eq!(failure.kind(), AuthErrorKind::OperatorMustAct);
    advance(Duration::from_secs(1)).await;
    let before = loads(&store);
    assert_eq!(mine.access_token().await.unwrap_err().kind(), AuthErrorKind::OperatorMustAct);
    theirs.reconnect(consent(ORG)).await.unwrap();
    assert!(mine.access_token().await.is_err(), "one look a second");
    advance(Duration::from_secs(1)).await;
    assert!(mine.access_token().await.unwrap().expose().ends_with("consented"));
    assert_eq!((loads(&store) - before, org.token_requests()), (2 + 1, 1), "and one of the consent's");
}

#[tokio::test(start_paused = true)]
async fn f174_one_request_a_second_looks_during_a_cool_down_and_the_others_do_not_wait_for_it() {
    let (org, store) = (Org::new(), Probe::default());
    let (session, service) = cooling_down(&org, &store).await;
    let mut events = session.events();
    let (before, begun) = (loads(&store), Instant::now());
    store.loads_hang.store(true, Ordering::SeqCst);
    let looking = tokio::spawn({
        let service = service.clone();
        async move { outcome(&service).await }
    });
    a_look_after(&store, before).await;
    for _ in 0..100 {
        assert!(matches!(outcome(&service).await, Outcome::CoolingDown { .. }));
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert!(matches!(looking.await.unwrap(), Outcome::CoolingDown { .. }));
    store.loads_hang.store(false, Ordering::SeqCst);

    let before = loads(&store);
    for _ in 0..100 {
        assert!(matches!(outcome(&service).await, Outcome::CoolingDown { .. }));
        advance(Duration::from_millis(100)).await;
    }
    assert_eq!((loads(&store) - before, org.token_requests()), (10, 2));
    drop((session, service));
    assert!(events.next().await.is_none(), "to find nothing is no failure");
}

#[tokio::test(start_paused = true)]
async fn f009_a_store_that_panics_when_somebody_looks_panics_nobody() {
    let (org, store) = (Org::new(), Probe::default());
    let (_session, service) = cooling_down(&org, &store).await;
    store.load_panics.store(1, Ordering::SeqCst);
    assert!(matches!(outcome(&service).await, Outcome::CoolingDown { .. }));
    assert_eq!(store.load_panics.load(Ordering::SeqCst), 0);
    let before = loads(&store);
    advance(Duration::from_secs(1)).await;
    assert!(matches!(outcome(&service).await, Outcome::CoolingDown { .. }));
    assert_eq!(loads(&store) - before, 1, "and looking goes on");
}

#[tokio::test(start_paused = true)]
async fn a_look_takes_no_longer_than_the_wait_budget() {
    let (org, store) = (Org::new(), Probe::default());
    let budget = Duration::from_millis(100);
    let session =
        org.builder().store(store.clone()).allow_plaintext_store().wait_budget(budget).build().unwrap();
    let (_session, service) = in_a_cool_down(&org, session).await;
    store.loads_hang.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    assert!(matches!(outcome(&service).await, Outcome::CoolingDown { .. }));
    assert_eq!(begun.elapsed().as_millis(), 100);
}

#[tokio::test(start_paused = true)]
async fn f037_a_look_that_a_consent_overtakes_brings_nothing_older() {
    let (org, store) = (Org::new(), Probe::default());
    let (session, service) = cooling_down(&org, &store).await;
    let theirs = on(&org, &store);
    theirs.access_token().await.unwrap();
    theirs.refresh().await.unwrap();
    let (gate, before) = (store.hold_loads(), loads(&store));
    let looking = tokio::spawn(service.oneshot(get("/r")));
    a_look_after(&store, before).await;
    store.hold_no_more_loads();
    store.forget();
    // It does not say when it was issued, so that nothing tells that it is newer.
    let consent = TokenResponse::new(format!("{ORG}!consented"))
        .with_refresh_token("consented-refresh")
        .with_instance_url("https://acme.my.salesforce.com");
    session.reconnect(consent).await.unwrap();
    gate.add_permits(1);
    looking.await.unwrap().unwrap();
    let resent = org.seen().pop().unwrap().headers.remove(AUTHORIZATION).unwrap();
    assert!(resent.to_str().unwrap().ends_with("consented"));
    assert!(session.access_token().await.unwrap().expose().ends_with("consented"));
    assert!(store.record().await.contains("consented-refresh"));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_closed_looks_for_nothing() {
    let (org, store) = (Org::new(), Probe::default());
    let (session, service) = cooling_down(&org, &store).await;
    session.close(Duration::from_secs(1)).await.unwrap();
    let before = loads(&store);
    assert!(matches!(outcome(&service).await, Outcome::CoolingDown { .. }));
    assert_eq!(loads(&store), before);
}

#[tokio::test(start_paused = true)]
async fn a_look_leaves_the_pause_of_a_flight_that_did_not_adopt_what_is_stored() {
    let (org, store) = (Org::new(), Probe::default());
    let (mine, theirs) = (on(&org, &store), on(&org, &store));
    let service = SalesforceAuthLayer::new(mine).layer(org.api());
    service.clone().oneshot(get("/warm")).await.unwrap();
    theirs.access_token().await.unwrap();
    theirs.refresh().await.unwrap();
    // Idle for a night: what the other one stored is likely to be dead too.
    advance(Duration::from_secs(3 * 60 * 60)).await;
    org.answer_api(Some((401, EXPIRED)));
    org.script([Token::Answer(400, r#"{"error":"invalid_client"}"#)]);
    for _ in 0..5 {
        assert!(matches!(outcome(&service).await, Outcome::RefreshFailed(_)));
        advance(Duration::from_secs(1)).await;
    }
    assert_eq!(org.token_requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn f037_a_look_that_a_flight_overtakes_brings_nothing_older() {
    let (org, store) = (Org::new(), Probe::default());
    let (session, service) = cooling_down(&org, &store).await;
    let theirs = on(&org, &store);
    theirs.access_token().await.unwrap();
    theirs.refresh().await.unwrap();
    let (gate, before) = (store.hold_loads(), loads(&store));
    let looking = tokio::spawn(service.oneshot(get("/r")));
    a_look_after(&store, before).await;
    store.hold_no_more_loads();
    // It does not say when it was issued, so that nothing tells that it is newer.
    let consent = TokenResponse::new(format!("{ORG}!consented"))
        .with_refresh_token("consented-refresh")
        .with_instance_url("https://acme.my.salesforce.com");
    theirs.reconnect(consent).await.unwrap();
    assert!(session.refresh().await.unwrap().expose().ends_with("consented"));
    gate.add_permits(1);
    looking.await.unwrap().unwrap();
    assert!(session.access_token().await.unwrap().expose().ends_with("consented"));
}

#[tokio::test(start_paused = true)]
async fn what_a_look_finds_is_served_though_its_caller_has_gone() {
    let (org, store) = (Org::new(), Probe::default());
    let (session, service) = cooling_down(&org, &store).await;
    let theirs = on(&org, &store);
    theirs.access_token().await.unwrap();
    let newest = theirs.refresh().await.unwrap();
    let (gate, before) = (store.hold_loads(), loads(&store));
    let looking = tokio::spawn(service.oneshot(get("/r")));
    a_look_after(&store, before).await;
    looking.abort();
    assert!(looking.await.unwrap_err().is_cancelled());
    gate.add_permits(1);
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(session.access_token().await.unwrap().expose(), newest.expose());
    assert_eq!(loads(&store) - before, 1);
}
