//! axum's body: `Send`, neither `Sync` nor `Clone`.

use axum_core::body::Body;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{ServiceBuilder, ServiceExt};
use tower_salesforce_auth::{Diagnosis, Outcome, SalesforceAuthLayer, replay::Never, testing::FakeOrg};

use crate::{ECHO, LIMITS, get, hyper_client, session};

/// The client of an application takes axum's body for the sake of others; our requests have all their bytes.
#[tokio::test]
async fn a_body_that_can_be_cloned_is_turned_into_axums_below_the_layer() {
    let org = FakeOrg::start().await.unwrap();
    let salesforce = ServiceBuilder::new()
        .layer(SalesforceAuthLayer::new(session(&org)))
        .map_request(|request: Request<Full<Bytes>>| request.map(Body::new))
        .service(hyper_client::<Body>());
    salesforce.clone().oneshot(get(LIMITS)).await.unwrap();
    org.expire_sessions();
    let upload = Request::post(ECHO).body(Full::from("0123456789")).unwrap();
    let response = salesforce.oneshot(upload).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let echo = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&echo).contains(r#""length":10"#));
    assert_eq!(org.counters().token_requests, 2);
}

/// A handler that hands its own request on, unread, and the answer back.
#[tokio::test]
async fn f153_a_stream_that_is_handed_on_is_sent_once_and_the_session_is_refreshed_for_the_next() {
    let org = FakeOrg::start().await.unwrap();
    let salesforce = ServiceBuilder::new()
        .map_response(|answer: http::Response<_>| answer.map(Body::new))
        .layer(SalesforceAuthLayer::new(session(&org)).replay(Never))
        .service(hyper_client::<Body>());
    let upload = || Request::post(ECHO).body(Body::from("0123456789")).unwrap();
    assert_eq!(salesforce.clone().oneshot(upload()).await.unwrap().status(), StatusCode::OK);
    org.expire_sessions();
    let refused = salesforce.clone().oneshot(upload()).await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(matches!(Diagnosis::of(&refused).unwrap().outcome(), Outcome::NotResendable(_)));
    let answer: http::Response<Body> = salesforce.oneshot(upload()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!((org.counters().token_requests, org.counters().requests), (2, 3));
}
