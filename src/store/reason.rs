//! What a driver says about a failure, without the secrets in it.
//!
//! Drivers like to repeat the URL they were given, password included (F189), and a store that is wrong about something
//! may repeat the record it was to write. So the text of an error is kept, and not the error.

use std::{borrow::Cow, error::Error as StdError, fmt};

use crate::error::escaped;

/// How much of one error's text is kept: room for a path and an explanation.
const TEXT_BYTES: usize = 1024;

/// How long a chain of causes may be. Longer ones are loops.
const CAUSES: usize = 16;

/// Names whose values are secrets, in connection strings and in records; compared without case, at a name's end.
const SECRET_NAMES: [&str; 6] = ["password", "passwd", "pwd", "secret", "token", "key"];

/// The text of an error and of its causes.
#[derive(Debug)]
pub(super) struct Reason {
    text: String,
    cause: Option<Box<Reason>>,
}

impl Reason {
    pub(super) fn of(error: &(dyn StdError + 'static)) -> Self {
        let mut texts = Vec::new();
        let mut next = Some(error);
        while let Some(error) = next.filter(|_| texts.len() < CAUSES) {
            texts.push(escaped(&without_secrets(&error.to_string()), TEXT_BYTES));
            next = error.source();
        }
        let mut texts = texts.into_iter().rev();
        let mut reason = Self { text: texts.next().unwrap_or_default(), cause: None };
        for text in texts {
            reason = Self { text, cause: Some(Box::new(reason)) };
        }
        reason
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Reason {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// `text` with the user parts of URLs and the values of secret names replaced by `***`.
fn without_secrets(text: &str) -> String {
    without_values(&without_users(text))
}

/// `scheme://user:password@host` and `user:password@tcp(host)` as `scheme://***@host` and `***@tcp(host)`.
fn without_users(text: &str) -> Cow<'_, str> {
    if !text.contains('@') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for word in text.split_inclusive(ends_a_value) {
        // The last one: a password may hold another.
        let Some(at) = word.rfind('@') else {
            out.push_str(word);
            continue;
        };
        let user = word.find("://").map_or(0, |scheme| scheme + "://".len()).min(at);
        out.push_str(&word[..user]);
        out.push_str("***");
        out.push_str(&word[at..]);
    }
    Cow::Owned(out)
}

/// `password=…`, `"refresh_token": "…"` and their like as `password=***`, `"refresh_token": "***"`.
fn without_values(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(mark) = rest.find(['=', ':']) {
        let (name, after) = rest.split_at(mark + 1);
        out.push_str(name);
        rest = after;
        let name = name.trim_end_matches(['=', ':', ' ', '"', '\'', '\\']);
        let is_secret = SECRET_NAMES.iter().any(|secret| {
            let start = name.len().checked_sub(secret.len());
            start.and_then(|start| name.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(secret))
        });
        if !is_secret {
            continue;
        }
        let opening = rest.find(|c| !matches!(c, ' ' | '"' | '\'' | '\\')).unwrap_or(rest.len());
        let (opening, value) = rest.split_at(opening);
        let quote = opening.chars().rev().find(|c| matches!(c, '"' | '\''));
        let end = match quote {
            // A text in a text has its quotes escaped.
            Some(quote) if opening.contains('\\') => value.find(['\\', quote]),
            Some(quote) => value.find(quote),
            None => value.find(|c| ends_a_value(c) || matches!(c, '&' | ';')),
        };
        let end = end.unwrap_or(value.len());
        out.push_str(opening);
        if end > 0 {
            out.push_str("***");
        }
        rest = &value[end..];
    }
    out.push_str(rest);
    out
}

fn ends_a_value(character: char) -> bool {
    character.is_whitespace() || matches!(character, '"' | '\'' | '<' | '>' | ',')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f189_what_a_driver_repeats_of_its_url_is_masked() {
        for (text, shown) in [
            (
                "cannot connect to postgres://app:canary@db:5432/x",
                "cannot connect to postgres://***@db:5432/x",
            ),
            ("postgres://app:p@ca/nary@db/x?sslmode=on", "postgres://***@db/x?sslmode=on"),
            ("redis://:canary@cache", "redis://***@cache"),
            ("bad dsn \"app:canary@tcp(db:3306)/x\"", "bad dsn \"***@tcp(db:3306)/x\""),
            ("host=db user=app password=canary port=5432", "host=db user=app password=*** port=5432"),
            ("Server=db;Pwd=canary;Timeout=1", "Server=db;Pwd=***;Timeout=1"),
            ("host=db password='ca na ry' port=1", "host=db password='***' port=1"),
            ("jdbc:x://db?user=app&password=canary&y=z", "jdbc:x://db?user=app&password=***&y=z"),
            (r#"row {"refresh_token": "canary","n":1}"#, r#"row {"refresh_token": "***","n":1}"#),
            (r#"Text("{\"access_token\":\"canary\"}")"#, r#"Text("{\"access_token\":\"***\"}")"#),
            ("client_secret=canary", "client_secret=***"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }

    #[test]
    fn other_words_stay() {
        for text in [
            "",
            "@",
            "password",
            "connection refused (os error 111)",
            "cannot open /var/lib/tokens/0123abc.record: permission denied",
            "the mode 0755 of /a/b: make it 0700",
            "keys: 3",
        ] {
            assert_eq!(without_secrets(text).replace("***@", "@"), text);
        }
    }

    #[test]
    fn f192_the_causes_are_kept_escaped_and_capped() {
        let error = std::io::Error::other("a\nb".to_owned() + &"x".repeat(5_000));
        let reason = Reason::of(&error);
        let text = reason.to_string();
        assert!(text.starts_with("a\\nb") && text.len() <= TEXT_BYTES + '…'.len_utf8());
    }
}
