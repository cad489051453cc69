//! reqwest, through the adapter.

use axum_core::body::Body;
use bytes::Bytes;
use http::{Request, StatusCode, header::LOCATION};
use http_body_util::Full;
use reqwest::redirect::Policy;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
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
    let elsewhere = http::Response::builder().status(301).header(LOCATION, "https://files.example/x");
    org.answer_api_requests(ApiAnswer::Raw(elsewhere.body(Bytes::new()).unwrap()));
    // The builder's own policy is overruled.
    let careless = reqwest::Client::builder().redirect(Policy::limited(10));
    let salesforce =
        SalesforceAuthLayer::new(session.clone()).layer(ReqwestService::build(careless).unwrap());
    let response = salesforce.oneshot(get(LIMITS)).await.unwrap();
    assert_eq!(response.status(), StatusCode::MOVED_PERMANENTLY, "F135: the caller's answer");
    assert_eq!((org.counters().requests, org.counters().token_requests), (1, 1));

    org.answer_api_requests(ApiAnswer::Normal);
    org.move_host().await;
    let careless = ReqwestService::new(reqwest::Client::new());
    let error = SalesforceAuthLayer::new(session).layer(careless).oneshot(get(LIMITS)).await.unwrap_err();
    assert!(error.is::<RedirectFollowed>(), "{error}");
}

/// A limit, which the module's documentation names: by the time that the answer is an error, the request has been sent
/// on, without `Authorization`, but with the header that reqwest does not know.
#[tokio::test]
async fn s11_f134_a_client_that_follows_redirects_takes_the_session_header_of_bulk_to_a_foreign_host() {
    let foreign = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let location = format!("http://{}/", foreign.local_addr().unwrap());
    let foreign = tokio::spawn(async move {
        let mut heads = Vec::new();
        for _ in 0..2 {
            let (mut socket, _) = foreign.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(socket.read_u8().await.unwrap());
            }
            socket
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .await
                .unwrap();
            heads.push(String::from_utf8(head).unwrap());
        }
        heads
    });
    let org = FakeOrg::start().await.unwrap();
    let redirect = http::Response::builder().status(302).header(LOCATION, location);
    org.answer_api_requests(ApiAnswer::Raw(redirect.body(Bytes::new()).unwrap()));
    let salesforce =
        SalesforceAuthLayer::new(session(&org)).layer(ReqwestService::new(reqwest::Client::new()));
    for target in [LIMITS, "/services/async/65.0/job"] {
        let error = salesforce.clone().oneshot(get(target)).await.unwrap_err();
        assert!(error.is::<RedirectFollowed>(), "{target}: {error}");
    }
    let carried = foreign.await.unwrap();
    let carried: Vec<_> = carried.iter().map(|head| head.contains("00D")).collect();
    assert_eq!(carried, [false, true]);
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
