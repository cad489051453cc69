//! The errors that a body lists, and which of them decides.

use std::borrow::Cow;

use super::{
    Verdict, json,
    wording::{self, SessionWords},
    xml,
};

/// One error as a body words it.
#[derive(Debug, Default)]
pub(super) struct Entry<'a> {
    pub(super) code: Option<Cow<'a, str>>,
    pub(super) message: Option<Cow<'a, str>>,
}

/// What a response was found to say, in the words of the entry that decided.
#[derive(Debug)]
pub(super) struct Reading<'a, V = Verdict> {
    pub(super) verdict: V,
    pub(super) entry: Entry<'a>,
}

/// What a dialect found in a body; without a verdict the status decides.
pub(super) type Found<'a> = Reading<'a, Option<Verdict>>;

/// Reads every error in `text` and lets the most telling one decide: the first that is about the session, else the
/// first that is known, else the first (F144).
pub(super) fn read(text: &str, words: SessionWords) -> Found<'_> {
    let mut decision = Decision { words, best: None };
    match text.as_bytes().first() {
        Some(b'[' | b'{') => {
            let whole = json::errors(text, &mut |entry| decision.weigh(entry));
            if !whole {
                decision.weigh_wreck(text);
            }
        }
        Some(b'<') => xml::errors(text, &mut |entry| decision.weigh(entry)),
        Some(_) => decision.weigh(Entry { code: None, message: Some(Cow::Borrowed(text)) }),
        None => {}
    }
    decision.best.unwrap_or(Reading { verdict: None, entry: Entry::default() })
}

struct Decision<'a> {
    words: SessionWords,
    best: Option<Found<'a>>,
}

impl<'a> Decision<'a> {
    fn weigh(&mut self, entry: Entry<'a>) {
        let verdict = wording::verdict(entry.code.as_deref(), entry.message.as_deref(), self.words);
        self.weigh_reading(Reading { verdict, entry });
    }

    /// JSON that cannot be read to its end, by nature or because it was cut off: the code alone still tells.
    fn weigh_wreck(&mut self, text: &str) {
        const CODE: &str = "INVALID_SESSION_ID";
        if text.contains(CODE) {
            let verdict = wording::verdict(Some(CODE), Some(text), self.words);
            self.weigh_reading(Reading {
                verdict,
                entry: Entry { code: Some(Cow::Borrowed(CODE)), message: None },
            });
        }
    }

    fn weigh_reading(&mut self, reading: Found<'a>) {
        if self.best.as_ref().is_none_or(|best| weight(reading.verdict) > weight(best.verdict)) {
            self.best = Some(reading);
        }
    }
}

fn weight(verdict: Option<Verdict>) -> u8 {
    match verdict {
        None => 0,
        Some(Verdict::SessionExpired | Verdict::SessionNotPermitted) => 2,
        Some(_) => 1,
    }
}
