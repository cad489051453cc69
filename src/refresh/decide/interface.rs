//! The words in which a refresh and the world speak: what it starts from, what it asks for, what it is told, how it
//! ends.

use std::time::Duration;

use crate::{
    error::AuthErrorKind,
    refresh::{
        backoff::Entropy,
        record::{Binding, Record},
    },
    secret::Secret,
    store::{Revision, StoreErrorKind},
    token::{Lineage, TokenSet},
    token_endpoint::TokenErrorKind,
};

/// The time, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Now {
    /// Since an origin of the process's own.
    pub(crate) monotonic: Duration,
    /// Since the Unix epoch.
    pub(crate) wall: Duration,
}

impl Now {
    /// Time since `earlier`, by the clock that saw more of it: one of them may have stood still while the process was
    /// suspended (F088).
    pub(super) fn since(self, earlier: Self) -> Duration {
        let wall = self.wall.saturating_sub(earlier.wall);
        self.monotonic.saturating_sub(earlier.monotonic).max(wall)
    }

    pub(super) fn wall_millis(self) -> u64 {
        u64::try_from(self.wall.as_millis()).unwrap_or(u64::MAX)
    }
}

/// What a flight starts from.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct Terms {
    pub(crate) binding: Binding,
    /// The configured refresh token.
    pub(crate) seed: Option<Secret>,
    /// Whether the grant presents a refresh token, which may be spent by doing so.
    pub(crate) rotating: bool,
    /// The newest record this process has seen or made.
    pub(crate) known: Option<Record>,
    /// Whether `known` is not in the store yet.
    pub(crate) dirty: bool,
    /// Whether it is to store that and no more: it asks for no token.
    pub(crate) stores_only: bool,
    /// The lineage whose token was refused; `None` when there was no token.
    pub(crate) rejected: Option<Lineage>,
    /// How long this process has served the refused token.
    pub(crate) served_for: Duration,
    /// A foreign or abandoned claim that this process watches, and since when (monotonic).
    pub(crate) watch: Option<Watch>,
    /// The `not_before` that this process wrote itself and waits for by its own clock.
    pub(crate) own_not_before: Option<u64>,
    /// A claim that this process made and left behind with nothing under way: nobody need wait for it.
    pub(crate) idle_claim: Option<u128>,
    /// How many refreshes failed in a row before this one.
    pub(crate) failures: u32,
    pub(crate) entropy: Entropy,
}

/// A claim seen unchanged since a moment of this process's own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Watch {
    pub(crate) nonce: u128,
    pub(crate) since: Duration,
    /// Whether this process made the claim itself and lost the answer: nothing will come of it.
    pub(crate) abandoned: bool,
}

/// What came of the last action.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) enum Input {
    Started,
    Loaded(Result<Option<Box<Seen>>, StoreFault>),
    Swapped(Result<SwapOutcome, StoreFault>),
    Exchanged(Answer),
    /// The answer to `Wait`, `Watch`, `Hold` and `Release`.
    Done,
}

/// A record as read from the store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Seen {
    pub(crate) revision: Revision,
    pub(crate) record: Record,
}

#[derive(Clone, Debug)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) enum SwapOutcome {
    Applied(Revision),
    Conflict(Option<Box<Seen>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct StoreFault {
    pub(crate) kind: StoreErrorKind,
}

/// A token request's outcome, already held against the connection it is for.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) enum Answer {
    Granted {
        tokens: TokenSet,
        refresh_token: Option<Secret>,
    },
    /// An answer that must not be served. Its refresh token, if it brought one, is the only living one.
    Quarantined {
        refresh_token: Option<Secret>,
        reason: String,
    },
    Failed(TokenFault),
}

/// The parts of a token error that decide.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct TokenFault {
    pub(crate) kind: TokenErrorKind,
    /// What the endpoint said, in its own words where there are any.
    pub(crate) said: String,
    /// The whole story, with what to do.
    pub(crate) story: String,
    pub(crate) retry_after: Option<Duration>,
}

/// What to do next.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) enum Action {
    Load,
    Swap {
        expected: Option<Revision>,
        record: Box<Record>,
    },
    /// Send the token request, now.
    Exchange {
        refresh_token: Option<Secret>,
    },
    /// Wait so long.
    Wait(Duration),
    /// Wait so long, or less if the store hints at a change.
    Watch(Duration),
    /// This record is the truth from now on, though it is not stored yet: it must survive whatever happens here.
    Hold(Box<Record>),
    /// Whoever waits may go on with the held record; storing it takes too long.
    Release,
    Finish(Box<Finish>),
}

/// How a flight ended.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct Finish {
    pub(crate) result: Result<Fresh, Failure>,
    pub(crate) watch: Option<Watch>,
    pub(crate) own_not_before: Option<u64>,
    pub(crate) idle_claim: Option<u128>,
    pub(crate) seed_ignored: bool,
    /// Whether the record that was held last is still not in the store.
    pub(crate) dirty: bool,
}

/// A record to serve from.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct Fresh {
    pub(crate) record: Record,
    /// Whether this flight's own token request made it, or another process's.
    pub(crate) own: bool,
    /// Whether the store is known to have it.
    pub(crate) stored: bool,
}

/// Why there is nothing to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Failure {
    pub(crate) kind: AuthErrorKind,
    pub(crate) message: String,
    /// How long until a new flight may start.
    pub(crate) pause: Duration,
    /// The record that the failure left behind, if it is newer than what the process knew.
    pub(crate) record: Option<Record>,
}
