//! The identity URL, `userinfo` and their neighbours: a refused session is a 403 with the plain text `Bad_OAuth_Token`.

use std::borrow::Cow;

use super::{
    Head, Verdict,
    entries::{Entry, Found, Reading},
    rest,
    wording::{self, SessionWords},
};

/// Whether a request went to one of these resources: the rule of Salesforce's Mobile SDK, which takes the same text on
/// any other path for a missing permission.
pub(super) fn is_addressed(path: &str) -> bool {
    path.starts_with("/services/oauth2") || path.starts_with("/id/")
}

pub(super) fn read<'a>(head: Head<'_>, text: &'a str) -> Found<'a> {
    if takes_its_own_credentials(head.path) {
        let verdict = matches!(head.status.as_u16(), 400..=403).then_some(Verdict::NotAuth);
        return Reading { verdict, entry: Entry::default() };
    }
    if text.starts_with(['{', '[', '<']) {
        return rest::read(head, text);
    }
    let words = match head.status.as_u16() {
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

/// Resources that are asked with a client's credentials or a refresh token: what they refuse is not the session.
fn takes_its_own_credentials(path: &str) -> bool {
    matches!(path, "/services/oauth2/token" | "/services/oauth2/revoke" | "/services/oauth2/introspect")
}
