//! The one place that reads the time, and timers for futures that may be polled anywhere.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
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

/// The runtime for the timers of a future that is polled here: this one or, if there is none here or it has no timers,
/// the `given` one.
pub(crate) fn runtime_with_timers(given: Option<&Handle>) -> Option<Handle> {
    runtimes(given).find(|runtime| Timer::start_on(runtime, Duration::ZERO).is_some())
}

fn runtimes(given: Option<&Handle>) -> impl Iterator<Item = Handle> {
    Handle::try_current().ok().into_iter().chain(given.cloned())
}

/// How the times of the refresh protocol relate to real ones: 1 other than in tests, which may have them all pass
/// faster. Every process on one store must go by the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pace(f64);

impl Default for Pace {
    fn default() -> Self {
        Self(1.0)
    }
}

impl Pace {
    /// `scale` seconds pass for each second of the protocol's: 0.001 to 1,000.
    #[cfg(feature = "testing")]
    pub(crate) fn new(scale: f64) -> Option<Self> {
        (0.001..=1_000.0).contains(&scale).then_some(Self(scale))
    }

    /// How long a time of the protocol's takes.
    pub(crate) fn real(self, time: Duration) -> Duration {
        self.times(time, self.0)
    }

    /// The protocol's time at a real one.
    pub(crate) fn told(self, real: Duration) -> Duration {
        self.times(real, self.0.recip())
    }

    fn times(self, time: Duration, factor: f64) -> Duration {
        // To the nanosecond where nothing is scaled, which a float is not.
        if self == Self::default() { time } else { time.mul_f64(factor) }
    }
}

/// A timer that is so late has waited for the process and not for the time.
const OVERDUE: Duration = Duration::from_millis(50);
/// Enough to read what has arrived already.
const CATCH_UP: Duration = Duration::from_secs(1);

/// What `work` comes to within `limit`, or nothing.
///
/// A process that was stopped or suspended wakes with its limits over, before it has read what came meanwhile. Then it
/// gets a moment more: what came may be the only living refresh token (F044, F088).
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let due = now() + limit;
    match tokio::time::timeout_at(due, work.as_mut()).await {
        Ok(done) => Some(done),
        Err(_) if now().saturating_duration_since(due) < OVERDUE => None,
        Err(_) => tokio::time::timeout(CATCH_UP, work).await.ok(),
    }
}

/// A pause for a future that any executor may poll. Where tokio's own panics, it is over.
pub(crate) struct Timer(Pin<Box<Sleep>>);

impl Timer {
    /// Begins a pause on the [runtime](runtime_with_timers) that has timers, if there is one.
    pub(crate) fn start(pause: Duration, given: Option<&Handle>) -> Option<Self> {
        runtimes(given).find_map(|runtime| Self::start_on(&runtime, pause))
    }

    /// `None` where timers were not enabled, and where the runtime has shut down.
    fn start_on(runtime: &Handle, pause: Duration) -> Option<Self> {
        let _inside = runtime.enter();
        // Nothing but a panic tells: the one when it is made, the other when it is polled.
        catch_unwind(|| {
            let mut sleep = Box::pin(tokio::time::sleep(pause));
            let _ = sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            Self(sleep)
        })
        .ok()
    }

    /// Ready when the pause is over, or its runtime has shut down.
    pub(crate) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // A timer that outlives its runtime panics when it is polled.
        catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx))).unwrap_or(Poll::Ready(()))
    }
}
