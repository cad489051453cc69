//! REST, and every API that speaks like it: Bulk 2.0, Tooling, Connect, GraphQL, Apex REST.
//!
//! A refused session is a 401 with `message` and `errorCode`, in an array or alone, as JSON or, if that was asked for, as
//! XML (REST API Developer Guide, status codes and error responses).

use http::StatusCode;

use super::{
    Head,
    entries::{self, Found},
    wording::SessionWords,
};

pub(super) fn read<'a>(head: Head<'_>, text: &'a str) -> Found<'a> {
    let refused = head.status == StatusCode::UNAUTHORIZED;
    entries::read(text, if refused { SessionWords::Believed } else { SessionWords::Ignored })
}
