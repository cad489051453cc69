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

/// Reads every error in `text` and lets the most telling one decide.
pub(super) fn read(text: &str, words: SessionWords) -> Found<'_> {
    let mut decision = Decision::new(words);
    match text.as_bytes().first() {
        Some(b'[' | b'{') => {
            let whole = json::errors(text, &mut |entry| decision.weigh(entry));
            if !whole {
                decision.weigh_wreck(text);
            }
        }
        Some(b'<') => {
            // The detail of a SOAP fault only says again what its code has said.
            for entry in xml::errors(text) {
                decision.weigh(entry);
                if decision.is_final() {
                    break;
                }
            }
        }
        Some(_) => decision.weigh(Entry { code: None, message: Some(Cow::Borrowed(text)) }),
        None => {}
    }
    decision.made()
}

/// Which of several errors decides: the first that is about the session, else the first that is known, else the first
/// (F144).
pub(super) struct Decision<'a> {
    words: SessionWords,
    best: Option<Found<'a>>,
}

impl<'a> Decision<'a> {
    pub(super) fn new(words: SessionWords) -> Self {
        Self { words, best: None }
    }

    pub(super) fn made(self) -> Found<'a> {
        self.best.unwrap_or(Reading { verdict: None, entry: Entry::default() })
    }

    /// Whether no further error can change it.
    fn is_final(&self) -> bool {
        self.best.as_ref().is_some_and(|best| weight(best.verdict) == weight(Some(Verdict::SessionExpired)))
    }

    pub(super) fn weigh(&mut self, entry: Entry<'a>) {
        self.weigh_or(entry, None);
    }

    /// As [`weigh`](Self::weigh), of an error that means `otherwise` if its words are not known.
    pub(super) fn weigh_or(&mut self, entry: Entry<'a>, otherwise: Option<Verdict>) {
        let known = wording::verdict(entry.code.as_deref(), entry.message.as_deref(), self.words);
        self.weigh_reading(Reading { verdict: known.or(otherwise), entry });
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
