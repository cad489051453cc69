//! Whole stacks of tower's own layers, above and below.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use tower::{
    Service, ServiceBuilder, ServiceExt,
    buffer::Buffer,
    limit::{ConcurrencyLimit, RateLimit, rate::Rate},
    load_shed::LoadShed,
};
use tower_salesforce_auth::{BoxError, SalesforceAuthLayer, Session};

use super::{connected, probe::Probe, request, support::Org};

const CALLS: usize = 50;

/// Sends from many tasks at once; every call succeeds.
async fn flood<S, B>(service: S)
where
    S: Service<Request<Full<Bytes>>, Response = http::Response<B>, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    let calls: Vec<_> = (0..CALLS).map(|_| tokio::spawn(service.clone().oneshot(request("/x")))).collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), StatusCode::OK);
    }
}

/// Both situations in which a call has to wait: there is no token yet, and the token has expired.
async fn sessions() -> [(Session, Probe); 2] {
    [(Org::new().session(), Probe::always(200, "{}")), (connected().await.1, Probe::after_refresh())]
}

#[tokio::test(start_paused = true)]
async fn f164_a_limit_of_one_below_lets_the_refresh_and_every_resend_through() {
    for (session, api) in sessions().await {
        flood(
            ServiceBuilder::new().layer(SalesforceAuthLayer::new(session)).concurrency_limit(1).service(api),
        )
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn f164_a_limit_of_one_above_and_below_completes() {
    for (session, api) in sessions().await {
        let stack = ServiceBuilder::new().concurrency_limit(1).layer(SalesforceAuthLayer::new(session));
        flood(stack.concurrency_limit(1).service(api)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_buffer_above_and_below_completes() {
    for (session, api) in sessions().await {
        let auth = SalesforceAuthLayer::new(session);
        let stack = ServiceBuilder::new().buffer(1).timeout(Duration::from_secs(60)).layer(auth).buffer(1);
        flood(stack.service(api)).await;
    }
}

/// F166: the first send and the resend take a slot of the limit each.
#[tokio::test(start_paused = true)]
async fn f166_a_rate_limit_below_a_buffer_counts_every_send() {
    let (_org, session) = connected().await;
    let api = Probe::after_refresh();
    let limited = Buffer::new(RateLimit::new(api.clone(), Rate::new(1, Duration::from_secs(10))), 8);
    let began = tokio::time::Instant::now();
    let service = ServiceBuilder::new().layer(SalesforceAuthLayer::new(session)).service(limited);
    assert_eq!(service.oneshot(request("/x")).await.unwrap().status(), StatusCode::OK);
    assert_eq!((api.got().len(), began.elapsed().as_secs()), (2, 10));
}

/// F167: shedding is an error of its own, and the permits it guards are all there afterwards.
#[tokio::test(start_paused = true)]
async fn f167_load_shedding_below_sheds_and_leaks_no_permit() {
    let (org, session) = connected().await;
    let held = org.hold_tokens();
    let api = Probe::after_refresh();
    let service = ServiceBuilder::new()
        .layer(SalesforceAuthLayer::new(session))
        .service(LoadShed::new(ConcurrencyLimit::new(api.clone(), 1)));
    let waiting = tokio::spawn(service.clone().oneshot(request("/x")));
    while api.got().is_empty() {
        tokio::task::yield_now().await;
    }
    // The permit is free while the refresh goes on, so these are sent and refused, and wait as well.
    let others: Vec<_> = (0..5).map(|_| tokio::spawn(service.clone().oneshot(request("/x")))).collect();
    while api.got().len() < 6 {
        tokio::task::yield_now().await;
    }
    held.add_permits(1);
    for call in others.into_iter().chain([waiting]) {
        assert_eq!(call.await.unwrap().unwrap().status(), StatusCode::OK);
    }
    assert_eq!(api.reservations(), 0);
}

/// A time-out above drops the call in the middle of a refresh; what it waited for comes all the same.
#[tokio::test(start_paused = true)]
async fn f003_a_timeout_above_ends_the_wait_and_not_the_refresh() {
    let (org, session) = connected().await;
    org.delay_tokens(Duration::from_secs(5));
    let api = Probe::after_refresh();
    let service = ServiceBuilder::new()
        .timeout(Duration::from_secs(1))
        .layer(SalesforceAuthLayer::new(session))
        .concurrency_limit(1)
        .service(api.clone());
    assert!(service.clone().oneshot(request("/x")).await.is_err());
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(service.oneshot(request("/x")).await.unwrap().status(), StatusCode::OK);
    assert_eq!((api.got().len(), org.token_requests(), api.reservations()), (2, 2, 0));
}
