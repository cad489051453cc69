//! What the cases stand on: handles that are watched, keys that nobody used, records that tell where they come from.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use super::secrets;
use crate::store::{Revision, StoreError, StoreKey, Stored, Swap, TokenStore};

/// Twice and more what the library gives a load or a swap: what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often something is tried that a store may refuse for a moment, and how long between.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(20);

/// What was seen when a property did not hold.
pub(super) type Seen = String;

/// What a case may use.
pub(super) struct Ground<S> {
    pub(super) handles: [Handle<S>; 3],
    keys: Keys,
}

impl<S: TokenStore> Ground<S> {
    pub(super) fn new(handles: [S; 3], keys: Keys, errors: &Errors) -> Arc<Self> {
        Arc::new(Self { handles: handles.map(|store| Handle::new(store, errors)), keys })
    }

    /// A key that was never used.
    pub(super) fn key(&self) -> StoreKey {
        self.keys.fresh()
    }

    /// The handle whose turn it is.
    pub(super) fn handle(&self, turn: usize) -> Handle<S> {
        self.handles[turn % self.handles.len()].clone()
    }
}

/// Keys of one run, which no other run has.
pub(super) struct Keys {
    run: String,
    used: AtomicU64,
}

impl Keys {
    pub(super) fn of_run(run: &str) -> Self {
        Self { run: run.to_owned(), used: AtomicU64::new(0) }
    }

    fn fresh(&self) -> StoreKey {
        self.named(&self.used.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// The key that all processes of the run know by this name.
    pub(super) fn named(&self, name: &str) -> StoreKey {
        StoreKey::new(&format!("store-conformance {} {name}", self.run), "conformance")
    }
}

/// The errors that were seen to show a record.
#[derive(Clone, Default)]
pub(super) struct Errors(Arc<Mutex<Vec<Seen>>>);

impl Errors {
    fn look_at(&self, error: &StoreError) {
        if let Some(seen) = secrets::shown_by(error) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
        }
    }

    pub(super) fn first(&self) -> Option<Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).first().cloned()
    }
}

/// A handle whose calls are limited in time, and whose errors are looked at.
pub(super) struct Handle<S> {
    pub(super) store: Arc<S>,
    errors: Errors,
}

impl<S> Clone for Handle<S> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), errors: self.errors.clone() }
    }
}

/// What is known of a swap in the end.
#[derive(Debug)]
pub(super) enum Put {
    Applied(Revision),
    Conflict(Option<Stored>),
    /// It failed, and the record has moved on since.
    Unknown,
}

impl<S: TokenStore> Handle<S> {
    pub(super) fn new(store: S, errors: &Errors) -> Self {
        Self { store: Arc::new(store), errors: errors.clone() }
    }

    pub(super) async fn try_load(&self, key: &StoreKey) -> Result<Result<Option<Stored>, StoreError>, Seen> {
        let loaded = limited("a load", self.store.load(key)).await?;
        Ok(loaded.inspect_err(|error| self.errors.look_at(error)))
    }

    pub(super) async fn try_swap(
        &self,
        key: &StoreKey,
        expected: Option<Revision>,
        record: &[u8],
    ) -> Result<Result<Swap, StoreError>, Seen> {
        let swapped = limited("a swap", self.store.compare_and_swap(key, expected, record)).await?;
        Ok(swapped.inspect_err(|error| self.errors.look_at(error)))
    }

    /// Loads, again and again while the store fails.
    pub(super) async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, Seen> {
        let mut failed = None;
        for _ in 0..TRIES {
            match self.try_load(key).await? {
                Ok(stored) => return Ok(stored),
                Err(error) => failed = Some(error),
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(format!("loads kept failing: {failed:?}"))
    }

    /// Loads a record that must be there.
    pub(super) async fn stored(&self, key: &StoreKey) -> Result<Stored, Seen> {
        self.load(key).await?.ok_or_else(|| "a record that was written is not there".to_owned())
    }

    /// Swaps `record` in, which is unlike any that was there, again and again while the store fails. What a failure
    /// says about itself is not relied on.
    pub(super) async fn put(
        &self,
        key: &StoreKey,
        expected: Option<Revision>,
        record: &[u8],
    ) -> Result<Put, Seen> {
        let mut failed = None;
        for _ in 0..TRIES {
            match self.try_swap(key, expected, record).await? {
                Ok(Swap::Applied(revision)) => return Ok(Put::Applied(revision)),
                Ok(Swap::Conflict(Some(found))) if found.bytes == record => {
                    return Ok(Put::Applied(found.revision));
                }
                Ok(Swap::Conflict(found)) => return Ok(Put::Conflict(found)),
                Err(error) => failed = Some(error),
            }
            match self.load(key).await? {
                Some(found) if found.bytes == record => return Ok(Put::Applied(found.revision)),
                found if found.as_ref().map(|found| found.revision) == expected => {}
                _ => return Ok(Put::Unknown),
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(format!("swaps kept failing: {failed:?}"))
    }

    /// Swaps where nobody else does, so that it must succeed.
    pub(super) async fn must_put(
        &self,
        key: &StoreKey,
        expected: Option<Revision>,
        record: &[u8],
    ) -> Result<Revision, Seen> {
        match self.put(key, expected, record).await? {
            Put::Applied(revision) => Ok(revision),
            Put::Conflict(_) if expected.is_none() => {
                Err("a record could not be created under a key that was never used".to_owned())
            }
            Put::Conflict(_) | Put::Unknown => {
                Err("a swap over the current revision, with nobody else there, was refused".to_owned())
            }
        }
    }

    /// Replaces the record by `record`, however often others come first.
    pub(super) async fn replace(&self, key: &StoreKey, record: &[u8]) -> Result<Revision, Seen> {
        loop {
            let expected = self.load(key).await?.map(|stored| stored.revision);
            if let Put::Applied(revision) = self.put(key, expected, record).await? {
                return Ok(revision);
            }
        }
    }

    /// Adds one to the number in the record, however often others come first; whether it is known to have been added.
    pub(super) async fn add_one(&self, key: &StoreKey) -> Result<bool, Seen> {
        loop {
            let current = self.load(key).await?;
            let next = current.as_ref().map_or(Ok(0), number)? + 1;
            match self.put(key, current.map(|stored| stored.revision), &record(next)).await? {
                Put::Applied(_) => return Ok(true),
                Put::Unknown => return Ok(false),
                Put::Conflict(_) => tokio::task::yield_now().await,
            }
        }
    }
}

async fn limited<T>(what: &str, work: impl Future<Output = T>) -> Result<T, Seen> {
    tokio::task::yield_now().await; // a store that never waits would let nobody else run
    tokio::time::timeout(PATIENCE, work)
        .await
        .map_err(|_| format!("{what} did not end within {} s", PATIENCE.as_secs()))
}

/// A record with `number` in it, unlike any other. It is text, so that a store for which not all bytes are the same fails
/// the case about that alone.
pub(super) fn record(number: u64) -> Vec<u8> {
    [secrets::CANARY, format!("{number:016x}{:016x}", random()).as_bytes()].concat()
}

/// The number in a record.
pub(super) fn number(stored: &Stored) -> Result<u64, Seen> {
    let number = || {
        let digits = stored.bytes.strip_prefix(secrets::CANARY)?.first_chunk::<16>()?;
        u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    number().ok_or_else(|| format!("a load gave {} bytes that nobody wrote", stored.bytes.len()))
}

/// So that records and keys differ. A system without randomness has no sessions either.
pub(super) fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
}

/// Polls `future` so many times, each time when it has been woken, and stops when it is due once more.
pub(super) async fn polled<F: Future>(future: Pin<&mut F>, polls: usize) -> Option<F::Output> {
    stopped(future, polls, false).await
}

/// Polls `future` so many times, and stops with what it then waits for still under way.
pub(super) async fn polled_and_left<F: Future>(future: Pin<&mut F>, polls: usize) -> Option<F::Output> {
    stopped(future, polls, true).await
}

async fn stopped<F: Future>(mut future: Pin<&mut F>, polls: usize, at_once: bool) -> Option<F::Output> {
    let mut left = polls;
    poll_fn(|context| match left.checked_sub(1) {
        None => Poll::Ready(None),
        Some(fewer) => {
            left = fewer;
            match future.as_mut().poll(context) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending if at_once && left == 0 => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        }
    })
    .await
}
