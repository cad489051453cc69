//! Bodies that are cut off, encoded, overlong or garbled, or that hold what must not be shown.

use http::{HeaderMap, StatusCode};
use tower_salesforce_auth::refusal::Verdict::{NotAuth, SessionExpired, UnrecognisedRefusal};
use tower_salesforce_auth::refusal::{self, Head};

use crate::{
    BULK, DATA, EXPIRED, IDENTITY, NOT_PERMITTED, SOAP, classify, classify_with, recorded::recorded,
};

#[test]
fn f141_an_encoded_body_is_not_read() {
    assert_eq!(classify_with(401, &[("content-encoding", "gzip")], DATA, EXPIRED), UnrecognisedRefusal);
    assert_eq!(classify_with(401, &[("content-encoding", "identity")], DATA, EXPIRED), SessionExpired);
    assert_eq!(
        classify_with(400, &[("content-encoding", "br")], BULK, "{\"exceptionCode\":\"InvalidSessionId\"}"),
        NotAuth
    );
}

#[test]
fn f142_a_body_that_is_not_utf_8_keeps_its_ascii() {
    let mut latin = b"[{\"message\":\"Sitzung ung\xfcltig\",\"errorCode\":\"INVALID_SESSION_ID\"}]".to_vec();
    assert_eq!(classify(401, DATA, &latin), SessionExpired);
    latin.truncate(20);
    assert_eq!(classify(401, DATA, &latin), UnrecognisedRefusal);
    let utf_16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(EXPIRED.bytes().flat_map(|byte| [byte, 0])).collect();
    assert_eq!(classify(401, DATA, utf_16), UnrecognisedRefusal);
}

#[test]
fn f139_what_came_before_the_cap_counts_and_nothing_beyond_it() {
    const CAP: usize = 16 * 1024;
    let early = format!("[{{\"errorCode\":\"INVALID_SESSION_ID\",\"message\":\"{}", "é".repeat(CAP));
    assert_eq!(classify(401, DATA, &early), SessionExpired);
    let early = format!(
        "[{{\"errorCode\":\"INVALID_SESSION_ID\",\"message\":\"m\"}},{{\"a\":\"{}\"}}]",
        "x".repeat(CAP)
    );
    assert_eq!(classify(401, DATA, &early), SessionExpired);
    let many = vec![r#"{"errorCode":"NOT_FOUND","message":"m"}"#; 200].join(",");
    let late = format!("[{many},{}", &EXPIRED[1..]);
    assert!(late.len() < CAP);
    assert_eq!(classify(401, DATA, &late), SessionExpired);
    let beyond = format!("[{{\"message\":\"{}\",\"errorCode\":\"INVALID_SESSION_ID\"}}]", "x".repeat(CAP));
    assert_eq!(classify(401, DATA, &beyond), UnrecognisedRefusal);
    let bulk = "<exceptionCode>InvalidSessionId</exceptionCode>";
    assert_eq!(classify(400, BULK, format!("{bulk}{}", "<a>".repeat(CAP))), SessionExpired);
    assert_eq!(classify(400, BULK, format!("{}{bulk}", "<a>".repeat(CAP))), NotAuth);
}

#[test]
fn s17_f192_the_words_of_a_refusal_are_fit_to_be_shown() {
    let headers = HeaderMap::new();
    let read = |status: u16, path: &str, body: &str| {
        refusal::read(Head::new(StatusCode::from_u16(status).unwrap(), &headers, path), body.as_bytes())
    };
    let expired = read(401, DATA, EXPIRED);
    assert_eq!(expired.verdict, SessionExpired);
    assert_eq!(expired.code.as_deref(), Some("INVALID_SESSION_ID"));
    assert_eq!(expired.message.as_deref(), Some("Session expired or invalid"));
    let soap = read(
        500,
        SOAP,
        "<faultcode>sf:INVALID_SESSION_ID</faultcode><faultstring>Illegal Session. Session not found, missing session key: \
         00Dxx0000000000!AQ4AQcanary.canary\nThis is expected</faultstring>",
    );
    assert_eq!(soap.code.as_deref(), Some("INVALID_SESSION_ID"));
    assert_eq!(
        soap.message.as_deref(),
        Some("Illegal Session. Session not found, missing session key: ***\\nThis is expected")
    );
    let hostile =
        read(401, DATA, &format!(r#"[{{"errorCode":"{}","message":"a\r\nb\u001b[2J"}}]"#, "X".repeat(9_999)));
    assert!(hostile.code.as_ref().unwrap().len() <= 256 + "…".len());
    assert_eq!(hostile.message.as_deref(), Some("a\\r\\nb\\u{1b}[2J"));
    let agent = read(
        401,
        DATA,
        r#"{"error":"UnauthorizedException","message":"Connected app is not attached to Agent"}"#,
    );
    assert_eq!(agent.code.as_deref(), Some("UnauthorizedException"));
    assert_eq!(read(401, DATA, "<html></html>").message, None);
    let empty = read(401, DATA, "");
    assert_eq!((empty.verdict, empty.code, empty.message), (UnrecognisedRefusal, None, None));
    assert_eq!(read(403, IDENTITY, "Bad_OAuth_Token").code.as_deref(), Some("Bad_OAuth_Token"));
}

/// Nothing is declared, expanded or nested: whatever an XML parser would do with these, here they are text or nothing.
#[test]
fn s21_xml_is_not_expanded_and_its_depth_and_attributes_cost_nothing() {
    let fault = |inner: &str| {
        format!("<error><exceptionCode>{inner}</exceptionCode><exceptionMessage>m</exceptionMessage></error>")
    };
    assert_eq!(classify(400, BULK, fault("InvalidSessionId")), SessionExpired);
    let entity = "<!DOCTYPE e [<!ENTITY x \"InvalidSessionId\"><!ENTITY y \"&x;&x;&x;&x;\">]>";
    assert_eq!(classify(400, BULK, format!("{entity}{}", fault("&x;"))), NotAuth);
    assert_eq!(classify(400, BULK, format!("{entity}{}", fault("&y;"))), NotAuth);
    let external = "<!DOCTYPE e SYSTEM \"http://evil.example/e.dtd\">";
    assert_eq!(classify(400, BULK, format!("{external}{}", fault("InvalidSessionId"))), SessionExpired);
    // Within the 16 KiB that are looked at: as deep as errors are looked for, deeper, and 1,000 attributes wide.
    let deep = |depth: usize| format!("{}{}", "<a>".repeat(depth), fault("InvalidSessionId"));
    assert_eq!(classify(400, BULK, deep(14)), SessionExpired);
    assert_eq!(classify(400, BULK, deep(15)), NotAuth);
    assert_eq!(classify(400, BULK, deep(4_000)), NotAuth);
    let wide = format!("<e {}>{}", "a=\">\" ".repeat(1_000), fault("InvalidSessionId"));
    assert_eq!(classify(400, BULK, wide), SessionExpired);
}

#[test]
fn no_bytes_make_it_panic_and_none_make_data_a_refusal() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let headers = HeaderMap::new();
    let alphabet = b"[]{}<>\"'\\/:,!&;-? \t\0\x7f\xc3\xa9\xef\xbb\xbf\xff\xf0uD800INVALID_SESSION_ID";
    let mut bodies: Vec<Vec<u8>> = recorded().into_values().map(|case| case.body.into_bytes()).collect();
    bodies.extend([EXPIRED, NOT_PERMITTED, "<![CDATA[", "<errorCode>"].map(|body| body.as_bytes().to_vec()));
    for body in &bodies {
        for _ in 0..300 {
            let mut body = body.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(body.len() + 1);
                let byte = alphabet[random.below(alphabet.len())];
                match random.below(4) {
                    0 if at < body.len() => body[at] = byte,
                    1 if at < body.len() => drop(body.remove(at)),
                    2 => body.truncate(at),
                    _ => body.insert(at, byte),
                }
            }
            for (status, path) in [(200, DATA), (401, DATA), (400, BULK), (500, SOAP), (403, IDENTITY)] {
                let head = Head::new(StatusCode::from_u16(status).unwrap(), &headers, path);
                let refusal = refusal::read(head, &body);
                assert_eq!(refusal.verdict, refusal::classify(head, &body));
                for shown in [refusal.code, refusal.message].into_iter().flatten() {
                    assert!(shown.len() <= 256 + "…".len() && !shown.contains(char::is_control));
                }
                if status == 200 {
                    assert_eq!(refusal.verdict, NotAuth);
                }
            }
        }
    }
}

/// Deterministic, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}
