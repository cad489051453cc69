//! The world that the processes live in: one record in a linearizable store, one token endpoint that takes a refresh
//! token once, and time. What happens next is the [`adversary`](super::adversary)'s to say.

use std::time::Duration;

use super::process::Wrong;

/// The most processes there are.
pub(super) const MOST: usize = 3;

/// Everything at one moment. Numbers stand for records and for what a process knows; see
/// [`Universe`](super::universe::Universe).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct World {
    pub(super) store: Store,
    pub(super) endpoint: Endpoint,
    pub(super) processes: [Process; MOST],
    /// A write or a request that its sender does not wait for any more, and that arrives all the same.
    pub(super) late: Option<Late>,
    pub(super) left: Left,
    /// Whether a crash, or a lost answer, took the newest refresh token with it: no client can prevent that.
    pub(super) is_lossy: bool,
    /// How many nonces were drawn.
    pub(super) drawn: u8,
}

/// What the adversary may still do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Left {
    pub(super) faults: u8,
    /// Ticks of the clock while somebody could go on and does not.
    pub(super) pauses: u8,
    pub(super) expiries: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Store {
    pub(super) cell: Option<Cell>,
    pub(super) is_down: bool,
    pub(super) last_revision: u16,
}

/// A record under its revision.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) struct Cell {
    pub(super) revision: u16,
    pub(super) record: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Endpoint {
    /// The number of the one refresh token that it takes.
    pub(super) newest: u8,
    /// Ends when a spent refresh token is presented.
    pub(super) is_alive: bool,
    /// Whether the newest access token is refused.
    pub(super) is_expired: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) struct Process {
    pub(super) local: u32,
    pub(super) pending: Pending,
    /// Ticks since its claim was stored.
    pub(super) window: Option<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) enum Pending {
    Rest,
    /// Its action is yet to take effect.
    Act,
    /// It takes notice now, or stands still.
    Heard(Heard),
    /// It stands still, and takes notice when the clock has ticked.
    Stalled(Heard),
    Sleep(u8),
}

/// What came of an action.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) enum Heard {
    Started,
    Loaded(Option<Cell>),
    NotLoaded,
    Applied(u16),
    Conflict(Option<Cell>),
    NotSwapped,
    Granted(u8),
    Quarantined(u8),
    Failed(Failed),
    Done,
}

/// How a token request fails.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) enum Failed {
    Unknown,
    NotSent,
    Busy,
    Transient,
    Refused,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Late {
    Write { expected: Option<u16>, record: u32 },
    Request { token: u8, window: u8 },
}

/// What must not happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Violation {
    /// I1: a spent refresh token is presented while somebody holds its child.
    Reuse,
    /// I2: the newest refresh token is nobody's any more, though nobody crashed and no answer was lost.
    Dropped,
    /// I2: all is at rest, and the newest refresh token is not in the store.
    NotStored,
    /// A person is asked to connect again though the grant lives.
    AskedForPerson,
    /// Left alone, a process gets no token from a grant that lives.
    Stuck,
    Wrong(Wrong),
}

/// How far the worlds go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) processes: usize,
    pub(super) start: Start,
    pub(super) tick: Duration,
    pub(super) left: Left,
    /// How many ticks may pass between a claim and its commit. `None`: any number.
    pub(super) window: Option<u8>,
    pub(super) checks: Checks,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Start {
    /// Nothing is stored, and all have the same configured refresh token.
    Cold,
    /// All serve the token set that is stored.
    Warm,
}

/// What is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Checks {
    All,
    /// What holds however long a process stands still, as long as nobody presented a spent token meanwhile.
    ButReuse,
}
