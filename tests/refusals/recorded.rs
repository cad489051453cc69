//! Responses as they were recorded: each has the meaning that its recorder gave it.

#![allow(clippy::panic, reason = "a case without a meaning is a failed test")]

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tower_salesforce_auth::refusal::{self, Head, Refusal, Verdict};

use crate::{BULK, DATA, IDENTITY, SOAP};

/// Paths of the requests that were answered, where the record does not tell and its API has several.
const PATHS: &[(&str, &str)] = &[
    ("rest-404-agent-api-opaque-token", "/einstein/ai-agent/v1/agents/0XxR0000000KvItMAK/sessions"),
    ("soap-fragment-faultcode", "/services/Soap/m/65.0"),
    ("identity-403-bad-token-other-path", "/not/oauth2"),
    ("identity-403-invalid-scope", "/services/oauth2/singleaccess"),
    ("rest-500-unknown-exception-batch", "/services/data/v65.0/composite/batch"),
    ("rest-composite-200-with-404", "/services/data/v65.0/composite"),
    ("rest-composite-200-with-400", "/services/data/v65.0/composite"),
    ("rest-collections-200-statuscode", "/services/data/v65.0/composite/sobjects"),
    ("rest-collections-readonly-maintenance", "/services/data/v65.0/composite/sobjects"),
];

/// The path that a request of this API has.
fn path_of(id: &str, api: &str) -> &'static str {
    if let Some((_, path)) = PATHS.iter().find(|(case, _)| *case == id) {
        return path;
    }
    match api {
        "rest" | "html" => DATA,
        "bulk1" => BULK,
        "bulk2" => "/services/data/v65.0/jobs/ingest",
        "soap" => SOAP,
        "identity" => IDENTITY,
        "connect" => "/services/data/v65.0/connect/communities",
        "apexrest" => "/services/apexrest/orders",
        "datacloud" => "/api/v1/query",
        other => panic!("{id}: no path for {other}"),
    }
}

/// The verdict for a meaning in the neutral words of the records.
fn verdict_of(meaning: &str) -> Verdict {
    match meaning {
        "dead_session" => Verdict::SessionExpired,
        "session_not_permitted" => Verdict::SessionNotPermitted,
        "wrong_host" | "host_moved" => Verdict::WrongHost,
        "maintenance_read_only" => Verdict::ReadOnlyMaintenance,
        "maintenance" | "org_unavailable" => Verdict::OrgUnavailable,
        "rate_limited" => Verdict::RateLimited,
        // A login that the caller made by itself: a person must act, and no new session helps.
        "policy_forbidden" | "reauth_required" => Verdict::Forbidden,
        "malformed_request" => Verdict::MalformedRequest,
        "password_expired" => Verdict::PasswordExpired,
        "token_format_not_accepted" => Verdict::TokenFormat,
        // What passes by itself is for a retry layer.
        "not_auth" | "transient" => Verdict::NotAuth,
        "unknown" => Verdict::UnrecognisedRefusal,
        other => panic!("{other} is not in the vocabulary"),
    }
}

#[test]
fn every_recorded_refusal_has_the_meaning_that_was_recorded_with_it() {
    let mut read = 0;
    for (id, case) in recorded() {
        // The token endpoint has a taxonomy of its own, with a test of its own.
        if case.api == "token" || case.meaning.starts_with("token_ok") {
            continue;
        }
        read += 1;
        // What is inside a 2xx is data, except in CometD.
        let is_data = case.api != "streaming" && case.status.is_some_and(|status| status.is_success());
        let expected = if is_data { Verdict::NotAuth } else { verdict_of(&case.meaning) };
        assert_eq!(case.read(&id).verdict, expected, "{id}");
    }
    assert_eq!(read, 44);
}

pub(crate) struct Recorded {
    api: String,
    status: Option<StatusCode>,
    headers: HeaderMap,
    pub(crate) body: String,
    meaning: String,
}

impl Recorded {
    /// The refusal, read by the function for its API.
    fn read(&self, id: &str) -> Refusal {
        match self.api.as_str() {
            "streaming" => refusal::cometd(self.body.as_bytes()),
            "pubsub" => {
                let trailer = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok());
                const UNKNOWN: i32 = 2; // what gRPC assumes where there is no status
                let status = trailer("grpc-status").map_or(UNKNOWN, |status| status.parse().unwrap());
                refusal::grpc(status, &self.body, trailer("error-code"))
            }
            api => {
                let head = Head::new(self.status.unwrap(), &self.headers, path_of(id, api));
                let read = refusal::read(head, self.body.as_bytes());
                assert_eq!(refusal::classify(head, self.body.as_bytes()), read.verdict, "{id}");
                let noticed = read.verdict == Verdict::NotAuth || refusal::is_candidate(head);
                assert!(noticed, "{id}: nobody would look");
                read
            }
        }
    }
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
            let status = case["status"].as_u64().map(|status| StatusCode::from_u16(status as u16).unwrap());
            let [id, api, body, meaning] = ["id", "api", "body", "expected"].map(|name| text(name).unwrap());
            (id, Recorded { api, status, headers, body, meaning })
        })
        .collect()
}
