//! Sessions of the grants that have no refresh token, from the first request to the last.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client as HyperClient, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{Layer, ServiceExt};
use tower_salesforce_auth::{
    AuthErrorKind, BoxError, Diagnosis, Event, Outcome, SalesforceAuth, SalesforceAuthLayer, Session,
    grant::{Client, ClientCredentials, Grant, JwtBearer, LoginHost, Signer},
    store::{Revision, StoreError, StoreKey, Stored, Swap, TokenStore},
    testing::{ApiAnswer, FakeOrg, TokenAnswer},
};

type Hyper = HyperClient<HttpConnector, Full<Bytes>>;

/// Signs with a key in somebody else's keeping, and counts.
#[derive(Clone, Default)]
struct Kms(Arc<AtomicUsize>);

impl Signer for Kms {
    async fn sign(&self, signing_input: &[u8]) -> Result<Vec<u8>, BoxError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        Ok(signing_input.iter().rev().take(256).copied().collect())
    }
}

fn jwt(org: &FakeOrg) -> JwtBearer {
    JwtBearer::with_signer(org.client_id(), org.username(), LoginHost::my_domain(org.url()), Kms::default())
}

fn credentials(org: &FakeOrg) -> ClientCredentials {
    let client = Client::confidential(org.client_id(), org.client_secret());
    ClientCredentials::new(client, LoginHost::my_domain(org.url()))
}

fn session(grant: impl Grant) -> Session {
    Session::builder("acme", grant).allow_loopback().build().expect("no store is needed")
}

fn client(session: &Session) -> SalesforceAuth<Hyper> {
    let hyper = HyperClient::builder(TokioExecutor::new()).http2_only(true).build_http();
    SalesforceAuthLayer::new(session.clone()).layer(hyper)
}

fn limits() -> Request<Full<Bytes>> {
    Request::get("/services/data/v65.0/limits").body(Full::default()).unwrap()
}

/// Begins cold, loses its session under a herd, moves to another host: two token requests more than the first.
async fn lives_through_it_all(org: FakeOrg, session: Session) {
    let client = client(&session);
    let mut events = session.events();
    let cold = join_all((0..50).map(|_| client.clone().oneshot(limits()))).await;
    assert!(cold.into_iter().all(|response| response.unwrap().status() == StatusCode::OK));
    assert_eq!((org.counters().token_requests, org.counters().refused), (1, 0));
    let first = session.access_token().await.unwrap();
    assert!(first.expose().starts_with(&org.org_id()[..15]), "the token is the org's");
    assert_eq!(first.instance_url().to_string(), org.instance_url());

    org.expire_sessions();
    let gate = org.hold_token_requests();
    let herd: Vec<_> = (0..200).map(|_| tokio::spawn(client.clone().oneshot(limits()))).collect();
    gate.arrived(1).await;
    gate.release();
    for response in join_all(herd).await {
        assert_eq!(response.unwrap().unwrap().status(), StatusCode::OK);
    }
    assert_eq!((org.counters().token_requests, org.counters().tokens_issued), (2, 2));
    let second = session.access_token().await.unwrap();
    assert!(second.generation() > first.generation() && second.expose() != first.expose());

    let home = org.move_host().await;
    assert_eq!(client.clone().oneshot(limits()).await.unwrap().status(), StatusCode::OK);
    assert_eq!(session.access_token().await.unwrap().instance_url().to_string(), home);
    assert_eq!(org.counters().token_requests, 3);

    session.close(Duration::from_secs(5)).await.unwrap();
    drop((client, session));
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        seen.push(match event {
            Event::Refreshed { .. } => "refreshed",
            Event::InstanceMoved { .. } => "moved",
            other => panic!("{other}"),
        });
    }
    assert_eq!(seen, ["refreshed", "refreshed", "moved", "refreshed"]);
}

#[tokio::test]
async fn f114_f175_a_jwt_bearer_session_lives_through_expiry_and_a_move() {
    let org = FakeOrg::start().await.unwrap();
    let session = session(jwt(&org));
    lives_through_it_all(org, session).await;
}

#[tokio::test]
async fn f114_f175_a_client_credentials_session_lives_through_expiry_and_a_move() {
    let org = FakeOrg::start().await.unwrap();
    let session = session(credentials(&org));
    lives_through_it_all(org, session).await;
}

#[tokio::test]
async fn f101_a_grant_without_a_person_that_is_refused_is_for_an_operator() {
    let org = FakeOrg::start().await.unwrap();
    let stranger = JwtBearer::with_signer(
        org.client_id(),
        "nobody@fake-org.example",
        LoginHost::my_domain(org.url()),
        Kms::default(),
    );
    let session = session(stranger);
    for _ in 0..20 {
        let error = session.access_token().await.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (AuthErrorKind::OperatorMustAct, false));
        assert!(error.to_string().contains("approve"), "{error}");
    }
    assert_eq!(org.counters().token_requests, 1, "what only a person can change is not asked again at once");
}

#[tokio::test]
async fn f097_a_lost_answer_costs_a_minting_grant_one_back_off_and_no_wait_out() {
    for (name, lost) in [
        ("before", TokenAnswer::DropBefore),
        ("after", TokenAnswer::DropAfter),
        ("cut", TokenAnswer::Truncate),
    ] {
        let org = FakeOrg::start().await.unwrap();
        let session = session(credentials(&org));
        org.answer_token_requests(lost.next(1));
        let error = session.access_token().await.unwrap_err();
        assert_eq!(error.kind(), AuthErrorKind::TokenEndpointUnavailable, "{name}: {error}");
        // By hand, which skips the back-off: nothing else stands in the way.
        session.refresh().await.unwrap();
        assert_eq!(org.counters().token_requests, 2, "{name}");
    }
}

#[tokio::test]
async fn f149_a_new_session_that_is_refused_too_is_diagnosed_and_not_asked_for_again() {
    let org = FakeOrg::start().await.unwrap();
    let session = session(jwt(&org));
    let client = client(&session);
    client.clone().oneshot(limits()).await.unwrap();
    org.answer_api_requests(ApiAnswer::NotPermitted);
    let response = client.clone().oneshot(limits()).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(matches!(Diagnosis::of(&response).unwrap().outcome(), Outcome::RefusedAgain));
    for _ in 0..20 {
        let response = client.clone().oneshot(limits()).await.unwrap();
        assert!(matches!(Diagnosis::of(&response).unwrap().outcome(), Outcome::CoolingDown { .. }));
    }
    assert_eq!(org.counters().token_requests, 2);
}

/// Nothing but errors.
struct Broken;

impl TokenStore for Broken {
    async fn load(&self, _key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        Err(StoreError::unavailable("down"))
    }

    async fn compare_and_swap(
        &self,
        _key: &StoreKey,
        _expected: Option<Revision>,
        _record: &[u8],
    ) -> Result<Swap, StoreError> {
        Err(StoreError::unavailable("down"))
    }
}

#[tokio::test]
async fn f052_a_minting_session_works_on_while_its_store_is_down() {
    let org = FakeOrg::start().await.unwrap();
    let session = Session::builder("acme", credentials(&org)).store(Broken).allow_loopback().build().unwrap();
    let client = client(&session);
    for round in 1..=3 {
        assert_eq!(client.clone().oneshot(limits()).await.unwrap().status(), StatusCode::OK);
        assert_eq!(org.counters().token_requests, round);
        org.expire_sessions();
    }
    session.close(Duration::from_secs(5)).await.expect("there is nothing to lose");
}

#[tokio::test]
async fn a_minting_session_is_revoked_like_any_other() {
    let org = FakeOrg::start().await.unwrap();
    let session = session(credentials(&org));
    session.access_token().await.unwrap();
    session.revoke().await.unwrap();
    assert_eq!(session.access_token().await.unwrap_err().kind(), AuthErrorKind::Revoked);
    assert_eq!((org.counters().token_requests, org.counters().revocations), (1, 1));
}

#[test]
fn f015_every_runtime_that_uses_one_session_gets_its_answer() {
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let org = threads.block_on(FakeOrg::start()).unwrap();
    let session = session(jwt(&org)); // outside of any runtime
    let alone = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = alone.block_on(session.access_token()).unwrap();
    org.expire_sessions();
    let response = threads.block_on(client(&session).oneshot(limits())).unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    drop(alone);
    let last = threads.block_on(session.access_token()).unwrap();
    assert!(last.generation() > first.generation());
    assert_eq!(org.counters().token_requests, 2);
}
