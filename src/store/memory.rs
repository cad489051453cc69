//! A store in this process's memory.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{Capabilities, Revision, Scope, StoreError, StoreKey, Stored, Swap, TokenStore};

/// Keeps records in memory: gone when the process ends.
///
/// A grant whose refresh token may rotate loses its connection with the process, since the seed it was configured with
/// is spent by then. [`MemoryStore::volatile`] says in its name that this is accepted; it suits tests, short-lived
/// tools, and grants without a refresh token (which need no store at all).
#[derive(Default)]
pub struct MemoryStore {
    records: Mutex<Records>,
}

#[derive(Default)]
struct Records {
    by_key: HashMap<StoreKey, Stored>,
    /// Counts over all keys, so that a revision never repeats.
    last_revision: u64,
}

impl MemoryStore {
    /// A store whose records are lost when the process ends.
    #[must_use]
    pub fn volatile() -> Self {
        Self::default()
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner) // F011
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("records", &self.records().by_key.len()).finish()
    }
}

impl TokenStore for MemoryStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        Ok(self.records().by_key.get(key).cloned())
    }

    async fn compare_and_swap(
        &self,
        key: &StoreKey,
        expected: Option<Revision>,
        record: &[u8],
    ) -> Result<Swap, StoreError> {
        let mut records = self.records();
        let current = records.by_key.get(key);
        if current.map(|stored| stored.revision) != expected {
            return Ok(Swap::Conflict(current.cloned()));
        }
        records.last_revision += 1;
        let revision = Revision::new(records.last_revision);
        records.by_key.insert(key.clone(), Stored { revision, bytes: record.to_vec() });
        Ok(Swap::Applied(revision))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Scope::Process, false).accept_loss()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_swap_applies_only_over_the_expected_revision() {
        let (store, key) = (MemoryStore::volatile(), StoreKey::new("acme", "refresh_token"));
        let Ok(Swap::Applied(first)) = store.compare_and_swap(&key, None, b"one").await else {
            panic!("create")
        };
        assert!(matches!(store.compare_and_swap(&key, None, b"two").await, Ok(Swap::Conflict(Some(_)))));
        let Ok(Swap::Applied(second)) = store.compare_and_swap(&key, Some(first), b"two").await else {
            panic!()
        };
        assert_ne!(first, second);
        let Ok(Swap::Conflict(Some(stored))) = store.compare_and_swap(&key, Some(first), b"three").await
        else {
            panic!("a stale revision was accepted")
        };
        assert_eq!((stored.revision, stored.bytes.as_slice()), (second, b"two".as_slice()));
    }
}
