//! reqwest, through the adapter.

use axum_core::body::Body;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use reqwest::redirect::Policy;
use tower::{Layer, ServiceExt};
use tower_salesforce_auth::{
    AuthError, AuthErrorKind, Diagnosis, SalesforceAuthLayer,
    replay::Never,
    reqwest::{RedirectFollowed, ReqwestService},
    testing::{ApiAnswer, FakeOrg, LeftHost},
};

use crate::{ECHO, LIMITS, get, session};

fn client() -> ReqwestService {
    ReqwestService::build(reqwest::Client::builder()).unwrap()
}

#[tokio::test]
async fn an_expired_session_is_ridden_through_and_the_answer_becomes_reqwests_own() {
    let org = FakeOrg::start().await.unwrap();
    let salesforce = SalesforceAuthLayer::new(session(&org)).layer(client());
    salesforce.clone().oneshot(get(LIMITS)).await.unwrap();
    org.expire_sessions();
    let upload = Request::post(ECHO).body(Full::<Bytes>::from("0123456789")).unwrap();
    let response = salesforce.oneshot(upload).await.unwrap();
    assert!(Diagnosis::of(&response).is_none());
    let response = reqwest::Response::from(response.map(reqwest::Body::wrap));
    let text = response.error_for_status().unwrap().text().await.unwrap();
    assert!(text.contains(r#""length":10"#), "{text}");
    assert_eq!((org.counters().token_requests, org.counters().requests), (2, 3));
}

#[tokio::test]
async fn a_stream_that_is_not_sync_goes_through_reqwest() {
    let org = FakeOrg::start().await.unwrap();
    let salesforce = SalesforceAuthLayer::new(session(&org)).replay(Never).layer(client());
    let chunks =
        ["01234", "56789"].map(|chunk| Ok::<_, std::io::Error>(Bytes::from_static(chunk.as_bytes())));
    let upload = Request::post(ECHO).body(Body::from_stream(futures_util::stream::iter(chunks))).unwrap();
    let response = salesforce.oneshot(upload).await.unwrap();
    let text = reqwest::Response::from(response.map(reqwest::Body::wrap)).text().await.unwrap();
    assert!(text.contains(r#""length":10"#), "{text}");
}

#[tokio::test]
async fn the_diagnosis_is_read_before_reqwest_drops_it() {
    let org = FakeOrg::start().await.unwrap();
    let salesforce = SalesforceAuthLayer::new(session(&org)).layer(client());
    org.answer_api_requests(ApiAnswer::NotPermitted);
    let response = salesforce.oneshot(get(LIMITS)).await.unwrap();
    assert!(Diagnosis::of(&response).is_some());
    let response = reqwest::Response::from(response.map(reqwest::Body::wrap));
    assert!(response.extensions().get::<Diagnosis>().is_some(), "still there after the conversion");
    assert_eq!(response.error_for_status().unwrap_err().status(), Some(StatusCode::UNAUTHORIZED));
}

#[tokio::test]
async fn f134_redirects_are_off_in_a_client_that_the_adapter_builds_and_an_error_in_one_that_follows_them() {
    let org = FakeOrg::builder().left_host(LeftHost::Redirect).start().await.unwrap();
    let session = session(&org);
    session.access_token().await.unwrap();
    org.move_host().await;
    // The builder's own policy is overruled.
    let careless = reqwest::Client::builder().redirect(Policy::limited(10));
    let salesforce =
        SalesforceAuthLayer::new(session.clone()).layer(ReqwestService::build(careless).unwrap());
    let response = salesforce.oneshot(get(LIMITS)).await.unwrap();
    assert_eq!(response.status(), StatusCode::MOVED_PERMANENTLY, "F135: the caller's answer");
    assert_eq!((org.counters().requests, org.counters().token_requests), (1, 1));

    let careless = ReqwestService::new(reqwest::Client::new());
    let error = SalesforceAuthLayer::new(session).layer(careless).oneshot(get(LIMITS)).await.unwrap_err();
    assert!(error.is::<RedirectFollowed>(), "{error}");
}

#[tokio::test]
async fn f131_a_path_that_reqwest_would_change_is_not_sent() {
    let org = FakeOrg::start().await.unwrap();
    let salesforce = SalesforceAuthLayer::new(session(&org)).layer(client());
    for target in ["/services/data/../apexrest/echo", "/services/%2e%2e/x", "/services/data\\x"] {
        let error = salesforce.clone().oneshot(get(target)).await.unwrap_err();
        assert_eq!(AuthError::find(&*error).unwrap().kind(), AuthErrorKind::UnsupportedTarget, "{target}");
    }
    assert_eq!(org.counters().requests, 0);
    let error = client().oneshot(get(LIMITS)).await.unwrap_err();
    assert!(error.to_string().contains("below SalesforceAuthLayer"), "{error}");
}

#[tokio::test]
async fn f137_an_error_of_reqwest_does_not_repeat_the_url() {
    let org = FakeOrg::start().await.unwrap();
    let session = session(&org);
    session.access_token().await.unwrap();
    org.answer_api_requests(ApiAnswer::DropBefore);
    let target = format!("{LIMITS}?token=canary");
    let error = SalesforceAuthLayer::new(session).layer(client()).oneshot(get(&target)).await.unwrap_err();
    assert!(error.is::<reqwest::Error>(), "{error}");
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
}
