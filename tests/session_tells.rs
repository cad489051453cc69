//! What a session tells about its refreshes, and how hard it tries: events, errors, reads of the store.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

mod support;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Wake, Waker},
    time::Duration,
};

use support::{Org, Probe, Token, get, on, refresh_under_way};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};
use tower_salesforce_auth::{
    AuthErrorKind, Diagnosis, Event, SalesforceAuthLayer, Secret, Session,
    grant::{Grant, LoginHost, RefreshToken},
    token_endpoint::{TokenEndpoint, TokenError, TokenResponse},
};
use tracing_subscriber::layer::SubscriberExt;

#[tokio::test(start_paused = true)]
async fn f029_a_refusal_while_the_last_token_is_not_stored_says_that_the_store_is_why() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    let service = SalesforceAuthLayer::new(session.clone()).layer(org.api());
    session.access_token().await.unwrap();
    let gate = org.hold_tokens();
    let refresh = refresh_under_way(&org, &session).await;
    store.down.store(true, Ordering::SeqCst);
    gate.add_permits(100);
    refresh.await.unwrap().unwrap();
    org.expire();
    let response = service.oneshot(get("/r")).await.unwrap();
    let error = Diagnosis::of(&response).unwrap().error().expect("a failed refresh");
    assert_eq!(error.kind(), AuthErrorKind::StoreUnavailable);
    assert_eq!(org.token_requests(), 2, "the next refresh token is not stored, and so not used");
}

#[tokio::test(start_paused = true)]
async fn a_person_is_asked_once_though_other_failures_come_between() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    let mut events = session.events();
    let dead = Token::Answer(400, r#"{"error":"invalid_grant","error_description":"inactive user"}"#);
    org.script([dead]);
    let error = session.refresh().await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (AuthErrorKind::ReauthorisationRequired, None));
    store.down.store(true, Ordering::SeqCst);
    assert_eq!(session.refresh().await.unwrap_err().kind(), AuthErrorKind::StoreUnavailable);
    store.down.store(false, Ordering::SeqCst);
    assert_eq!(session.refresh().await.unwrap_err().kind(), AuthErrorKind::ReauthorisationRequired);
    drop(session);
    let mut asked = 0;
    while let Some(event) = events.next().await {
        asked += usize::from(matches!(event, Event::ReauthorisationRequired(_)));
    }
    assert_eq!(asked, 1);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_commit_announces_its_refresh_once() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    let mut events = session.events();
    let gate = org.hold_tokens();
    let refresh = refresh_under_way(&org, &session).await;
    store.down.store(true, Ordering::SeqCst);
    gate.add_permits(1);
    refresh.await.unwrap().unwrap();
    store.down.store(false, Ordering::SeqCst);
    session.close(Duration::from_secs(60)).await.unwrap();
    drop(session);
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        seen.push(event.to_string());
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert!(seen[0].contains("stored yet") && seen[1].starts_with("refreshed"), "{seen:?}");
}

/// A subscriber that panics at each event of the crate, and counts them.
struct Angry(Arc<AtomicUsize>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Angry {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        if event.metadata().target().starts_with("tower_salesforce_auth") {
            self.0.fetch_add(1, Ordering::SeqCst);
            panic!("the subscriber has a bug");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f010_a_subscriber_that_panics_costs_nobody_a_refresh() {
    let (org, store, told) = (Org::new(), Probe::default(), Arc::<AtomicUsize>::default());
    let subscriber = tracing::Dispatch::new(tracing_subscriber::registry().with(Angry(Arc::clone(&told))));
    // While there is only one, tracing asks the thread that first meets an event whether anybody wants it: another test.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _guard = tracing::dispatcher::set_default(&subscriber);
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    org.script([Token::Answer(400, r#"{"error":"invalid_client"}"#)]);
    assert_eq!(session.refresh().await.unwrap_err().kind(), AuthErrorKind::OperatorMustAct);

    // Storing goes on after it was told of too.
    let gate = org.hold_tokens();
    let refresh = tokio::spawn({
        let session = session.clone();
        async move { session.refresh().await }
    });
    while org.token_requests() < 3 {
        tokio::task::yield_now().await;
    }
    store.down.store(true, Ordering::SeqCst);
    gate.add_permits(1);
    assert!(refresh.await.unwrap().unwrap().expose().ends_with("token.2"));
    store.down.store(false, Ordering::SeqCst);
    session.close(Duration::from_secs(60)).await.unwrap();
    assert!(store.record().await.contains("refresh.2"));
    assert_eq!((org.token_requests(), org.reused()), (3, 0));
    assert_eq!(told.load(Ordering::SeqCst), 4, "two refreshes, a failure, a commit that was delayed");
}

/// A listener's executor that panics when it is woken.
struct Grumpy;

impl Wake for Grumpy {
    fn wake(self: Arc<Self>) {
        panic!("the executor has a bug");
    }
}

#[tokio::test(start_paused = true)]
async fn f010_a_listener_that_panics_takes_the_outcome_from_nobody() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    let waker = Waker::from(Arc::new(Grumpy));
    let mut events = session.events();
    let mut next = Box::pin(events.next());
    assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert!(session.refresh().await.unwrap().expose().ends_with("token.2"));
    assert!(session.refresh().await.unwrap().expose().ends_with("token.3"));
    drop(next);

    // Released before it is stored, and then told of: that ends the flight, whose token set the next one stores.
    let (mut events, gate) = (session.events(), org.hold_tokens());
    let mut next = Box::pin(events.next());
    assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let refresh = tokio::spawn({
        let session = session.clone();
        async move { session.refresh().await }
    });
    while org.token_requests() < 4 {
        tokio::task::yield_now().await;
    }
    store.down.store(true, Ordering::SeqCst);
    gate.add_permits(1);
    assert!(refresh.await.unwrap().unwrap().expose().ends_with("token.4"));
    store.down.store(false, Ordering::SeqCst);
    session.close(Duration::from_secs(60)).await.unwrap();
    assert!(store.record().await.contains("refresh.4"));
    assert_eq!((org.token_requests(), org.reused()), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hints_all_the_time_is_not_read_all_the_time() {
    let (org, store) = (Org::new(), Probe::default());
    store.hints.store(true, Ordering::SeqCst);
    let (a, b) = (on(&org, &store), on(&org, &store));
    org.delay_tokens(Duration::from_secs(5));
    let (first, second) = tokio::join!(a.access_token(), b.access_token());
    assert_eq!(first.unwrap().expose(), second.unwrap().expose());
    let loads = store.loads.load(Ordering::SeqCst);
    assert!(loads <= 110, "{loads} loads in 5 s");
    assert_eq!(org.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn f181_an_error_that_is_told_again_says_how_long_is_left() {
    let (org, store) = (Org::new(), Probe::default());
    org.script([Token::Answer(400, r#"{"error":"rate_limit_exceeded"}"#)]);
    let session = on(&org, &store);
    let first = session.access_token().await.unwrap_err();
    assert_eq!(first.retry_after(), Some(Duration::from_secs(300)));
    tokio::time::advance(Duration::from_secs(100)).await;
    let again = session.access_token().await.unwrap_err();
    assert_eq!(again.retry_after(), Some(Duration::from_secs(200)));
    assert_eq!(org.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_error_names_no_source_that_has_nothing_to_do_with_it() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    org.script([Token::Answer(400, r#"{"error":"invalid_client"}"#)]);
    store.hiccups.store(1, Ordering::SeqCst);
    let error = session.refresh().await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::OperatorMustAct);
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("invalid_client"), "{source}");
}

#[tokio::test(start_paused = true)]
async fn f024_what_came_of_an_answer_is_kept_though_the_grant_took_its_time_first() {
    let (org, store) = (Org::new(), Probe::default());
    let part = r#"{"refresh_token":"refresh.in-part","access_token":"00DR0000000KvIt!tok"#;
    let transport =
        tower::service_fn(move |_: http::Request<http_body_util::Full<bytes::Bytes>>| async move {
            let part = futures_util::stream::iter([Ok::<_, std::io::Error>(http_body::Frame::data(
                bytes::Bytes::from_static(part.as_bytes()),
            ))]);
            let body = http_body_util::StreamBody::new(futures_util::StreamExt::chain(
                part,
                futures_util::stream::pending(),
            ));
            Ok::<_, std::io::Error>(http::Response::new(body))
        });
    let session = Session::builder("acme", Thoughtful(support::grant(), Duration::from_millis(500)))
        .store(store.clone())
        .transport(transport)
        .build()
        .unwrap();
    let error = session.access_token().await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::TokenAnswerRejected, "{error}");
    assert!(store.record().await.contains("refresh.in-part"));
    drop(org);
}

#[tokio::test(start_paused = true)]
async fn f068_a_store_that_hangs_is_unavailable_well_within_the_wait_budget() {
    for hangs in [|store: &Probe| store.loads_hang.clone(), |store: &Probe| store.swaps_hang.clone()] {
        let (org, store) = (Org::new(), Probe::default());
        let session = on(&org, &store);
        session.access_token().await.unwrap();
        hangs(&store).store(true, Ordering::SeqCst);
        let started = Instant::now();
        assert_eq!(session.refresh().await.unwrap_err().kind(), AuthErrorKind::StoreUnavailable);
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        assert_eq!(org.token_requests(), 1);
        hangs(&store).store(false, Ordering::SeqCst);
        session.refresh().await.unwrap();
        assert_eq!((org.token_requests(), org.reused()), (2, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn f105_a_grant_that_hangs_ends_in_an_unknown_outcome_before_its_callers_give_up() {
    let org = Org::new();
    let session = Session::builder("acme", Thoughtful(support::grant(), Duration::from_secs(3_600)))
        .store(Probe::default())
        .transport(org.transport())
        .build()
        .unwrap();
    let started = Instant::now();
    assert_eq!(session.access_token().await.unwrap_err().kind(), AuthErrorKind::OutcomeUnknown);
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    assert_eq!(org.token_requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_the_store_could_not_note_is_no_reason_to_wait_for_a_minute() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    session.access_token().await.unwrap();
    let gate = org.hold_tokens();
    org.script([Token::Answer(429, "")]);
    let refresh = refresh_under_way(&org, &session).await;
    store.down.store(true, Ordering::SeqCst);
    gate.add_permits(100);
    assert_eq!(refresh.await.unwrap().unwrap_err().kind(), AuthErrorKind::TokenEndpointUnavailable);
    store.down.store(false, Ordering::SeqCst);
    session.refresh().await.expect("the claim that was left behind is this session's own");
    assert_eq!((org.token_requests(), org.reused()), (3, 0));
}

/// A grant that thinks for a while before it asks.
struct Thoughtful(RefreshToken, Duration);

impl Grant for Thoughtful {
    fn kind(&self) -> &'static str {
        self.0.kind()
    }

    fn client_id(&self) -> &str {
        self.0.client_id()
    }

    fn login_host(&self) -> &LoginHost {
        self.0.login_host()
    }

    fn seed(&self) -> Option<&Secret> {
        self.0.seed()
    }

    async fn exchange(
        &self,
        endpoint: &TokenEndpoint,
        refresh_token: Option<&Secret>,
    ) -> Result<TokenResponse, TokenError> {
        tokio::time::sleep(self.1).await;
        self.0.exchange(endpoint, refresh_token).await
    }
}
