use super::*;

fn refresh_token(reading: &Reading) -> Option<&str> {
    reading.refresh_token.as_ref().map(Secret::expose)
}

#[test]
fn f107_each_oddity_has_a_defined_result() {
    for (body, fault) in [
        (&b"{}"[..], None),
        (b"\xef\xbb\xbf{}", None),
        (b" {} ", None),
        (b"", Some(Fault::Unreadable)),
        (b"[]", Some(Fault::Unreadable)),
        (b"\"a\"", Some(Fault::Unreadable)),
        (b"null", Some(Fault::Unreadable)),
        (b"{} {}", Some(Fault::Unreadable)),
        (b"{}\0", Some(Fault::Unreadable)),
        (b"{\"a\":1,}", Some(Fault::Unreadable)),
        (b"{\"id\":\"\xff\"}", Some(Fault::Unreadable)),
        (b"{\"id\":\"\0\"}", Some(Fault::Unreadable)),
        (b"{\"id\":\"\\ud800\"}", Some(Fault::Unreadable)),
        (b"{\"unknown\":\"\\ud800\"}", None),
        (b"{\"id\":\"\\u0000\"}", None),
        (b"{\"\\u0069d\":\"a\",\"id\":\"a\"}", Some(Fault::Duplicate)),
        (b"{\"x\":1,\"x\":1}", Some(Fault::Duplicate)),
        (b"{\"x\":{\"y\":1,\"y\":1}}", None),
        (b"{\"access_token\":1}", Some(Fault::WrongType("access_token"))),
        (b"{\"refresh_token\":[\"a\"]}", Some(Fault::WrongType("refresh_token"))),
        (b"{\"token_type\":true}", Some(Fault::WrongType("token_type"))),
        (b"{\"instance_url\":{}}", Some(Fault::WrongType("instance_url"))),
        (b"{\"id\":-1}", Some(Fault::WrongType("id"))),
        (b"{\"error\":1.5}", Some(Fault::WrongType("error"))),
        (b"{\"refresh_token\":null}", None),
        (b"{\"scope\":[\"api\"],\"issued_at\":{},\"expires_in\":false,\"error_description\":1}", None),
        (b"{\"issued_at\":1e999}", Some(Fault::Unreadable)),
        (b"{\"unknown\":1e999}", None),
    ] {
        assert_eq!(read(body).fault, fault, "{}", body.escape_ascii());
    }
}

#[test]
fn s22_nesting_is_bounded_and_strings_do_not_count() {
    let nested = |depth: usize| format!("{{\"x\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert_eq!(read(nested(DEPTH).as_bytes()).fault, None);
    assert_eq!(read(nested(DEPTH + 1).as_bytes()).fault, Some(Fault::TooDeep));
    assert_eq!(read(format!("{{\"x\":\"\\\"{}\"}}", "[".repeat(60_000)).as_bytes()).fault, None);
    // As deep as a body can be: it must not exhaust the stack.
    assert_eq!(read(format!("{{\"x\":{}", "[".repeat(65_000)).as_bytes()).fault, Some(Fault::Unreadable));
    assert_eq!(read(format!("{{\"scope\":{}", "[".repeat(65_000)).as_bytes()).fault, Some(Fault::Unreadable));
}

#[test]
fn numbers_come_as_numbers_or_strings() {
    for (body, issued_at) in [
        (r#"{"issued_at":"1779461039475"}"#, Some(1_779_461_039_475)),
        (r#"{"issued_at":1779461039475}"#, Some(1_779_461_039_475)),
        (r#"{"issued_at":1779461039475.7}"#, Some(1_779_461_039_475)),
        (r#"{"issued_at":99999999999999999999}"#, Some(u64::MAX)),
        (r#"{"issued_at":"yesterday"}"#, None),
        (r#"{"issued_at":-1}"#, None),
    ] {
        let reading = read(body.as_bytes());
        assert_eq!((reading.issued_at, reading.fault), (issued_at, None), "{body}");
    }
}

#[test]
fn f091_f093_a_life_is_clamped_and_nothing_is_no_life() {
    for (value, seconds) in [
        ("7193", Some(7193)),
        ("\"7193\"", Some(7193)),
        ("7193.9", Some(7193)),
        ("18446744073709551615", Some(LONGEST_LIFE)),
        ("1e300", Some(LONGEST_LIFE)),
        ("0", None),
        ("0.5", None),
        ("-1", None),
        ("\"-1\"", None),
        ("\"soon\"", None),
        ("null", None),
    ] {
        let reading = read(format!("{{\"expires_in\":{value}}}").as_bytes());
        assert_eq!(reading.expires_in, seconds.map(Duration::from_secs), "{value}");
        assert_eq!(reading.fault, None);
    }
}

#[test]
fn f025_a_refresh_token_before_the_fault_is_kept() {
    for body in [
        r#"{"refresh_token":"new","access_tok"#,
        r#"{"refresh_token":"new"} <html>"#,
        r#"{"refresh_token":"new","id":"\ud800"}"#,
        r#"{"refresh_token":"new","refresh_token":"new"}"#,
    ] {
        let reading = read(body.as_bytes());
        assert!(reading.fault.is_some(), "{body}");
        assert_eq!(refresh_token(&reading), Some("new"), "{body}");
    }
}

#[test]
fn of_two_different_refresh_tokens_neither_is_taken() {
    for body in [
        r#"{"refresh_token":"a","refresh_token":"b"}"#,
        r#"{"refresh_token":"a","refresh_token":"b","refresh_token":"b"}"#,
        r#"{"refresh_token":"a","refresh_token":null}"#,
        r#"{"refresh_token":"cut of"#,
    ] {
        assert_eq!(refresh_token(&read(body.as_bytes())), None, "{body}");
    }
}
