//! The Agent API and its neighbours on `api.salesforce.com`: JSON objects as in REST, and an empty 404 for a token that
//! is not in JWT format (reported; Salesforce's own client tries the next host then).

use http::StatusCode;

use super::{
    Answer, Verdict, body,
    entries::{Entry, Found, Reading},
    rest,
};

pub(super) fn read<'a>(answer: Answer<'_>, text: &'a str) -> Found<'a> {
    let is_empty = text.is_empty() && !body::is_encoded(answer.headers);
    if answer.status == StatusCode::NOT_FOUND && is_empty {
        return Reading { verdict: Some(Verdict::TokenFormat), entry: Entry::default() };
    }
    rest::read(answer, text)
}
