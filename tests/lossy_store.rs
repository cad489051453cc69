//! Stores that lose what they took, and tokens that no store has yet.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

mod support;

use std::{sync::atomic::Ordering, time::Duration};

use support::{Org, Probe, Token, on};
use tower_salesforce_auth::{
    AuthErrorKind, Session,
    grant::{Client, ClientCredentials, LoginHost},
};

fn lossy() -> Probe {
    let store = Probe::default();
    store.is_lossy.store(true, Ordering::SeqCst);
    store
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn f051_what_a_failover_lost_is_stored_again_from_memory_without_a_token_request() {
    for lost_after in [0, 3, 20] {
        let (org, store) = (Org::new(), lossy());
        let session = on(&org, &store);
        session.access_token().await.unwrap();
        pass(lost_after).await;
        store.forget();
        pass(30).await;
        assert!(store.record().await.contains("refresh.1"), "lost after {lost_after} s");
        assert!(session.is_stored());
        assert_eq!((org.token_requests(), org.reused()), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn f051_a_record_is_looked_for_three_times_and_written_once() {
    let (org, store) = (Org::new(), lossy());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    let (loads, applied) = (store.loads.load(Ordering::SeqCst), store.applied());
    for (seconds, looks) in [(2, 1), (4, 2), (25, 3), (3_600, 3)] {
        pass(seconds).await;
        assert_eq!(store.loads.load(Ordering::SeqCst) - loads, looks, "after {seconds} s more");
    }
    assert_eq!(store.applied(), applied);
}

#[tokio::test(start_paused = true)]
async fn f051_who_could_not_read_the_store_at_the_last_look_looks_again() {
    let (org, store) = (Org::new(), lossy());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    pass(20).await;
    store.down.store(true, Ordering::SeqCst);
    pass(100).await;
    store.forget();
    store.down.store(false, Ordering::SeqCst);
    pass(30).await;
    assert!(store.record().await.contains("refresh.1"));
    assert_eq!((org.token_requests(), org.reused()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn f051_who_met_a_refresh_that_failed_at_the_last_look_looks_again() {
    let (org, store) = (Org::new(), lossy());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    pass(29).await;
    store.loads_hang.store(true, Ordering::SeqCst);
    let refresh = tokio::spawn({
        let session = session.clone();
        async move { session.refresh().await }
    });
    pass(2).await;
    store.down.store(true, Ordering::SeqCst);
    store.loads_hang.store(false, Ordering::SeqCst);
    assert_eq!(refresh.await.unwrap().unwrap_err().kind(), AuthErrorKind::StoreUnavailable);
    store.forget();
    store.down.store(false, Ordering::SeqCst);
    pass(40).await;
    assert!(store.record().await.contains("refresh.1"));
    assert_eq!((org.token_requests(), org.reused()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn f051_nobody_looks_for_a_record_that_is_kept_for_good() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    let loads = store.loads.load(Ordering::SeqCst);
    pass(60).await;
    assert_eq!(store.loads.load(Ordering::SeqCst), loads);
}

#[tokio::test(start_paused = true)]
async fn f051_nobody_looks_for_a_record_that_the_store_never_took() {
    let (org, store) = (Org::new(), lossy());
    let host = LoginHost::my_domain("acme.my.salesforce.com");
    let grant = ClientCredentials::new(Client::confidential("client", "secret"), host);
    let session = Session::builder("acme", grant)
        .store(store.clone())
        .allow_plaintext_store()
        .transport(org.transport())
        .build()
        .unwrap();
    session.access_token().await.unwrap();
    // At the claim of the second refresh, and at its commit.
    for refuses_claims in [true, false] {
        let gate = org.hold_tokens();
        store.is_read_only.store(refuses_claims, Ordering::SeqCst);
        let requests = org.token_requests();
        let refresh = tokio::spawn({
            let session = session.clone();
            async move { session.refresh().await }
        });
        pass(1).await;
        assert_eq!(org.token_requests(), requests + 1);
        store.is_read_only.store(true, Ordering::SeqCst);
        gate.add_permits(1);
        refresh.await.unwrap().unwrap();
        let traffic = || (store.loads.load(Ordering::SeqCst), store.swaps.load(Ordering::SeqCst));
        let before = traffic();
        pass(600).await;
        assert_eq!(traffic(), before, "refuses claims: {refuses_claims}");
    }
    // The first refresh claims and commits; the last one catches up with the one between, and claims.
    assert_eq!((org.token_requests(), store.applied()), (3, 4));
}

#[tokio::test(start_paused = true)]
async fn f038_a_revoked_record_is_not_brought_back_by_whoever_looks_after_it() {
    let (org, store) = (Org::new(), lossy());
    let (mine, theirs) = (on(&org, &store), on(&org, &store));
    mine.access_token().await.unwrap();
    org.answer_revocations();
    theirs.revoke().await.unwrap();
    let revoked = store.record().await;
    pass(60).await;
    assert_eq!(store.record().await, revoked);
}

#[tokio::test(start_paused = true)]
async fn f051_a_closed_session_looks_after_what_it_has_stored_as_long_as_it_is_there() {
    let (org, store) = (Org::new(), lossy());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    session.close(Duration::from_secs(1)).await.unwrap();
    store.forget();
    pass(60).await;
    assert!(store.record().await.contains("refresh.1"));
    assert_eq!((org.token_requests(), org.reused()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn f017_a_session_that_is_gone_looks_for_nothing() {
    let (org, store) = (Org::new(), lossy());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    drop(session);
    let loads = store.loads.load(Ordering::SeqCst);
    pass(60).await;
    assert_eq!(store.loads.load(Ordering::SeqCst), loads);
}

#[tokio::test(start_paused = true)]
async fn f029_a_token_that_the_store_has_not_taken_is_told_from_one_that_it_has() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    assert!(session.is_stored(), "there is nothing to store");
    session.access_token().await.unwrap();
    assert!(session.is_stored());

    let gate = org.hold_tokens();
    let requests = org.token_requests();
    let refresh = tokio::spawn({
        let session = session.clone();
        async move { session.refresh().await }
    });
    while org.token_requests() == requests {
        tokio::task::yield_now().await;
    }
    store.down.store(true, Ordering::SeqCst);
    gate.add_permits(100);
    let served = refresh.await.unwrap().unwrap();
    assert!(served.expose().ends_with("token.2") && !session.is_stored());

    store.down.store(false, Ordering::SeqCst);
    pass(10).await;
    assert!(session.is_stored() && store.record().await.contains("refresh.2"));
    assert_eq!(org.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn all_times_of_the_protocol_scale_together() {
    for (scale, too_soon, in_time) in [(0.1, 5, 2), (2.0, 100, 30)] {
        let (org, store) = (Org::new(), Probe::default());
        let session = org.builder().store(store).time_scale(scale).build().unwrap();
        session.access_token().await.unwrap();
        org.script([Token::Lost]);
        assert_eq!(session.refresh().await.unwrap_err().kind(), AuthErrorKind::OutcomeUnknown);
        pass(too_soon).await;
        assert_eq!(session.refresh().await.unwrap_err().kind(), AuthErrorKind::OutcomeUnknown);
        assert_eq!(org.token_requests(), 2);
        pass(in_time).await;
        session.refresh().await.unwrap();
        assert_eq!((org.token_requests(), org.reused()), (3, 0));
    }
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-4] {
        assert!(Org::new().builder().time_scale(scale).build().is_err(), "{scale}");
    }
}
