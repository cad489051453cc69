//! Every dialect, over HTTP/1.1 and HTTP/2, on real sockets.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client as HyperClient, rt::TokioExecutor};
use tower::{Layer, ServiceExt};
use tower_salesforce_auth::{
    Diagnosis, Outcome, PeekBody, SalesforceAuthLayer, Session,
    grant::{Client, LoginHost, RefreshToken},
    refusal::Verdict,
    replay::Never,
    store::MemoryStore,
    testing::{ApiAnswer, FakeOrg},
};

struct Stack {
    org: FakeOrg,
    session: Session,
    hyper: HyperClient<hyper_util::client::legacy::connect::HttpConnector, Full<Bytes>>,
}

/// A stack on a fresh org for each version of HTTP.
async fn stacks() -> Vec<Stack> {
    let mut stacks = Vec::new();
    for http2 in [false, true] {
        let org = FakeOrg::start().await.unwrap();
        let client = Client::confidential(org.client_id(), org.client_secret());
        let grant = RefreshToken::new(client, LoginHost::my_domain(org.url()), org.issue_refresh_token());
        let session =
            Session::builder("acme", grant).store(MemoryStore::volatile()).allow_loopback().build().unwrap();
        session.access_token().await.unwrap();
        let hyper = HyperClient::builder(TokioExecutor::new()).http2_only(http2).build_http();
        stacks.push(Stack { org, session, hyper });
    }
    stacks
}

impl Stack {
    async fn send(&self, request: Request<Full<Bytes>>) -> Response<PeekBody<hyper::body::Incoming>> {
        let service = SalesforceAuthLayer::new(self.session.clone()).layer(self.hyper.clone());
        service.oneshot(request).await.unwrap()
    }

    async fn get(&self, path: &str) -> Response<PeekBody<hyper::body::Incoming>> {
        self.send(Request::get(path).body(Full::default()).unwrap()).await
    }
}

const LIMITS: &str = "/services/data/v65.0/limits";

#[tokio::test]
async fn a_dead_session_is_refreshed_in_every_dialect_that_takes_the_bearer_token() {
    for stack in stacks().await {
        let identity = format!("/id/{}/{}", stack.org.org_id(), stack.org.user_id());
        let soap = || {
            Request::post("/services/Soap/u/65.0")
                .header("soapaction", "\"\"")
                .body(Full::from("<x/>"))
                .unwrap()
        };
        for round in 0..4 {
            let before = stack.org.counters();
            stack.org.expire_sessions();
            let response = match round {
                0 => stack.get(LIMITS).await,
                1 => stack.get(&identity).await,
                2 => stack.get("/services/oauth2/userinfo").await,
                _ => stack.send(soap()).await,
            };
            let after = stack.org.counters();
            assert!(Diagnosis::of(&response).is_none(), "round {round}: {:?}", Diagnosis::of(&response));
            assert_eq!(response.status(), StatusCode::OK, "round {round}");
            assert_eq!(
                (after.requests - before.requests, after.token_requests - before.token_requests),
                (2, 1)
            );
        }
    }
}

/// SOAP takes the session from the envelope, which is the caller's: the refresh is for the next one that it makes.
#[tokio::test]
async fn f138_a_session_in_an_envelope_is_the_callers_to_replace() {
    for resends in [true, false] {
        for stack in stacks().await {
            let envelope = async || {
                let session = stack.session.access_token().await.unwrap();
                let envelope = format!("<Envelope><sessionId>{}</sessionId></Envelope>", session.expose());
                Request::post("/services/Soap/u/65.0").body(Full::from(envelope)).unwrap()
            };
            let old = envelope().await;
            stack.org.expire_sessions();
            let before = stack.org.counters();
            let layer = SalesforceAuthLayer::new(stack.session.clone());
            let client = stack.hyper.clone();
            let response = if resends {
                layer.layer(client).oneshot(old).await.unwrap()
            } else {
                layer.replay(Never).layer(client).oneshot(old).await.unwrap()
            };
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            let diagnosis = Diagnosis::of(&response).unwrap();
            assert_eq!(diagnosis.verdict(), Some(Verdict::SessionExpired), "{diagnosis}");
            assert_eq!(matches!(diagnosis.outcome(), Outcome::RefusedAgain), resends, "{diagnosis}");
            assert_eq!(stack.send(envelope().await).await.status(), StatusCode::OK);
            let after = stack.org.counters();
            let spent = (after.requests - before.requests, after.token_requests - before.token_requests);
            assert_eq!(spent, (if resends { 3 } else { 2 }, 1));
        }
    }
}

#[tokio::test]
async fn f151_a_refusal_that_is_handed_back_has_every_byte_and_its_length() {
    for stack in stacks().await {
        let body = Bytes::from(vec![b'x'; 100_000]);
        let raw = || Response::builder().status(401).header("x-kept", "1").body(body.clone()).unwrap();
        stack.org.answer_api_requests(ApiAnswer::Raw(raw()).next(2));
        let response = stack.get(LIMITS).await;
        let diagnosis = Diagnosis::of(&response).unwrap();
        assert_eq!(diagnosis.verdict(), Some(Verdict::UnrecognisedRefusal));
        assert_eq!(
            (response.headers()["content-length"].as_bytes(), response.headers()["x-kept"].as_bytes()),
            (&b"100000"[..], &b"1"[..])
        );
        assert_eq!(http_body::Body::size_hint(response.body()).exact(), Some(100_000));
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), body);
    }
}

/// F141: it cannot be read, so it counts as unrecognised; the session is refreshed, once in a while.
#[tokio::test]
async fn f141_a_compressed_refusal_is_healed_and_handed_back_unread() {
    for stack in stacks().await {
        let zipped = Bytes::from_static(b"\x1f\x8b\x08\x00nonsense");
        let raw = || {
            Response::builder().status(401).header("content-encoding", "gzip").body(zipped.clone()).unwrap()
        };
        stack.org.answer_api_requests(ApiAnswer::Raw(raw()).next(1));
        assert_eq!(stack.get(LIMITS).await.status(), StatusCode::OK);
        stack.org.answer_api_requests(ApiAnswer::Raw(raw()));
        let before = stack.org.counters().token_requests;
        for outcome in 0..3 {
            let response = stack.get(LIMITS).await;
            let diagnosis = Diagnosis::of(&response).unwrap();
            assert_eq!(
                matches!(diagnosis.outcome(), Outcome::CoolingDown { .. }),
                outcome > 0,
                "{diagnosis}"
            );
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), zipped);
        }
        assert_eq!(stack.org.counters().token_requests - before, 1);
    }
}

/// What was looked at is read to its end, so that HTTP/1 has its connection back.
#[tokio::test]
async fn f158_a_refusal_that_was_looked_at_leaves_the_connection_in_use() {
    for stack in stacks().await {
        stack.get(LIMITS).await.into_body().collect().await.unwrap();
        let before = stack.org.counters();
        for _ in 0..3 {
            // One that does not close the connection itself.
            let refusal = Response::builder().status(401).body(Bytes::from_static(b"{}")).unwrap();
            stack.org.answer_api_requests(ApiAnswer::Raw(refusal).next(1));
            let response = stack.get(LIMITS).await;
            assert_eq!(response.status(), StatusCode::OK);
            response.into_body().collect().await.unwrap();
        }
        let after = stack.org.counters();
        assert_eq!(after.token_requests - before.token_requests, 3);
        // Each token request has a connection of its own.
        assert_eq!(after.connections - before.connections, 3);
    }
}

#[tokio::test]
async fn the_page_of_an_org_that_is_not_there_is_explained_and_refreshes_nothing() {
    for stack in stacks().await {
        let before = stack.org.counters().token_requests;
        for (status, verdict) in [(503, Verdict::OrgUnavailable), (420, Verdict::OrgUnavailable)] {
            stack.org.answer_api_requests(ApiAnswer::Html(status).next(1));
            let response = stack.get(LIMITS).await;
            assert_eq!(Diagnosis::of(&response).unwrap().verdict(), Some(verdict));
            assert_eq!(response.status().as_u16(), status);
        }
        assert_eq!(stack.org.counters().token_requests, before);
    }
}

/// A site that has moved answers so, and only a token answer says where to. A proxy may do so as well, which the
/// cool-down bounds.
#[tokio::test]
async fn a_page_that_forbids_is_worth_one_refresh() {
    for stack in stacks().await {
        let before = stack.org.counters().token_requests;
        let page = Response::builder().status(403).body(Bytes::from_static(b"<html>...</html>")).unwrap();
        stack.org.answer_api_requests(ApiAnswer::Raw(page).next(10));
        for _ in 0..5 {
            let response = stack.get(LIMITS).await;
            assert_eq!(Diagnosis::of(&response).unwrap().verdict(), Some(Verdict::WrongHost));
            assert_eq!(response.status(), StatusCode::FORBIDDEN);
        }
        assert_eq!(stack.org.counters().token_requests - before, 1);
    }
}
