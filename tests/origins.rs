//! Where credentials go, and where they never go, whatever a server says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

mod support;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy, rt::TokioExecutor};
use serde_json::json;
use support::{EXPIRED, Org, Token, get, text};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tower::{Layer, ServiceExt};
use tower_salesforce_auth::{AuthErrorKind, Diagnosis, Event, SalesforceAuthLayer, Session};

type Ask = Request<Full<Bytes>>;
type Seen = Arc<Mutex<Vec<(Uri, HeaderMap)>>>;

fn notes(seen: &Seen) -> impl FnMut(Ask) -> Ask + Clone + Send + Sync + 'static {
    let seen = Arc::clone(seen);
    move |request| {
        seen.lock().unwrap().push((request.uri().clone(), request.headers().clone()));
        request
    }
}

/// An answer of the API that is always the same, and what it was asked with.
async fn answered(session: &Session, answer: Response<Bytes>) -> (Response<Bytes>, Vec<(Uri, HeaderMap)>) {
    let seen = Seen::default();
    let api = tower::service_fn(move |_: Ask| {
        let answer = answer.clone().map(Full::new);
        async move { Ok::<_, Infallible>(answer) }
    });
    let client = SalesforceAuthLayer::new(session.clone()).layer(api.map_request(notes(&seen)));
    let (head, body) = client.oneshot(get("/services/data")).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let seen = seen.lock().unwrap().clone();
    (Response::from_parts(head, body), seen)
}

#[tokio::test(start_paused = true)]
async fn f186_s06_both_sends_carry_one_authorization_marked_sensitive() {
    let org = Org::new();
    let session = org.session();
    session.access_token().await.unwrap();
    org.expire();
    let seen = Seen::default();
    let client = SalesforceAuthLayer::new(session).layer(org.api().map_request(notes(&seen)));
    // F132: a `Host` of the caller's would overrule the target.
    let mut request = get("/services/data");
    request.headers_mut().insert(header::HOST, "evil.example".parse().unwrap());
    assert_eq!(client.oneshot(request).await.unwrap().status(), StatusCode::OK);
    let seen = seen.lock().unwrap();
    let tokens: Vec<_> = seen
        .iter()
        .map(|(_, headers)| {
            let mut values = headers.get_all(header::AUTHORIZATION).iter();
            let value = values.next().unwrap();
            assert!(value.is_sensitive() && values.next().is_none());
            assert_eq!(format!("{value:?}"), "Sensitive");
            assert!(!headers.contains_key(header::HOST) && !headers.contains_key("x-sfdc-session"));
            value.to_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(tokens.len(), 2);
    assert_ne!(tokens[0], tokens[1]);
}

#[tokio::test(start_paused = true)]
async fn f135_a_redirect_of_the_api_is_the_callers_and_the_token_goes_nowhere() {
    for status in [301, 302, 303, 307, 308] {
        let org = Org::new();
        let session = org.session();
        let answer = Response::builder()
            .status(status)
            .header(header::LOCATION, "https://evil.example/services/data")
            .body(Bytes::from_static(b"moved"))
            .unwrap();
        let (got, seen) = answered(&session, answer.clone()).await;
        assert_eq!(
            (got.status(), got.headers(), got.body()),
            (answer.status(), answer.headers(), answer.body())
        );
        assert!(Diagnosis::of(&got).is_none());
        assert_eq!((seen.len(), org.token_requests()), (1, 1), "{status}");
    }
}

/// The places that a server can name: where the org is, who the user is, where to authenticate, where to go on.
#[tokio::test(start_paused = true)]
async fn s30_s42_f117_refresh_tokens_go_to_the_configured_login_host_alone() {
    let org = Org::new();
    let seen = Seen::default();
    let session = org.builder().transport(org.transport().map_request(notes(&seen))).build().unwrap();
    session.access_token().await.unwrap();
    org.move_to("https://na99.salesforce.com");
    org.expire();
    let refusal = Response::builder()
        .status(401)
        .header(
            header::WWW_AUTHENTICATE,
            "Bearer realm=\"https://evil.example/token\", authorization_uri=\"https://evil.example/\"",
        )
        .header(header::LOCATION, "https://evil.example/")
        .header("content-type", "application/json")
        .body(Bytes::from_static(EXPIRED.as_bytes()))
        .unwrap();
    let (got, sent) = answered(&session, refusal).await;
    assert_eq!((got.status(), sent.len()), (StatusCode::UNAUTHORIZED, 2));
    assert_eq!(sent[1].0.host(), Some("na99.salesforce.com"), "the resend follows the token answer alone");

    // When the login host fails, no other is tried; nor when it points elsewhere.
    for answer in [Token::Lost, Token::Answer(503, ""), Token::Answer(307, "https://evil.example/token")] {
        let before = org.token_requests();
        org.script([answer]);
        session.refresh().await.unwrap_err();
        tokio::time::advance(std::time::Duration::from_secs(1_000)).await;
        assert_eq!(org.token_requests() - before, 1);
    }
    session.refresh().await.unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), org.token_requests());
    for (uri, headers) in &*seen {
        assert_eq!(uri, "https://login.salesforce.com/services/oauth2/token");
        assert!(!headers.contains_key(header::AUTHORIZATION), "S32: everything is in the form");
    }
}

#[tokio::test(start_paused = true)]
async fn s40_an_answer_for_another_org_or_host_is_told_to_whoever_listens() {
    for patch in [
        json!({ "instance_url": "https://acme.my.salesforce.com@evil.example" }),
        json!({ "id": "https://login.salesforce.com/id/00DR0000000AAAA/005R0000000pgIj" }),
    ] {
        let org = Org::new();
        let session = org.session();
        session.access_token().await.unwrap();
        let mut events = session.events();
        org.script([Token::Patched(patch)]);
        session.refresh().await.unwrap_err();
        let Some(Event::RefreshFailed(error)) = events.next().await else { panic!("an event") };
        assert_eq!(error.kind(), AuthErrorKind::TokenAnswerRejected);
    }
}

/// As seen on a real 401: chunked, so that its length is unknown, and then the connection is closed.
#[tokio::test]
async fn f140_a_refusal_without_a_length_on_a_connection_that_closes_is_read_and_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let refusal = format!(
            "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n\
             10\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
            &EXPIRED[..16],
            EXPIRED.len() - 16,
            &EXPIRED[16..]
        );
        let granted = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned();
        for answer in [refusal, granted] {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(socket.read_u8().await.unwrap());
            }
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });

    let org = Org::new();
    org.move_to(&format!("http://{address}"));
    let session = org.builder().allow_loopback().build().unwrap();
    let http = legacy::Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let response =
        SalesforceAuthLayer::new(session).layer(http).oneshot(get("/services/data")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(text(response).await, "ok");
    assert_eq!(org.token_requests(), 2);
    server.await.unwrap();
}
