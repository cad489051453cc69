//! The diagnosis is an extension of the answer, and layers above must let it through.

use std::{future::Ready, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{ServiceBuilder, ServiceExt, retry};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_salesforce_auth::{
    AuthError, Diagnosis, Outcome, SalesforceAuthLayer,
    testing::{ApiAnswer, FakeOrg},
};

use crate::{LIMITS, get, hyper_client, session};

#[derive(Clone)]
struct NoRetry;

impl<B, E> retry::Policy<Request<Full<Bytes>>, Response<B>, E> for NoRetry {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<Full<Bytes>>, _: &mut Result<Response<B>, E>) -> Option<Ready<()>> {
        None
    }

    fn clone_request(&mut self, request: &Request<Full<Bytes>>) -> Option<Request<Full<Bytes>>> {
        Some(request.clone())
    }
}

#[tokio::test]
async fn the_diagnosis_survives_the_layers_of_tower() {
    let org = FakeOrg::start().await.unwrap();
    org.answer_api_requests(ApiAnswer::DeadSession);
    let salesforce = ServiceBuilder::new()
        .buffer(16)
        .load_shed()
        .timeout(Duration::from_secs(60))
        .retry(NoRetry)
        .layer(FollowRedirectLayer::new())
        .layer(SalesforceAuthLayer::new(session(&org)))
        .service(hyper_client());
    let response = salesforce.oneshot(get(LIMITS)).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(matches!(Diagnosis::of(&response).unwrap().outcome(), Outcome::RefusedAgain));
}

#[tokio::test]
async fn the_typed_error_is_found_through_the_layers_of_tower() {
    let org = FakeOrg::start().await.unwrap();
    let salesforce = ServiceBuilder::new()
        .buffer(16)
        .load_shed()
        .timeout(Duration::from_secs(60))
        .retry(NoRetry)
        .layer(SalesforceAuthLayer::new(session(&org)))
        .service(hyper_client());
    let error = salesforce.oneshot(get("https://evil.example/")).await.unwrap_err();
    assert!(AuthError::find(&*error).is_some(), "{error:?}");
    assert_eq!(org.counters().requests, 0);
}
