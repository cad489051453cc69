//! Finding a record in what is printed.

use std::error::Error;

use base64::{Engine, prelude::BASE64_STANDARD};

use super::ground::Seen;

/// What every record begins with, so that it can be found: 18 bytes, which base64 writes without a remainder.
pub(super) const CANARY: &[u8] = b"conformance-canary";

/// Whether `text` shows a part of a record, in one of the forms in which bytes are printed.
pub(super) fn is_shown_in(text: &str) -> bool {
    let joined = |separator: &str, print: fn(&u8) -> String| {
        CANARY.iter().map(print).collect::<Vec<_>>().join(separator)
    };
    let forms = [
        String::from_utf8_lossy(CANARY).into_owned(),
        joined(", ", |byte| byte.to_string()),
        joined("", |byte| format!("{byte:02x}")),
        joined(", ", |byte| format!("{byte:02x}")),
        BASE64_STANDARD.encode(CANARY),
    ];
    let text = text.to_lowercase();
    forms.iter().any(|form| text.contains(&form.to_lowercase()))
}

/// What to say of an error that shows a record, in whatever it is printed by.
pub(super) fn shown_by(error: &(dyn Error + 'static)) -> Option<Seen> {
    let mut next = Some(error);
    while let Some(error) = next {
        if is_shown_in(&format!("{error} {error:?}")) {
            return Some("an error of the store shows bytes of a record".to_owned());
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_found_in_every_form_and_nothing_else_is() {
        let record = [CANARY, b"\x00rest"].concat();
        let hex: String = record.iter().map(|byte| format!("{byte:02X}")).collect();
        for text in [
            format!("{record:?}"),
            format!("{record:02x?}"),
            String::from_utf8_lossy(&record).into_owned(),
            hex,
            BASE64_STANDARD.encode(&record),
        ] {
            assert!(is_shown_in(&format!("row: {text}")), "{text}");
        }
        assert!(!is_shown_in("the token store is unavailable"));
    }
}
