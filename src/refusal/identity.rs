//! The identity URL, `userinfo` and their neighbours: a refused session is a 403 with the plain text `Bad_OAuth_Token`.
//!
//! On any other path Salesforce's Mobile SDK takes the same text for a missing permission, and so does this crate.

use std::borrow::Cow;

use super::{
    Answer, Verdict,
    entries::{Entry, Found, Reading},
    rest,
    wording::{self, SessionWords},
};

pub(super) fn read<'a>(answer: Answer<'_>, text: &'a str) -> Found<'a> {
    if text.starts_with(['{', '[', '<']) {
        return rest::read(answer, text);
    }
    let words = match answer.status.as_u16() {
        401 | 403 => SessionWords::Coded,
        _ => SessionWords::Ignored,
    };
    let code = text
        .split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        .next()
        .unwrap_or(text);
    let verdict = wording::verdict(Some(code), None, words);
    let message = (!text.is_empty()).then_some(Cow::Borrowed(text));
    let code = verdict.is_some().then_some(Cow::Borrowed(code));
    Reading { verdict, entry: Entry { code, message } }
}

/// Reads the answer of a resource that is asked with other credentials than the session: what it refuses are those.
pub(super) fn read_other(answer: Answer<'_>) -> Found<'static> {
    let verdict = matches!(answer.status.as_u16(), 400..=403).then_some(Verdict::NotAuth);
    Reading { verdict, entry: Entry::default() }
}
