//! What the caller gets for an answer that refuses, and for one that does not.

use std::{
    convert::Infallible,
    future::{Future, ready},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_salesforce_auth::{
    AuthErrorKind, Diagnosis, Outcome, SalesforceAuthLayer, refusal::Verdict, replay,
};

use super::{
    auth, connected, kind,
    probe::{Got, NEW, OLD, Probe, reply, token},
    request,
    support::{EXPIRED, Org, Token, text},
};

#[tokio::test(start_paused = true)]
async fn f149_the_second_answer_is_final() {
    let (org, session) = connected().await;
    let api = Probe::always(401, EXPIRED);
    let response = auth(&session, &api).oneshot(request("/x")).await.unwrap();
    assert!(matches!(Diagnosis::of(&response).unwrap().outcome(), Outcome::RefusedAgain));
    assert_eq!(
        (response.status(), response.headers()["x-answer"].as_bytes()),
        (StatusCode::UNAUTHORIZED, &b"kept"[..])
    );
    assert_eq!(text(response).await, EXPIRED);
    assert_eq!((api.got().len(), org.token_requests()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn when_the_refresh_fails_the_caller_gets_the_answer_it_had() {
    let (org, session) = connected().await;
    org.script([Token::Answer(503, "")]);
    let api = Probe::always(401, EXPIRED);
    let response = auth(&session, &api).oneshot(request("/x")).await.unwrap();
    let error = Diagnosis::of(&response).unwrap().error().unwrap();
    assert_eq!(error.kind(), AuthErrorKind::TokenEndpointUnavailable);
    assert_eq!((response.status(), text(response).await.as_str()), (StatusCode::UNAUTHORIZED, EXPIRED));
    assert_eq!(api.got().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn f153_without_a_copy_the_session_is_refreshed_and_the_answer_handed_back() {
    let (_org, session) = connected().await;
    let api = Probe::after_refresh();
    let mut auth = SalesforceAuthLayer::new(session).replay(replay::Never).layer(api.clone());
    let response = auth.ready().await.unwrap().call(request("/x")).await.unwrap();
    assert!(matches!(Diagnosis::of(&response).unwrap().outcome(), Outcome::NotResendable(_)));
    assert_eq!(text(response).await, EXPIRED);
    let response = auth.ready().await.unwrap().call(request("/x")).await.unwrap();
    assert_eq!((response.status(), api.got().len()), (StatusCode::OK, 2));
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_has_nothing_to_do_with_the_session_is_handed_back_whole() {
    let (org, session) = connected().await;
    for (status, body) in
        [(500, "[{\"errorCode\":\"APEX_ERROR\"}]"), (404, "<html></html>"), (502, ""), (418, "\u{0}")]
    {
        let api = Probe::always(status, body);
        let response = auth(&session, &api).oneshot(request("/x")).await.unwrap();
        assert!(Diagnosis::of(&response).is_none());
        assert_eq!(
            (response.status().as_u16(), text(response).await.as_str(), api.got().len()),
            (status, body, 1)
        );
    }
    assert_eq!(org.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn f150_a_refusal_that_no_session_would_heal_is_explained_and_refreshes_nothing() {
    let (org, session) = connected().await;
    for (status, body, verdict) in [
        (
            403,
            r#"[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]"#,
            Verdict::RateLimited,
        ),
        (403, r#"[{"errorCode":"API_DISABLED_FOR_ORG","message":"x"}]"#, Verdict::Forbidden),
        (403, EXPIRED, Verdict::Forbidden),
        (503, "<html>maintenance</html>", Verdict::OrgUnavailable),
    ] {
        let api = Probe::always(status, body);
        let response = auth(&session, &api).oneshot(request("/services/data")).await.unwrap();
        let diagnosis = Diagnosis::of(&response).unwrap();
        assert_eq!(diagnosis.verdict(), Some(verdict));
        assert!(matches!(diagnosis.outcome(), Outcome::NotRefreshable));
        assert_eq!((text(response).await.as_str(), api.got().len()), (body, 1));
    }
    assert_eq!(org.token_requests(), 1);
}

/// The refresh healed the session; what is refused now is another matter, and the words must not blame the session.
#[tokio::test(start_paused = true)]
async fn a_resend_that_meets_another_refusal_says_so_and_not_that_the_session_is_refused() {
    let (org, session) = connected().await;
    let limited = r#"[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]"#;
    let answer =
        move |got: &Got| Ok(if token(got) == OLD { reply(401, EXPIRED) } else { reply(403, limited) });
    let api = Probe::new(answer);
    let response = auth(&session, &api).oneshot(request("/services/data")).await.unwrap();
    let diagnosis = Diagnosis::of(&response).unwrap();
    assert_eq!((diagnosis.verdict(), response.status().as_u16()), (Some(Verdict::RateLimited), 403));
    assert!(matches!(diagnosis.outcome(), Outcome::RefusedOtherwise), "{diagnosis}");
    assert_eq!((api.got().len(), org.token_requests()), (2, 2));

    // The new session is good, so no cool-down is left behind: when it ends, it is refreshed.
    let third = "Bearer 00DR0000000KvIt!token.3";
    let api =
        Probe::new(move |got| Ok(if token(got) == third { reply(200, "") } else { reply(401, EXPIRED) }));
    let response = auth(&session, &api).oneshot(request("/services/data")).await.unwrap();
    assert_eq!((response.status().as_u16(), org.token_requests()), (200, 3));
}

#[tokio::test(start_paused = true)]
async fn without_a_token_the_error_is_typed_and_nothing_is_sent() {
    let org = Org::new();
    org.script([Token::Answer(400, r#"{"error":"invalid_grant","error_description":"inactive user"}"#)]);
    let api = Probe::always(200, "{}");
    let result = auth(&org.session(), &api).oneshot(request("/x")).await;
    assert!(Diagnosis::of_result(&result).is_some());
    let error = result.unwrap_err();
    assert_eq!((kind(&error), api.got().len()), (Some(AuthErrorKind::ReauthorisationRequired), 0));
}

#[tokio::test(start_paused = true)]
async fn a_first_token_that_is_refused_is_refreshed_as_any_other() {
    let org = Org::new();
    let api = Probe::after_refresh();
    let response = auth(&org.session(), &api).oneshot(request("/x")).await.unwrap();
    assert_eq!((response.status(), org.token_requests(), api.got().len()), (StatusCode::OK, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn f160_a_transport_error_is_returned_and_never_retried() {
    let (org, session) = connected().await;
    let api = Probe::new(|_| Err("reset".into()));
    let error = auth(&session, &api).oneshot(request("/x")).await.unwrap_err();
    assert_eq!((error.to_string().as_str(), api.got().len(), kind(&error)), ("reset", 1, None));
    assert_eq!(org.token_requests(), 1);

    let api =
        Probe::new(|got| if token(got) == NEW { Err("goaway".into()) } else { Ok(reply(401, EXPIRED)) });
    let error = auth(&session, &api).oneshot(request("/x")).await.unwrap_err();
    assert_eq!((error.to_string().as_str(), api.got().len()), ("goaway", 2), "F157");
}

/// A body that counts itself among the living.
struct Counted(Full<Bytes>, Arc<AtomicUsize>);

impl Counted {
    fn new(text: &'static str, alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, SeqCst);
        Self(Full::from(text), Arc::clone(alive))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, SeqCst);
    }
}

impl Body for Counted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn the_refused_answer_is_held_until_the_resend_and_not_longer() {
    let (org, session) = connected().await;
    let held = org.hold_tokens();
    let alive = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&alive);
    let api = service_fn(move |request: Request<Full<Bytes>>| {
        assert_eq!(counter.load(SeqCst), 0, "no answer is alive when a request is sent");
        let refused = request.headers()[header::AUTHORIZATION] == OLD;
        let answer = Response::builder().status(if refused { 401 } else { 200 });
        ready(Ok::<_, Infallible>(answer.body(Counted::new(EXPIRED, &counter)).unwrap()))
    });
    let mut response = pin!(SalesforceAuthLayer::new(session).layer(api).oneshot(request("/x")));
    assert!(response.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(alive.load(SeqCst), 1, "kept: it may have to be handed back");
    held.add_permits(1);
    assert_eq!(response.await.unwrap().status(), StatusCode::OK);
}
