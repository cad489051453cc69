//! Answers that a test chooses.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, header::AUTHORIZATION};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use hyper_util::{client::legacy, rt::TokioExecutor};
use serde_json::json;
use tower_salesforce_auth::testing::{ApiAnswer, FakeOrg, TokenAnswer};

use crate::client::{Answer, Client, Lost, both, consent, get, refresh};

/// Presents a fresh refresh token under `fault`, then once more: `true` if it was processed, and so is spent.
async fn spends(client: &Client, fault: TokenAnswer, expected: impl FnOnce(Result<Answer, Lost>)) -> bool {
    let org = FakeOrg::start().await.unwrap();
    let token = org.issue_refresh_token();
    org.answer_token_requests(fault.next(1));
    expected(client.try_send(refresh(&org, &token)).await);
    let again = client.refresh(&org, &token).await;
    let seen = org.counters();
    assert_eq!((seen.token_requests, seen.tokens_issued), (2, 1));
    assert_eq!(again.status.is_success(), seen.refresh_tokens_reused == 0);
    !again.status.is_success()
}

#[tokio::test]
async fn a_token_request_is_dropped_before_or_after_it_is_processed() {
    for client in both() {
        let lost = |answer: Result<Answer, Lost>| assert_eq!(answer.unwrap_err(), Lost::Answer);
        assert!(!spends(&client, TokenAnswer::DropBefore, lost).await);
        assert!(spends(&client, TokenAnswer::DropAfter, lost).await);
    }
}

#[tokio::test]
async fn f024_a_token_answer_is_cut_off_within_its_body() {
    for client in both() {
        let cut = |answer: Result<Answer, Lost>| assert_eq!(answer.unwrap_err(), Lost::Body);
        assert!(spends(&client, TokenAnswer::Truncate, cut).await);
    }
}

#[tokio::test]
async fn f104_a_huge_token_answer_is_valid_to_who_reads_it_all() {
    for client in both() {
        let processed = spends(&client, TokenAnswer::Huge, |answer| {
            let answer = answer.unwrap();
            assert!(answer.body.len() > 10 << 20);
            assert!(answer.json()["refresh_token"].is_string());
        });
        assert!(processed.await);
    }
}

#[tokio::test]
async fn f103_pages_of_html_come_in_place_of_tokens() {
    for client in both() {
        for (status, text) in [(503, "We are down for maintenance"), (420, "Error Page"), (200, "<html>")] {
            let processed = spends(&client, TokenAnswer::Html(status), |answer| {
                let answer = answer.unwrap();
                assert_eq!(answer.status, status);
                assert_eq!(answer.header("content-type"), Some("text/html; charset=UTF-8"));
                assert!(std::str::from_utf8(&answer.body).unwrap().contains(text));
            });
            assert!(!processed.await);
        }
    }
}

#[tokio::test]
async fn any_answer_can_stand_in_for_the_token_endpoints() {
    for client in both() {
        let raw = Response::builder()
            .status(429)
            .header("retry-after", "7")
            .header("content-length", "99")
            .body(Bytes::from_static(b"slow down"))
            .unwrap();
        let processed = spends(&client, TokenAnswer::Raw(raw), |answer| {
            let answer = answer.unwrap();
            assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, Some("7")));
            assert_eq!(&answer.body[..], b"slow down");
        });
        assert!(!processed.await);
    }
}

#[tokio::test]
async fn refusals_of_the_token_endpoint_can_be_chosen() {
    for client in both() {
        for (fault, error, description) in [
            (TokenAnswer::AlreadyProcessing, "invalid_grant", "token request is already being processed"),
            (TokenAnswer::InvalidGrant("inactive user".into()), "invalid_grant", "inactive user"),
            (
                TokenAnswer::Error { error: "invalid_app_access".into(), description: "no".into() },
                "invalid_app_access",
                "no",
            ),
        ] {
            let processed = spends(&client, fault, |answer| {
                let answer = answer.unwrap();
                assert_eq!(answer.status, 400);
                assert_eq!(answer.json(), json!({ "error": error, "error_description": description }));
            });
            assert!(!processed.await);
        }
    }
}

#[tokio::test]
async fn fields_of_a_token_answer_are_replaced_and_removed() {
    for client in both() {
        let instance = "https://evil.example";
        let processed = spends(&client, TokenAnswer::with("instance_url", instance), |answer| {
            assert_eq!(answer.unwrap().text("instance_url"), instance);
        });
        assert!(processed.await);
        let processed = spends(&client, TokenAnswer::without("instance_url"), |answer| {
            let answer = answer.unwrap();
            assert_eq!(answer.json().get("instance_url"), None);
            assert_eq!(answer.text("token_type"), "Bearer");
        });
        assert!(processed.await);
        let patch = json!({ "token_type": "mac", "refresh_token": null, "extra": { "a": 1, "b": null } });
        let processed = spends(&client, TokenAnswer::Patch(patch), |answer| {
            let answer = answer.unwrap();
            assert_eq!(answer.text("token_type"), "mac");
            assert_eq!(answer.json().get("refresh_token"), None);
            assert_eq!(answer.json()["extra"], json!({ "a": 1 }));
        });
        assert!(processed.await);
    }
}

#[tokio::test]
async fn a_stalled_answer_sends_half_and_falls_silent() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let (access, token) = consent(&org);
        org.answer_token_requests(TokenAnswer::Stall);
        org.answer_api_requests(ApiAnswer::Stall);
        let limits = get(&format!("{}/services/data/v65.0/limits", org.url()), &access);
        for request in [refresh(&org, &token), limits] {
            let answer = client.http.request(request).await.unwrap();
            assert_eq!(answer.status(), 200);
            let promised: u64 = answer.headers()["content-length"].to_str().unwrap().parse().unwrap();
            let mut body = pin!(answer.into_body());
            let half = body.frame().await.unwrap().unwrap().into_data().unwrap().len() as u64;
            assert_eq!(half, promised / 2);
            let rest = poll_fn(|cx| Poll::Ready(body.as_mut().poll_frame(cx).is_pending())).await;
            assert!(rest, "more came, or the end");
        }
        // It ends with the org.
        org.answer_api_requests(ApiAnswer::Stall);
        let answer = client.http.request(get(&format!("{}/services/data", org.url()), "")).await.unwrap();
        org.stop().await;
        assert!(answer.into_body().collect().await.is_err());
    }
}

#[tokio::test]
async fn a_script_is_followed_until_it_ends_and_replaces_the_one_before() {
    for client in both() {
        let org = FakeOrg::builder().rotation(false).start().await.unwrap();
        let token = org.issue_refresh_token();
        org.answer_token_requests(TokenAnswer::Html(500));
        org.answer_token_requests(TokenAnswer::Html(502).next(2).then(TokenAnswer::Html(503).next(1)));
        let mut statuses = Vec::new();
        for _ in 0..4 {
            statuses.push(client.refresh(&org, &token).await.status.as_u16());
        }
        assert_eq!(statuses, [502, 502, 503, 200]);
        org.answer_token_requests(TokenAnswer::Html(504));
        assert_eq!(client.refresh(&org, &token).await.status, 504);
        assert_eq!(client.refresh(&org, &token).await.status, 504);
        org.answer_token_requests(TokenAnswer::Normal);
        assert_eq!(client.refresh(&org, &token).await.status, 200);
        assert_eq!(org.counters().token_requests_refused, 5);
    }
}

#[tokio::test]
async fn api_requests_take_the_same_faults() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let token = org.issue_access_token();
        let limits = || get(&format!("{}/services/data/v65.0/limits", org.url()), &token);
        for (fault, lost) in [
            (ApiAnswer::DropBefore, Lost::Answer),
            (ApiAnswer::DropAfter, Lost::Answer),
            (ApiAnswer::Truncate, Lost::Body),
        ] {
            org.answer_api_requests(fault.clone().next(1));
            assert_eq!(client.try_send(limits()).await.unwrap_err(), lost, "{fault:?}");
        }
        assert_eq!(org.counters().refused, 0);
        for (fault, status, text) in [
            (ApiAnswer::DeadSession, 401, "Session expired or invalid"),
            (ApiAnswer::NotPermitted, 401, "This session is not valid for use with the REST API"),
            (ApiAnswer::Unrecognised, 401, ""),
            (ApiAnswer::Html(503), 503, "down for maintenance"),
            (
                ApiAnswer::Error {
                    status: 403,
                    code: "REQUEST_LIMIT_EXCEEDED".into(),
                    message: "TotalRequests Limit exceeded.".into(),
                },
                403,
                r#"[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]"#,
            ),
        ] {
            org.answer_api_requests(fault.next(1));
            let answer = client.send(limits()).await;
            assert_eq!(answer.status, status);
            let body = std::str::from_utf8(&answer.body).unwrap();
            assert!(body.contains(text) && (text.is_empty() == body.is_empty()), "{body}");
        }
        org.answer_api_requests(ApiAnswer::Patch(json!({ "DataStorageMB": null })).next(1));
        assert_eq!(client.send(limits()).await.json().get("DataStorageMB"), None);
        org.answer_api_requests(ApiAnswer::Huge.next(1));
        assert!(client.send(limits()).await.body.len() > 10 << 20);
        // The session has lived through all of it.
        assert_eq!(client.send(limits()).await.status, 200);
        assert_eq!((org.counters().requests, org.counters().refused), (11, 5));
    }
}

#[tokio::test]
async fn a_dead_session_can_be_played_in_every_dialect() {
    for client in both() {
        let org = FakeOrg::start().await.unwrap();
        let token = org.issue_access_token();
        org.answer_api_requests(ApiAnswer::DeadSession);
        for (path, status) in [
            ("/services/async/65.0/job", 400),
            ("/services/Soap/u/65.0", 500),
            ("/services/oauth2/userinfo", 403),
            ("/services/apexrest/echo", 401),
        ] {
            assert_eq!(client.get(&format!("{}{path}", org.url()), &token).await.status, status, "{path}");
        }
    }
}

/// Ten bytes, and never an end.
struct Endless(bool);

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"0123456789")))))
    }
}

#[tokio::test]
async fn f156_an_early_refusal_does_not_wait_for_the_upload() {
    for http2 in [false, true] {
        let client = legacy::Client::builder(TokioExecutor::new()).http2_only(http2).build_http::<Endless>();
        let org = FakeOrg::start().await.unwrap();
        org.answer_api_requests(ApiAnswer::EarlyDeadSession.next(1));
        let request = Request::post(format!("{}/services/apexrest/echo", org.url()))
            .header(AUTHORIZATION, format!("Bearer {}", org.issue_access_token()))
            .body(Endless(false))
            .unwrap();
        let answer = client.request(request).await.unwrap();
        assert_eq!(answer.status(), 401);
        assert_eq!(org.counters().refused, 1);
    }
}

#[tokio::test]
async fn f156_a_refusal_half_way_waits_for_that_much_of_the_upload() {
    for http2 in [false, true] {
        let client = legacy::Client::builder(TokioExecutor::new()).http2_only(http2).build_http::<Endless>();
        let org = FakeOrg::start().await.unwrap();
        let upload = |bytes| {
            org.answer_api_requests(ApiAnswer::MidwayDeadSession(bytes).next(1));
            let request = Request::post(format!("{}/services/apexrest/echo", org.url()))
                .header(AUTHORIZATION, format!("Bearer {}", org.issue_access_token()))
                .body(Endless(false))
                .unwrap();
            client.request(request)
        };
        assert_eq!(upload(10).await.unwrap().status(), 401);
        // One more than the ten that come: it goes on waiting, until the org stops.
        let waiting = tokio::spawn(upload(11));
        while org.counters().requests < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(org.counters().refused, 1);
        org.stop().await;
        assert!(waiting.await.unwrap().is_err());
    }
}
