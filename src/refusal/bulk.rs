//! Bulk API 1.0: a refused session is a 400 with `exceptionCode` `InvalidSessionId`, in XML or, for JSON jobs, in JSON.
//!
//! Bulk API 2.0 speaks REST.

use super::{
    Answer,
    entries::{self, Found},
    wording::SessionWords,
};

pub(super) fn read<'a>(answer: Answer<'_>, text: &'a str) -> Found<'a> {
    let words = match answer.status.as_u16() {
        400 => SessionWords::Coded,
        // Not Bulk's way, but a gateway before it may speak REST.
        401 => SessionWords::Believed,
        _ => SessionWords::Ignored,
    };
    entries::read(text, words)
}
