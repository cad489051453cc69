//! The one place that reads the time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) use tokio::time::Instant;

/// Monotonic time for durations (tokio's, so that tests can pause it).
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Wall-clock time since the Unix epoch: only for what leaves the process (a JWT's `exp`, `not_before`) and to
/// notice a suspended machine. Zero if the clock stands before 1970.
#[allow(clippy::disallowed_methods)]
pub(crate) fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
