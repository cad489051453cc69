//! Layers below: they see each send by itself, with its token, and nothing of a refresh.

use std::{
    future::{Ready, pending, ready},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use http::{Request, Response, StatusCode};
use tokio::time::Instant;
use tower::{
    BoxError, Service, ServiceBuilder, ServiceExt, buffer, limit::ConcurrencyLimit, load_shed, retry,
    service_fn, timeout::error::Elapsed,
};
use tower_salesforce_auth::AuthError;

use crate::{
    Body, expired,
    probe::{Probe, Readiness},
    settle, status,
    support::{Org, get},
    token_requests, warm,
};

#[tokio::test(start_paused = true)]
async fn f166_a_rate_limit_below_a_buffer_counts_every_send() {
    let org = Org::new();
    let limited = ServiceBuilder::new()
        .buffer(64)
        .rate_limit(1, Duration::from_secs(10))
        .service(Probe::new(org.api()));
    let service = expired(&org, limited).await;
    let start = Instant::now();
    assert_eq!(status(service.clone()).await.unwrap(), 200);
    assert_eq!(org.api_requests(), 2);
    let waited = start.elapsed();
    assert!((10..11).contains(&waited.as_secs()), "the resend takes a permit of its own: {waited:?}");
    assert_eq!(status(service).await.unwrap(), 200);
    assert!((20..21).contains(&start.elapsed().as_secs()));
}

#[tokio::test(start_paused = true)]
async fn f166_a_rate_limit_spends_nothing_on_requests_that_wait_for_a_token() {
    let org = Org::new();
    let limited = ServiceBuilder::new()
        .buffer(64)
        .rate_limit(5, Duration::from_secs(3_600))
        .service(Probe::new(org.api()));
    let service =
        tower::Layer::layer(&tower_salesforce_auth::SalesforceAuthLayer::new(org.session()), limited);
    let gate = org.hold_tokens();
    let waiting: Vec<_> = (0..5).map(|_| tokio::spawn(status(service.clone()))).collect();
    token_requests(&org, 1).await;
    settle().await;
    gate.add_permits(1);
    let start = Instant::now();
    for call in waiting {
        assert_eq!(call.await.unwrap().unwrap(), 200);
    }
    assert!(start.elapsed() < Duration::from_secs(1), "five permits, five sends");
}

#[tokio::test(start_paused = true)]
async fn f167_a_resend_that_is_shed_below_is_the_shedders_error() {
    let org = Org::new();
    let limited = ConcurrencyLimit::new(Probe::new(org.api()), 1);
    let mut stranger = limited.clone();
    let service = expired(&org, ServiceBuilder::new().load_shed().service(limited)).await;
    let gate = org.hold_tokens();
    let call = tokio::spawn(status(service.clone()));
    token_requests(&org, 2).await;
    stranger.ready().await.unwrap(); // takes the one permit while the refresh goes on
    gate.add_permits(1);
    let error = call.await.unwrap().unwrap_err();
    assert!(error.is::<load_shed::error::Overloaded>(), "a layer above can tell: {error}");
    assert!(AuthError::find(&*error).is_none());
    assert_eq!((org.api_requests(), org.token_requests()), (1, 2));
    drop(stranger);
    assert_eq!(status(service).await.unwrap(), 200, "the refresh was not in vain");
    assert_eq!(org.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn f165_the_error_of_a_buffer_whose_worker_died_comes_once_and_refreshes_nothing() {
    let org = Org::new();
    let probe = Probe::new(org.api());
    let service = warm(&org, ServiceBuilder::new().buffer(8).service(probe.clone())).await;
    assert_eq!(status(service.clone()).await.unwrap(), 200);
    probe.script(&[Readiness::Fails]);
    for _ in 0..3 {
        let error = status(service.clone()).await.unwrap_err();
        assert!(error.is::<buffer::error::ServiceError>(), "{error}");
        assert!(error.to_string().contains("no connection is to be had"), "{error}");
    }
    settle().await;
    assert_eq!((org.api_requests(), org.token_requests(), probe.held()), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn f165_a_worker_that_dies_before_the_resend_ends_the_call_with_its_error() {
    let org = Org::new();
    let probe = Probe::new(org.api());
    let service = expired(&org, ServiceBuilder::new().buffer(8).service(probe.clone())).await;
    probe.script(&[Readiness::Ready, Readiness::Fails]);
    let error = status(service).await.unwrap_err();
    assert!(error.is::<buffer::error::ServiceError>(), "{error}");
    settle().await;
    assert_eq!((org.api_requests(), org.token_requests()), (1, 2), "one refresh, no third send");
}

#[tokio::test(start_paused = true)]
async fn f172_a_time_out_below_bounds_each_send_and_not_the_refresh() {
    let org = Org::new();
    let service =
        expired(&org, ServiceBuilder::new().timeout(Duration::from_secs(1)).service(Probe::new(org.api())))
            .await;
    org.delay_tokens(Duration::from_secs(5));
    assert_eq!(status(service).await.unwrap(), 200, "five seconds for the refresh, none for the sends");
    assert_eq!((org.api_requests(), org.token_requests()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn f160_a_send_that_times_out_below_is_not_repeated_and_refreshes_nothing() {
    for refused_first in [false, true] {
        let org = Org::new();
        let api = org.api();
        let sends = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&sends);
        // The last send never comes back.
        let silent = service_fn(move |request: Request<Body>| {
            let first = counted.fetch_add(1, SeqCst) == 0;
            let mut api = api.clone();
            async move { if first && refused_first { api.call(request).await } else { pending().await } }
        });
        let service =
            expired(&org, ServiceBuilder::new().timeout(Duration::from_secs(1)).service(silent)).await;
        let error = status(service).await.unwrap_err();
        assert!(error.is::<Elapsed>(), "{error}");
        let expected = if refused_first { (2, 2) } else { (1, 1) };
        assert_eq!((sends.load(SeqCst), org.token_requests()), expected);
    }
}

/// Sends again after a 503, once.
#[derive(Clone)]
struct Once(bool);

impl<E> retry::Policy<Request<Body>, Response<Body>, E> for Once {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<Body>, answer: &mut Result<Response<Body>, E>) -> Option<Ready<()>> {
        let unavailable = matches!(answer, Ok(answer) if answer.status() == StatusCode::SERVICE_UNAVAILABLE);
        (unavailable && std::mem::take(&mut self.0)).then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        Some(request.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn f172_a_retry_below_repeats_a_send_with_the_token_that_it_had() {
    let org = Org::new();
    let api = org.api();
    let sends = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sends);
    // Unavailable at every odd send.
    let flaky = service_fn(move |request: Request<Body>| {
        let unavailable = counted.fetch_add(1, SeqCst).is_multiple_of(2);
        let mut api = api.clone();
        async move {
            if unavailable {
                let mut answer = Response::new(Body::default());
                *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                return Ok::<_, BoxError>(answer);
            }
            Ok(api.call(request).await?)
        }
    });
    let service = expired(&org, ServiceBuilder::new().retry(Once(true)).service(flaky)).await;
    assert_eq!(status(service).await.unwrap(), 200);
    assert_eq!(sends.load(SeqCst), 4, "two of ours, each repeated once below");
    assert_eq!((org.api_requests(), org.token_requests()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn f160_a_transport_error_is_returned_as_it_is_and_nothing_is_repeated() {
    for refused_first in [false, true] {
        let org = Org::new();
        let api = org.api();
        let sends = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&sends);
        let broken = service_fn(move |request: Request<Body>| {
            let first = counted.fetch_add(1, SeqCst) == 0;
            let mut api = api.clone();
            async move {
                if first && refused_first {
                    return Ok(api.call(request).await?);
                }
                Err::<Response<Body>, BoxError>(
                    std::io::Error::from(std::io::ErrorKind::ConnectionReset).into(),
                )
            }
        });
        let service = expired(&org, broken).await;
        let error = service.oneshot(get("/r")).await.unwrap_err();
        let error = error.downcast_ref::<std::io::Error>().expect("the client's own error");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        let expected = if refused_first { (2, 2) } else { (1, 1) };
        assert_eq!((sends.load(SeqCst), org.token_requests()), expected);
    }
}
