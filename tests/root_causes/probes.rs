//! What `Session::diagnose` asks, and what it costs.

use std::time::Duration;

use tower_salesforce_auth::{
    AuthErrorKind, Cause, Evidence, Outcome, Session,
    grant::{Client, LoginHost, RefreshToken},
    store::MemoryStore,
    testing::{FakeOrg, fake_org::conditions::ApiAccessControl},
};

async fn org() -> (FakeOrg, Session) {
    let org = FakeOrg::start().await.unwrap();
    let client = Client::confidential(org.client_id(), org.client_secret());
    let grant = RefreshToken::new(client, LoginHost::my_domain(org.url()), org.issue_refresh_token());
    let session =
        Session::builder("acme", grant).store(MemoryStore::volatile()).allow_loopback().build().unwrap();
    (org, session)
}

#[tokio::test]
async fn a_session_that_works_has_no_cause_and_is_asked_about_three_times() {
    let (org, session) = org().await;
    session.access_token().await.unwrap();
    let diagnosis = session.diagnose().budget(Duration::MAX).await;
    assert_eq!(diagnosis.cause(), None, "{diagnosis}");
    assert!(diagnosis.to_string().starts_with("Salesforce accepts the session."), "{diagnosis}");
    let counters = org.counters();
    assert_eq!((counters.introspections, counters.requests, counters.token_requests), (1, 2, 1));
    let evidence = diagnosis.evidence();
    assert!(evidence.iter().any(|item| matches!(item, Evidence::Introspection { active: true })));
    assert!(evidence.iter().any(|item| matches!(item, Evidence::Identity { accepted: true })));
    assert!(evidence.iter().any(|item| matches!(item, Evidence::Read { refused: None })));
}

#[tokio::test]
async fn without_a_token_nothing_is_asked_unless_a_token_request_is_allowed() {
    let (org, session) = org().await;
    let diagnosis = session.diagnose().await;
    assert_eq!(diagnosis.error().unwrap().kind(), AuthErrorKind::NotConnected);
    assert_eq!((org.counters().requests, org.counters().token_requests), (0, 0));
    assert_eq!(session.diagnose().allow_token_request().await.cause(), None);
    assert_eq!((org.counters().requests, org.counters().token_requests), (2, 1));
}

#[tokio::test]
async fn a_refused_session_is_refreshed_only_when_that_is_allowed_and_no_cool_down_runs() {
    let (org, session) = org().await;
    session.access_token().await.unwrap();
    org.expire_sessions();
    let diagnosis = session.diagnose().await;
    assert!(matches!(diagnosis.outcome(), Outcome::Examined));
    assert_eq!((diagnosis.cause(), org.counters().token_requests), (Some(Cause::Expired), 1));
    let diagnosis = session.diagnose().allow_token_request().await;
    assert_eq!((diagnosis.cause(), org.counters().token_requests), (None, 2));

    org.impose(ApiAccessControl::new());
    for _ in 0..3 {
        let diagnosis = session.diagnose().allow_token_request().await;
        assert!(diagnosis.causes().iter().any(|ranked| ranked.cause == Cause::ApiAccessControl));
        assert_eq!(org.counters().token_requests, 3, "{diagnosis}");
    }
    let diagnosis = session.diagnose().allow_token_request().await;
    assert!(matches!(diagnosis.outcome(), Outcome::CoolingDown { .. }), "{diagnosis}");
    assert!(diagnosis.causes().iter().all(|ranked| ranked.cause != Cause::Local), "{diagnosis}");
}

#[tokio::test]
async fn an_answer_that_does_not_come_within_the_budget_is_no_evidence() {
    let (org, session) = org().await;
    session.access_token().await.unwrap();
    let gate = org.hold_api_requests();
    let diagnosis = session.diagnose().budget(Duration::ZERO).await;
    assert!(!diagnosis.evidence().iter().any(|item| matches!(item, Evidence::Read { .. })), "{diagnosis}");
    drop(gate);
}
