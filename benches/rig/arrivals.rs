//! What arrives at the end of a stack: whoever put no token on a request would look fast.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{ACCESS_TOKEN, HOST, Rounds};

static LOOKING: AtomicBool = AtomicBool::new(false);
static TOKENS: AtomicUsize = AtomicUsize::new(0);
static AIMED: AtomicUsize = AtomicUsize::new(0);

/// How many of three requests arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfThree {
    /// With a token.
    pub tokens: usize,
    /// At the org's host.
    pub aimed: usize,
}

/// Sends three requests. Of one stack at a time.
pub fn of_three(rounds: &mut Rounds) -> OfThree {
    TOKENS.store(0, Ordering::Relaxed);
    AIMED.store(0, Ordering::Relaxed);
    LOOKING.store(true, Ordering::Relaxed);
    rounds(3);
    LOOKING.store(false, Ordering::Relaxed);
    OfThree { tokens: TOKENS.load(Ordering::Relaxed), aimed: AIMED.load(Ordering::Relaxed) }
}

/// To be called for each request that arrives, with what gives its `Authorization` and its host. All do, also what is
/// subtracted, so that the one branch that it takes otherwise cancels.
#[inline(always)]
pub fn arrived<'a>(seen: impl FnOnce() -> (Option<&'a [u8]>, Option<&'a str>)) {
    if LOOKING.load(Ordering::Relaxed) {
        look(seen);
    }
}

/// Apart, so that it takes no part in what is measured.
#[cold]
#[inline(never)]
fn look<'a>(seen: impl FnOnce() -> (Option<&'a [u8]>, Option<&'a str>)) {
    let (authorization, host) = seen();
    let token = authorization.and_then(|value| value.strip_prefix(b"Bearer "));
    // Some sign their own.
    if token.is_some_and(|token| token == ACCESS_TOKEN.as_bytes() || token.starts_with(b"ey")) {
        TOKENS.fetch_add(1, Ordering::Relaxed);
    }
    AIMED.fetch_add(usize::from(host == Some(HOST)), Ordering::Relaxed);
}
