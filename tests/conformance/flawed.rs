//! A store in memory that is right in everything but one.

use std::{
    collections::HashMap,
    collections::hash_map::DefaultHasher,
    future::{pending, ready},
    hash::{Hash, Hasher},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use tokio::{
    sync::{Mutex as AsyncMutex, Semaphore},
    task::yield_now,
};
use tower_salesforce_auth::store::{
    Capabilities, MAX_RECORD_BYTES, Revision, Scope, StoreError, StoreKey, Stored, Swap, TokenStore,
};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    IgnoresExpected,
    EmptyConflicts,
    ShortKeys,
    TextOnly,
    EmptyIsAbsent,
    PanicsAtZeros,
    HalfOfALargeRecord,
    ReadsInTwoParts,
    CreatesAfterALook,
    SwapsAfterALook,
    CachesReads,
    RevisionsOfContent,
    RevisionsOfOneByte,
    RevisionsStartAnew,
    FailsAfterTheWrite,
    TriesAgain,
    WritesInTwoParts,
    LockOfADroppedSwapStays,
    DroppedSwapComesLate,
    DroppedLoadKeepsAConnection,
    PoisonedByAPanic,
    HintsWithoutEnd,
    HintsHoldTheLock,
    AwayIsAbsent,
    DamagedIsAbsent,
    ErrorsShowRecords,
    DebugShowsRecords,
}

pub(crate) struct Flawed {
    flaw: Flaw,
    shared: Arc<Shared>,
    cache: Mutex<HashMap<String, Stored>>,
}

#[derive(Default)]
pub(crate) struct Shared {
    short_keys: bool,
    entries: Mutex<HashMap<String, Arc<Entry>>>,
    writes: AtomicU64,
    down: AtomicBool,
}

/// What is known of one key.
struct Entry {
    record: Mutex<Option<Stored>>,
    /// How often a record was written since it was created.
    writes: AtomicU64,
    locked: AtomicBool,
    poisoned: AtomicBool,
    lock: AsyncMutex<()>,
    connections: Semaphore,
}

impl Entry {
    fn new() -> Self {
        Self {
            record: Mutex::default(),
            writes: AtomicU64::new(0),
            locked: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
            lock: AsyncMutex::default(),
            connections: Semaphore::new(8),
        }
    }

    fn current(&self) -> Option<Stored> {
        self.record.lock().unwrap().clone()
    }
}

/// Damage as an operator may do it.
const DAMAGED: &[u8] = b"damaged";

impl Shared {
    pub(crate) fn new(flaw: Flaw) -> Self {
        Self { short_keys: flaw == Flaw::ShortKeys, ..Self::default() }
    }

    pub(crate) fn remove(&self, key: &StoreKey) {
        let entry = self.entry(key);
        *entry.record.lock().unwrap() = None;
        entry.writes.store(0, Ordering::SeqCst);
    }

    pub(crate) fn damage(&self, key: &StoreKey) {
        self.entry(key).record.lock().unwrap().as_mut().unwrap().bytes = DAMAGED.to_vec();
    }

    pub(crate) fn go_away(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    fn entry(&self, key: &StoreKey) -> Arc<Entry> {
        let key = &key.as_str()[..if self.short_keys { 63 } else { 64 }];
        let mut entries = self.entries.lock().unwrap();
        Arc::clone(entries.entry(key.to_owned()).or_insert_with(|| Arc::new(Entry::new())))
    }
}

impl Flawed {
    pub(crate) fn new(flaw: Flaw, shared: &Arc<Shared>) -> Self {
        Self { flaw, shared: Arc::clone(shared), cache: Mutex::default() }
    }

    pub(crate) fn print(&self) -> String {
        let entries = self.shared.entries.lock().unwrap();
        let records: Vec<_> = entries.values().filter_map(|entry| entry.current()).collect();
        if self.flaw == Flaw::DebugShowsRecords {
            return format!("{:?}", records.iter().map(|stored| &stored.bytes).collect::<Vec<_>>());
        }
        format!("{records:?}")
    }

    fn entry(&self, key: &StoreKey) -> Arc<Entry> {
        self.shared.entry(key)
    }

    fn is_away(&self) -> bool {
        self.shared.down.load(Ordering::SeqCst)
    }

    fn revision(&self, entry: &Entry, record: &[u8]) -> Revision {
        let writes = entry.writes.fetch_add(1, Ordering::SeqCst) + 1;
        Revision::new(match self.flaw {
            Flaw::RevisionsOfContent => {
                let mut hash = DefaultHasher::new();
                record.hash(&mut hash);
                hash.finish()
            }
            Flaw::RevisionsOfOneByte => writes % 256,
            Flaw::RevisionsStartAnew => writes,
            _ => self.shared.writes.fetch_add(1, Ordering::SeqCst) + 1,
        })
    }

    /// Compares and writes in one step.
    fn swap(&self, entry: &Entry, expected: Option<Revision>, record: &[u8]) -> Swap {
        let mut current = entry.record.lock().unwrap();
        let revision = current.as_ref().map(|stored| stored.revision);
        if revision != expected && self.flaw != Flaw::IgnoresExpected {
            return Swap::Conflict(current.clone().filter(|_| self.flaw != Flaw::EmptyConflicts));
        }
        let revision = self.revision(entry, record);
        *current = Some(Stored { revision, bytes: record.to_vec() });
        Swap::Applied(revision)
    }

    fn remember(&self, key: &StoreKey, swap: &Swap, record: &[u8]) {
        let seen = match swap {
            Swap::Applied(revision) => Some(Stored { revision: *revision, bytes: record.to_vec() }),
            Swap::Conflict(found) => found.clone(),
        };
        if let Some(seen) = seen {
            self.cache.lock().unwrap().insert(key.as_str().to_owned(), seen);
        }
    }
}

/// Poisons what it guards when it is dropped by a panic, as a lock of std does.
struct Guard<'a>(&'a Entry);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.poisoned.fetch_or(thread::panicking(), Ordering::SeqCst);
    }
}

/// Writes when it is dropped before its time.
struct Late<'a> {
    entry: Arc<Entry>,
    store: &'a Flawed,
    record: Vec<u8>,
    done: bool,
}

impl Drop for Late<'_> {
    fn drop(&mut self) {
        if !self.done {
            let (entry, record) = (Arc::clone(&self.entry), std::mem::take(&mut self.record));
            let revision = self.store.revision(&entry, &record);
            tokio::spawn(async move {
                for _ in 0..8 {
                    yield_now().await;
                }
                *entry.record.lock().unwrap() = Some(Stored { revision, bytes: record });
            });
        }
    }
}

impl TokenStore for Flawed {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        let entry = self.entry(key);
        if self.is_away() {
            return if self.flaw == Flaw::AwayIsAbsent {
                Ok(None)
            } else {
                Err(StoreError::unavailable("away"))
            };
        }
        match self.flaw {
            Flaw::CachesReads => {
                let mut cache = self.cache.lock().unwrap();
                let cached = cache.get(key.as_str()).cloned().or_else(|| entry.current());
                cache.extend(cached.clone().map(|cached| (key.as_str().to_owned(), cached)));
                return Ok(cached);
            }
            Flaw::ReadsInTwoParts => {
                let Some(mut start) = entry.current() else { return Ok(None) };
                yield_now().await;
                let end = entry.current().map(|stored| stored.bytes).unwrap_or_default();
                let half = (start.bytes.len() / 2).min(end.len());
                start.bytes.truncate(half);
                start.bytes.extend(&end[half..]);
                return Ok(Some(start));
            }
            Flaw::WritesInTwoParts | Flaw::HintsHoldTheLock => {
                let _guard = entry.lock.lock().await;
                return Ok(entry.current());
            }
            Flaw::LockOfADroppedSwapStays => {
                while entry.locked.load(Ordering::SeqCst) {
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
            }
            Flaw::DroppedLoadKeepsAConnection => {
                entry.connections.acquire().await.unwrap().forget();
                yield_now().await;
                entry.connections.add_permits(1);
            }
            Flaw::PoisonedByAPanic if entry.poisoned.load(Ordering::SeqCst) => {
                return Err(StoreError::unavailable("poisoned"));
            }
            Flaw::EmptyIsAbsent => return Ok(entry.current().filter(|stored| !stored.bytes.is_empty())),
            Flaw::DamagedIsAbsent => return Ok(entry.current().filter(|stored| stored.bytes != DAMAGED)),
            _ => {}
        }
        match entry.current() {
            Some(stored) if stored.bytes == DAMAGED => Err(StoreError::corrupt("damaged")),
            current => Ok(current),
        }
    }

    async fn compare_and_swap(
        &self,
        key: &StoreKey,
        expected: Option<Revision>,
        record: &[u8],
    ) -> Result<Swap, StoreError> {
        let entry = self.entry(key);
        if self.is_away() {
            return Err(StoreError::unavailable("away"));
        }
        if record.len() > MAX_RECORD_BYTES {
            let what = match self.flaw {
                Flaw::ErrorsShowRecords => format!("bad value: {record:?}").chars().take(500).collect(),
                _ => format!("{} bytes", record.len()),
            };
            return Err(StoreError::unavailable(what));
        }
        let current = entry.current();
        if current.as_ref().is_some_and(|stored| stored.bytes == DAMAGED) {
            return Err(StoreError::corrupt("damaged"));
        }
        let applies = current.as_ref().map(|stored| stored.revision) == expected;
        let lossy = String::from_utf8_lossy(record).into_owned();
        match self.flaw {
            Flaw::TextOnly => return Ok(self.swap(&entry, expected, lossy.as_bytes())),
            Flaw::PanicsAtZeros => assert!(record != [0], "zeros"),
            Flaw::HalfOfALargeRecord => {
                return Ok(self.swap(&entry, expected, &record[..record.len().min(MAX_RECORD_BYTES / 2)]));
            }
            Flaw::CreatesAfterALook | Flaw::SwapsAfterALook
                if applies && expected.is_some() == (self.flaw == Flaw::SwapsAfterALook) =>
            {
                yield_now().await;
                let now = entry.current().map(|stored| stored.revision);
                return Ok(self.swap(&entry, now, record));
            }
            Flaw::CachesReads => {
                let swap = self.swap(&entry, expected, record);
                self.remember(key, &swap, record);
                return Ok(swap);
            }
            Flaw::FailsAfterTheWrite | Flaw::TriesAgain => {
                let swap = self.swap(&entry, expected, record);
                let Swap::Applied(revision) = swap else { return Ok(swap) };
                return match self.flaw {
                    _ if revision.get() % 5 != 0 => Ok(swap),
                    Flaw::FailsAfterTheWrite => Err(StoreError::unavailable("connection reset")),
                    _ => Ok(self.swap(&entry, expected, record)),
                };
            }
            Flaw::WritesInTwoParts => {
                let _guard = entry.lock.lock().await;
                let swap = self.swap(&entry, expected, record);
                if let Swap::Applied(revision) = swap {
                    let half = Stored { revision, bytes: record[..record.len() / 2].to_vec() };
                    *entry.record.lock().unwrap() = Some(half);
                    yield_now().await;
                    *entry.record.lock().unwrap() = Some(Stored { revision, bytes: record.to_vec() });
                }
                return Ok(swap);
            }
            Flaw::LockOfADroppedSwapStays => {
                while entry.locked.swap(true, Ordering::SeqCst) {
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
                yield_now().await;
                let swap = self.swap(&entry, expected, record);
                entry.locked.store(false, Ordering::SeqCst);
                return Ok(swap);
            }
            Flaw::DroppedSwapComesLate if applies => {
                let record = record.to_vec();
                let mut late = Late { entry: Arc::clone(&entry), store: self, record, done: false };
                yield_now().await;
                late.done = true;
            }
            Flaw::PoisonedByAPanic => {
                let _guard = Guard(&entry);
                yield_now().await;
                return Ok(self.swap(&entry, expected, record));
            }
            Flaw::HintsHoldTheLock => {
                let _guard = entry.lock.lock().await;
                return Ok(self.swap(&entry, expected, record));
            }
            _ => {}
        }
        Ok(self.swap(&entry, expected, record))
    }

    async fn changed(&self, key: &StoreKey) {
        match self.flaw {
            Flaw::HintsWithoutEnd => ready(()).await,
            Flaw::HintsHoldTheLock => {
                let entry = self.entry(key);
                let _guard = entry.lock.lock().await;
                pending::<()>().await;
            }
            _ => pending().await,
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Scope::Process, true)
    }
}
