//! SOAP, in all its APIs: a refused session is a 500 with a fault whose code is `INVALID_SESSION_ID`.
//!
//! Its message decides as in REST: `Illegal Session` and its kin are dead sessions, `not valid for use with the API` is
//! one that may not come in. A token in JWT format is refused here with the words of a dead session for ever.

use super::{
    Answer,
    entries::{self, Found},
    wording::SessionWords,
};

pub(super) fn read<'a>(answer: Answer<'_>, text: &'a str) -> Found<'a> {
    let words = match answer.status.as_u16() {
        // F145. Only by its code: fault strings of Apex services are an application's text. 400 is where SOAP 1.2 puts
        // the faults of a sender.
        500 | 400 => SessionWords::Coded,
        // Not SOAP's way, but a gateway before it may speak REST.
        401 => SessionWords::Believed,
        _ => SessionWords::Ignored,
    };
    entries::read(text, words)
}
