//! Bulk API 1.0 through the layer, end to end: its session is in a header of its own, and it refuses with a 400.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Uri, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{client::legacy, rt::TokioExecutor};
use tower::{Layer, ServiceExt, util::BoxCloneSyncService};
use tower_salesforce_auth::{
    AuthError, AuthErrorKind, BoxError, Diagnosis, PeekBody, SalesforceAuthLayer, Session,
    grant::{Client, LoginHost, RefreshToken},
    refusal::Verdict,
    store::MemoryStore,
    testing::FakeOrg,
};

const JOBS: &str = "/services/async/65.0/job";
const SESSION: &str = "x-sfdc-session";

type Ask = Request<Full<Bytes>>;
type Stack = BoxCloneSyncService<Ask, Response<PeekBody<Incoming>>, BoxError>;

/// A client of the layer, and what was sent below it.
struct Bench {
    org: FakeOrg,
    stack: Stack,
    sent: Arc<Mutex<Vec<(Uri, HeaderMap)>>>,
}

impl Bench {
    async fn new(http2: bool) -> Self {
        let org = FakeOrg::start().await.unwrap();
        let grant = RefreshToken::new(
            Client::confidential(org.client_id(), org.client_secret()),
            LoginHost::my_domain(org.url()),
            org.issue_refresh_token(),
        );
        let session =
            Session::builder("acme", grant).store(MemoryStore::volatile()).allow_loopback().build().unwrap();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&sent);
        let client = legacy::Client::builder(TokioExecutor::new())
            .http2_only(http2)
            .build_http::<Full<Bytes>>()
            .map_request(move |request: Ask| {
                seen.lock().unwrap().push((request.uri().clone(), request.headers().clone()));
                request
            });
        let stack = BoxCloneSyncService::new(SalesforceAuthLayer::new(session).layer(client));
        Self { org, stack, sent }
    }

    async fn send(&self, request: Ask) -> Response<PeekBody<Incoming>> {
        ServiceExt::oneshot(self.stack.clone(), request).await.unwrap()
    }

    /// What was sent since the last call.
    fn sent(&self) -> Vec<(Uri, HeaderMap)> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }
}

async fn benches() -> [Bench; 2] {
    [Bench::new(false).await, Bench::new(true).await]
}

fn open_job(content_type: &str) -> Ask {
    Request::post(JOBS)
        .header("content-type", content_type)
        .body(Full::from(r#"{"operation":"insert","object":"Account"}"#))
        .unwrap()
}

async fn text(response: Response<PeekBody<Incoming>>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// The one credential of a request: which header it is in, and its value.
fn credential(headers: &HeaderMap) -> (&'static str, String) {
    let all: Vec<_> = [AUTHORIZATION.as_str(), SESSION]
        .into_iter()
        .flat_map(|name| headers.get_all(name).iter().map(move |value| (name, value)))
        .collect();
    let [(name, value)] = all.as_slice() else { panic!("{} credentials", all.len()) };
    assert!(value.is_sensitive(), "S07, F186");
    (name, value.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn f138_a_bulk_request_carries_the_session_in_its_own_header_and_nowhere_else() {
    for bench in benches().await {
        let response = bench.send(open_job("application/json")).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        assert!(text(response).await.contains("\"Open\""));
        let [(uri, headers)] = &bench.sent()[..] else { panic!("one send") };
        assert_eq!(uri.to_string(), format!("{}{JOBS}", bench.org.url()));
        let (name, token) = credential(headers);
        assert_eq!((name, token.contains('!'), token.contains(' ')), (SESSION, true, false));

        // All other APIs, Bulk 2.0 among them, take a bearer token.
        bench.send(Request::get("/services/data/v65.0/limits").body(Full::default()).unwrap()).await;
        let [(_, headers)] = &bench.sent()[..] else { panic!("one send") };
        assert_eq!(credential(headers), ("authorization", format!("Bearer {token}")));
        let seen = bench.org.counters();
        assert_eq!((seen.requests, seen.refused, seen.unauthenticated, seen.token_requests), (2, 0, 0, 1));
    }
}

#[tokio::test]
async fn f138_a_refused_bulk_request_is_sent_once_more_with_the_new_session() {
    for bench in benches().await {
        for content_type in ["application/xml", "application/json"] {
            assert_eq!(bench.send(open_job(content_type)).await.status(), StatusCode::CREATED);
            bench.sent();
            let before = bench.org.counters();
            bench.org.expire_sessions();

            let response = bench.send(open_job(content_type)).await;
            assert_eq!(response.status(), StatusCode::CREATED, "{content_type}");
            assert!(Diagnosis::of(&response).is_none());
            let [(_, first), (_, second)] = &bench.sent()[..] else { panic!("two sends") };
            let (first, second) = (credential(first), credential(second));
            assert_eq!((first.0, second.0), (SESSION, SESSION));
            assert_ne!(first.1, second.1);
            let seen = bench.org.counters();
            assert_eq!(seen.requests - before.requests, 2);
            assert_eq!((seen.refused - before.refused, seen.token_requests - before.token_requests), (1, 1));
            assert_eq!((seen.unauthenticated, seen.malformed_credentials), (0, 0));
        }
    }
}

#[tokio::test]
async fn f138_the_session_header_follows_the_org_to_its_new_host() {
    for bench in benches().await {
        assert_eq!(bench.send(open_job("application/json")).await.status(), StatusCode::CREATED);
        bench.sent();
        let new = bench.org.move_host().await;
        assert_eq!(bench.send(open_job("application/json")).await.status(), StatusCode::CREATED);
        let [(first, _), (second, headers)] = &bench.sent()[..] else { panic!("two sends") };
        assert_eq!(first.to_string(), format!("{}{JOBS}", bench.org.url()));
        assert_eq!(second.to_string(), format!("{new}{JOBS}"));
        assert_eq!(credential(headers).0, SESSION);
    }
}

/// Whichever of the two headers a caller brings, on whichever path: no token of ours is added, and what Salesforce says
/// about it is the caller's own affair.
#[tokio::test]
async fn s07_f132_credentials_of_the_callers_own_stay_alone_and_are_marked_sensitive() {
    for bench in benches().await {
        bench.send(open_job("application/json")).await;
        bench.sent();
        for (path, refused) in [(JOBS, 400), ("/services/data/v65.0/limits", 401)] {
            for name in [SESSION, AUTHORIZATION.as_str()] {
                let own = Request::get(path).header(name, "Bearer own").body(Full::default()).unwrap();
                let response = bench.send(own).await;
                assert_eq!(response.status(), refused, "{path} {name}");
                assert!(Diagnosis::of(&response).is_none());
                let [(_, headers)] = &bench.sent()[..] else { panic!("one send") };
                let all = [SESSION, AUTHORIZATION.as_str()].map(|name| headers.get(name));
                let [own, other] = if name == SESSION { all } else { [all[1], all[0]] };
                let own = own.unwrap();
                assert_eq!((own.as_bytes(), other), (&b"Bearer own"[..], None));
                assert!(own.is_sensitive(), "S07");
            }
        }
        assert_eq!(bench.org.counters().token_requests, 1);
    }
}

#[tokio::test]
async fn f149_a_bulk_request_that_is_refused_again_says_so() {
    for bench in benches().await {
        use tower_salesforce_auth::testing::ApiAnswer;
        bench.send(open_job("application/xml")).await;
        bench.org.answer_api_requests(ApiAnswer::DeadSession.next(2));
        let response = bench.send(open_job("application/xml")).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        let diagnosis = Diagnosis::of(&response).unwrap();
        assert_eq!(diagnosis.verdict(), Some(Verdict::SessionExpired));
        assert_eq!(diagnosis.code(), Some("InvalidSessionId"));
        // F151: the caller gets what Salesforce said.
        assert!(text(response).await.contains("<exceptionCode>InvalidSessionId</exceptionCode>"));
        assert_eq!((bench.sent().len(), bench.org.counters().token_requests), (3, 2));
    }
}

/// A redirect layer above the layer that copies everything it was given to wherever it is sent, as the careless ones
/// did: what it was given has no token in it, and a foreign host ends the journey. Three hops, home in between.
#[tokio::test]
async fn s11_a_redirect_layer_above_carries_the_session_header_nowhere() {
    for bench in benches().await {
        let hops = [
            (format!("{}{JOBS}", bench.org.url()), true),
            ("https://evil.example/services/async/65.0/job".to_owned(), false),
            (format!("{}{JOBS}/750xx0000000001", bench.org.url()), true),
            ("https://evil.example/services/async/65.0/job".to_owned(), false),
        ];
        let mut redirected = open_job("application/json");
        for (target, home) in hops {
            *redirected.uri_mut() = target.parse().unwrap();
            assert!(!redirected.headers().contains_key(SESSION) && redirected.headers().len() == 1);
            let result = ServiceExt::oneshot(bench.stack.clone(), redirected.clone()).await;
            match result {
                Ok(_) => assert!(home, "{target}"),
                Err(error) => {
                    assert!(!home, "{target}: {error}");
                    assert_eq!(AuthError::find(&*error).unwrap().kind(), AuthErrorKind::ForeignOrigin);
                }
            }
        }
        let sent = bench.sent();
        assert_eq!(sent.len(), 2, "nothing was sent to the foreign host");
        for (uri, headers) in &sent {
            assert_eq!(uri.authority().unwrap().as_str(), bench.org.url().trim_start_matches("http://"));
            assert_eq!(credential(headers).0, SESSION);
        }
    }
}
