//! Closing, revoking and connecting again, while refreshes are under way or have left something behind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

mod support;

use std::{sync::atomic::Ordering, time::Duration};

use serde_json::json;
use support::{Org, Probe, Token, get};
use tower::{Layer, ServiceExt};
use tower_salesforce_auth::{AuthErrorKind, SalesforceAuthLayer, Session, token_endpoint::TokenResponse};

fn on(org: &Org, store: &Probe) -> Session {
    org.builder().store(store.clone()).build().unwrap()
}

fn consent(org: &str) -> TokenResponse {
    let body = json!({
        "access_token": format!("{org}!consented"),
        "refresh_token": "consented-refresh",
        "instance_url": "https://acme.my.salesforce.com",
        "id": format!("https://login.salesforce.com/id/{org}/005R0000000pgIj"),
        "token_type": "Bearer",
        "issued_at": "1779461039475",
    });
    TokenResponse::from_json(body.to_string().as_bytes()).unwrap()
}

/// Runs a refresh whose commit panics, so that its token set is left in memory alone.
async fn leave_unstored(org: &Org, store: &Probe, session: &Session) {
    let gate = org.hold_tokens();
    let requests = org.token_requests();
    let refresh = tokio::spawn({
        let session = session.clone();
        async move { session.refresh().await }
    });
    while org.token_requests() == requests {
        tokio::task::yield_now().await;
    }
    store.panics.store(true, Ordering::SeqCst);
    gate.add_permits(100);
    assert_eq!(refresh.await.unwrap().unwrap_err().kind(), AuthErrorKind::RefreshPanicked);
    store.panics.store(false, Ordering::SeqCst);
}

#[tokio::test(start_paused = true)]
async fn f013_closing_stores_what_an_earlier_refresh_left_unstored() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    leave_unstored(&org, &store, &session).await;
    assert!(!store.record().await.contains("refresh.2"));

    session.close(Duration::from_secs(5)).await.expect("flushed");
    assert!(store.record().await.contains("refresh.2"));
    assert_eq!((org.token_requests(), org.reused()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn f013_closing_reports_what_it_cannot_store() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    leave_unstored(&org, &store, &session).await;
    store.down.store(true, Ordering::SeqCst);
    let error = session.close(Duration::from_secs(5)).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::StoreUnavailable);
    assert_eq!((org.token_requests(), org.reused()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_closed_session_can_be_reconnected_and_serves_the_new_consent() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    session.close(Duration::from_secs(5)).await.unwrap();
    session.reconnect(consent("00DR0000000KvIt")).await.unwrap();
    assert!(session.access_token().await.unwrap().expose().ends_with("consented"));
}

#[tokio::test(start_paused = true)]
async fn revoking_takes_the_token_that_is_not_stored_yet() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    leave_unstored(&org, &store, &session).await;
    org.script([Token::Answer(200, "")]);
    session.revoke().await.unwrap();
    assert!(org.forms().last().unwrap().ends_with("token=refresh.2"), "{:?}", org.forms().last());
    assert_eq!(session.access_token().await.unwrap_err().kind(), AuthErrorKind::Revoked);
}

#[tokio::test(start_paused = true)]
async fn revoking_works_on_what_is_in_memory_when_the_record_has_vanished() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    store.forget();
    org.script([Token::Answer(200, "")]);
    session.revoke().await.unwrap();
    assert!(org.forms().last().unwrap().ends_with("token=refresh.1"), "{:?}", org.forms().last());
    assert_eq!(session.access_token().await.unwrap_err().kind(), AuthErrorKind::Revoked);
    assert_eq!(on(&org, &store).access_token().await.unwrap_err().kind(), AuthErrorKind::Revoked);
}

#[tokio::test(start_paused = true)]
async fn revoking_takes_the_token_that_another_process_stores_meanwhile() {
    let (org, store) = (Org::new(), Probe::default());
    let (mine, theirs) = (on(&org, &store), on(&org, &store));
    mine.access_token().await.unwrap();
    theirs.access_token().await.unwrap();
    let gate = org.hold_tokens();
    let revocation = tokio::spawn({
        let mine = mine.clone();
        async move { mine.revoke().await }
    });
    while org.token_requests() < 2 {
        tokio::task::yield_now().await;
    }
    // The first revocation is under way: let the other process refresh before it is answered.
    let refresh = tokio::spawn({
        let theirs = theirs.clone();
        async move { theirs.refresh().await }
    });
    while org.token_requests() < 3 {
        tokio::task::yield_now().await;
    }
    org.answer_revocations();
    gate.add_permits(2);
    refresh.await.unwrap().unwrap();
    gate.add_permits(10);
    revocation.await.unwrap().unwrap();
    let revoked: Vec<_> = org.forms().into_iter().filter(|form| form.starts_with("token=")).collect();
    assert_eq!(revoked, ["token=refresh.1", "token=refresh.2"]);
    assert!(!store.record().await.contains("refresh.2"));
}

#[tokio::test(start_paused = true)]
async fn f037_a_consent_that_comes_during_a_refresh_is_what_stays() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    let gate = org.hold_tokens();
    let refresh = tokio::spawn({
        let session = session.clone();
        async move { session.refresh().await }
    });
    while org.token_requests() < 2 {
        tokio::task::yield_now().await;
    }
    session.reconnect(consent("00DR0000000KvIt")).await.unwrap();
    gate.add_permits(1);
    let token = refresh.await.unwrap().unwrap();
    assert!(token.expose().ends_with("consented"));
    assert!(store.record().await.contains("consented-refresh"));
    session.close(Duration::from_secs(1)).await.expect("nothing is left to store");
}

#[tokio::test(start_paused = true)]
async fn what_another_process_revoked_is_served_no_longer_once_it_is_known() {
    let (org, store) = (Org::new(), Probe::default());
    let (mine, theirs) = (on(&org, &store), on(&org, &store));
    mine.access_token().await.unwrap();
    theirs.access_token().await.unwrap();
    org.answer_revocations();
    theirs.revoke().await.unwrap();
    assert_eq!(mine.refresh().await.unwrap_err().kind(), AuthErrorKind::Revoked);
    assert_eq!(mine.access_token().await.unwrap_err().kind(), AuthErrorKind::Revoked);
}

#[tokio::test(start_paused = true)]
async fn i6_generations_grow_over_a_revocation_too() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    let first = session.access_token().await.unwrap();
    org.answer_revocations();
    session.revoke().await.unwrap();
    session.reconnect(consent("00DR0000000KvIt")).await.unwrap();
    assert!(session.access_token().await.unwrap().generation() > first.generation());
}

#[tokio::test(start_paused = true)]
async fn a_new_consent_ends_the_pause_after_a_failure() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    org.script([Token::Answer(400, r#"{"error":"rate_limit_exceeded"}"#)]);
    assert!(session.refresh().await.is_err());
    session.reconnect(consent("00DR0000000KvIt")).await.unwrap();
    let service = SalesforceAuthLayer::new(session).layer(org.api());
    // The in-memory org knows nothing of that consent and refuses it.
    service.oneshot(get("/r")).await.unwrap();
    assert_eq!(org.token_requests(), 3, "the refusal is followed by a refresh at once");
}
