//! Closing, revoking and connecting again, while refreshes are under way or have left something behind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

mod support;

use std::{
    future::Future,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use support::{ORG, Org, Probe, SEED, Token, consent, get, on, refresh_under_way};
use tokio::{runtime::Runtime, sync::Semaphore, task::JoinHandle};
use tower::{Layer, ServiceExt};
use tower_salesforce_auth::{
    AuthError, AuthErrorKind, Diagnosis, SalesforceAuthLayer, Session,
    grant::{Client, LoginHost, RefreshToken},
    token_endpoint::TokenResponse,
};

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
    store.panics.store(usize::MAX, Ordering::SeqCst);
    gate.add_permits(100);
    assert_eq!(refresh.await.unwrap().unwrap_err().kind(), AuthErrorKind::RefreshPanicked);
    store.panics.store(0, Ordering::SeqCst);
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

/// Closes `session` during its second refresh, whose commit is the first of so many swaps that panic.
async fn close_while_swaps_panic(
    org: &Org,
    store: &Probe,
    session: &Session,
    panics: usize,
) -> JoinHandle<Result<(), AuthError>> {
    let gate = org.hold_tokens();
    let refresh = refresh_under_way(org, session).await;
    let closing = tokio::spawn({
        let session = session.clone();
        async move { session.close(Duration::from_millis(4_900)).await }
    });
    store.panics.store(panics, Ordering::SeqCst);
    gate.add_permits(1);
    assert_eq!(refresh.await.unwrap().unwrap_err().kind(), AuthErrorKind::RefreshPanicked);
    closing
}

#[tokio::test(start_paused = true)]
async fn f013_closing_stores_an_answer_that_nobody_may_be_served_and_asks_for_no_other() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    let gate = org.hold_tokens();
    org.script([Token::Patched(serde_json::json!({"instance_url": "https://evil.example"}))]);
    let refresh = refresh_under_way(&org, &session).await;
    store.panics.store(1, Ordering::SeqCst);
    gate.add_permits(100);
    assert_eq!(refresh.await.unwrap().unwrap_err().kind(), AuthErrorKind::RefreshPanicked);
    assert!(!session.is_stored());
    session.close(Duration::from_secs(2)).await.expect("stored");
    assert!(store.record().await.contains("refresh.2") && session.is_stored());
    assert_eq!((org.token_requests(), org.reused()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn f013_closing_waits_for_whoever_takes_up_the_commit_of_a_refresh_that_died() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    let (loads, begun) = (store.hold_loads(), store.loads.load(Ordering::SeqCst));
    loads.add_permits(1); // the refresh's own
    let closing = close_while_swaps_panic(&org, &store, &session, 1).await;
    while store.loads.load(Ordering::SeqCst) < begun + 2 {
        tokio::task::yield_now().await;
    }
    loads.add_permits(1);
    closing.await.unwrap().expect("stored");
    assert!(store.record().await.contains("refresh.2"));
    assert_eq!((store.loads.load(Ordering::SeqCst), store.applied()), (begun + 2, 4));
    assert_eq!((org.token_requests(), org.reused()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn f013_closing_goes_on_trying_to_store_until_its_deadline() {
    for (panics, is_stored) in [(2, true), (5, true), (usize::MAX, false)] {
        let (org, store) = (Org::new(), Probe::default());
        let session = on(&org, &store);
        session.access_token().await.unwrap();
        let before = store.swaps.load(Ordering::SeqCst);
        let closing = close_while_swaps_panic(&org, &store, &session, panics).await;
        let outcome = closing.await.unwrap().map_err(|error| error.kind());
        assert_eq!(outcome, if is_stored { Ok(()) } else { Err(AuthErrorKind::StoreUnavailable) });
        // The claim, the commit, who takes it up, and then one each half second.
        let swaps = store.swaps.load(Ordering::SeqCst) - before;
        assert_eq!(swaps, if is_stored { 2 + panics } else { 3 + 10 });
        assert_eq!((session.is_stored(), org.token_requests(), org.reused()), (is_stored, 2, 0));
    }
}

#[test]
fn f012_closing_after_the_runtime_of_a_commit_has_ended_stores_it_on_another_or_says_at_once_that_it_is_lost()
{
    for is_given in [false, true] {
        let (org, store) = (Org::new(), Probe::default());
        let (gone, here) = (runtime(), runtime());
        let builder = org.builder().store(store.clone());
        let builder = if is_given { builder.runtime(gone.handle().clone()) } else { builder };
        let session = builder.build().unwrap();
        gone.block_on(async {
            session.access_token().await.unwrap();
            let gate = org.hold_tokens();
            let _refresh = refresh_under_way(&org, &session).await;
            store.swaps_hang.store(true, Ordering::SeqCst);
            gate.add_permits(1);
            while session.is_stored() {
                tokio::task::yield_now().await;
            }
        });
        drop(gone);
        store.swaps_hang.store(false, Ordering::SeqCst);
        let outcome = here.block_on(session.close(Duration::MAX)).map_err(|error| error.kind());
        assert_eq!(outcome, if is_given { Err(AuthErrorKind::StoreUnavailable) } else { Ok(()) });
        assert_eq!((session.is_stored(), org.token_requests()), (!is_given, 2));
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_closed_session_can_be_reconnected_and_serves_the_new_consent() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    session.close(Duration::from_secs(5)).await.unwrap();
    session.reconnect(consent(ORG)).await.unwrap();
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
async fn f037_revoking_takes_the_consent_that_came_instead_of_what_is_not_stored_yet() {
    let (org, store) = (Org::new(), Probe::default());
    let (mine, theirs) = (on(&org, &store), on(&org, &store));
    mine.access_token().await.unwrap();
    theirs.access_token().await.unwrap();
    leave_unstored(&org, &store, &mine).await;
    theirs.reconnect(consent(ORG)).await.unwrap();
    org.script([Token::Answer(200, "")]);
    mine.revoke().await.unwrap();
    assert!(org.forms().last().unwrap().ends_with("token=consented-refresh"), "{:?}", org.forms().last());
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
async fn revoking_a_connection_that_was_never_used_takes_the_configured_refresh_token() {
    let (org, store) = (Org::new(), Probe::default());
    org.answer_revocations();
    let session = on(&org, &store);
    session.revoke().await.unwrap();
    assert_eq!(org.forms(), [format!("token={SEED}")]);
    for session in [session, on(&org, &store)] {
        assert_eq!(session.access_token().await.unwrap_err().kind(), AuthErrorKind::Revoked);
    }
    assert_eq!(org.token_requests(), 1, "the revocation");
}

#[tokio::test(start_paused = true)]
async fn revoking_takes_a_configured_refresh_token_that_was_ignored() {
    let (org, store) = (Org::new(), Probe::default());
    org.answer_revocations();
    on(&org, &store).access_token().await.unwrap();
    let grant = || {
        RefreshToken::new(
            Client::confidential("client", "client-secret"),
            LoginHost::Production,
            "redeployed",
        )
    };
    let session = || Session::builder("acme", grant()).store(store.clone()).transport(org.transport());
    let session = [session().build().unwrap(), session().build().unwrap()];
    session[0].revoke().await.unwrap();
    assert_eq!(org.forms()[1..], ["token=refresh.1", "token=redeployed"]);
    for session in session {
        assert_eq!(session.access_token().await.unwrap_err().kind(), AuthErrorKind::Revoked);
    }
    assert_eq!(org.token_requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn s30_revoking_sends_no_token_of_another_connection_to_this_ones_login_host() {
    let (org, store) = (Org::new(), Probe::default());
    org.answer_revocations();
    on(&org, &store).access_token().await.unwrap();
    let before = store.record().await;
    let grant = RefreshToken::new(
        Client::confidential("client", "client-secret"),
        LoginHost::my_domain("globex.my.salesforce.com"),
        SEED,
    );
    let session =
        Session::builder("acme", grant).store(store.clone()).transport(org.transport()).build().unwrap();
    assert_eq!(session.revoke().await.unwrap_err().kind(), AuthErrorKind::ConnectionMismatch);
    assert_eq!((org.token_requests(), store.record().await), (1, before));
}

#[tokio::test(start_paused = true)]
async fn f037_a_consent_that_comes_during_a_refresh_is_what_stays() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    let gate = org.hold_tokens();
    let refresh = refresh_under_way(&org, &session).await;
    session.reconnect(consent(ORG)).await.unwrap();
    gate.add_permits(1);
    let token = refresh.await.unwrap().unwrap();
    assert!(token.expose().ends_with("consented"));
    assert!(store.record().await.contains("consented-refresh"));
    session.close(Duration::from_secs(1)).await.expect("nothing is left to store");
}

/// Begins `work`, which reads the record at once, and keeps what it has read from it. Later reads are not held.
async fn holding_its_read<F>(store: &Probe, work: F) -> (JoinHandle<F::Output>, Arc<Semaphore>)
where
    F: Future<Output: Send> + Send + 'static,
{
    let (gate, loads) = (store.hold_loads(), store.loads.load(Ordering::SeqCst));
    let work = tokio::spawn(work);
    while store.loads.load(Ordering::SeqCst) == loads {
        tokio::task::yield_now().await;
    }
    store.hold_no_more_loads();
    (work, gate)
}

#[tokio::test(start_paused = true)]
async fn f037_a_flight_that_lands_after_a_consent_serves_nothing_older() {
    let (org, store) = (Org::new(), Probe::default());
    on(&org, &store).access_token().await.unwrap();
    let session = on(&org, &store);
    let first = {
        let session = session.clone();
        async move { session.access_token().await }
    };
    let (first, gate) = holding_its_read(&store, first).await;
    session.reconnect(consent(ORG)).await.unwrap();
    let mut events = session.events();
    gate.add_permits(1);
    // It had read the record of before.
    let (waited, served) = (first.await.unwrap().unwrap(), session.access_token().await.unwrap());
    assert!(waited.expose().ends_with("consented") && served.expose().ends_with("consented"));
    assert_eq!(waited.generation(), served.generation());
    assert!(store.record().await.contains("consented-refresh"));
    assert_eq!(org.token_requests(), 1);
    drop(session);
    assert!(events.next().await.is_none(), "of what is not served nothing is told");
}

#[tokio::test(start_paused = true)]
async fn f037_what_a_flight_receives_after_a_consent_is_nothing_to_store_or_to_serve() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    let gate = org.hold_tokens();
    let refresh = refresh_under_way(&org, &session).await;
    session.reconnect(consent(ORG)).await.unwrap();
    store.down.store(true, Ordering::SeqCst);
    gate.add_permits(1);
    // Released after a while, since the former connection's token set cannot be stored.
    assert!(refresh.await.unwrap().unwrap().expose().ends_with("consented"));
    assert!(session.access_token().await.unwrap().expose().ends_with("consented"));
    session.close(Duration::from_secs(1)).await.expect("the consent is stored, and nothing else is to be");
    store.down.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(store.record().await.contains("consented-refresh"));
    assert!(session.access_token().await.unwrap().expose().ends_with("consented"));
    assert_eq!((org.token_requests(), org.reused()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn f037_a_failure_of_a_flight_that_a_consent_has_overtaken_is_no_failure() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    let gate = org.hold_tokens();
    org.script([Token::Answer(400, r#"{"error":"invalid_client"}"#)]);
    let refresh = refresh_under_way(&org, &session).await;
    session.reconnect(consent(ORG)).await.unwrap();
    let mut events = session.events();
    gate.add_permits(1);
    assert!(refresh.await.unwrap().unwrap().expose().ends_with("consented"));
    drop(session);
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn f037_whoever_waits_for_a_refresh_goes_on_at_once_when_a_consent_comes() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    let _never = org.hold_tokens();
    let waiter = tokio::spawn({
        let session = session.clone();
        async move { session.access_token().await }
    });
    while org.token_requests() < 1 {
        tokio::task::yield_now().await;
    }
    let begun = tokio::time::Instant::now();
    session.reconnect(consent(ORG)).await.unwrap();
    assert!(waiter.await.unwrap().unwrap().expose().ends_with("consented"));
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn f037_a_refusal_after_a_consent_does_not_wait_for_the_flight_of_before() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    let refresh = {
        let session = session.clone();
        async move { session.refresh().await }
    };
    let (before, gate) = holding_its_read(&store, refresh).await;
    session.reconnect(consent(ORG)).await.unwrap();
    // The in-memory org knows nothing of that consent: it refuses its token, and what would refresh it.
    let service = SalesforceAuthLayer::new(session.clone()).layer(org.api());
    let response = service.oneshot(get("/r")).await.unwrap();
    let error = Diagnosis::of(&response).unwrap().error().expect("a refresh of its own, which failed");
    assert_eq!(error.kind(), AuthErrorKind::ReauthorisationRequired);
    assert_eq!(org.token_requests(), 2);
    gate.add_permits(1);
    assert!(before.await.unwrap().unwrap().expose().ends_with("consented"));
}

#[tokio::test(start_paused = true)]
async fn f037_a_record_that_vanished_is_not_restored_over_a_consent() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    session.refresh().await.unwrap();
    store.forget();
    let refresh = {
        let session = session.clone();
        async move { session.refresh().await }
    };
    let (refresh, gate) = holding_its_read(&store, refresh).await;
    // It does not say when it was issued, so that nothing but the version tells that it is newer.
    let consent = TokenResponse::new(format!("{ORG}!consented"))
        .with_refresh_token("consented-refresh")
        .with_instance_url("https://acme.my.salesforce.com");
    session.reconnect(consent).await.unwrap();
    gate.add_permits(1);
    assert!(refresh.await.unwrap().unwrap().expose().ends_with("consented"));
    assert!(store.record().await.contains("consented-refresh"));
    assert_eq!((org.token_requests(), org.reused()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn f038_a_flight_that_lands_after_a_revocation_serves_nothing() {
    let (org, store) = (Org::new(), Probe::default());
    let (mine, theirs) = (on(&org, &store), on(&org, &store));
    mine.access_token().await.unwrap();
    theirs.refresh().await.unwrap();
    theirs.refresh().await.unwrap();
    let gate = org.hold_tokens();
    let requests = org.token_requests();
    let revocation = tokio::spawn({
        let mine = mine.clone();
        async move { mine.revoke().await }
    });
    while org.token_requests() == requests {
        tokio::task::yield_now().await;
    }
    // The revocation is under way; this reads what the other process has stored, which is newer than what is served.
    let refresh = {
        let mine = mine.clone();
        async move { mine.refresh().await }
    };
    let (refresh, read) = holding_its_read(&store, refresh).await;
    org.answer_revocations();
    gate.add_permits(1);
    revocation.await.unwrap().unwrap();
    read.add_permits(1);
    assert_eq!(refresh.await.unwrap().unwrap_err().kind(), AuthErrorKind::Revoked);
    assert_eq!(mine.access_token().await.unwrap_err().kind(), AuthErrorKind::Revoked);
    assert_eq!(org.token_requests(), requests + 1);
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
    session.reconnect(consent(ORG)).await.unwrap();
    assert!(session.access_token().await.unwrap().generation() > first.generation());
}

#[tokio::test(start_paused = true)]
async fn a_new_consent_ends_the_pause_after_a_failure() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    org.script([Token::Answer(400, r#"{"error":"rate_limit_exceeded"}"#)]);
    assert!(session.refresh().await.is_err());
    session.reconnect(consent(ORG)).await.unwrap();
    let service = SalesforceAuthLayer::new(session).layer(org.api());
    // The in-memory org knows nothing of that consent and refuses it.
    service.oneshot(get("/r")).await.unwrap();
    assert_eq!(org.token_requests(), 3, "the refusal is followed by a refresh at once");
}
