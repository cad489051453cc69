use super::*;

const FULL: &str = r#"{"access_token":"00Dxx!new","refresh_token":"5Aepnew","token_type":"Bearer",
    "instance_url":"https://acme.my.salesforce.com","id":"https://login.salesforce.com/id/00D/005",
    "issued_at":"1779461039475","scope":"api refresh_token","expires_in":7193,"signature":"x","lightning_sid":"y"}"#;

fn refused(body: &str) -> TokenError {
    TokenResponse::from_json(body.as_bytes()).unwrap_err()
}

fn kept(error: &TokenError) -> Option<&str> {
    error.kept().map(Secret::expose)
}

#[test]
fn all_of_an_answer_can_be_read() {
    let answer = TokenResponse::from_json(FULL.as_bytes()).unwrap();
    assert_eq!(answer.access_token().expose(), "00Dxx!new");
    assert_eq!(answer.refresh_token().map(Secret::expose), Some("5Aepnew"));
    assert_eq!(answer.instance_url(), Some("https://acme.my.salesforce.com"));
    assert_eq!(answer.id(), Some("https://login.salesforce.com/id/00D/005"));
    assert_eq!(answer.issued_at(), Some(1_779_461_039_475));
    assert_eq!(answer.scope(), Some("api refresh_token"));
    assert_eq!(answer.expires_in(), Some(Duration::from_secs(7193)));
}

#[test]
fn an_answer_made_by_hand_equals_the_one_that_was_read() {
    let by_hand = TokenResponse::new("00Dxx!new")
        .with_refresh_token("5Aepnew")
        .with_instance_url("https://acme.my.salesforce.com")
        .with_id("https://login.salesforce.com/id/00D/005")
        .with_issued_at(1_779_461_039_475)
        .with_scope("api refresh_token")
        .with_expires_in(Duration::from_secs(7193));
    assert_eq!(by_hand, TokenResponse::from_json(FULL.as_bytes()).unwrap());
}

#[test]
fn more_scopes_than_a_record_has_room_for_count_as_absent() {
    for (length, kept) in [(SCOPE_BYTES, true), (SCOPE_BYTES + 1, false), (60 * 1024, false)] {
        let scope = "s".repeat(length);
        let body = format!(r#"{{"access_token":"00Dxx!new","scope":"{scope}"}}"#);
        let answer = TokenResponse::from_json(body.as_bytes()).unwrap();
        assert_eq!(answer.scope(), kept.then_some(scope.as_str()), "{length}");
        assert_eq!(answer, TokenResponse::new("00Dxx!new").with_scope(scope));
    }
}

#[test]
fn the_least_answer_is_an_access_token() {
    let answer = TokenResponse::from_json(br#"{"access_token":"00Dxx!new"}"#).unwrap();
    assert_eq!(answer, TokenResponse::new("00Dxx!new"));
}

#[test]
fn f102_an_error_with_status_200_is_an_error() {
    let error = refused(r#"{"error":"invalid_grant","error_description":"inactive user"}"#);
    assert_eq!((error.kind(), error.code()), (TokenErrorKind::Reauthorise, Some("invalid_grant")));
    let error = refused(r#"{"error":"invalid_grant","access_token":"00Dxx!new","refresh_token":"5Aepnew"}"#);
    assert_eq!((error.kind(), kept(&error)), (TokenErrorKind::Rejected, Some("5Aepnew")));
}

#[test]
fn f108_only_bearer_tokens_are_taken() {
    for (kind, taken) in [("Bearer", true), ("bEARER", true), ("mac", false), ("DPoP", false), ("", false)] {
        let body = format!(r#"{{"access_token":"a","refresh_token":"5Aepnew","token_type":"{kind}"}}"#);
        match TokenResponse::from_json(body.as_bytes()) {
            Ok(_) => assert!(taken, "{kind}"),
            Err(error) => {
                assert!(!taken, "{kind}");
                assert_eq!((error.kind(), kept(&error)), (TokenErrorKind::Rejected, Some("5Aepnew")));
            }
        }
    }
}

#[test]
fn f109_malformed_tokens_are_rejected_and_a_good_refresh_token_is_kept() {
    let long = "a".repeat(TOKEN_BYTES + 1);
    for bad in ["", " ", " a", "a b", "a\\r\\nb", "a\\tb", "a\\u0000", "\\u007f", "é", &long] {
        let body = format!(r#"{{"access_token":"{bad}","refresh_token":"5Aepnew"}}"#);
        let error = refused(&body);
        assert_eq!((error.kind(), kept(&error)), (TokenErrorKind::Rejected, Some("5Aepnew")), "{bad:?}");
        let body = format!(r#"{{"access_token":"00Dxx!new","refresh_token":"{bad}"}}"#);
        let error = refused(&body);
        assert_eq!((error.kind(), kept(&error)), (TokenErrorKind::Rejected, None), "{bad:?}");
    }
    let longest = "a".repeat(TOKEN_BYTES);
    assert!(TokenResponse::new(longest).check().is_ok());
}

#[test]
fn an_answer_without_an_access_token_is_rejected() {
    for body in ["{}", r#"{"active":false}"#, r#"{"access_token":null,"token_type":"Bearer"}"#] {
        assert_eq!(refused(body).kind(), TokenErrorKind::Rejected, "{body}");
    }
}

#[test]
fn f107_a_field_that_comes_twice_is_rejected() {
    let error = refused(r#"{"access_token":"a","refresh_token":"5Aepnew","access_token":"b"}"#);
    assert_eq!((error.kind(), kept(&error)), (TokenErrorKind::Rejected, Some("5Aepnew")));
}

#[test]
fn f025_what_cannot_be_read_leaves_the_outcome_unknown_unless_its_refresh_token_came_through() {
    for body in ["", "<html>", "[]", "{\"access_token\":\"00Dxx!n", "\u{0}"] {
        assert_eq!(refused(body).kind(), TokenErrorKind::OutcomeUnknown, "{body}");
    }
    let error = refused(r#"{"refresh_token":"5Aepnew","access_token":"00Dxx!n"#);
    assert_eq!((error.kind(), kept(&error)), (TokenErrorKind::Rejected, Some("5Aepnew")));
}

#[test]
fn f185_neither_an_answer_nor_its_refusal_shows_a_secret() {
    assert!(!format!("{:?}", TokenResponse::from_json(FULL.as_bytes())).contains("new\""));
    for body in [
        r#"{"access_token":"canary b","refresh_token":"canary"}"#,
        r#"{"access_token":"canary","refresh_token":"canary","token_type":"canary"}"#,
        r#"{"access_token":["canary"],"refresh_token":"canary"}"#,
        r#"{"refresh_token":"canary"} canary"#,
        r#"{"canary":"canary","canary":"canary"}"#,
        r#"{"error":"no canary","error_description":"for canary","refresh_token":"canary"}"#,
        "canary",
    ] {
        let error = refused(body);
        assert!(std::error::Error::source(&error).is_none());
        assert!(!format!("{error} {error:?} {error:#?}").contains("canary"), "{error:?}");
    }
}
