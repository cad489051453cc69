//! REST, and every API that speaks like it: Bulk 2.0, Tooling, Connect, GraphQL, Apex REST, Account Engagement.
//!
//! A refused session is a 401 with `message` and `errorCode`, in an array or alone, as JSON or, if that was asked for, as
//! XML (REST API Developer Guide, status codes and error responses).

use http::StatusCode;

use super::{
    Answer,
    entries::{self, Found},
    wording::SessionWords,
};

pub(super) fn read<'a>(answer: Answer<'_>, text: &'a str) -> Found<'a> {
    let refused = answer.status == StatusCode::UNAUTHORIZED;
    entries::read(text, if refused { SessionWords::Believed } else { SessionWords::Ignored })
}
