use http::{StatusCode, header};

use super::*;
use crate::{
    clock,
    grant::LoginHost,
    token_endpoint::{
        Transport,
        in_memory::{Reply, at, endpoint, endpoint_at, http_date},
    },
};

const TOKEN: &str = "00Dxx0000000000!canary+token";

fn client() -> Client {
    Client::confidential("3MVG9", "secret&canary")
}

async fn ask(reply: Reply) -> Result<Introspection, TokenError> {
    endpoint(reply).0.introspect(&client(), &Secret::new(TOKEN)).await
}

#[tokio::test]
async fn the_token_is_asked_for_once_by_form_with_the_clients_credentials() {
    for (host, url) in [
        (LoginHost::Production, "https://login.salesforce.com/services/oauth2/introspect"),
        (
            LoginHost::my_domain("acme.my.salesforce.com"),
            "https://acme.my.salesforce.com/services/oauth2/introspect",
        ),
    ] {
        let (endpoint, requests) = endpoint_at(host, |_| Reply::ok(r#"{"active":false}"#));
        endpoint.introspect(&client(), &Secret::new(TOKEN)).await.unwrap();
        let requests = requests.lock().unwrap();
        assert_eq!(requests.len(), 1);
        assert_eq!((requests[0].method.as_str(), requests[0].uri.to_string().as_str()), ("POST", url));
        assert_eq!(
            requests[0].body,
            "token=00Dxx0000000000%21canary%2Btoken&token_type_hint=access_token&client_id=3MVG9&client_secret=secret%26canary"
        );
        assert!(!requests[0].headers.contains_key(header::AUTHORIZATION));
    }
}

#[tokio::test]
async fn an_active_token_is_told_with_its_times_in_seconds() {
    let asked_at = Duration::from_secs(1_779_461_039);
    let body = r#"{"active":true,"scope":"api refresh_token","client_id":"3MVG9","username":"user@acme.example",
        "sub":"https://login.salesforce.com/id/00Dxx0000000000EAA/005xx0000000000AAA","token_type":"access_token",
        "exp":1779468239,"iat":1779461039,"nbf":1779461030,"aud":["of no use"]}"#;
    let answer = Reply::ok(body).header(header::DATE, &http_date(asked_at));
    let told = ask(answer).await.unwrap();
    assert_eq!(
        told,
        Introspection {
            active: true,
            expires_at: Some(Duration::from_secs(1_779_468_239)),
            issued_at: Some(asked_at),
            not_before: Some(Duration::from_secs(1_779_461_030)),
            server_time: Some(asked_at),
            scope: Some("api refresh_token".into()),
            username: Some("user@acme.example".into()),
            client_id: Some("3MVG9".into()),
            subject: Some("https://login.salesforce.com/id/00Dxx0000000000EAA/005xx0000000000AAA".into()),
            token_type: Some("access_token".into()),
        }
    );
}

#[tokio::test]
async fn an_inactive_token_has_nothing_else_to_tell() {
    let told = ask(Reply::ok(r#"{"active":false}"#)).await.unwrap();
    assert!(!told.active);
    assert_eq!((told.expires_at, told.scope, told.username, told.client_id), (None, None, None, None));
}

#[tokio::test]
async fn f107_a_field_of_another_type_is_absent_and_a_bom_is_no_part_of_the_answer() {
    let told =
        ask(Reply::ok("\u{feff}{\"active\":true,\"exp\":-1,\"iat\":\"soon\",\"scope\":7}")).await.unwrap();
    assert!(told.active);
    assert_eq!((told.expires_at, told.issued_at, told.scope), (None, None, None));
}

#[tokio::test]
async fn f103_what_does_not_say_whether_the_token_is_active_is_no_answer() {
    for (body, reason) in [
        ("", None),
        ("{}", None),
        ("[true]", None),
        (r#"{"active":"true"}"#, None),
        (r#"{"active":true"#, None),
        ("<html>canary", Some(TokenErrorReason::NotTokenEndpoint)),
    ] {
        let error = ask(Reply::ok(body).header(header::CONTENT_TYPE, "text/html")).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (TokenErrorKind::OutcomeUnknown, reason), "{body}");
        assert_eq!(error.description(), Some("HTTP 200 with content type text/html"));
    }
    let zipped = Reply::ok(r#"{"active":true}"#).header(header::CONTENT_ENCODING, "gzip");
    assert_eq!(ask(zipped).await.unwrap_err().kind(), TokenErrorKind::OutcomeUnknown);
}

#[tokio::test]
async fn refusals_have_the_endpoints_own_taxonomy() {
    for (status, body, kind, reason) in [
        (
            400,
            r#"{"error":"invalid_client","error_description":"invalid client credentials"}"#,
            TokenErrorKind::OperatorMustAct,
            Some(TokenErrorReason::ClientCredentialsWrong),
        ),
        (
            200,
            r#"{"error":"invalid_client_id"}"#,
            TokenErrorKind::OperatorMustAct,
            Some(TokenErrorReason::ClientUnknown),
        ),
        (401, "", TokenErrorKind::OperatorMustAct, Some(TokenErrorReason::NotTokenEndpoint)),
        (302, "", TokenErrorKind::OutcomeUnknown, Some(TokenErrorReason::Redirected)),
        (429, "", TokenErrorKind::Transient, Some(TokenErrorReason::RateLimited)),
        (503, "", TokenErrorKind::Transient, Some(TokenErrorReason::Unavailable)),
    ] {
        let (endpoint, requests) = endpoint(Reply::new(StatusCode::from_u16(status).unwrap(), body));
        let error = endpoint.introspect(&client(), &Secret::new(TOKEN)).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (kind, reason), "{status} {body}");
        assert_eq!(requests.lock().unwrap().len(), 1, "it is not repeated");
    }
}

#[tokio::test]
async fn f104_an_introspection_of_more_than_64_kib_is_none() {
    let body = format!(r#"{{"active":true,"scope":"{}"}}"#, "x".repeat(64 * 1024));
    assert_eq!(ask(Reply::ok(body)).await.unwrap_err().kind(), TokenErrorKind::OutcomeUnknown);
}

#[tokio::test(start_paused = true)]
async fn f105_an_introspection_that_is_never_answered_ends_after_ten_seconds() {
    let silent = Transport::new(tower::service_fn(|_: http::Request<http_body_util::Full<bytes::Bytes>>| {
        std::future::pending::<Result<http::Response<http_body_util::Full<bytes::Bytes>>, crate::BoxError>>()
    }));
    let begun = clock::now();
    let endpoint = at(LoginHost::Production, silent);
    let error = endpoint.introspect(&client(), &Secret::new(TOKEN)).await.unwrap_err();
    assert_eq!((error.kind(), begun.elapsed().as_secs()), (TokenErrorKind::OutcomeUnknown, 10));
}

#[tokio::test]
async fn f185_an_answer_that_repeats_the_token_or_the_secret_does_not_show_them() {
    let repeating = |lead: &str| {
        format!(
            r#"{{{lead},"username":"of {TOKEN}","scope":"secret&canary","token_type":"00Dyy0000000000!canary"}}"#
        )
    };
    let told = ask(Reply::ok(repeating(r#""active":true"#))).await.unwrap();
    assert!(!format!("{told:?} {told:#?}").contains("canary"), "{told:?}");
    let refusal = format!(r#"{{"error":"invalid_token","error_description":"{TOKEN} of secret&canary"}}"#);
    let error = ask(Reply::refused(refusal)).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
}
