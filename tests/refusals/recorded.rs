//! Responses as they were recorded.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tower_salesforce_auth::refusal::Verdict::{
    Forbidden, MalformedRequest, NotAuth, OrgUnavailable, PasswordExpired, RateLimited, SessionExpired,
    SessionNotPermitted, WrongHost,
};
use tower_salesforce_auth::refusal::{self, Head, Verdict};

use crate::{BULK, DATA, IDENTITY, SOAP};

/// Recorded responses: the path they answered, and what they mean.
const RECORDED: &[(&str, &str, Verdict)] = &[
    ("rest-401-expired-2017", DATA, SessionExpired),
    ("rest-401-expired-fixture", DATA, SessionExpired),
    ("rest-401-message-only", DATA, SessionExpired),
    ("connect-401-guest", "/services/data/v65.0/connect/communities", SessionExpired),
    ("apexrest-401", "/services/apexrest/orders", SessionExpired),
    ("bulk2-401-invalid-session", "/services/data/v65.0/jobs/ingest", SessionExpired),
    ("bulk1-400-json-invalid-session", BULK, SessionExpired),
    ("soap-500-illegal-session-detail", SOAP, SessionExpired),
    ("soap-fragment-faultcode", "/services/Soap/m/65.0", SessionExpired),
    ("rest-401-not-valid-for-rest-2023", DATA, SessionNotPermitted),
    ("rest-401-not-valid-for-rest-pretty", DATA, SessionNotPermitted),
    ("rest-401-not-valid-for-rest-object", DATA, SessionNotPermitted),
    ("rest-400-url-not-reset", DATA, WrongHost),
    ("rest-302-lightning-host", DATA, WrongHost),
    ("bulk1-400-invalid-url", BULK, WrongHost),
    ("rest-503-html-maintenance", DATA, OrgUnavailable),
    ("rest-420-html-error-page", DATA, OrgUnavailable),
    ("rest-403-limit-longtxn", DATA, RateLimited),
    ("rest-403-api-disabled-user", DATA, Forbidden),
    ("rest-403-insufficient-access", DATA, Forbidden),
    ("identity-403-bad-token-other-path", "/not/oauth2", Forbidden),
    ("identity-403-invalid-scope", "/services/oauth2/singleaccess", Forbidden),
    ("rest-401-invalid-auth-header", DATA, MalformedRequest),
    ("rest-401-oauth1-style", DATA, MalformedRequest),
    ("rest-401-expired-password", DATA, PasswordExpired),
    // A page without a word: it may be a site that moved, it may be a firewall.
    ("rest-403-html-community", DATA, Forbidden),
    // They pass by themselves; repeating them is for a retry layer.
    ("rest-400-txn-security-metering", DATA, NotAuth),
    ("rest-406-empty", DATA, NotAuth),
    ("identity-404-internal-error", IDENTITY, NotAuth),
    ("datacloud-500", "/api/v1/query", NotAuth),
    // The caller's own login, not this session.
    ("soap-500-invalid-login", SOAP, NotAuth),
    ("bulk1-400-invalid-batch", BULK, NotAuth),
    // Errors of sub-requests are data.
    ("rest-500-unknown-exception-batch", "/services/data/v65.0/composite/batch", NotAuth),
    ("rest-composite-200-with-404", "/services/data/v65.0/composite", NotAuth),
    ("rest-composite-200-with-400", "/services/data/v65.0/composite", NotAuth),
    ("rest-collections-200-statuscode", "/services/data/v65.0/composite/sobjects", NotAuth),
    ("rest-collections-readonly-maintenance", "/services/data/v65.0/composite/sobjects", NotAuth),
];

/// Recorded responses of dialects that are not read yet, and of moves that the head alone does not show.
const LATER: &[&str] = &[
    "rest-404-agent-api-opaque-token",
    "rest-301-old-instance",
    "cometd-200-handshake-401",
    "cometd-200-concurrent-limit",
    "pubsub-unauthenticated",
    "pubsub-auth-refresh-invalid",
    "pubsub-replay-corrupted",
];

#[test]
fn recorded_refusals_are_understood() {
    let recorded = recorded();
    for (id, path, expected) in RECORDED {
        let case = &recorded[*id];
        let status = StatusCode::from_u16(case.status.unwrap()).unwrap();
        let head = Head::new(status, &case.headers, path);
        assert_eq!(refusal::classify(head, case.body.as_bytes()), *expected, "{id}");
        assert_eq!(refusal::read(head, case.body.as_bytes()).verdict, *expected, "{id}");
        let whole_story = *expected == NotAuth || refusal::is_candidate(head);
        assert!(whole_story, "{id}: nobody would look");
    }
}

#[test]
fn every_recorded_response_is_covered_or_listed() {
    for (id, case) in recorded() {
        // The token endpoint has its own taxonomy.
        let token_answer = case.api == "token" || id == "datacloud-200-token";
        let covered = RECORDED.iter().filter(|(covered, ..)| *covered == id).count();
        let listed = LATER.iter().filter(|listed| **listed == id).count();
        assert_eq!(covered + listed, usize::from(!token_answer), "{id}");
    }
}

pub(crate) struct Recorded {
    api: String,
    status: Option<u16>,
    headers: HeaderMap,
    pub(crate) body: String,
}

pub(crate) fn recorded() -> BTreeMap<String, Recorded> {
    let text = include_str!("../fixtures/salesforce-responses.jsonl");
    text.lines()
        .map(|line| {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| case[name].as_str().map(str::to_owned);
            let mut headers = HeaderMap::new();
            for (name, value) in case["headers"].as_object().unwrap() {
                let value = HeaderValue::from_str(value.as_str().unwrap()).unwrap();
                headers.insert(HeaderName::try_from(name).unwrap(), value);
            }
            if let Some(content_type) = text("content_type") {
                headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
            }
            let status = case["status"].as_u64().map(|status| u16::try_from(status).unwrap());
            (
                text("id").unwrap(),
                Recorded { api: text("api").unwrap(), status, headers, body: text("body").unwrap() },
            )
        })
        .collect()
}
