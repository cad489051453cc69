//! Where a connection's tokens live: the contract of a [`TokenStore`] and the stores that ship with the crate.
//!
//! A store knows one primitive, *compare and swap a whole record under a key*. Everything else (who refreshes, who
//! waits, what a lost reply means) is the library's, so that a store stays small enough to be right.
//!
//! | store | records are seen by | survive a crash |
//! |---|---|---|
//! | [`MemoryStore`] | this process | no |
//! | `FileStore` (feature `file`) | the processes of this host | yes |
//! | `Sealed` (feature `sealed`) | as the store that it wraps, encrypted | as that |
//! | one of your own: a [`TokenStore`] | whom you say | if you say so |
#![cfg_attr(
    doc,
    doc = "\n[`guide::writing_a_store`](crate::guide::writing_a_store) has an example of the last, and the reasons."
)]

#[cfg(feature = "file")]
mod file;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
mod reason;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod remote;
#[cfg(any(feature = "file", feature = "postgres", feature = "redis"))]
mod revision;
#[cfg(feature = "sealed")]
mod sealed;
mod shared;

use std::{error::Error as StdError, fmt, future::Future, sync::Arc};

use sha2::{Digest, Sha256};

#[cfg(feature = "file")]
pub use self::file::FileStore;
#[cfg(feature = "postgres")]
pub use self::postgres::{PostgresConfig, PostgresStore};
use self::reason::Reason;
#[cfg(feature = "redis")]
pub use self::redis::{RedisConfig, RedisStore};
#[cfg(feature = "sealed")]
pub use self::sealed::{KeyRing, Sealed, SealingKey, SealingKeyError};
pub use self::{memory::MemoryStore, shared::SharedStore};
use crate::BoxError;

/// The most bytes that a record may have.
pub const MAX_RECORD_BYTES: usize = 64 * 1024;

/// What the library leaves of that to stores that add something to a record on its way to another store, as `Sealed`
/// does.
pub(crate) const WRAPPER_BYTES: usize = 1024;

/// Keeps one opaque record per key and swaps it atomically.
///
/// To write one: `guide::writing_a_store` has a worked example, and `testing::store_conformance` (feature `testing`)
/// checks what is asked for here.
///
/// # Contract
///
/// 1. Linearizable per key; a read never returns an older revision than this handle has already seen.
/// 2. [`Swap::Applied`] means durable to the level that [`capabilities`](Self::capabilities) declares.
/// 3. Records are read and written whole. They are opaque, at most [`MAX_RECORD_BYTES`], hold secrets, and must
///    appear in no error and no log. (The library's own are at most 63 KiB, so that a store which wraps another may add
///    1 KiB.)
/// 4. A future may be dropped at any point. The write is then done wholly or not at all. An error says whether the write
///    may have been applied ([`StoreError::may_have_applied`]).
/// 5. After an ambiguous error the store does not try a second time by itself.
/// 6. Revisions of a key never repeat, also after the record was removed and made again.
///
/// Time limits are the library's: 1 s for a load, 2 s for a swap. A future over its limit is dropped.
pub trait TokenStore: Send + Sync + 'static {
    /// Reads the record under `key`; `None` if there is none.
    ///
    /// # Errors
    ///
    /// When the store cannot be read. A record that is there but damaged is an error, never `None`, and so is a store that
    /// is away.
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

    /// A key that differs from this one in the last digit only.
    #[cfg(feature = "testing")]
    pub(crate) fn with_another_end(&self) -> Self {
        let (start, end) = self.0.split_at(self.0.len() - 1);
        Self(format!("{start}{}", if end == "0" { '1' } else { '0' }).into())
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
    /// Whether records are encrypted before they leave the process.
    pub sealed: bool,
}

impl Capabilities {
    /// Records seen by `scope`, durable or not.
    #[must_use]
    pub const fn new(scope: Scope, durable: bool) -> Self {
        Self { scope, durable, loss_accepted: false, sealed: false }
    }

    /// Says that losing the records is acceptable: a rotating grant may then use a store that is not durable.
    #[must_use]
    pub const fn accept_loss(mut self) -> Self {
        self.loss_accepted = true;
        self
    }

    /// Says that records are encrypted and authenticated before they leave the process: a session then takes a store
    /// that a cluster shares without further words.
    #[must_use]
    pub const fn sealed(mut self) -> Self {
        self.sealed = true;
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
    /// The record is there, sealed under a key that this process does not have. Nobody overwrites it.
    KeyUnavailable,
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

    /// The record is there but sealed under a key that is not at hand.
    pub fn key_unavailable(source: impl Into<BoxError>) -> Self {
        Self::new(StoreErrorKind::KeyUnavailable, false, source.into())
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
            (StoreErrorKind::KeyUnavailable, _) => "the key of the stored token record is not at hand",
            (StoreErrorKind::Unsafe, _) => "the token store's place is not safe to use",
        })
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.source)
    }
}

/// Refuses a record that is too long.
#[cfg(any(feature = "file", feature = "postgres", feature = "redis"))]
fn fits(record: &[u8]) -> Result<(), StoreError> {
    let len = record.len();
    if len <= MAX_RECORD_BYTES {
        return Ok(());
    }
    Err(StoreError::unavailable(format!(
        "the record has {len} bytes, and at most {MAX_RECORD_BYTES} can be stored"
    )))
}
