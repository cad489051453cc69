//! Records encrypted and authenticated before they reach a store.

mod format;
mod key_ring;

use std::{fmt, sync::Arc};

use zeroize::Zeroizing;

pub use self::key_ring::{KeyRing, SealingKey, SealingKeyError};
use super::{Capabilities, MAX_RECORD_BYTES, Revision, StoreError, StoreKey, Stored, Swap, TokenStore};

/// Seals every record before the store below sees it (feature `sealed`).
///
/// ```
/// use tower_salesforce_auth::store::{KeyRing, MemoryStore, Sealed, SealingKey};
///
/// # fn main() -> Result<(), tower_salesforce_auth::BoxError> {
/// # let from_secret_manager = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
/// // `openssl rand -hex 32`, kept where the application keeps its secrets, and not in the store.
/// let keys = KeyRing::new(SealingKey::from_hex(from_secret_manager)?);
/// let store = Sealed::new(MemoryStore::volatile(), keys); // or any other store
/// # drop(store);
/// # Ok(())
/// # }
/// ```
///
/// A record is encrypted with AES-256-GCM and authenticated together with the name of the key that sealed it, the key
/// that it is stored under and the version of the format. So whoever reads the store or a backup of it learns nothing
/// but the length of a record, and a record that was altered, or moved to another connection, is
/// [`Corrupt`](super::StoreErrorKind::Corrupt): never "absent", and never another connection's session. Revisions and
/// swaps are those of the store below.
///
/// What it does not see is a record put back that was whole once: whoever may write to the store can restore an older
/// one. The library treats that as it does a restored backup.
///
/// Each connection's records have an encryption key of their own, derived from the sealing key, with a random nonce of
/// 96 bits a record. Such nonces are good for 2³² records under one key: 136 years of one write a second to one
/// connection.
///
/// # Changing the key
///
/// Every process must be able to open what any other seals, so a new key goes out in two steps:
///
/// 1. Give it to all processes for opening: `KeyRing::new(current).also_opens(next)`.
/// 2. When all have it, seal with it: `KeyRing::new(next).also_opens(current)`.
///
/// Whatever is written from then on is sealed under the new key, and a connection writes at each refresh.
/// [`reseal`](Self::reseal) does it for one that is idle. A record whose key is no longer in the ring is
/// [`KeyUnavailable`](super::StoreErrorKind::KeyUnavailable); nobody overwrites it, so that giving the key back is
/// enough.
///
/// # Sealing an existing store
///
/// [`accept_plaintext`](Self::accept_plaintext) opens records that were written before.
///
/// # Bounds
///
/// A sealed record has 44 bytes more than the record, and is at most [`MAX_RECORD_BYTES`] long. The library's own
/// records leave room for that.
#[derive(Clone)]
pub struct Sealed<S> {
    store: S,
    keys: Arc<KeyRing>,
    accepts_plaintext: bool,
}

impl<S> Sealed<S> {
    /// Seals what goes to `store` under the first of `keys`, and opens what any of them has sealed.
    pub fn new(store: S, keys: KeyRing) -> Self {
        Self { store, keys: Arc::new(keys), accepts_plaintext: false }
    }

    /// Takes records that are not sealed as they are, for the time until each has been written once.
    ///
    /// Until this is taken away again, whoever may write to the store can put a record of theirs there. Processes that
    /// do not seal yet cannot read what this one writes: stop them before.
    #[must_use]
    pub fn accept_plaintext(mut self) -> Self {
        self.accepts_plaintext = true;
        self
    }

    /// The store below.
    pub fn get_ref(&self) -> &S {
        &self.store
    }

    /// The store below.
    pub fn into_inner(self) -> S {
        self.store
    }

    fn open(&self, key: &StoreKey, stored: Stored) -> Result<Stored, StoreError> {
        let Stored { revision, bytes } = stored;
        if self.accepts_plaintext && !format::is_sealed(&bytes) {
            return Ok(Stored { revision, bytes });
        }
        Ok(Stored { revision, bytes: format::open(&self.keys, key, bytes)? })
    }
}

impl<S: TokenStore> Sealed<S> {
    /// Seals the record under `key` anew if it is not sealed under the first key of the ring, or not at all.
    ///
    /// Sessions that use the record meanwhile are not disturbed.
    ///
    /// # Errors
    ///
    /// As [`TokenStore::load`] and [`TokenStore::compare_and_swap`].
    pub async fn reseal(&self, key: &StoreKey) -> Result<(), StoreError> {
        let mut current = self.store.load(key).await?;
        // A conflict means that somebody else has written, so this goes on no longer than they do.
        while let Some(stored) = current {
            if format::is_sealed_under(self.keys.newest(), &stored.bytes) {
                break;
            }
            let opened = self.open(key, stored)?;
            let record = Zeroizing::new(opened.bytes);
            let sealed = format::seal(self.keys.newest(), key, &record)?;
            current = match self.store.compare_and_swap(key, Some(opened.revision), &sealed).await? {
                Swap::Applied(_) => break,
                Swap::Conflict(found) => found,
            };
        }
        Ok(())
    }
}

impl<S: TokenStore> TokenStore for Sealed<S> {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        let stored = self.store.load(key).await?;
        stored.map(|stored| self.open(key, stored)).transpose()
    }

    async fn compare_and_swap(
        &self,
        key: &StoreKey,
        expected: Option<Revision>,
        record: &[u8],
    ) -> Result<Swap, StoreError> {
        let largest = MAX_RECORD_BYTES - format::OVERHEAD;
        if record.len() > largest {
            let len = record.len();
            return Err(StoreError::unavailable(format!(
                "the record has {len} bytes, and at most {largest} can be sealed"
            )));
        }
        let sealed = format::seal(self.keys.newest(), key, record)?;
        match self.store.compare_and_swap(key, expected, &sealed).await? {
            Swap::Conflict(Some(stored)) => Ok(Swap::Conflict(Some(self.open(key, stored)?))),
            decided => Ok(decided),
        }
    }

    fn changed(&self, key: &StoreKey) -> impl Future<Output = ()> + Send {
        self.store.changed(key)
    }

    fn capabilities(&self) -> Capabilities {
        self.store.capabilities().sealed()
    }
}

impl<S: fmt::Debug> fmt::Debug for Sealed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed")
            .field("store", &self.store)
            .field("keys", &self.keys)
            .field("accepts_plaintext", &self.accepts_plaintext)
            .finish()
    }
}
