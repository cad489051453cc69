use http::{HeaderValue, header::DATE};
use serde_json::Value;

use super::*;
use crate::token_endpoint::TokenResponse;

const REFRESH: &[(&str, &str)] = &[("grant_type", "refresh_token"), ("refresh_token", "5Aepcanary")];
const JWT: &[(&str, &str)] =
    &[("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", "a.b.c")];
const CLIENT: &[(&str, &str)] = &[("grant_type", "client_credentials"), ("client_secret", "secretcanary")];
const CODE: &[(&str, &str)] = &[("grant_type", "authorization_code"), ("code", "codecanary")];

fn saying(description: &str) -> Reading {
    Reading { error_description: Some(description.into()), ..Reading::default() }
}

fn refuse(status: u16, headers: &[(HeaderName, &str)], body: &str) -> TokenError {
    let headers =
        headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect();
    refused(Asked::with(REFRESH), StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes())
}

fn name(form: &[(&str, &str)], code: &str, description: &str) -> TokenErrorKind {
    named(Asked::with(form), code, &saying(description)).kind()
}

#[test]
fn every_recorded_answer_of_the_token_endpoint_has_its_meaning() {
    let recorded =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/salesforce-responses.jsonl"));
    let mut checked = 0;
    for line in recorded.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let (Some("token"), Some(status)) = (case["api"].as_str(), case["status"].as_u64()) else { continue };
        let request = case["request"].as_str().unwrap_or("grant_type=refresh_token");
        let form = [("grant_type", request.strip_prefix("grant_type=").unwrap_or_default())];
        let status = StatusCode::from_u16(status as u16).unwrap();
        let mut headers = HeaderMap::new();
        if let Some(content_type) = case["content_type"].as_str() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
        }
        let body = case["body"].as_str().unwrap().as_bytes();
        let outcome = if status.is_success() {
            TokenResponse::read(body, Asked::with(&form))
        } else {
            Err(refused(Asked::with(&form), status, &headers, body))
        };
        let meaning = match &outcome {
            Ok(tokens) if tokens.refresh_token().is_some() => "token_ok_rotated",
            Ok(_) => "token_ok",
            Err(error) => match error.kind() {
                TokenErrorKind::AlreadyProcessing => "token_concurrent",
                TokenErrorKind::Transient => "token_retry_later",
                TokenErrorKind::Reauthorise => "reauth_required",
                TokenErrorKind::OperatorMustAct => "operator",
                TokenErrorKind::Rejected => "unknown",
                _ => "other",
            },
        };
        let expected = match case["expected"].as_str().unwrap() {
            "token_config" | "token_ip_blocked" | "org_unavailable" => "operator",
            expected => expected,
        };
        assert_eq!(meaning, expected, "{}: {outcome:?}", case["id"]);
        checked += 1;
    }
    assert_eq!(checked, 18);
}

#[test]
fn f056_a_refresh_in_progress_is_no_end_of_the_grant() {
    for text in ["token request is already being processed", "Expired Authorization Code"] {
        assert_eq!(name(REFRESH, "invalid_grant", text), TokenErrorKind::AlreadyProcessing, "{text}");
    }
}

#[test]
fn an_expired_code_means_another_thing_to_each_grant() {
    assert_eq!(name(JWT, "invalid_grant", "expired authorization code"), TokenErrorKind::OperatorMustAct);
    assert_eq!(name(CODE, "invalid_grant", "expired authorization code"), TokenErrorKind::Reauthorise);
}

#[test]
fn f099_definite_ends_ask_a_person_to_connect_again() {
    for text in [
        "expired access/refresh token",
        "authentication failure",
        "authentication failure - Invalid Password",
        "inactive user",
        "inactive organization",
        "words that nobody has seen yet",
        "",
    ] {
        assert_eq!(name(REFRESH, "invalid_grant", text), TokenErrorKind::Reauthorise, "{text}");
        // There is nobody who could consent again.
        assert_eq!(name(JWT, "invalid_grant", text), TokenErrorKind::OperatorMustAct, "{text}");
        assert_eq!(name(CLIENT, "invalid_grant", text), TokenErrorKind::OperatorMustAct, "{text}");
    }
    assert_eq!(name(REFRESH, "inactive_user", ""), TokenErrorKind::Reauthorise);
}

#[test]
fn f101_a_wrong_configuration_is_the_operators_and_says_what_to_do() {
    for (code, text) in [
        ("invalid_client", "invalid client credentials"),
        ("invalid_client", "app must be installed into org"),
        ("invalid_client_id", "client identifier invalid"),
        ("INVALID_CLIENT", ""),
        ("unauthorized_client", ""),
        ("unsupported_grant_type", "grant type not supported"),
        ("invalid_app_access", "user is not admin approved to access this app"),
        ("invalid_grant", "user hasn't approved this consumer"),
        ("invalid_grant", "request not supported on this domain"),
        ("invalid_grant", "no client credentials user enabled"),
        ("invalid_grant", "ip restricted by app developer"),
    ] {
        let error = named(Asked::with(REFRESH), code, &saying(text));
        assert_eq!(error.kind(), TokenErrorKind::OperatorMustAct, "{code} {text}");
        assert!(error.to_string().ends_with(error.hint().unwrap()), "{error}");
    }
    assert_eq!(name(REFRESH, "a_code_of_tomorrow", ""), TokenErrorKind::OperatorMustAct);
}

#[test]
fn each_known_wording_is_told_apart_and_says_what_to_do() {
    for wording in wording::known() {
        // Its meaning depends on the grant, see below.
        if wording.reason == AuthorizationCodeExpired {
            continue;
        }
        let code = wording.code.unwrap_or("invalid_grant");
        let description = wording.description.unwrap_or_default().to_uppercase();
        for form in [REFRESH, JWT, CLIENT, CODE] {
            let error = named(Asked::with(form), code, &saying(&description));
            assert_eq!(error.reason(), Some(wording.reason), "{code} {description}");
            let waits = matches!(error.kind(), TokenErrorKind::Transient | TokenErrorKind::AlreadyProcessing);
            assert!(waits || error.hint().is_some(), "{error}");
        }
    }
}

#[test]
fn an_expired_code_has_the_reason_that_its_grant_gives_it() {
    for (form, reason) in [
        (REFRESH, RequestInProgress),
        (JWT, AssertionExpired),
        (CLIENT, AuthorizationCodeExpired),
        (CODE, AuthorizationCodeExpired),
    ] {
        let error = named(Asked::with(form), "invalid_grant", &saying("Expired Authorization Code"));
        assert_eq!(error.reason(), Some(reason), "{form:?}");
    }
}

#[test]
fn where_nobody_consented_a_vague_end_points_at_the_user_and_the_app() {
    for text in ["expired access/refresh token", "words that nobody has seen yet"] {
        let error = named(Asked::with(CLIENT), "invalid_grant", &saying(text));
        assert!(error.hint().unwrap().starts_with("check the user"), "{error}");
    }
    let error = named(Asked::with(CLIENT), "invalid_grant", &saying("inactive user"));
    assert_eq!(error.hint(), UserInactive.hint());
}

#[test]
fn login_hours_pass_and_are_named() {
    let error = named(Asked::with(REFRESH), "invalid_grant", &saying("Invalid login hours"));
    assert_eq!((error.kind(), error.reason()), (TokenErrorKind::Transient, Some(LoginHours)));
    assert!(error.hint().unwrap().contains("Setup: Profiles"));
}

#[test]
fn unknown_words_fall_back_without_a_reason() {
    for (code, kind) in [
        ("invalid_grant", TokenErrorKind::Reauthorise),
        ("INVALID_GRANT", TokenErrorKind::Reauthorise),
        ("a_code_of_tomorrow", TokenErrorKind::OperatorMustAct),
        ("", TokenErrorKind::OperatorMustAct),
    ] {
        let error = named(Asked::with(REFRESH), code, &saying("words that nobody has seen yet"));
        assert_eq!((error.kind(), error.reason()), (kind, None), "{code}");
        assert_eq!(error.description(), Some("words that nobody has seen yet"));
    }
}

#[test]
fn a_status_that_says_more_than_its_body_is_the_reason() {
    for (status, body, reason) in [
        (302, "", Redirected),
        (400, "<html>", NotTokenEndpoint),
        (401, "", NotTokenEndpoint),
        (403, "<html>", NotTokenEndpoint),
        (406, "", Unavailable),
        (408, "", Unavailable),
        (420, "<!DOCTYPE HTML>\n<html lang=en-US>", OrgGone),
        (425, "", Unavailable),
        (429, "", RateLimited),
        (429, r#"{"error":"invalid_grant"}"#, RateLimited),
        (500, r#"{"error":"invalid_grant"}"#, Unavailable),
        (502, "<html>", Unavailable),
        (503, "", Unavailable),
        (503, "<html>We are down for maintenance. Sorry", Maintenance),
        (401, r#"{"error":"invalid_client"}"#, ClientCredentialsWrong),
        (403, r#"{"error":"inactive_user"}"#, UserInactive),
    ] {
        assert_eq!(refuse(status, &[], body).reason(), Some(reason), "{status} {body}");
    }
}

#[test]
fn f100_too_many_logins_wait_for_minutes_whatever_the_header_says() {
    for (code, text) in [("invalid_grant", "login rate exceeded"), ("rate_limit_exceeded", "")] {
        let body = format!(r#"{{"error":"{code}","error_description":"{text}"}}"#);
        let error = refuse(400, &[(RETRY_AFTER, "1")], &body);
        assert_eq!((error.kind(), error.retry_after()), (TokenErrorKind::Transient, Some(LOGIN_RATE_WAIT)));
    }
}

#[test]
fn f098_retry_after_is_honoured_and_capped() {
    const NOON: &str = "Sun, 06 Nov 1994 12:00:00 GMT";
    for (headers, seconds) in [
        (&[(RETRY_AFTER, "7")][..], Some(7)),
        (&[(RETRY_AFTER, "0")], Some(0)),
        (&[(RETRY_AFTER, "61")], Some(60)),
        (&[(RETRY_AFTER, "99999999999999999999999")], Some(60)),
        (&[(RETRY_AFTER, "Sun, 06 Nov 1994 12:00:30 GMT"), (DATE, NOON)], Some(30)),
        (&[(RETRY_AFTER, "Sun, 06 Nov 1994 13:00:00 GMT"), (DATE, NOON)], Some(60)),
        (&[(RETRY_AFTER, "Sun, 06 Nov 1994 11:00:00 GMT"), (DATE, NOON)], Some(0)),
        (&[(RETRY_AFTER, "Sun, 06 Nov 1994 12:00:30 GMT")], None),
        (&[(RETRY_AFTER, "-1")], None),
        (&[(RETRY_AFTER, "")], None),
        (&[], None),
    ] {
        for status in [429, 503] {
            let error = refuse(status, headers, "");
            assert_eq!(error.kind(), TokenErrorKind::Transient);
            assert_eq!(error.retry_after(), seconds.map(Duration::from_secs), "{status} {headers:?}");
        }
    }
    assert_eq!(refuse(400, &[(RETRY_AFTER, "7")], r#"{"error":"invalid_client"}"#).retry_after(), None);
}

#[test]
fn f097_a_503_is_harmless_only_when_it_was_recognisably_sent_before_processing() {
    const EDGE: HeaderName = HeaderName::from_static("x-sfdc-edge-err");
    for (headers, body, kind) in [
        (&[][..], " \n", TokenErrorKind::Transient),
        (
            &[],
            r#"[{"errorCode":"SERVER_UNAVAILABLE","message":"Server too busy"}]"#,
            TokenErrorKind::Transient,
        ),
        (&[], "<html>We are down for maintenance. Sorry", TokenErrorKind::Transient),
        (&[(RETRY_AFTER, "5")], "<html>", TokenErrorKind::Transient),
        (&[(EDGE, "true")], "<html>", TokenErrorKind::Transient),
        (&[(http::header::SERVER, "AkamaiNetStorage")], "<html>", TokenErrorKind::Transient),
        (&[], "upstream connect error or disconnect/reset before headers", TokenErrorKind::OutcomeUnknown),
        (&[], "<html>", TokenErrorKind::OutcomeUnknown),
    ] {
        assert_eq!(refuse(503, headers, body).kind(), kind, "{headers:?} {body}");
    }
}

#[test]
fn f097_other_5xx_and_redirects_leave_the_outcome_unknown() {
    for status in [500, 501, 502, 504, 511, 599, 301, 302, 303, 307, 308, 304] {
        for body in ["", r#"{"error":"invalid_grant"}"#, "<html>"] {
            assert_eq!(refuse(status, &[], body).kind(), TokenErrorKind::OutcomeUnknown, "{status} {body}");
        }
    }
}

#[test]
fn a_4xx_without_the_endpoints_json_is_definite_and_needs_a_look() {
    for (status, kind) in [
        (400, TokenErrorKind::OperatorMustAct),
        (401, TokenErrorKind::OperatorMustAct),
        (403, TokenErrorKind::OperatorMustAct),
        (404, TokenErrorKind::OperatorMustAct),
        (407, TokenErrorKind::OperatorMustAct),
        (420, TokenErrorKind::OperatorMustAct),
        (406, TokenErrorKind::Transient),
        (408, TokenErrorKind::Transient),
        (425, TokenErrorKind::Transient),
        (429, TokenErrorKind::Transient),
    ] {
        for body in
            ["", "<html>", "[]", r#"{"message":"no"}"#, r#"{"error":1}"#, r#"{"error":"a","error":"b"}"#]
        {
            assert_eq!(refuse(status, &[], body).kind(), kind, "{status} {body}");
        }
    }
}

#[test]
fn f106_a_compressed_refusal_is_not_read() {
    let error = refuse(400, &[(CONTENT_ENCODING, "gzip")], r#"{"error":"invalid_grant"}"#);
    assert_eq!((error.kind(), error.code()), (TokenErrorKind::OperatorMustAct, None));
    assert!(error.to_string().contains("compressed"), "{error}");
    let error = refuse(400, &[(CONTENT_ENCODING, "identity")], r#"{"error":"invalid_grant"}"#);
    assert_eq!(error.code(), Some("invalid_grant"));
}

#[test]
fn f103_of_a_page_only_status_and_content_type_are_told() {
    let error = refuse(403, &[(CONTENT_TYPE, "text/html")], "<html>pagecanary</html>");
    assert_eq!(error.description(), Some("HTTP 403 with content type text/html"));
    assert!(!format!("{error} {error:?}").contains("pagecanary"));
}

#[test]
fn f192_the_endpoints_words_are_escaped_and_capped() {
    let text = format!("line\nbreak \u{202e} {}", "x".repeat(1_000));
    let error = named(Asked::with(REFRESH), "invalid\r\ngrant", &saying(&text));
    assert_eq!(error.code(), Some("invalid\\r\\ngrant"));
    let description = error.description().unwrap();
    assert!(description.starts_with("line\\nbreak \\u{202e} xxx"), "{description}");
    assert!(description.len() < 300);
    assert!(!error.to_string().contains('\n'));
}

#[test]
fn f185_a_secret_that_the_endpoint_repeats_is_not_repeated_even_where_the_text_is_cut() {
    for padding in [0, 240, 250, 256] {
        let text = format!("{}5Aepcanary is no token", "x".repeat(padding));
        let error = named(Asked::with(REFRESH), "code 5Aepcanary", &saying(&text));
        assert!(!format!("{error} {error:?}").contains("5Ae"), "{error}");
    }
}
