//! What a session does with answers, stores and people.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

mod support;

use std::{sync::atomic::Ordering, time::Duration};

use serde_json::json;
use support::{ORG, Org, Probe, SEED, Token, consent, get, grant, on, refresh_under_way};
use tower::{Layer, ServiceExt};
use tower_salesforce_auth::{
    AuthErrorKind, Diagnosis, Event, NotResendable, Outcome, Reconnect, SalesforceAuthLayer, Session,
    grant::{Client, ClientCredentials, LoginHost, RefreshToken},
    store::MemoryStore,
};

#[tokio::test(start_paused = true)]
async fn f019_a_rotated_token_is_claimed_and_committed_in_two_writes() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    assert_eq!((org.token_requests(), store.applied()), (1, 2));
    assert!(store.record().await.contains("refresh.1"));
    session.refresh().await.unwrap();
    assert_eq!((org.token_requests(), store.applied(), org.reused()), (2, 4, 0));
    assert!(store.record().await.contains("refresh.2"));
}

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_with_the_stored_tokens_and_never_shows_the_seed_again() {
    let (org, store) = (Org::new(), Probe::default());
    let first = on(&org, &store).access_token().await.unwrap();
    let session = on(&org, &store);
    assert_eq!(session.access_token().await.unwrap().expose(), first.expose());
    assert_eq!(org.token_requests(), 1);
    session.refresh().await.unwrap();
    assert_eq!((org.token_requests(), org.reused()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn f041_two_sessions_on_one_store_share_one_refresh() {
    let (org, store) = (Org::new(), Probe::default());
    org.delay_tokens(Duration::from_millis(300));
    let (a, b) = (on(&org, &store), on(&org, &store));
    let (first, second) = tokio::join!(a.access_token(), b.access_token());
    assert_eq!(first.unwrap().expose(), second.unwrap().expose());
    let (first, second) = tokio::join!(a.refresh(), b.refresh());
    assert_eq!(first.unwrap().expose(), second.unwrap().expose());
    assert_eq!((org.token_requests(), org.reused()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn f022_rotation_is_learned_and_f020_an_absent_refresh_token_keeps_the_old_one() {
    let (org, store) = (Org::new(), Probe::default());
    org.script([Token::Patched(json!({ "refresh_token": null }))]);
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    assert!(store.record().await.contains(SEED));
    session.refresh().await.unwrap();
    session.refresh().await.unwrap();
    assert_eq!((org.token_requests(), org.reused()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn f029_a_store_that_goes_down_after_the_rotation_delays_the_commit_and_loses_nothing() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    let gate = org.hold_tokens();
    let mut events = session.events();
    let refresh = refresh_under_way(&org, &session).await;
    store.down.store(true, Ordering::SeqCst);
    gate.add_permits(1);
    let token = refresh.await.unwrap().expect("waiters go on with the token that is in memory");
    assert!(token.expose().ends_with("token.2"));
    assert!(matches!(events.next().await, Some(Event::CommitDelayed)));
    let lost = session.clone().close(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(lost.kind(), AuthErrorKind::StoreUnavailable);

    store.down.store(false, Ordering::SeqCst);
    session.close(Duration::from_secs(60)).await.expect("flushed");
    assert!(store.record().await.contains("refresh.2"));
    assert_eq!((org.token_requests(), org.reused()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn f009_a_store_that_panics_after_the_rotation_loses_nothing() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    let gate = org.hold_tokens();
    let refresh = refresh_under_way(&org, &session).await;
    store.panics.store(usize::MAX, Ordering::SeqCst);
    gate.add_permits(1);
    assert_eq!(refresh.await.unwrap().unwrap_err().kind(), AuthErrorKind::RefreshPanicked);
    store.panics.store(0, Ordering::SeqCst);
    gate.add_permits(10);
    let token = session.refresh().await.unwrap();
    assert!(token.expose().ends_with("token.2"), "the token that was received is stored and served first");
    assert_eq!((org.token_requests(), org.reused()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn f009_a_store_that_panics_once_gets_the_record_without_being_asked_again() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    let gate = org.hold_tokens();
    let refresh = refresh_under_way(&org, &session).await;
    store.panics.store(1, Ordering::SeqCst);
    gate.add_permits(1);
    assert_eq!(refresh.await.unwrap().unwrap_err().kind(), AuthErrorKind::RefreshPanicked);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(session.is_stored() && store.record().await.contains("refresh.2"));
    assert_eq!((org.token_requests(), org.reused()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn f009_a_store_that_always_panics_is_tried_once_more_and_not_for_ever() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    let gate = org.hold_tokens();
    let refresh = refresh_under_way(&org, &session).await;
    store.panics.store(1_000, Ordering::SeqCst);
    gate.add_permits(1);
    assert_eq!(refresh.await.unwrap().unwrap_err().kind(), AuthErrorKind::RefreshPanicked);
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(store.panics.load(Ordering::SeqCst), 1_000 - 2);
    assert!(!session.is_stored());
}

#[tokio::test(start_paused = true)]
async fn f066_a_rotating_grant_makes_no_token_request_while_its_store_is_down() {
    let (org, store) = (Org::new(), Probe::default());
    store.down.store(true, Ordering::SeqCst);
    let session = on(&org, &store);
    let error = session.access_token().await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (AuthErrorKind::StoreUnavailable, true));
    assert_eq!(org.token_requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn f023_a_lost_answer_is_not_asked_for_again_until_the_wait_out_is_over() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    org.script([Token::Lost]);
    assert_eq!(session.refresh().await.unwrap_err().kind(), AuthErrorKind::OutcomeUnknown);
    for _ in 0..50 {
        assert_eq!(session.refresh().await.unwrap_err().kind(), AuthErrorKind::OutcomeUnknown);
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!(org.token_requests(), 2);
    tokio::time::advance(Duration::from_secs(15)).await;
    session.refresh().await.unwrap();
    assert_eq!(org.token_requests(), 3);
}

/// Answers that must not be served: the error's kind and words, and the refresh token that must not be lost.
#[tokio::test(start_paused = true)]
async fn f109_f112_f115_answers_that_must_not_be_served_are_quarantined_and_their_refresh_token_is_kept() {
    let hostile = [
        "https://acme.my.salesforce.com@evil.example",
        "https://acme.my.salesforce.com:8443",
        "https://127.0.0.1",
        "https://acme.my.salesforce.com.evil.example",
        "https://xn--cme-5cd.my.salesforce.com",
        "https://аcme.my.salesforce.com",
        "https://acme.my.salesforce.com\\@evil.example",
        "https://acme%2emy.salesforce.com",
        "http://acme.my.salesforce.com",
        "https://acme.my.salesforce.com/path",
        "",
    ];
    let mut patches: Vec<_> = hostile.into_iter().map(|url| json!({ "instance_url": url })).collect();
    patches.push(json!({ "id": "https://login.salesforce.com/id/00DR0000000AAAA/005R0000000pgIj" }));
    patches.push(json!({ "access_token": "00DR0000000AAAA!other" }));
    patches.push(json!({ "access_token": "" }));
    patches.push(json!({ "access_token": "00DR0000000KvIt!line\r\nbreak" }));
    patches.push(json!({ "access_token": "00DR0000000KvIt!\u{7f}" }));
    patches.push(json!({ "access_token": "00DR0000000KvIt!é" }));
    patches.push(json!({ "token_type": "MAC" }));
    for patch in patches {
        let (org, store) = (Org::new(), Probe::default());
        let session = on(&org, &store);
        let before = session.access_token().await.unwrap();
        org.script([Token::Patched(patch.clone())]);
        let error = session.refresh().await.unwrap_err();
        assert_eq!(error.kind(), AuthErrorKind::TokenAnswerRejected, "{patch}: {error}");
        for secret in ["refresh.2", "token.2", "client-secret", "other\""] {
            assert!(!format!("{error} {error:?}").contains(secret), "{patch}: {error:?}");
        }
        assert!(store.record().await.contains("refresh.2"), "{patch}: the living refresh token is stored");
        assert_eq!(session.access_token().await.unwrap().expose(), before.expose(), "{patch}");
        // The next answer is fine: nothing was lost.
        tokio::time::advance(Duration::from_secs(61)).await;
        session.refresh().await.unwrap();
        assert_eq!((org.token_requests(), org.reused()), (3, 0), "{patch}");
    }
}

#[tokio::test(start_paused = true)]
async fn f103_f104_pages_and_floods_at_the_token_endpoint_are_errors_that_show_nothing() {
    let flood: &'static str = Box::leak("x".repeat(10 * 1024 * 1024).into_boxed_str());
    let answers = [
        (200, "<html>canary-page</html>", AuthErrorKind::OutcomeUnknown),
        (200, flood, AuthErrorKind::OutcomeUnknown),
        (200, "{\"access_token\":\"canary-page", AuthErrorKind::OutcomeUnknown),
        (500, "<html>canary-page</html>", AuthErrorKind::OutcomeUnknown),
        (302, "canary-page", AuthErrorKind::OutcomeUnknown),
        (503, "", AuthErrorKind::TokenEndpointUnavailable),
        (
            400,
            r#"{"error":"invalid_client","error_description":"invalid client credentials"}"#,
            AuthErrorKind::OperatorMustAct,
        ),
        (
            400,
            r#"{"error":"invalid_grant","error_description":"ip restricted"}"#,
            AuthErrorKind::OperatorMustAct,
        ),
        (
            400,
            r#"{"error":"invalid_grant","error_description":"login rate exceeded"}"#,
            AuthErrorKind::TokenEndpointUnavailable,
        ),
    ];
    for (status, body, kind) in answers {
        let (org, store) = (Org::new(), Probe::default());
        let session = on(&org, &store);
        session.access_token().await.unwrap();
        org.script([Token::Answer(status, body)]);
        let error = session.refresh().await.unwrap_err();
        let head: String = body.chars().take(60).collect();
        assert_eq!(error.kind(), kind, "{status} {head}: {error}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("canary-page") && shown.len() < 2_000, "{status} {head}: {shown}");
        assert!(store.record().await.contains("refresh.1"), "{status} {head}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fresh_consent_brings_a_dead_connection_back_for_every_session_on_the_store() {
    let (org, store) = (Org::new(), Probe::default());
    let (mine, theirs) = (on(&org, &store), on(&org, &store));
    mine.access_token().await.unwrap();
    theirs.access_token().await.unwrap();
    let dead = Token::Answer(400, r#"{"error":"invalid_grant","error_description":"inactive user"}"#);
    org.script([dead]);
    assert_eq!(mine.refresh().await.unwrap_err().kind(), AuthErrorKind::ReauthorisationRequired);
    assert_eq!(theirs.refresh().await.unwrap_err().kind(), AuthErrorKind::ReauthorisationRequired);
    assert_eq!(org.token_requests(), 2, "the second session read the verdict from the store");

    mine.reconnect(consent("00DR0000000KvIt")).await.unwrap();
    assert!(mine.access_token().await.unwrap().expose().ends_with("consented"));
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(theirs.refresh().await.unwrap().expose().ends_with("consented"));
    assert_eq!(org.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn f112_a_request_that_was_made_for_one_org_is_never_resent_to_another() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    let service = SalesforceAuthLayer::new(session.clone()).layer(org.api());
    service.clone().oneshot(get("/warm")).await.unwrap();
    let gate = org.hold_api();
    let write = tokio::spawn(service.oneshot(get("/services/data/v65.0/sobjects/Account")));
    while org.api_requests() < 2 {
        tokio::task::yield_now().await;
    }
    let other = Reconnect::new(consent("00DR0000000AAAA")).accept_new_org();
    session.reconnect(other).await.unwrap();
    org.expire();
    gate.add_permits(10);
    let response = write.await.unwrap().unwrap();
    let Some(Outcome::NotResendable(reason)) = Diagnosis::of(&response).map(Diagnosis::outcome) else {
        panic!("{:?}", Diagnosis::of(&response))
    };
    assert_eq!((*reason, org.api_requests(), org.token_requests()), (NotResendable::OtherOrg, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_consent_for_another_org_is_refused_unless_it_is_accepted() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    let error = session.reconnect(consent("00DR0000000AAAA")).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::ConnectionMismatch);
    assert!(session.access_token().await.unwrap().expose().starts_with(ORG));
    let accepted = Reconnect::new(consent("00DR0000000AAAA")).accept_new_org();
    session.reconnect(accepted).await.unwrap();
    assert!(session.access_token().await.unwrap().expose().starts_with("00DR0000000AAAA"));
}

#[tokio::test(start_paused = true)]
async fn s03_no_consent_brings_a_session_to_another_org_than_it_is_pinned_to() {
    let (org, store) = (Org::new(), Probe::default());
    on(&org, &store).access_token().await.unwrap();
    let pinned = "00DR0000000AAAA";
    let session = org.builder().store(store.clone()).org(pinned.parse().unwrap()).build().unwrap();
    for refused in [
        Reconnect::new(consent(ORG)),
        Reconnect::new(consent(ORG)).accept_new_org(),
        // The stored connection would be lost.
        Reconnect::new(consent(pinned)),
    ] {
        let error = session.reconnect(refused).await.unwrap_err();
        assert_eq!(error.kind(), AuthErrorKind::ConnectionMismatch);
        assert!(store.record().await.contains("refresh.1"));
    }
    session.reconnect(Reconnect::new(consent(pinned)).accept_new_org()).await.unwrap();
    assert!(session.access_token().await.unwrap().expose().starts_with(pinned));
}

#[tokio::test(start_paused = true)]
async fn f112_an_org_that_only_the_access_token_names_is_pinned_too() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    org.script([
        Token::Patched(json!({ "id": null })),
        Token::Patched(json!({ "id": null, "access_token": "00DR0000000AAAA!other" })),
    ]);
    session.access_token().await.unwrap();
    assert_eq!(session.refresh().await.unwrap_err().kind(), AuthErrorKind::TokenAnswerRejected);
    assert!(session.access_token().await.unwrap().expose().starts_with(ORG));
    assert!(store.record().await.contains("refresh.2"));
}

#[tokio::test(start_paused = true)]
async fn a_revoked_connection_serves_nothing_and_is_not_brought_back() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    org.script([Token::Answer(200, "")]);
    session.revoke().await.unwrap();
    let requests = org.token_requests();
    assert_eq!(session.access_token().await.unwrap_err().kind(), AuthErrorKind::Revoked);
    assert_eq!(on(&org, &store).access_token().await.unwrap_err().kind(), AuthErrorKind::Revoked);
    assert_eq!(org.token_requests(), requests);
    assert!(!store.record().await.contains("refresh.1"));
    session.reconnect(consent("00DR0000000KvIt")).await.unwrap();
    session.access_token().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn f013_closing_waits_for_the_refresh_under_way_and_refuses_new_ones() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    org.delay_tokens(Duration::from_secs(2));
    let refresh = tokio::spawn({
        let session = session.clone();
        async move { session.access_token().await }
    });
    tokio::task::yield_now().await;
    session.close(Duration::from_secs(5)).await.unwrap();
    refresh.await.unwrap().unwrap();
    assert!(store.record().await.contains("refresh.1"));
    assert_eq!(session.refresh().await.unwrap_err().kind(), AuthErrorKind::ShuttingDown);
    session.access_token().await.expect("what is alive is served on");
}

#[test]
fn a_rotating_grant_without_a_durable_store_is_refused_with_the_ways_out() {
    let error = Session::builder("acme", grant()).build().unwrap_err().to_string();
    assert!(error.contains("FileStore") && error.contains("MemoryStore::volatile"), "{error}");
}

#[test]
fn f111_login_hosts_without_tls_are_refused_unless_they_are_loopback_in_a_test() {
    let grant =
        |host: &str| RefreshToken::new(Client::public("client"), LoginHost::MyDomain(host.into()), SEED);
    let builder = |host| Session::builder("acme", grant(host)).store(MemoryStore::volatile());
    assert!(builder("http://acme.my.salesforce.com").build().is_err());
    assert!(builder("http://acme.my.salesforce.com").allow_loopback().build().is_err());
    assert!(builder("http://127.0.0.1:9000").build().is_err());
    assert!(builder("http://127.0.0.1:9000").allow_loopback().build().is_ok());
}

#[test]
fn client_credentials_are_for_a_my_domain_only_and_need_no_store() {
    let grant = |host| ClientCredentials::new(Client::confidential("client", "secret"), host);
    let error = Session::builder("acme", grant(LoginHost::Production)).build().unwrap_err().to_string();
    assert!(error.to_lowercase().contains("my domain"), "{error}");
    assert!(Session::builder("acme", grant(LoginHost::my_domain("acme.my.salesforce.com"))).build().is_ok());
}

#[test]
fn f185_nothing_that_can_be_printed_shows_a_secret() {
    let org = Org::new();
    let session = org.session();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let token = runtime.block_on(session.access_token()).unwrap();
    let shown = format!("{session:?} {token:?} {:?} {:?}", org.builder(), consent("00DR0000000KvIt"));
    for secret in ["token.1", "refresh.1", SEED, "client-secret", "consented"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}
