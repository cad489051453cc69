//! What Tower asks of a middleware, and what the other layers of Tower make of ours, above it and below it. Time is
//! paused and the org is in memory, so that every permit and every token request can be counted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

#[path = "../support/mod.rs"]
mod support;

mod above;
mod auto_traits;
mod below;
mod probe;
mod readiness;

use http::Request;
use tower::{Layer, Service, ServiceExt};
use tower_salesforce_auth::{BoxError, SalesforceAuth, SalesforceAuthLayer};

use self::support::{Org, get};

type Body = http_body_util::Full<bytes::Bytes>;

/// The layer over `inner`, with a session that has a token which the org accepts.
async fn warm<S>(org: &Org, inner: S) -> SalesforceAuth<S>
where
    S: Clone,
    SalesforceAuth<S>: Service<Request<Body>, Error = BoxError>,
{
    let session = org.session();
    session.access_token().await.unwrap();
    SalesforceAuthLayer::new(session).layer(inner)
}

/// The same, but the org has ended the session since.
async fn expired<S>(org: &Org, inner: S) -> SalesforceAuth<S>
where
    S: Clone,
    SalesforceAuth<S>: Service<Request<Body>, Error = BoxError>,
{
    let service = warm(org, inner).await;
    org.expire();
    service
}

/// Lets everything that can run do so.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// Lets others run until it is so. What never comes is a failure and no hang.
async fn until(mut it_is_so: impl FnMut() -> bool) {
    for _ in 0..100_000 {
        if it_is_so() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never came to that");
}

/// Goes on once `n` token requests have reached the org.
async fn token_requests(org: &Org, n: usize) {
    until(|| org.token_requests() >= n).await;
}

/// Sends one request to its end, and returns the status.
async fn status<S, B>(service: S) -> Result<u16, S::Error>
where
    S: Service<Request<Body>, Response = http::Response<B>>,
{
    service.oneshot(get("/r")).await.map(|response| response.status().as_u16())
}
