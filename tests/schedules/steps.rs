//! What the scheduler may choose from: who goes on, what goes wrong, what takes long.

use std::time::Duration;

use crate::{gate::Asked, process::Call};

/// Where a schedule begins, and how much of what is unusual it may hold.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) name: &'static str,
    pub(crate) processes: usize,
    pub(crate) connections: usize,
    /// Every session serves a token that has just expired; else the store is empty.
    pub(crate) is_warm: bool,
    /// Process, connection, what is called.
    pub(crate) calls: &'static [(usize, usize, Call)],
    pub(crate) left: Left,
    pub(crate) hints: bool,
    pub(crate) store: Store,
    /// How long after its claim a process or what it has sent may still be late.
    pub(crate) window: Option<Duration>,
}

/// What the store does with what it has taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Store {
    Durable,
    /// It may lose the last commit, once all have heard of it.
    FailsOver,
    /// It may lose any last write, a claim too: nobody can do with that.
    FailsOverAnyTime,
    /// It writes whatever it is given, and says that it has compared.
    Overwrites,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    pub(crate) faults: u8,
    pub(crate) pauses: u8,
    /// Sessions that expire, callers that come and go.
    pub(crate) others: u8,
}

/// One thing that happens. Operations and callers go by their numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// An operation takes effect.
    Do(usize, How),
    /// It takes so long that time passes first.
    Hold(usize, Duration),
    /// A process stands still. What it has sent goes on.
    Sleep(usize, Duration),
    /// It is killed, and started again with nothing but its configuration.
    Crash(usize),
    /// The store refuses everything for a while.
    Outage(Duration),
    /// The store loses its last write of a connection's record.
    FailOver(usize),
    /// Salesforce ends a connection's session.
    Expire(usize),
    /// A caller goes away.
    Cancel(usize),
    /// One more comes.
    Call(usize, Call),
    Tick,
}

impl Step {
    /// What it has in common with others.
    pub(crate) fn kind(&self) -> u8 {
        match self {
            Self::Tick => 0,
            Self::Do(_, How::Well) => 1,
            Self::Do(_, How::Refused | How::Lost) => 2,
            Self::Do(_, How::Unanswered | How::Broken) => 3,
            Self::Do(_, How::Unsent | How::Overloaded | How::Busy) => 4,
            Self::Hold(..) => 5,
            Self::Sleep(..) => 6,
            Self::Crash(_) => 7,
            Self::Outage(_) => 8,
            Self::FailOver(_) => 9,
            Self::Expire(_) => 10,
            Self::Cancel(_) => 11,
            Self::Call(..) => 12,
        }
    }
}

/// How an operation takes effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum How {
    Well,
    /// Not, and the process knows it.
    Refused,
    /// Not, and the process does not know it.
    Lost,
    /// Well, but the process does not know it.
    Unanswered,
    /// The token request provably never left.
    Unsent,
    /// The tokens were issued, and the answer is a 500.
    Broken,
    /// A 503 from before any processing.
    Overloaded,
    /// The token endpoint says that it is at it.
    Busy,
}

pub(crate) fn hows(asked: &Asked) -> &'static [How] {
    match asked {
        Asked::Load(_) => &[How::Refused],
        Asked::Swap { .. } => &[How::Refused, How::Lost, How::Unanswered],
        Asked::Token { .. } => {
            &[How::Lost, How::Unanswered, How::Unsent, How::Broken, How::Overloaded, How::Busy]
        }
        Asked::Api { .. } => &[],
    }
}

/// Longer than all that a flight tries before it gives up, and than a waiter waits.
pub(crate) const OUTAGES: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(20)];
/// Longer than a claim is fresh; longer than a token request may take.
pub(crate) const HOLDS: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(13)];
/// The same, and almost as long as a claim is waited for; the last is longer than that.
pub(crate) const SLEEPS: [Duration; 4] =
    [Duration::from_secs(3), Duration::from_secs(20), Duration::from_secs(48), Duration::from_secs(80)];
