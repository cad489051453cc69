//! A store that a test can look into.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::Semaphore;
use tower_salesforce_auth::store::{
    Capabilities, MemoryStore, Revision, Scope, StoreError, StoreKey, Stored, Swap, TokenStore,
};

/// A memory store that counts, can be down, and can panic.
#[derive(Clone, Default)]
pub struct Probe {
    pub inner: Arc<Mutex<Arc<MemoryStore>>>,
    pub loads: Arc<AtomicUsize>,
    pub swaps: Arc<AtomicUsize>,
    pub applied: Arc<AtomicUsize>,
    pub down: Arc<AtomicBool>,
    /// Swaps fail.
    pub is_read_only: Arc<AtomicBool>,
    /// So many swaps panic.
    pub panics: Arc<AtomicUsize>,
    /// So many loads panic.
    pub load_panics: Arc<AtomicUsize>,
    /// So many loads fail.
    pub hiccups: Arc<AtomicUsize>,
    /// Loads, or swaps, never end.
    pub loads_hang: Arc<AtomicBool>,
    pub swaps_hang: Arc<AtomicBool>,
    /// Whether it hints at a change at any time.
    pub hints: Arc<AtomicBool>,
    /// Whether it says that it may lose what it took.
    pub is_lossy: Arc<AtomicBool>,
    load_gate: Arc<Mutex<Option<Arc<Semaphore>>>>,
}

impl Probe {
    pub fn applied(&self) -> usize {
        self.applied.load(Ordering::SeqCst)
    }

    /// Loads that begin from now on wait, with what they have read, for permits of the returned semaphore.
    pub fn hold_loads(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        *self.load_gate.lock().unwrap() = Some(Arc::clone(&gate));
        gate
    }

    /// Loads that begin from now on wait for nothing. What is held stays so.
    pub fn hold_no_more_loads(&self) {
        *self.load_gate.lock().unwrap() = None;
    }

    /// Loses all records.
    pub fn forget(&self) {
        *self.inner.lock().unwrap() = Arc::default();
    }

    fn records(&self) -> Arc<MemoryStore> {
        Arc::clone(&self.inner.lock().unwrap())
    }

    pub async fn record(&self) -> String {
        let key = StoreKey::new("acme", "refresh_token");
        let stored = self.records().load(&key).await.unwrap().expect("a record");
        String::from_utf8(stored.bytes).unwrap()
    }
}

impl TokenStore for Probe {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        assert!(!one_less(&self.load_panics), "the store has a bug");
        if self.loads_hang.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if one_less(&self.hiccups) || self.down.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("down"));
        }
        let stored = self.records().load(key).await;
        let gate = self.load_gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate.acquire().await.unwrap().forget();
        }
        stored
    }

    async fn compare_and_swap(
        &self,
        key: &StoreKey,
        expected: Option<Revision>,
        record: &[u8],
    ) -> Result<Swap, StoreError> {
        self.swaps.fetch_add(1, Ordering::SeqCst);
        if self.swaps_hang.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        assert!(!one_less(&self.panics), "the store has a bug");
        if self.down.load(Ordering::SeqCst) || self.is_read_only.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("down"));
        }
        let swap = self.records().compare_and_swap(key, expected, record).await?;
        self.applied.fetch_add(usize::from(matches!(swap, Swap::Applied(_))), Ordering::SeqCst);
        Ok(swap)
    }

    async fn changed(&self, _key: &StoreKey) {
        if !self.hints.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }

    fn capabilities(&self) -> Capabilities {
        if self.is_lossy.load(Ordering::SeqCst) {
            return Capabilities::new(Scope::Cluster, false).accept_loss();
        }
        Capabilities::new(Scope::Process, true)
    }
}

/// Whether it was above 0 and is one less now.
fn one_less(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
}
