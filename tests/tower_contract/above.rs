//! Layers above: each of their calls is one of ours, with at most two sends and one wait for a refresh.

use std::{
    future::{Ready, poll_fn, ready},
    time::Duration,
};

use futures_util::future::join_all;
use http::{Request, Response};
use tokio::time::Instant;
use tower::{Service, ServiceBuilder, ServiceExt, hedge, load_shed, retry, timeout::error::Elapsed};
use tower_salesforce_auth::{PeekBody, SalesforceAuthLayer};

use crate::{
    Body, expired,
    probe::Probe,
    settle, status,
    support::{EXPIRED, Org, get},
    token_requests, until, warm,
};

type Answer = Response<PeekBody<Body>>;

#[tokio::test(start_paused = true)]
async fn f166_a_rate_limit_above_counts_calls_and_not_sends() {
    let org = Org::new();
    let session = org.session();
    session.access_token().await.unwrap();
    let mut service = ServiceBuilder::new()
        .rate_limit(1, Duration::from_secs(60))
        .layer(SalesforceAuthLayer::new(session))
        .service(Probe::new(org.api()));
    org.expire();
    let start = Instant::now();
    assert_eq!(service.ready().await.unwrap().call(get("/r")).await.unwrap().status(), 200);
    assert_eq!((org.api_requests(), start.elapsed()), (2, Duration::ZERO), "one permit, two sends");
    assert_eq!(service.ready().await.unwrap().call(get("/r")).await.unwrap().status(), 200);
    assert!(start.elapsed() >= Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn f163_a_concurrency_limit_above_holds_its_permit_for_the_whole_call() {
    let org = Org::new();
    let gate = org.hold_tokens();
    let service = ServiceBuilder::new()
        .concurrency_limit(1)
        .layer(SalesforceAuthLayer::new(org.session()))
        .service(Probe::new(org.api()));
    let first = tokio::spawn(status(service.clone()));
    token_requests(&org, 1).await;
    let second = tokio::spawn(status(service));
    settle().await;
    assert_eq!(org.api_requests(), 0);
    gate.add_permits(1);
    for call in [first, second] {
        assert_eq!(call.await.unwrap().unwrap(), 200);
    }
    assert_eq!((org.token_requests(), org.api_requests()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn f167_a_load_shedder_above_sheds_for_the_limit_below_and_not_for_a_refresh() {
    let org = Org::new();
    let gate = org.hold_tokens();
    let service = ServiceBuilder::new()
        .load_shed()
        .layer(SalesforceAuthLayer::new(org.session()))
        .concurrency_limit(1)
        .service(Probe::new(org.api()));
    // Nobody is shed while all wait for the first token: no permit is held.
    let waiting: Vec<_> = (0..10).map(|_| tokio::spawn(status(service.clone()))).collect();
    token_requests(&org, 1).await;
    settle().await;
    gate.add_permits(1);
    for call in waiting {
        assert_eq!(call.await.unwrap().unwrap(), 200);
    }

    // One request is under way: the next is shed before it reaches us.
    let answers = org.hold_api();
    let first = tokio::spawn(status(service.clone()));
    until(|| org.api_requests() == 11).await;
    let error = status(service).await.unwrap_err();
    assert!(error.is::<load_shed::error::Overloaded>(), "{error}");
    answers.add_permits(1);
    assert_eq!(first.await.unwrap().unwrap(), 200);
    assert_eq!((org.token_requests(), org.api_requests()), (1, 11));
}

#[tokio::test(start_paused = true)]
async fn f165_a_buffer_above_serves_a_herd_with_one_refresh() {
    let org = Org::new();
    let service = expired(&org, Probe::new(org.api())).await;
    let service = ServiceBuilder::new().buffer(64).service(service);
    for answer in join_all((0..50).map(|_| status(service.clone()))).await {
        assert_eq!(answer.unwrap(), 200);
    }
    assert_eq!(org.token_requests(), 2);
    assert_eq!(org.api_requests(), 50 + org.refused(), "one resend for each refusal");
}

#[derive(Clone)]
struct Always;

impl hedge::Policy<Request<Body>> for Always {
    fn clone_request(&self, request: &Request<Body>) -> Option<Request<Body>> {
        Some(request.clone())
    }

    fn can_retry(&self, _: &Request<Body>) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn f172_hedged_twins_share_one_flight() {
    let org = Org::new();
    let service = expired(&org, Probe::new(org.api())).await;
    org.delay_tokens(Duration::from_secs(2));
    // Calls take a millisecond, it believes: the twin leaves while the first waits for the refresh.
    let mut hedge =
        hedge::Hedge::new_with_mock_latencies(service, Always, 1, 0.9, Duration::from_secs(60), &[1; 10]);
    let answer: Answer = hedge.ready().await.unwrap().call(get("/r")).await.unwrap();
    assert_eq!(answer.status(), 200);
    settle().await;
    assert_eq!(
        (org.token_requests(), org.refused()),
        (2, 2),
        "both were refused, and one refresh came of it"
    );
    assert!((3..=4).contains(&org.api_requests()), "{} sends of two calls", org.api_requests());
}

#[tokio::test(start_paused = true)]
async fn f172_a_time_out_above_ends_the_call_and_not_the_refresh() {
    let org = Org::new();
    let inner = expired(&org, Probe::new(org.api())).await;
    org.delay_tokens(Duration::from_secs(5));
    let service = ServiceBuilder::new().timeout(Duration::from_secs(1)).service(inner);
    let error = status(service.clone()).await.unwrap_err();
    assert!(error.is::<Elapsed>(), "{error}");
    assert_eq!((org.token_requests(), org.issued(), org.api_requests()), (2, 1, 1));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(org.issued(), 2, "the refresh went on");
    assert_eq!(status(service).await.unwrap(), 200);
    assert_eq!(
        (org.token_requests(), org.api_requests()),
        (2, 2),
        "and the next call sends with what it got"
    );
}

/// Sends again, a number of times, whatever was answered.
#[derive(Clone)]
struct Times(usize);

impl<B, E> retry::Policy<Request<Body>, Response<B>, E> for Times {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<Body>, answer: &mut Result<Response<B>, E>) -> Option<Ready<()>> {
        let failed =
            answer.as_ref().is_err() || matches!(answer, Ok(answer) if !answer.status().is_success());
        let retries = failed && self.0 > 0;
        self.0 -= usize::from(retries);
        retries.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        Some(request.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn f172_a_retry_above_costs_two_sends_an_attempt_at_most_and_refreshes_once() {
    let org = Org::new();
    let inner = warm(&org, Probe::new(org.api())).await;
    org.answer_api(Some((401, EXPIRED)));
    let service = ServiceBuilder::new().retry(Times(4)).service(inner);
    assert_eq!(status(service.clone()).await.unwrap(), 401);
    assert!(org.api_requests() <= 2 * 5, "{} sends", org.api_requests());
    assert_eq!(org.token_requests(), 2, "the cool-down holds for the attempts that follow");

    // What the org recovers from within the attempts succeeds, without more refreshes.
    org.answer_api(Some((503, "")));
    let before = org.api_requests();
    let mut attempts = tokio_test::task::spawn(status(service));
    let _ = attempts.poll();
    assert_eq!(org.api_requests() - before, 5, "each attempt is one send: a 503 is not ours");
    assert_eq!(org.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn f168_an_error_of_readiness_passes_through_layers_above() {
    let org = Org::new();
    let probe = Probe::new(org.api());
    let inner = warm(&org, probe.clone()).await;
    let mut service = ServiceBuilder::new().timeout(Duration::from_secs(1)).retry(Times(1)).service(inner);
    probe.script(&[crate::probe::Readiness::Fails]);
    let error = poll_fn(|cx| service.poll_ready(cx)).await.unwrap_err();
    assert_eq!(error.to_string(), "no connection is to be had");
}
