//! Bulk API 1.0: a refused session is a 400 with `exceptionCode` `InvalidSessionId`, in XML or, for JSON jobs, in JSON.
//!
//! Bulk API 2.0 speaks REST.

use super::{
    Head, contains_ignoring_case,
    entries::{self, Found},
    wording::SessionWords,
};

/// Whether a request went to this API. Sites have the path below their own prefix.
pub(super) fn is_addressed(path: &str) -> bool {
    contains_ignoring_case(path, "/services/async/")
}

pub(super) fn read<'a>(head: Head<'_>, text: &'a str) -> Found<'a> {
    let words = match head.status.as_u16() {
        400 => SessionWords::Coded,
        // Not Bulk's way, but a gateway before it may speak REST.
        401 => SessionWords::Believed,
        _ => SessionWords::Ignored,
    };
    entries::read(text, words)
}
