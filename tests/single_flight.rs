//! Many callers, one refresh: counts of token requests and of sends, with time paused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

mod support;

use std::{sync::atomic::Ordering, time::Duration};

use futures_util::future::join_all;
use http::StatusCode;
use support::{NOT_PERMITTED, Org, Probe, Token, get, on, refresh_under_way, text};
use tokio::time::Instant;
use tower::{Layer, ServiceExt, limit::ConcurrencyLimit, service_fn};
use tower_salesforce_auth::{
    AuthError, AuthErrorKind, Diagnosis, NotResendable, Outcome, SalesforceAuthLayer, Session, replay,
    store::{MemoryStore, SharedStore},
};

const HERD: usize = 10_000;

#[tokio::test(start_paused = true)]
async fn f175_ten_thousand_requests_on_an_expired_session_make_one_token_request() {
    let org = Org::new();
    let service = SalesforceAuthLayer::new(org.session()).layer(org.api());
    service.clone().oneshot(get("/warm")).await.unwrap();
    org.expire();
    org.delay_tokens(Duration::from_millis(50));

    let herd = (0..HERD).map(|n| tokio::spawn(service.clone().oneshot(get(&format!("/r/{n}")))));
    for response in join_all(herd).await {
        assert_eq!(response.unwrap().unwrap().status(), StatusCode::OK);
    }
    assert_eq!(org.token_requests(), 2, "one for the first token, one for the herd");
    assert_eq!((org.refused(), org.api_requests()), (HERD, 1 + 2 * HERD));
}

#[tokio::test(start_paused = true)]
async fn f043_ten_thousand_requests_without_a_token_make_one_token_request_and_are_sent_once() {
    let org = Org::new();
    org.delay_tokens(Duration::from_millis(50));
    let service = SalesforceAuthLayer::new(org.session()).layer(org.api());
    let herd = (0..HERD).map(|n| tokio::spawn(service.clone().oneshot(get(&format!("/r/{n}")))));
    for response in join_all(herd).await {
        assert_eq!(response.unwrap().unwrap().status(), StatusCode::OK);
    }
    assert_eq!((org.token_requests(), org.api_requests(), org.refused()), (1, HERD, 0));
}

#[tokio::test(start_paused = true)]
async fn f148_a_late_refusal_of_an_older_generation_resends_without_a_token_request() {
    let org = Org::new();
    let service = SalesforceAuthLayer::new(org.session()).layer(org.api());
    service.clone().oneshot(get("/warm")).await.unwrap();

    // These are sent with the first token, and answered only after the second one is there.
    let gate = org.hold_api();
    let late: Vec<_> =
        (0..1_000).map(|n| tokio::spawn(service.clone().oneshot(get(&format!("/late/{n}"))))).collect();
    while org.api_requests() < 1_001 {
        tokio::task::yield_now().await;
    }
    org.expire();
    let early = tokio::spawn(service.clone().oneshot(get("/early")));
    while org.api_requests() < 1_002 {
        tokio::task::yield_now().await;
    }
    gate.add_permits(10_000);
    assert_eq!(early.await.unwrap().unwrap().status(), StatusCode::OK);
    let before = org.token_requests();
    for response in join_all(late).await {
        assert_eq!(response.unwrap().unwrap().status(), StatusCode::OK);
    }
    assert_eq!((before, org.token_requests()), (2, 2));
    assert_eq!(org.api_requests(), 1 + 2 * 1_001);
}

#[tokio::test(start_paused = true)]
async fn f176_a_failing_token_endpoint_is_asked_once_a_back_off_step() {
    let org = Org::new();
    let service = SalesforceAuthLayer::new(org.session()).layer(org.api());
    service.clone().oneshot(get("/warm")).await.unwrap();
    org.expire();
    let refused = Token::Answer(429, "");

    for step in 1..=5 {
        org.script([refused.clone()]);
        let herd = (0..1_000).map(|_| tokio::spawn(service.clone().oneshot(get("/r"))));
        for response in join_all(herd).await {
            let response = response.unwrap().unwrap();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
            let diagnosis = Diagnosis::of(&response).expect("a diagnosis");
            let Outcome::RefreshFailed(error) = diagnosis.outcome() else { panic!("{diagnosis:?}") };
            assert_eq!(error.kind(), AuthErrorKind::TokenEndpointUnavailable);
            assert!(error.is_transient());
            assert_eq!(text(response).await, support::EXPIRED, "the caller's own answer, unchanged");
        }
        assert_eq!(org.token_requests(), 1 + step);
        tokio::time::advance(Duration::from_secs(16 * 60)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn f176_a_token_that_is_refused_young_backs_off_too_when_its_refresh_fails() {
    let org = Org::new();
    let service = SalesforceAuthLayer::new(org.session()).layer(org.api());
    service.clone().oneshot(get("/warm")).await.unwrap();
    org.expire(); // at once: a reason for doubt
    org.script([Token::Answer(429, "")]);
    for _ in 0..10 {
        let response = service.clone().oneshot(get("/r")).await.unwrap();
        let outcome = Diagnosis::of(&response).unwrap().outcome();
        assert!(matches!(outcome, Outcome::RefreshFailed(_)), "{outcome:?}");
    }
    assert_eq!(org.token_requests(), 2);
    // The back-off is over in a moment, and no cool-down has begun.
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(service.oneshot(get("/r")).await.unwrap().status(), StatusCode::OK);
    assert_eq!(org.token_requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn f174_a_path_that_is_always_refused_does_not_refresh_for_ever_because_others_succeed() {
    let org = Org::new();
    org.refuse_path("/bad");
    let service = SalesforceAuthLayer::new(org.session()).layer(org.api());
    service.clone().oneshot(get("/warm")).await.unwrap();
    tokio::time::advance(Duration::from_secs(3_600)).await;
    for _ in 0..600 {
        let gate = org.hold_api();
        let sent = org.api_requests();
        let mut calls = Vec::new();
        for path in ["/bad", "/good"] {
            calls.push(tokio::spawn(service.clone().oneshot(get(path))));
            while org.api_requests() < sent + calls.len() {
                tokio::task::yield_now().await;
            }
        }
        // A refresh ends the session before it: the good request is refused for that, and its resend accepted after
        // the bad one's was refused.
        for _ in 0..2 {
            gate.add_permits(1);
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
        }
        org.open_api(gate);
        let statuses: Vec<_> =
            join_all(calls).await.into_iter().map(|call| call.unwrap().unwrap().status().as_u16()).collect();
        assert_eq!(statuses, [401, 200]);
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let refreshes = org.token_requests() - 1;
    assert!((1..=10).contains(&refreshes), "{refreshes} refreshes in 10 min");
}

#[tokio::test(start_paused = true)]
async fn f174_refusals_of_young_tokens_cool_down_though_nothing_can_be_sent_again() {
    let org = Org::new();
    let service = SalesforceAuthLayer::new(org.session()).replay(replay::Never).layer(org.api());
    service.clone().oneshot(get("/warm")).await.unwrap();
    org.answer_api(Some((401, support::EXPIRED)));
    for _ in 0..50 {
        service.clone().oneshot(get("/r")).await.unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!(org.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_late_refusal_of_a_resend_with_an_older_token_says_nothing_about_the_newest() {
    let org = Org::new();
    let session = org.session();
    let service = SalesforceAuthLayer::new(session.clone()).layer(org.api());
    service.clone().oneshot(get("/warm")).await.unwrap();
    org.expire();
    tokio::time::advance(Duration::from_secs(3_600)).await;
    let gate = org.hold_api();
    let call = tokio::spawn(service.clone().oneshot(get("/r")));
    gate.add_permits(1);
    while org.api_requests() < 3 {
        tokio::task::yield_now().await;
    }
    session.refresh().await.unwrap();
    org.open_api(gate);
    let response = call.await.unwrap().unwrap();
    assert!(matches!(Diagnosis::of(&response).unwrap().outcome(), Outcome::RefusedAgain));
    org.expire();
    assert_eq!(service.oneshot(get("/r")).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn f039_an_endpoint_that_answers_with_the_refused_token_is_asked_once_a_cool_down() {
    let org = Org::new();
    let session = org.session();
    let service = SalesforceAuthLayer::new(session.clone()).layer(org.api());
    service.clone().oneshot(get("/warm")).await.unwrap();
    tokio::time::advance(Duration::from_secs(3_600)).await;
    let token = session.access_token().await.unwrap().expose().to_owned();
    org.script(std::iter::repeat_n(Token::Patched(serde_json::json!({ "access_token": token })), 100));
    org.answer_api(Some((401, support::EXPIRED)));
    let response = service.clone().oneshot(get("/r")).await.unwrap();
    assert!(matches!(Diagnosis::of(&response).unwrap().outcome(), Outcome::TokenUnchanged));
    for _ in 0..50 {
        let response = service.clone().oneshot(get("/r")).await.unwrap();
        assert!(matches!(Diagnosis::of(&response).unwrap().outcome(), Outcome::CoolingDown { .. }));
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!((org.token_requests(), org.api_requests()), (2, 1 + 51));
}

#[tokio::test(start_paused = true)]
async fn sessions_that_end_again_and_again_are_refreshed_each_time_at_once() {
    let org = Org::new();
    let service = SalesforceAuthLayer::new(org.session()).layer(org.api());
    service.clone().oneshot(get("/warm")).await.unwrap();
    for round in 1..=20 {
        org.expire();
        for response in join_all((0..50).map(|_| service.clone().oneshot(get("/r")))).await {
            assert_eq!(response.unwrap().status(), StatusCode::OK, "round {round}");
        }
        assert_eq!(org.token_requests(), 1 + round);
    }
}

#[tokio::test(start_paused = true)]
async fn f065_an_adopted_session_that_has_ended_too_is_refreshed_by_the_next_request() {
    for idle_was_accepted in [true, false] {
        let (org, store) = (Org::new(), SharedStore::new(MemoryStore::volatile()));
        let session = || org.builder().store(store.clone()).build().unwrap();
        let over = |session| SalesforceAuthLayer::new(session).layer(org.api());
        let idle_session = session();
        let (idle, busy) = (over(idle_session.clone()), over(session()));
        idle_session.access_token().await.unwrap();
        if idle_was_accepted {
            idle.clone().oneshot(get("/")).await.unwrap();
        }
        busy.clone().oneshot(get("/")).await.unwrap();
        for token_requests in 1..=2 {
            assert_eq!(org.token_requests(), token_requests);
            tokio::time::advance(Duration::from_secs(30 * 60)).await;
            org.expire();
            assert_eq!(busy.clone().oneshot(get("/")).await.unwrap().status(), StatusCode::OK);
        }
        tokio::time::advance(Duration::from_secs(30 * 60)).await;
        org.expire();

        // It finds the other's refresh in the store, and with it a session that has ended since.
        let refused = idle.clone().oneshot(get("/")).await.unwrap();
        assert!(matches!(Diagnosis::of(&refused).unwrap().outcome(), Outcome::RefusedAgain));
        assert_eq!(org.token_requests(), 3);
        for _ in 0..3 {
            let answer = idle.clone().oneshot(get("/")).await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "a cool-down would refuse for a minute");
        }
        assert_eq!(org.token_requests(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn f174_an_adopted_session_that_is_not_permitted_either_cools_down() {
    let (org, store) = (Org::new(), SharedStore::new(MemoryStore::volatile()));
    let service = || {
        let session = org.builder().store(store.clone()).build().unwrap();
        SalesforceAuthLayer::new(session).layer(org.api())
    };
    let services = [service(), service()];
    for service in &services {
        service.clone().oneshot(get("/warm")).await.unwrap();
    }
    org.answer_api(Some((401, NOT_PERMITTED)));
    for _ in 0..20 {
        for service in &services {
            service.clone().oneshot(get("/")).await.unwrap();
        }
    }
    assert_eq!(org.token_requests(), 2, "the first, and one refresh for both");
}

#[tokio::test(start_paused = true)]
async fn many_sessions_on_one_store_do_not_hammer_an_endpoint_that_fails() {
    let (org, store) = (Org::new(), SharedStore::new(MemoryStore::volatile()));
    let sessions: Vec<_> = (0..100).map(|_| org.builder().store(store.clone()).build().unwrap()).collect();
    org.script(std::iter::repeat_n(Token::Answer(429, ""), 10_000));
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(300) {
        let errors = join_all(sessions.iter().map(Session::access_token)).await;
        assert!(errors.into_iter().all(|error| error.is_err_and(|error| error.is_transient())));
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    let requests = org.token_requests();
    assert!((10..=100).contains(&requests), "{requests} token requests in 5 min");
}

#[tokio::test(start_paused = true)]
async fn callers_that_have_no_token_share_the_typed_error_of_one_failed_refresh() {
    let org = Org::new();
    org.script([Token::Answer(429, "")]);
    let service = SalesforceAuthLayer::new(org.session()).layer(org.api());
    let herd = (0..1_000).map(|_| tokio::spawn(service.clone().oneshot(get("/r"))));
    for response in join_all(herd).await {
        let error = response.unwrap().unwrap_err();
        let error = AuthError::find(&*error).expect("an AuthError");
        assert_eq!(error.kind(), AuthErrorKind::TokenEndpointUnavailable);
        assert!(error.retry_after().is_some());
    }
    assert_eq!((org.token_requests(), org.api_requests()), (1, 0));
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(service.oneshot(get("/r")).await.unwrap().status(), StatusCode::OK);
    assert_eq!(org.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn f099_a_connection_that_needs_a_person_makes_no_further_token_requests() {
    let org = Org::new();
    let session = org.session();
    let mut events = session.events();
    let service = SalesforceAuthLayer::new(session.clone()).layer(org.api());
    service.clone().oneshot(get("/warm")).await.unwrap();
    org.expire();
    org.script([Token::Answer(
        400,
        r#"{"error":"invalid_grant","error_description":"expired access/refresh token"}"#,
    )]);
    for _ in 0..50 {
        let response = service.clone().oneshot(get("/r")).await.unwrap();
        let diagnosis = Diagnosis::of(&response).expect("a diagnosis");
        if let Outcome::RefreshFailed(error) = diagnosis.outcome() {
            assert_eq!(error.kind(), AuthErrorKind::ReauthorisationRequired);
        }
        tokio::time::advance(Duration::from_secs(120)).await;
    }
    assert_eq!(org.token_requests(), 2);
    let mut required = 0;
    drop((service, session));
    while let Some(event) = events.next().await {
        required += usize::from(matches!(event, tower_salesforce_auth::Event::ReauthorisationRequired(_)));
    }
    assert_eq!(required, 1, "the person is asked once");
}

#[tokio::test(start_paused = true)]
async fn f174_a_refusal_that_no_refresh_heals_costs_few_token_requests() {
    let org = Org::new();
    let service = SalesforceAuthLayer::new(org.session()).layer(org.api());
    service.clone().oneshot(get("/warm")).await.unwrap();
    for body in [support::EXPIRED, NOT_PERMITTED, "<html>proxy</html>"] {
        org.answer_api(Some((401, body)));
        let (tokens, sends) = (org.token_requests(), org.api_requests());
        for _ in 0..3_600 {
            let response = service.clone().oneshot(get("/r")).await.unwrap();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
            assert!(Diagnosis::of(&response).is_some());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let tokens = org.token_requests() - tokens;
        assert!((1..=8).contains(&tokens), "{body}: {tokens} token requests in an hour");
        assert_eq!(org.api_requests() - sends, 3_600 + tokens, "{body}");

        org.answer_api(None);
        org.expire();
        let healed = Instant::now();
        while service.clone().oneshot(get("/r")).await.unwrap().status() != StatusCode::OK {
            tokio::time::advance(Duration::from_secs(10)).await;
        }
        assert!(healed.elapsed() <= Duration::from_secs(16 * 60), "{body}: healed within one cool-down");
    }
}

#[tokio::test(start_paused = true)]
async fn f149_a_resend_that_is_refused_is_final_and_says_so() {
    let org = Org::new();
    let service = SalesforceAuthLayer::new(org.session()).layer(org.api());
    service.clone().oneshot(get("/warm")).await.unwrap();
    org.answer_api(Some((401, support::EXPIRED)));
    let response = service.clone().oneshot(get("/r")).await.unwrap();
    assert_eq!((org.api_requests(), org.token_requests()), (1 + 2, 2));
    assert!(matches!(Diagnosis::of(&response).unwrap().outcome(), Outcome::RefusedAgain));
    assert_eq!(text(response).await, support::EXPIRED);
}

#[tokio::test(start_paused = true)]
async fn f153_a_request_that_must_not_be_replayed_is_handed_back_and_the_next_one_works() {
    let org = Org::new();
    let service = SalesforceAuthLayer::new(org.session()).replay(replay::Never).layer(org.api());
    service.clone().oneshot(get("/warm")).await.unwrap();
    org.expire();
    let response = service.clone().oneshot(get("/r")).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(matches!(
        Diagnosis::of(&response).unwrap().outcome(),
        Outcome::NotResendable(NotResendable::BodyNotKept)
    ));
    assert_eq!(service.oneshot(get("/r")).await.unwrap().status(), StatusCode::OK);
    assert_eq!((org.token_requests(), org.api_requests()), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn f114_the_resend_and_later_calls_go_to_the_host_that_the_refresh_names() {
    let org = Org::new();
    let session = org.session();
    let mut events = session.events();
    let service = SalesforceAuthLayer::new(session).layer(org.api());
    service.clone().oneshot(get("/before")).await.unwrap();
    org.expire();
    org.move_to("https://moved.my.salesforce.com");
    assert_eq!(service.clone().oneshot(get("/r?q=a%20b")).await.unwrap().status(), StatusCode::OK);
    let absolute = get("https://acme.my.salesforce.com/services/data/next");
    service.oneshot(absolute).await.unwrap();
    let hosts: Vec<_> = org.seen().iter().map(|seen| seen.uri.to_string()).collect();
    assert_eq!(
        hosts,
        [
            "https://acme.my.salesforce.com/before",
            "https://acme.my.salesforce.com/r?q=a%20b",
            "https://moved.my.salesforce.com/r?q=a%20b",
            "https://moved.my.salesforce.com/services/data/next",
        ]
    );
    let moved = std::iter::from_fn(|| {
        let next = std::pin::pin!(events.next());
        let mut next = tokio_test::task::spawn(next);
        match next.poll() {
            std::task::Poll::Ready(event) => event,
            std::task::Poll::Pending => None,
        }
    })
    .any(|event| matches!(event, tower_salesforce_auth::Event::InstanceMoved { .. }));
    assert!(moved);
}

#[tokio::test(start_paused = true)]
async fn f164_a_concurrency_limit_of_one_below_the_layer_does_not_deadlock_a_refresh() {
    let org = Org::new();
    let service = SalesforceAuthLayer::new(org.session()).layer(ConcurrencyLimit::new(org.api(), 1));
    service.clone().oneshot(get("/warm")).await.unwrap();
    org.expire();
    org.delay_tokens(Duration::from_secs(1));
    let herd = (0..50).map(|_| tokio::spawn(service.clone().oneshot(get("/r"))));
    for response in tokio::time::timeout(Duration::from_secs(60), join_all(herd)).await.expect("no deadlock")
    {
        assert_eq!(response.unwrap().unwrap().status(), StatusCode::OK);
    }
    assert_eq!(org.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn f163_requests_that_wait_for_the_first_token_hold_no_permits() {
    let org = Org::new();
    let gate = org.hold_tokens();
    let limited = ConcurrencyLimit::new(org.api(), 2);
    let service = SalesforceAuthLayer::new(org.session()).layer(limited.clone());
    let waiting: Vec<_> = (0..20).map(|_| tokio::spawn(service.clone().oneshot(get("/r")))).collect();
    while org.token_requests() == 0 {
        tokio::task::yield_now().await;
    }
    // Both permits are free for somebody else.
    let others = join_all((0..2).map(|_| limited.clone().oneshot(get("/other")))).await;
    assert!(others.into_iter().all(|response| response.is_ok()));
    gate.add_permits(1);
    for response in join_all(waiting).await {
        assert_eq!(response.unwrap().unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test(start_paused = true)]
async fn f008_a_panic_in_a_refresh_is_an_error_for_the_waiters_and_the_next_request_starts_afresh() {
    let org = Org::new();
    org.script([Token::Panic]);
    let service = SalesforceAuthLayer::new(org.session()).layer(org.api());
    let herd = (0..10).map(|_| tokio::spawn(service.clone().oneshot(get("/r"))));
    for response in join_all(herd).await {
        let error = response.unwrap().unwrap_err();
        assert_eq!(AuthError::find(&*error).unwrap().kind(), AuthErrorKind::RefreshPanicked);
    }
    assert_eq!(org.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn f062_a_caller_waits_no_longer_than_its_budget_and_the_refresh_goes_on() {
    let org = Org::new();
    let gate = org.hold_tokens();
    let session = org.builder().wait_budget(Duration::from_secs(3)).build().unwrap();
    let started = Instant::now();
    let error = session.access_token().await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::WaitBudgetExceeded);
    assert_eq!(started.elapsed().as_secs(), 3);
    gate.add_permits(1);
    session.access_token().await.unwrap();
    assert_eq!(org.token_requests.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn f018_a_token_request_through_the_layer_it_serves_is_an_error_at_once() {
    let org = Org::new();
    let slot: std::sync::Arc<std::sync::OnceLock<Session>> = std::sync::Arc::default();
    let (transport, inner) = (std::sync::Arc::clone(&slot), org.transport());
    let session = org
        .builder()
        .transport(service_fn(move |request: http::Request<http_body_util::Full<bytes::Bytes>>| {
            let (slot, inner) = (std::sync::Arc::clone(&transport), inner.clone());
            async move {
                let layer = SalesforceAuthLayer::new(slot.get().unwrap().clone());
                ServiceExt::oneshot(layer.layer(inner), request).await
            }
        }))
        .build()
        .unwrap();
    slot.set(session.clone()).unwrap();
    let started = Instant::now();
    assert!(session.access_token().await.is_err());
    assert!(started.elapsed() < Duration::from_secs(10), "told at once, not by a time-out");
    assert_eq!(org.token_requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn f059_callers_who_wait_for_another_process_load_the_record_once_a_poll_and_not_each() {
    let mut loads = Vec::new();
    for callers in [1, 1_000] {
        let (org, store) = (Org::new(), Probe::default());
        let (theirs, ours) = (on(&org, &store), on(&org, &store));
        theirs.access_token().await.unwrap();
        ours.access_token().await.unwrap();
        let gate = org.hold_tokens();
        let refresh = refresh_under_way(&org, &theirs).await;
        let before = store.loads.load(Ordering::SeqCst);
        let waiting: Vec<_> = (0..callers)
            .map(|_| {
                let ours = ours.clone();
                tokio::spawn(async move { ours.refresh().await })
            })
            .collect();
        tokio::time::sleep(Duration::from_secs(9)).await;
        loads.push(store.loads.load(Ordering::SeqCst) - before);
        gate.add_permits(1);
        let token = refresh.await.unwrap().unwrap();
        for waiter in waiting {
            assert_eq!(waiter.await.unwrap().unwrap().expose(), token.expose());
        }
        assert_eq!(org.token_requests(), 2, "their first and their second");
    }
    // From 50 ms on each pause doubles, up to 1 s; jitter takes or gives a quarter.
    assert!(loads.iter().all(|loads| (11..=17).contains(loads)), "{loads:?}");
}
