//! Reading a refusal is total and bounded, and shows neither control characters nor session ids.
#![no_main]

use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONTENT_ENCODING, LOCATION},
};
use libfuzzer_sys::fuzz_target;
use tower_salesforce_auth::refusal::{self, Head, Refusal, Verdict};

const PATHS: [&str; 16] = [
    "/services/data/v65.0/limits",
    "/services/async/65.0/job",
    "/services/Soap/u/65.0",
    "/services/oauth2/userinfo",
    "/services/oauth2/token",
    "/id/00Dxx0000000000/005xx0000000000",
    "/partners/services/async/65.0/job",
    "",
    "/einstein/ai-agent/v1/agents/0Xx/sessions",
    "/api/v1/query",
    "/services/a360/token",
    "/services/apexrest/orders",
    "/partners/services/Soap/class/Orders",
    "/apex/page",
    "/cometd/65.0",
    "/services/oauth2/singleaccess",
];

/// What is looked at of a body.
const CAP: usize = 16 * 1024;

/// What is shown of a code or a message, with room for the mark of a cut.
const SHOWN: usize = 256 + 3;

/// A session id as old SOAP faults repeat it, and the part of it that must never be seen.
const SESSION_ID: &str = "00Dxx0000000000!AQcanary";
const CANARY: &str = "AQcanary";

fuzz_target!(|data: &[u8]| {
    let Some((&[high, low, shape, at], body)) = data.split_first_chunk() else { return };
    let Ok(status) = StatusCode::from_u16(u16::from_be_bytes([high, low])) else { return };
    let mut headers = HeaderMap::new();
    if shape & 8 != 0 {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if shape & 16 != 0 {
        headers.insert("x-sfdc-edge-err", HeaderValue::from_static("true"));
    }
    if shape & 32 != 0 {
        let location = HeaderValue::from_bytes(body.get(..body.len().min(100)).unwrap_or_default());
        headers.extend(location.ok().map(|location| (LOCATION, location)));
    }
    let mut body = body.to_vec();
    if shape & 64 != 0 {
        let at = usize::from(at).min(body.len());
        body.splice(at..at, SESSION_ID.bytes());
    }

    let head = Head::new(status, &headers, PATHS[usize::from(shape & 7) | usize::from(shape & 128) >> 4]);
    let read = refusal::read(head, &body);
    assert_eq!(read.verdict, refusal::classify(head, &body));
    if let Some(beginning) = body.get(..CAP) {
        assert_eq!(read, refusal::read(head, beginning), "nothing beyond the cap counts");
    }
    if status.is_success() || !refusal::is_candidate(head) {
        assert_eq!(read.verdict, Verdict::NotAuth);
    }
    check_words(&read, &body);

    // What is read above the layer has the same words to show.
    check_words(&refusal::cometd(&body), &body);
    let text = String::from_utf8_lossy(&body);
    let (error_code, message) = text.split_once('\n').unwrap_or(("", &text));
    for error_code in [None, Some(error_code)] {
        check_words(&refusal::grpc(i32::from(at), message, error_code), &body);
    }
});

fn check_words(read: &Refusal, body: &[u8]) {
    for text in read.code.iter().chain(&read.message) {
        assert!(text.len() <= SHOWN && !text.contains(char::is_control), "{text:?}");
        assert!(!text.contains(CANARY) || !body_is_plain(body), "{text:?}");
    }
}

/// Whether the session id stands in the body as it was put there: no escape before it that swallows its beginning, and
/// no second canary, since the fuzzer learns to write it.
fn body_is_plain(body: &[u8]) -> bool {
    !body.iter().any(|byte| matches!(byte, b'\\' | b'&'))
        && body.windows(CANARY.len()).filter(|window| *window == CANARY.as_bytes()).count() == 1
        && body.windows(SESSION_ID.len()).any(|window| window == SESSION_ID.as_bytes())
}
