//! A store that a test can look into.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tower_salesforce_auth::store::{
    Capabilities, MemoryStore, Revision, Scope, StoreError, StoreKey, Stored, Swap, TokenStore,
};

/// A memory store that counts, can be down, and can panic.
#[derive(Clone, Default)]
pub struct Probe {
    pub inner: Arc<MemoryStore>,
    pub loads: Arc<AtomicUsize>,
    pub applied: Arc<AtomicUsize>,
    pub down: Arc<AtomicBool>,
    pub panics: Arc<AtomicBool>,
}

impl Probe {
    pub fn applied(&self) -> usize {
        self.applied.load(Ordering::SeqCst)
    }

    pub async fn record(&self) -> String {
        let key = StoreKey::new("acme", "refresh_token");
        let stored = self.inner.load(&key).await.unwrap().expect("a record");
        String::from_utf8(stored.bytes).unwrap()
    }
}

impl TokenStore for Probe {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("down"));
        }
        self.inner.load(key).await
    }

    async fn compare_and_swap(
        &self,
        key: &StoreKey,
        expected: Option<Revision>,
        record: &[u8],
    ) -> Result<Swap, StoreError> {
        assert!(!self.panics.load(Ordering::SeqCst), "the store has a bug");
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("down"));
        }
        let swap = self.inner.compare_and_swap(key, expected, record).await?;
        self.applied.fetch_add(usize::from(matches!(swap, Swap::Applied(_))), Ordering::SeqCst);
        Ok(swap)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Scope::Process, true)
    }
}
