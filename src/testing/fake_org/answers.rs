//! Statuses, headers and bodies: as public projects recorded them from Salesforce, where they did.

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode, Version,
    header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, LOCATION, SET_COOKIE, WWW_AUTHENTICATE},
};
use serde_json::{Map, Value, json};

use super::{
    body::{AnswerBody, Dropped},
    faults::Delivery,
};

/// An answer before it is decided how it is handed over.
pub(super) type Answer = Response<Bytes>;

const JSON: HeaderValue = HeaderValue::from_static("application/json;charset=UTF-8");
const XML: HeaderValue = HeaderValue::from_static("application/xml");
const SOAP: HeaderValue = HeaderValue::from_static("text/xml; charset=UTF-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=UTF-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain");

/// More than any client should read of a token answer or a refusal.
const HUGE: usize = 10 << 20;

fn answer(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

pub(super) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = status;
    answer
}

pub(super) fn json(status: StatusCode, body: &Value) -> Answer {
    answer(status, JSON, body.to_string())
}

pub(super) fn xml(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    answer(status, XML, body)
}

pub(super) fn soap(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    answer(status, SOAP, body)
}

pub(super) fn text(status: StatusCode, body: &'static str) -> Answer {
    answer(status, TEXT, body)
}

/// A status from a user's script; what is no status becomes 500.
pub(super) fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

// === REST ===

/// A REST error: an array, although there is only ever one.
pub(super) fn rest_error(status: StatusCode, code: &str, message: &str) -> Answer {
    json(status, &json!([{ "message": message, "errorCode": code }]))
}

/// A session that is dead on this host: expired, revoked, or of another org.
pub(super) fn dead_session(version: Version) -> Answer {
    let mut answer = rest_error(StatusCode::UNAUTHORIZED, "INVALID_SESSION_ID", "Session expired or invalid");
    let headers = answer.headers_mut();
    headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Token"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert(
        SET_COOKIE,
        HeaderValue::from_static("BrowserId=AAAAAAAAEe-AAAAAAAAAAA;Path=/;Domain=.salesforce.com"),
    );
    if version <= Version::HTTP_11 {
        // F140: the refusal ends the connection, which HTTP/2 cannot say.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

/// A session that is alive, but that a policy keeps from the REST API.
pub(super) fn session_not_permitted() -> Answer {
    let mut answer = rest_error(
        StatusCode::UNAUTHORIZED,
        "INVALID_SESSION_ID",
        "This session is not valid for use with the REST API",
    );
    let headers = answer.headers_mut();
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("no-cache,must-revalidate,max-age=0,no-store,private"),
    );
    headers
        .insert("strict-transport-security", HeaderValue::from_static("max-age=63072000; includeSubDomains"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert("x-robots-tag", HeaderValue::from_static("none"));
    answer
}

pub(super) fn malformed_authorization() -> Answer {
    rest_error(StatusCode::UNAUTHORIZED, "INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE")
}

pub(super) fn not_found() -> Answer {
    rest_error(StatusCode::NOT_FOUND, "NOT_FOUND", "The requested resource does not exist")
}

pub(super) fn method_not_allowed(method: &http::Method) -> Answer {
    rest_error(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD_NOT_ALLOWED",
        &format!("HTTP Method '{method}' not allowed. Allowed are HEAD,GET,POST"),
    )
}

pub(super) fn redirect(status: StatusCode, location: &str) -> Answer {
    let mut answer = empty(status);
    if let Ok(location) = HeaderValue::from_str(location) {
        answer.headers_mut().insert(LOCATION, location);
    }
    answer
}

// === Bulk API 1.0 and SOAP ===

/// Bulk API 1.0 errors follow the format of the job. Their status is 400, also for a dead session.
pub(super) fn bulk_error(in_json: bool, code: &str, message: &str) -> Answer {
    if in_json {
        return json(StatusCode::BAD_REQUEST, &json!({ "exceptionCode": code, "exceptionMessage": message }));
    }
    let (code, message) = (escaped(code), escaped(message));
    xml(
        StatusCode::BAD_REQUEST,
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
             <error xmlns=\"http://www.force.com/2009/06/asyncapi/dataload\">\
             <exceptionCode>{code}</exceptionCode><exceptionMessage>{message}</exceptionMessage></error>"
        ),
    )
}

/// A SOAP fault with status 500.
pub(super) fn soap_fault(code: &str, message: &str) -> Answer {
    let (code, message) = (escaped(code), escaped(message));
    soap(
        StatusCode::INTERNAL_SERVER_ERROR,
        format!(
            "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             xmlns:sf=\"urn:fault.partner.soap.sforce.com\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n<soapenv:Body>\n    <soapenv:Fault>\n        \
             <faultcode>sf:{code}</faultcode>\n        <faultstring>{code}: {message}</faultstring>\n        \
             <detail>\n        <sf:UnexpectedErrorFault xsi:type=\"sf:UnexpectedErrorFault\">\n            \
             <sf:exceptionCode>{code}</sf:exceptionCode>\n            \
             <sf:exceptionMessage>{message}</sf:exceptionMessage>\n        </sf:UnexpectedErrorFault>\n        \
             </detail>\n    </soapenv:Fault>\n</soapenv:Body>\n</soapenv:Envelope>"
        ),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

// === OAuth ===

pub(super) fn oauth_error(error: &str, description: &str) -> Answer {
    no_store(json(StatusCode::BAD_REQUEST, &json!({ "error": error, "error_description": description })))
}

pub(super) fn invalid_grant(description: &str) -> Answer {
    oauth_error("invalid_grant", description)
}

pub(super) fn no_store(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

// === HTML ===

/// The page that stands where JSON was expected: of an org that is gone (420), or of maintenance.
pub(super) fn html(status: StatusCode) -> Answer {
    if status.as_u16() == 420 {
        let page = "<!DOCTYPE HTML>\n<html lang=en-US>\n<head>\n<meta charset=UTF-8>\n<title>Error Page</title>\n\
                    </head>\n<body>\n</body>\n</html>";
        let mut answer = answer(status, HTML, page);
        answer.headers_mut().insert("x-sfdc-edge-err", HeaderValue::from_static("true"));
        return answer;
    }
    let page = "<html><body>We are down for maintenance. Sorry for the inconvenience. We'll be back shortly.\
                </body></html>";
    self::page(status, page)
}

pub(super) fn page(status: StatusCode, html: &'static str) -> Answer {
    answer(status, HTML, html)
}

// === handing over ===

/// Puts an answer on its way, whole or as a script wants it.
pub(super) fn deliver(
    answer: Answer,
    delivery: Delivery,
    version: Version,
) -> Result<Response<AnswerBody>, Dropped> {
    let (mut head, data) = answer.into_parts();
    // A script's own answer may have been recorded elsewhere; the framing is this server's.
    head.version = Version::default();
    head.headers.remove(http::header::CONTENT_LENGTH);
    head.headers.remove(http::header::TRANSFER_ENCODING);
    if version == Version::HTTP_2 {
        head.headers.remove(CONNECTION);
    }
    let body = match delivery {
        Delivery::Whole => AnswerBody::whole(data),
        Delivery::Patched(patch) => AnswerBody::whole(patched(data, &patch)),
        Delivery::Huge => {
            let mut huge = vec![b' '; HUGE];
            huge.extend_from_slice(&data);
            AnswerBody::whole(huge.into())
        }
        Delivery::Truncated => AnswerBody::truncated(data, version),
        Delivery::Stalled => AnswerBody::stalled(data),
        Delivery::Dropped => return Err(Dropped),
    };
    Ok(Response::from_parts(head, body))
}

fn patched(data: Bytes, patch: &Value) -> Bytes {
    match serde_json::from_slice(&data) {
        Ok(mut target @ Value::Object(_)) => {
            merge(&mut target, patch);
            target.to_string().into()
        }
        _ => data,
    }
}

/// RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(target) = target {
        for (name, value) in patch {
            if value.is_null() {
                target.remove(name);
            } else {
                merge(target.entry(name.as_str()).or_insert(Value::Null), value);
            }
        }
    }
}
