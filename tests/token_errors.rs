//! Behind every failed refresh is the token endpoint's refusal, as finely as its words tell.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

mod support;

use serde_json::json;
use support::{Org, Probe, Token, on};
use tower_salesforce_auth::{
    AuthError, AuthErrorKind,
    token_endpoint::{TokenError, TokenErrorKind, TokenErrorReason as Reason},
};

/// The refusal behind `error`.
fn refusal(error: &AuthError) -> &TokenError {
    TokenError::find(error).unwrap_or_else(|| panic!("no refusal behind {error:?}"))
}

/// `error`, as the token endpoint and the session tell it.
async fn refused(status: u16, body: &'static str) -> AuthError {
    let org = Org::new();
    let session = org.session();
    org.script(std::iter::repeat_n(Token::Answer(status, body), 10));
    session.access_token().await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn f099_f101_the_reason_of_a_refusal_survives_to_the_error_of_the_session() {
    for (status, body, kind, reason) in [
        (
            400,
            r#"{"error":"invalid_grant","error_description":"expired access/refresh token"}"#,
            AuthErrorKind::ReauthorisationRequired,
            Some(Reason::ExpiredOrRevoked),
        ),
        (
            400,
            r#"{"error":"invalid_grant","error_description":"inactive user"}"#,
            AuthErrorKind::ReauthorisationRequired,
            Some(Reason::UserInactive),
        ),
        (
            400,
            r#"{"error":"invalid_grant","error_description":"words that nobody has seen yet"}"#,
            AuthErrorKind::ReauthorisationRequired,
            None,
        ),
        (
            400,
            r#"{"error":"invalid_grant","error_description":"ip restricted by app developer"}"#,
            AuthErrorKind::OperatorMustAct,
            Some(Reason::IpRestricted),
        ),
        (
            400,
            r#"{"error":"invalid_grant","error_description":"token request is already being processed"}"#,
            AuthErrorKind::TokenEndpointUnavailable,
            Some(Reason::RequestInProgress),
        ),
        (
            400,
            r#"{"error":"invalid_grant","error_description":"invalid login hours"}"#,
            AuthErrorKind::TokenEndpointUnavailable,
            Some(Reason::LoginHours),
        ),
        (
            401,
            r#"{"error":"invalid_client"}"#,
            AuthErrorKind::OperatorMustAct,
            Some(Reason::ClientCredentialsWrong),
        ),
        (403, "<html>", AuthErrorKind::OperatorMustAct, Some(Reason::NotTokenEndpoint)),
        (406, "", AuthErrorKind::TokenEndpointUnavailable, Some(Reason::Unavailable)),
        (420, "<html>", AuthErrorKind::OperatorMustAct, Some(Reason::OrgGone)),
        (429, "", AuthErrorKind::TokenEndpointUnavailable, Some(Reason::RateLimited)),
        (502, "<html>", AuthErrorKind::OutcomeUnknown, Some(Reason::Unavailable)),
        (200, "<html>", AuthErrorKind::OutcomeUnknown, Some(Reason::NotTokenEndpoint)),
    ] {
        let error = refused(status, body).await;
        assert_eq!(error.kind(), kind, "{status} {body}: {error}");
        assert_eq!(refusal(&error).reason(), reason, "{status} {body}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn f099_a_process_that_did_not_ask_tells_the_reason_that_another_one_was_given() {
    for (body, reason) in [
        (r#"{"error":"invalid_grant","error_description":"inactive user"}"#, Some(Reason::UserInactive)),
        (r#"{"error":"inactive_org"}"#, Some(Reason::OrgInactive)),
        (r#"{"error":"invalid_grant"}"#, None),
    ] {
        let (org, store) = (Org::new(), Probe::default());
        let on_the_store = || org.builder().store(store.clone()).build().unwrap();
        let (first, second) = (on_the_store(), on_the_store());
        org.script([Token::Answer(400, body)]);
        assert_eq!(refusal(&first.access_token().await.unwrap_err()).reason(), reason);
        let error = second.access_token().await.unwrap_err();
        assert_eq!(error.kind(), AuthErrorKind::ReauthorisationRequired);
        let refusal = refusal(&error);
        assert_eq!((refusal.kind(), refusal.reason()), (TokenErrorKind::Reauthorise, reason), "{body}");
        assert_eq!(org.token_requests(), 1, "what is latched is not asked again");
    }
}

#[tokio::test(start_paused = true)]
async fn f112_an_answer_that_cannot_be_used_is_behind_the_error_and_not_what_was_said_before() {
    let org = Org::new();
    let session = org.session();
    let busy = r#"{"error":"invalid_grant","error_description":"token request is already being processed"}"#;
    let hostile = json!({ "instance_url": "https://evil.example" });
    org.script([Token::Answer(400, busy), Token::Patched(hostile)]);
    let error = session.access_token().await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::TokenAnswerRejected);
    assert_eq!((refusal(&error).kind(), refusal(&error).reason()), (TokenErrorKind::Rejected, None));
    assert_eq!(org.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn f113_an_answer_without_an_instance_url_keeps_the_orgs_own() {
    let org = Org::new();
    let session = org.session();
    let before = session.access_token().await.unwrap();
    org.script([Token::Patched(json!({ "instance_url": null }))]);
    let after = session.refresh().await.unwrap();
    assert_eq!(after.instance_url(), before.instance_url());
    assert_ne!(after.expose(), before.expose());
    assert_eq!(org.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn f113_a_first_answer_without_an_instance_url_is_an_error_and_its_refresh_token_is_kept() {
    let (org, store) = (Org::new(), Probe::default());
    let session = on(&org, &store);
    org.script([Token::Patched(json!({ "instance_url": null }))]);
    let error = session.access_token().await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::TokenAnswerRejected);
    assert!(store.record().await.contains("refresh.1"), "the next request would need it");
    assert_eq!((org.token_requests(), org.api_requests(), org.reused()), (1, 0, 0));
}
