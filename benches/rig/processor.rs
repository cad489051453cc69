//! How long the processor was at work; zero on systems that are not Unix.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // each bench uses its own part

use std::time::Duration;

/// For all threads of this process.
pub fn of_process() -> Duration {
    #[cfg(unix)]
    return since_start(rustix::time::ClockId::ProcessCPUTime);
    #[cfg(not(unix))]
    Duration::ZERO
}

/// For this thread.
pub fn of_thread() -> Duration {
    #[cfg(unix)]
    return since_start(rustix::time::ClockId::ThreadCPUTime);
    #[cfg(not(unix))]
    Duration::ZERO
}

#[cfg(unix)]
fn since_start(clock: rustix::time::ClockId) -> Duration {
    let time = rustix::time::clock_gettime(clock);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}
