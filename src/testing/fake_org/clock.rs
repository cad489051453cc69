//! Two clocks: the one that sessions grow idle by moves only when it is told to; the wall clock is the machine's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The clock that sessions grow idle by.
///
/// It stands still until it is advanced: a session never dies because a suite is slow, and a two-hour timeout passes
/// at once.
#[derive(Debug, Default)]
pub(super) struct Clock {
    elapsed: Duration,
    last_issued_at: u64,
}

impl Clock {
    /// Time since the org was started, as advanced so far.
    pub(super) fn now(&self) -> Duration {
        self.elapsed
    }

    pub(super) fn advance(&mut self, by: Duration) {
        self.elapsed = self.elapsed.saturating_add(by);
    }

    /// The next `issued_at`, in milliseconds since the Unix epoch.
    ///
    /// No two are equal, because clients order token answers by this field and two may fall into one millisecond here.
    pub(super) fn issued_at(&mut self) -> u64 {
        let now = u64::try_from(wall().as_millis()).unwrap_or(u64::MAX);
        self.last_issued_at = now.max(self.last_issued_at.saturating_add(1));
        self.last_issued_at
    }
}

/// Wall-clock time since the Unix epoch: for what a client compares with its own clock (`issued_at`, a JWT's `exp`).
#[allow(clippy::disallowed_methods)]
pub(super) fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
