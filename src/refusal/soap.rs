//! SOAP, in all its APIs: a refused session is a 500 with a fault whose code is `INVALID_SESSION_ID`.
//!
//! Its message decides as in REST: `Illegal Session` and its kin are dead sessions, `not valid for use with the API` is
//! one that may not come in. A token in JWT format is refused here with the words of a dead session for ever.

use super::{
    Head, contains_ignoring_case,
    entries::{self, Found},
    wording::SessionWords,
};

/// Whether a request went to one of these APIs. Sites have the path below their own prefix.
pub(super) fn is_addressed(path: &str) -> bool {
    contains_ignoring_case(path, "/services/soap/")
}

pub(super) fn read<'a>(head: Head<'_>, text: &'a str) -> Found<'a> {
    let words = match head.status.as_u16() {
        // F145. Only by its code: fault strings of Apex services are an application's text.
        500 => SessionWords::Coded,
        // Not SOAP's way, but a gateway before it may speak REST.
        401 => SessionWords::Believed,
        _ => SessionWords::Ignored,
    };
    entries::read(text, words)
}
