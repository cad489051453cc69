//! Bulk API 1.0 and SOAP: as much of them as a session needs to be used, and refused.

use bytes::Bytes;
use http::{
    Method, StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
    request::Parts,
};
use serde_json::json;

use super::{
    answers::{self, Answer},
    api::Call,
    dialect::Credential,
    mint::with_checksum,
};

/// Bulk API 1.0 takes its session from `X-SFDC-Session`, and from nowhere else.
pub(super) fn session_header(head: &Parts) -> Credential {
    match head.headers.get("x-sfdc-session").map(|value| value.to_str()) {
        None => Credential::None,
        Some(Ok(token)) => Credential::Token(token.to_owned()),
        Some(Err(_)) => Credential::Malformed,
    }
}

pub(super) fn dead_bulk_session(head: &Parts) -> Answer {
    answers::bulk_error(wants_json(head), "InvalidSessionId", "Invalid session id")
}

/// Answers `/services/async/{version}/job`: a job is opened, and is then found open.
pub(super) fn bulk(call: &Call<'_>) -> Answer {
    let in_json = wants_json(call.head);
    let path: Vec<&str> = call.head.uri.path().trim_end_matches('/').split('/').collect();
    let (status, id) = match (&call.head.method, path.as_slice()) {
        (&Method::POST, ["", "services", "async", _, "job"]) => {
            (StatusCode::CREATED, with_checksum("750xx0000000001"))
        }
        (&Method::GET, ["", "services", "async", _, "job", id]) => (StatusCode::OK, escaped(id)),
        _ => return answers::bulk_error(in_json, "InvalidEntity", "Unable to find the resource"),
    };
    if in_json {
        return answers::json(status, &json!({ "id": id, "state": "Open", "apiVersion": 65.0 }));
    }
    answers::xml(
        status,
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
             <jobInfo xmlns=\"http://www.force.com/2009/06/asyncapi/dataload\">\
             <id>{id}</id><state>Open</state><apiVersion>65.0</apiVersion></jobInfo>"
        ),
    )
}

pub(super) fn wants_json(head: &Parts) -> bool {
    [CONTENT_TYPE, ACCEPT]
        .iter()
        .filter_map(|name| head.headers.get(name)?.to_str().ok())
        .any(|value| value.contains("json"))
}

/// The text of the envelope's `sessionId`, whatever its namespace prefix.
pub(super) fn session_in_envelope(body: &Bytes) -> Option<Credential> {
    let envelope = std::str::from_utf8(body).ok()?;
    let (_, after) = envelope.split_once("sessionId>")?;
    let (token, _) = after.split_once('<')?;
    Some(Credential::Token(token.trim().to_owned()))
}

pub(super) fn dead_soap_session() -> Answer {
    answers::soap_fault("INVALID_SESSION_ID", "Invalid Session ID found in SessionHeader: Illegal Session")
}

/// Answers `/services/Soap/…`: every operation is taken for `getUserInfo`.
pub(super) fn soap(call: &Call<'_>) -> Answer {
    let facts = &call.org.facts;
    answers::soap(
        StatusCode::OK,
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
             <soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             xmlns=\"urn:partner.soap.sforce.com\"><soapenv:Body><getUserInfoResponse><result>\
             <organizationId>{}</organizationId><sessionSecondsValid>{}</sessionSecondsValid>\
             <userId>{}</userId><userName>{}</userName>\
             </result></getUserInfoResponse></soapenv:Body></soapenv:Envelope>",
            facts.org_id,
            facts.session_timeout.as_secs(),
            facts.user_id,
            facts.username,
        ),
    )
}

/// What may stand in an element: ids hold letters and digits only.
fn escaped(id: &str) -> String {
    id.chars().filter(char::is_ascii_alphanumeric).collect()
}
