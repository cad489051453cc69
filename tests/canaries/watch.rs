//! Everything that could be seen while a test runs, and the search for secrets in it.

use std::{
    collections::{BTreeSet, HashSet},
    error::Error as StdError,
    fmt::{self, Debug, Display, Write as _},
    sync::{Arc, Mutex, MutexGuard, Once, PoisonError},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use tracing::{Event, Id, Subscriber, field::Visit, span};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
};

/// So many bytes of a secret in a row count as seen: what is left of a text that was cut, or of a mask with holes.
const PIECE: usize = 16;

/// What all tests of this binary emit: events and spans with their targets, panic messages.
static LOG: Mutex<String> = Mutex::new(String::new());

/// What other crates emit, which their users may switch on: looked at to be reported, not to be clean.
static OTHERS: Mutex<String> = Mutex::new(String::new());

const OURS: &str = "tower_salesforce_auth";

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Recorder;

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }

    fn record_error(&mut self, field: &tracing::field::Field, value: &(dyn StdError + 'static)) {
        let _ = write!(self.0, " {field}=");
        chain(&mut self.0, value);
    }
}

impl Recorder {
    fn write(target: &str, fields: Fields) {
        let log = if target.starts_with(OURS) { &LOG } else { &OTHERS };
        let _ = writeln!(lock(log), "{target}:{}", fields.0);
    }
}

impl<S: Subscriber> Layer<S> for Recorder {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        Self::write(event.metadata().target(), fields);
    }

    fn on_new_span(&self, attributes: &span::Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let mut fields = Fields(attributes.metadata().name().to_owned());
        attributes.record(&mut fields);
        Self::write(attributes.metadata().target(), fields);
    }

    fn on_record(&self, _: &Id, values: &span::Record<'_>, _: Context<'_, S>) {
        let mut fields = Fields(String::new());
        values.record(&mut fields);
        // A span does not say here whose it is.
        Self::write(OURS, fields);
    }
}

/// An error with all that is behind it, in both spellings.
fn chain(out: &mut String, error: &(dyn StdError + 'static)) {
    let mut next = Some(error);
    while let Some(error) = next {
        let _ = writeln!(out, "{error} {error:?} {error:#?}");
        next = error.source();
    }
}

/// The secrets of one test, and what the test itself printed.
#[derive(Clone, Default)]
pub(crate) struct Watch {
    secrets: Arc<Mutex<BTreeSet<String>>>,
    printed: Arc<Mutex<String>>,
}

impl Watch {
    /// Begins to record, for the whole process, if that has not begun.
    pub(crate) fn new() -> Self {
        static BEGUN: Once = Once::new();
        BEGUN.call_once(|| {
            let subscriber = tracing_subscriber::registry().with(Recorder);
            tracing::subscriber::set_global_default(subscriber).expect("no other subscriber");
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                let _ = writeln!(lock(&LOG), "panic: {panic}");
                before(panic);
            }));
        });
        Self::default()
    }

    /// `text` must never be seen.
    pub(crate) fn secret(&self, text: impl Into<String>) {
        let text = text.into();
        if text.len() >= PIECE {
            lock(&self.secrets).insert(text);
        }
    }

    pub(crate) fn secrets(&self) -> Vec<String> {
        lock(&self.secrets).iter().cloned().collect()
    }

    pub(crate) fn debug(&self, value: &dyn Debug) {
        let _ = writeln!(lock(&self.printed), "{value:?} {value:#?}");
    }

    pub(crate) fn display(&self, value: &dyn Display) {
        let _ = writeln!(lock(&self.printed), "{value}");
    }

    pub(crate) fn error(&self, error: &(dyn StdError + 'static)) {
        chain(&mut lock(&self.printed), error);
    }

    /// How much was printed and recorded so far: an empty record proves nothing.
    pub(crate) fn seen(&self) -> usize {
        lock(&self.printed).len() + lock(&LOG).len()
    }

    pub(crate) fn log(&self) -> String {
        lock(&LOG).clone()
    }

    /// How many secrets are found in what other crates emitted, whole and as they are.
    pub(crate) fn found_in_others(&self) -> usize {
        let others = lock(&OTHERS).clone();
        self.secrets().iter().filter(|secret| others.contains(secret.as_str())).count()
    }

    /// Fails if a piece of a secret, in any spelling, is anywhere in what was printed or recorded.
    pub(crate) fn assert_clean(&self) {
        let seen = format!("{}{}", lock(&self.printed), lock(&LOG));
        let secrets = self.secrets();
        assert!(!secrets.is_empty() && !seen.is_empty(), "nothing was watched");
        let leak = leak(&seen, secrets.iter().map(String::as_str));
        assert!(leak.is_none(), "{leak:?}");
    }
}

/// What stands around the first piece of any of the `secrets` in `seen`, whatever its spelling.
fn leak<'a>(seen: &str, secrets: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let spellings: Vec<_> = secrets.into_iter().flat_map(spellings).collect();
    let pieces: HashSet<&[u8]> = spellings.iter().flat_map(|text| text.as_bytes().windows(PIECE)).collect();
    let at = seen.as_bytes().windows(PIECE).position(|window| pieces.contains(window))?;
    let around = seen.as_bytes().get(at.saturating_sub(200)..(at + 100).min(seen.len()))?;
    Some(String::from_utf8_lossy(around).into_owned())
}

/// The secret as others would write it. The org's id before the `!` of an access token is no secret.
fn spellings(secret: &str) -> Vec<String> {
    let secret = secret.split_once('!').map_or(secret, |(_, rest)| rest);
    let percent: String = secret.bytes().fold(String::new(), |mut out, byte| {
        let _ = if byte.is_ascii_alphanumeric() {
            write!(out, "{}", byte as char)
        } else {
            write!(out, "%{byte:02X}")
        };
        out
    });
    let hex: String = secret.bytes().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    });
    let list = format!("{:?}", secret.as_bytes());
    let mut all = vec![
        secret.to_owned(),
        percent.to_lowercase(),
        percent,
        hex.to_uppercase(),
        hex,
        list.trim_matches(['[', ']']).to_owned(),
        format!("{secret:?}").trim_matches('"').to_owned(),
    ];
    // In base64 a secret has three faces, by how many bytes stand before it; the edges depend on the neighbours.
    for before in 0..3 {
        let bytes = ["\0".repeat(before).as_bytes(), secret.as_bytes()].concat();
        for text in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
            all.push(text[4..text.len() - 4].to_owned());
        }
    }
    all
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

#[test]
fn the_search_finds_what_it_is_for() {
    let secret = "00Dxx0000000000!AR8AQabcdefghijklmnop.qrstuvwxyz0123456789";
    let (_, tail) = secret.split_once('!').unwrap();
    for text in [
        format!("token {tail} here"),
        format!("cut: {}…", &tail[..20]),
        format!("{:?}", tail.as_bytes()),
        format!("Basic {}", STANDARD_NO_PAD.encode(format!("client:{secret}"))),
        "AR8AQabcdefghijklmnop%2Eqrstuvwxyz".to_owned(),
    ] {
        assert!(leak(&text, [secret]).is_some(), "{text}");
    }
    assert!(leak("00Dxx0000000000!***", [secret]).is_none());
}
