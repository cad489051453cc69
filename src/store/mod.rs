//! Where a connection's tokens live: the contract of a [`TokenStore`] and the stores that ship with the crate.
//!
//! A store knows one primitive, *compare and swap a whole record under a key*. Everything else (who refreshes, who
//! waits, what a lost reply means) is the library's, so that a store stays small enough to be right:
//!
//! ```
//! use std::collections::HashMap;
//! use tokio::sync::Mutex;
//! use tower_salesforce_auth::store::{Revision, StoreError, StoreKey, Stored, Swap, TokenStore};
//!
//! #[derive(Default)]
//! struct Mine(Mutex<HashMap<StoreKey, Stored>>);
//!
//! impl TokenStore for Mine {
//!     async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
//!         Ok(self.0.lock().await.get(key).cloned())
//!     }
//!
//!     async fn compare_and_swap(
//!         &self,
//!         key: &StoreKey,
//!         expected: Option<Revision>,
//!         record: &[u8],
//!     ) -> Result<Swap, StoreError> {
//!         let mut records = self.0.lock().await;
//!         let current = records.get(key).cloned();
//!         if current.as_ref().map(|stored| stored.revision) != expected {
//!             return Ok(Swap::Conflict(current));
//!         }
//!         let revision = Revision::new(expected.map_or(1, |revision| revision.get() + 1));
//!         records.insert(key.clone(), Stored { revision, bytes: record.to_vec() });
//!         Ok(Swap::Applied(revision))
//!     }
//! }
//! ```

#[cfg(feature = "file")]
mod file;
mod memory;
mod reason;

use std::{error::Error as StdError, fmt, future::Future, pin::Pin, sync::Arc};

use sha2::{Digest, Sha256};

#[cfg(feature = "file")]
pub use self::file::FileStore;
pub use self::memory::MemoryStore;
use self::reason::Reason;
use crate::BoxError;

/// The most bytes that a record may have.
pub const MAX_RECORD_BYTES: usize = 64 * 1024;

/// Keeps one opaque record per key and swaps it atomically.
///
/// # Contract
///
/// 1. Linearizable per key; a read never returns an older revision than this handle has already seen.
/// 2. [`Swap::Applied`] means durable to the level that [`capabilities`](Self::capabilities) declares.
/// 3. Records are read and written whole. They are opaque, at most [`MAX_RECORD_BYTES`], hold secrets, and must
///    appear in no error and no log.
/// 4. Dropping a future may still leave the write done. An error says whether the write may have been applied
///    ([`StoreError::may_have_applied`]).
/// 5. After an ambiguous error the store does not try a second time by itself.
/// 6. Revisions of a key never repeat, also after the record was removed and made again.
///
/// Time limits are the library's: 1 s for a load, 2 s for a swap. A future over its limit is dropped.
pub trait TokenStore: Send + Sync + 'static {
    /// Reads the record under `key`; `None` if there is none.
    ///
    /// # Errors
    ///
    /// When the store cannot be read. A record that is there but damaged is an error, never `None`.
    fn load(&self, key: &StoreKey) -> impl Future<Output = Result<Option<Stored>, StoreError>> + Send;

    /// Writes `record` under a fresh revision if the current revision is `expected` (`None`: nothing may be there).
    ///
    /// # Errors
    ///
    /// When the store cannot be written, or when it is not known whether it was.
    fn compare_and_swap(
        &self,
        key: &StoreKey,
        expected: Option<Revision>,
        record: &[u8],
    ) -> impl Future<Output = Result<Swap, StoreError>> + Send;

    /// Resolves when the record under `key` may have changed. Only a hint: it may be lost, doubled or late, and the
    /// default never comes. The library polls anyway.
    fn changed(&self, key: &StoreKey) -> impl Future<Output = ()> + Send {
        let _ = key;
        std::future::pending()
    }

    /// Who shares this store and whether an applied swap survives a crash. The default promises least.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }
}

/// The name of one connection's record: a hash of the connection id and the kind of grant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreKey(Arc<str>);

impl StoreKey {
    /// The key of `connection` under `grant_kind`.
    #[must_use]
    pub fn new(connection: &str, grant_kind: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update((connection.len() as u64).to_be_bytes());
        hash.update(connection);
        hash.update(grant_kind);
        let mut text = String::with_capacity(64);
        for byte in hash.finalize() {
            text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
            text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
        }
        Self(text.into())
    }

    /// 64 lower-case hexadecimal digits: safe as a file name, a table key, a Redis key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A record's revision: never the same twice under one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Revision(u64);

impl Revision {
    /// Wraps the store's own number.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The store's own number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// A record as read. `Debug` shows its length only.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// The revision to name in the swap that replaces this record.
    pub revision: Revision,
    /// The record, opaque to the store.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored").field("revision", &self.revision).field("len", &self.bytes.len()).finish()
    }
}

/// The outcome of a swap that was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swap {
    /// The record was written under this revision.
    Applied(Revision),
    /// Another revision was there; nothing was written.
    Conflict(Option<Stored>),
}

/// Who sees the records of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Scope {
    /// This process alone.
    #[default]
    Process,
    /// The processes of one host.
    Host,
    /// Any process that reaches the store.
    Cluster,
}

/// What a store promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Who sees the records.
    pub scope: Scope,
    /// Whether an applied swap survives a crash of the process and of the store.
    pub durable: bool,
    /// Whether the application said that losing the records is acceptable.
    pub loss_accepted: bool,
}

impl Capabilities {
    /// Records seen by `scope`, durable or not.
    #[must_use]
    pub const fn new(scope: Scope, durable: bool) -> Self {
        Self { scope, durable, loss_accepted: false }
    }

    /// Says that losing the records is acceptable: a rotating grant may then use a store that is not durable.
    #[must_use]
    pub const fn accept_loss(mut self) -> Self {
        self.loss_accepted = true;
        self
    }
}

/// Why a store could not do its work.
///
/// Of the error that it is made from, and of that one's sources, the words are kept and not the error: a driver's error
/// may repeat the URL it was given. User parts of URLs and what is called a password, a secret, a token or a key are
/// masked, control characters escaped, and 1,024 bytes of each text kept. A store that wants to be told more logs it
/// where it happens.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    may_have_applied: bool,
    source: Reason,
}

/// What went wrong in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// It cannot be reached, or did not answer in time.
    Unavailable,
    /// The record is there but cannot be read. Nobody overwrites it.
    Corrupt,
    /// Permissions, a wrong owner, a symbolic link: the place is not safe to use.
    Unsafe,
}

impl StoreError {
    /// The store could not be reached, and nothing was written.
    pub fn unavailable(source: impl Into<BoxError>) -> Self {
        Self::new(StoreErrorKind::Unavailable, false, source.into())
    }

    /// A swap was sent and its outcome is not known.
    pub fn ambiguous(source: impl Into<BoxError>) -> Self {
        Self::new(StoreErrorKind::Unavailable, true, source.into())
    }

    /// The record is there but damaged.
    pub fn corrupt(source: impl Into<BoxError>) -> Self {
        Self::new(StoreErrorKind::Corrupt, false, source.into())
    }

    /// The place where records are kept is not safe to use.
    pub fn unsafe_place(source: impl Into<BoxError>) -> Self {
        Self::new(StoreErrorKind::Unsafe, false, source.into())
    }

    fn new(kind: StoreErrorKind, may_have_applied: bool, source: BoxError) -> Self {
        Self { kind, may_have_applied, source: Reason::of(&*source) }
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Whether the write may have been applied nevertheless.
    #[must_use]
    pub fn may_have_applied(&self) -> bool {
        self.may_have_applied
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.kind, self.may_have_applied) {
            (StoreErrorKind::Unavailable, false) => "the token store is unavailable",
            (StoreErrorKind::Unavailable, true) => "the token store did not confirm a write",
            (StoreErrorKind::Corrupt, _) => "the stored token record is damaged",
            (StoreErrorKind::Unsafe, _) => "the token store's place is not safe to use",
        })
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.source)
    }
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Any [`TokenStore`], behind a pointer that can be cloned: several sessions can hold one store.
#[derive(Clone)]
pub struct SharedStore(Arc<dyn DynStore>);

impl SharedStore {
    /// Shares `store`.
    pub fn new(store: impl TokenStore) -> Self {
        Self(Arc::new(store))
    }
}

impl fmt::Debug for SharedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedStore").field("capabilities", &self.0.capabilities()).finish_non_exhaustive()
    }
}

impl<T: TokenStore> From<T> for SharedStore {
    fn from(store: T) -> Self {
        Self::new(store)
    }
}

/// The same contract, once more, with the types gone.
impl SharedStore {
    pub(crate) fn load<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Option<Stored>, StoreError>> {
        self.0.load(key)
    }

    pub(crate) fn compare_and_swap<'a>(
        &'a self,
        key: &'a StoreKey,
        expected: Option<Revision>,
        record: &'a [u8],
    ) -> BoxFuture<'a, Result<Swap, StoreError>> {
        self.0.compare_and_swap(key, expected, record)
    }

    pub(crate) fn changed<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, ()> {
        self.0.changed(key)
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
}

/// The dyn-compatible twin of [`TokenStore`].
trait DynStore: Send + Sync {
    fn load<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Option<Stored>, StoreError>>;
    fn compare_and_swap<'a>(
        &'a self,
        key: &'a StoreKey,
        expected: Option<Revision>,
        record: &'a [u8],
    ) -> BoxFuture<'a, Result<Swap, StoreError>>;
    fn changed<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, ()>;
    fn capabilities(&self) -> Capabilities;
}

impl<T: TokenStore> DynStore for T {
    fn load<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Option<Stored>, StoreError>> {
        Box::pin(TokenStore::load(self, key))
    }

    fn compare_and_swap<'a>(
        &'a self,
        key: &'a StoreKey,
        expected: Option<Revision>,
        record: &'a [u8],
    ) -> BoxFuture<'a, Result<Swap, StoreError>> {
        Box::pin(TokenStore::compare_and_swap(self, key, expected, record))
    }

    fn changed<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, ()> {
        Box::pin(TokenStore::changed(self, key))
    }

    fn capabilities(&self) -> Capabilities {
        TokenStore::capabilities(self)
    }
}
