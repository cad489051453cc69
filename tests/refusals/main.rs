//! What refusals mean: every recorded one, and many that differ from a recorded one in a detail.

#![allow(clippy::unwrap_used, reason = "a helper of tests may fail as a test does")]

mod dialects;
mod hostile;
mod pages;
mod recorded;

use http::{HeaderName, HeaderValue, StatusCode};
use tower_salesforce_auth::refusal::{self, Head, Verdict};

const DATA: &str = "/services/data/v65.0/limits";
const BULK: &str = "/services/async/65.0/job";
const SOAP: &str = "/services/Soap/u/65.0";
const USERINFO: &str = "/services/oauth2/userinfo";
const IDENTITY: &str = "/id/00DR0000000KvItMAK/005R0000000pgIjIAI";

const EXPIRED: &str = r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#;
const NOT_PERMITTED: &str =
    r#"[{"message":"This session is not valid for use with the REST API","errorCode":"INVALID_SESSION_ID"}]"#;

fn classify(status: u16, path: &str, body: impl AsRef<[u8]>) -> Verdict {
    classify_with(status, &[], path, body)
}

fn classify_with(status: u16, headers: &[(&str, &str)], path: &str, body: impl AsRef<[u8]>) -> Verdict {
    let headers = headers
        .iter()
        .map(|(name, value)| (HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap()))
        .collect();
    let head = Head::new(StatusCode::from_u16(status).unwrap(), &headers, path);
    let verdict = refusal::classify(head, body.as_ref());
    assert_eq!(refusal::read(head, body.as_ref()).verdict, verdict, "the two readings differ");
    assert!(
        verdict == Verdict::NotAuth || refusal::is_candidate(head),
        "{verdict:?} without a look at the body"
    );
    verdict
}
