//! The one place that reads the time, and timers for futures that may be polled anywhere.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

pub(crate) use tokio::time::Instant;
use tokio::{runtime::Handle, time::Sleep};

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

/// A pause for a future that any executor may poll. Where tokio's own panics, it is over.
pub(crate) struct Timer(Pin<Box<Sleep>>);

impl Timer {
    /// Begins a pause on the runtime that this is called in or, outside of any, on `runtime`. `None` if there is no
    /// runtime, or one without timers.
    pub(crate) fn start(pause: Duration, runtime: Option<&Handle>) -> Option<Self> {
        let runtime = Handle::try_current().ok().or_else(|| runtime.cloned())?;
        let _inside = runtime.enter();
        // Only its panic says that a runtime has no timers.
        catch_unwind(|| Box::pin(tokio::time::sleep(pause))).ok().map(Self)
    }

    /// Ready when the pause is over, or its runtime has shut down.
    pub(crate) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // A timer that outlives its runtime panics when it is polled.
        catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx))).unwrap_or(Poll::Ready(()))
    }
}
