//! What may be shown of a server's words.

use std::borrow::Cow;

use crate::error::printable;

/// Words from this length on that mix letters and digits are taken for a secret. Access tokens have more than 100
/// characters, hashes of sessions 64; ids have 18, and request ids, which a person needs to find their logs, 36.
const SECRET_BYTES: usize = 40;

/// `text` fit for a log line: without session ids, escaped, capped.
///
/// Old SOAP faults repeat the session id that they refuse (`missing session key: …`).
pub(super) fn shown(text: &str) -> String {
    // Nearly every text: refusals are read by the thousand while one is being mended.
    if !text.contains('!') && !has_long_words(text) {
        return printable(text);
    }
    printable(&without(text, |word| is_session_id(word) || is_long(word)))
}

fn has_long_words(text: &str) -> bool {
    text.as_bytes()
        .split(|byte| !is_token_character(char::from(*byte)))
        .any(|word| word.len() >= SECRET_BYTES)
}

/// `text` without words that are too long to be words: whatever they are, nobody needs to read them.
pub(crate) fn without_long_words(text: &str) -> Cow<'_, str> {
    without(text, is_long)
}

/// `text` with `***` in place of each word that `is_secret`.
fn without(text: &str, is_secret: impl Fn(&str) -> bool) -> Cow<'_, str> {
    let mut out = String::new();
    let mut kept = 0;
    let mut at = 0;
    for word in text.split(|character: char| !is_token_character(character)) {
        let end = at + word.len();
        if is_secret(word) {
            out.push_str(&text[kept..at]);
            out.push_str("***");
            kept = end;
        }
        at = end + text[end..].chars().next().map_or(0, char::len_utf8);
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[kept..]);
    Cow::Owned(out)
}

/// What session ids are written with: letters, digits and these.
fn is_token_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '!' | '.' | '_' | '-')
}

/// Whether an access token, the org's id, an exclamation mark and the secret, is in `word`. At any `!`, since another
/// may stand right before it.
fn is_session_id(word: &str) -> bool {
    word.match_indices('!').any(|(at, _)| {
        let org = &word[..at];
        org.ends_with(|last: char| last.is_ascii_alphanumeric()) && org.contains("00D")
    })
}

fn is_long(word: &str) -> bool {
    word.len() >= SECRET_BYTES
        && word.bytes().any(|byte| byte.is_ascii_digit())
        && word.bytes().any(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f185_session_ids_and_hashes_are_not_repeated() {
        let hash = "0123456789abcdef".repeat(4);
        let jwt = format!("eyJ0eXAiOiJKV1QifQ.{}.sig-_", "eyJzdWIiOjF9".repeat(4));
        for secret in
            ["00Dxx0000000000!AQ4AQcanary.x_y", "00Dxx0000000000!A", "00Dxx0000000000EAA!canary", &hash, &jwt]
        {
            for text in [
                format!("Sorry!{secret}"),
                format!(
                    "Illegal Session. Session not found, missing session key: {secret}\nThis is expected"
                ),
                secret.to_owned(),
                format!("'{secret}'"),
                format!("é{secret}é {secret}"),
            ] {
                let shown = shown(&text);
                assert!(!shown.contains(secret) && shown.contains("***"), "{shown}");
                assert!(!shown.contains("canary"), "{shown}");
            }
        }
    }

    #[test]
    fn other_words_stay() {
        for text in [
            "",
            "!",
            "Hello! This is fine.",
            "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE",
            "This session is not valid for use with the REST API",
            "rpcId: 6cdd3cd5-d289-4cc0-a74b-12f13906514b",
            "ErrorId 8425053-14906 (608530858) of 00DR0000000KvItMAK",
            "ä€😀",
        ] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn f192_control_characters_are_escaped_and_the_rest_is_capped() {
        assert_eq!(shown("a\r\nb\u{1b}[31m"), "a\\r\\nb\\u{1b}[31m");
        assert!(shown(&"word ".repeat(10_000)).len() <= 256 + "…".len());
    }
}
