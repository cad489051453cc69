//! One store for several holders, with its type or without.

use std::{fmt, pin::Pin, sync::Arc};

use super::{Capabilities, Revision, StoreError, StoreKey, Stored, Swap, TokenStore};

/// Another handle on the same store.
impl<S: TokenStore> TokenStore for Arc<S> {
    fn load(&self, key: &StoreKey) -> impl Future<Output = Result<Option<Stored>, StoreError>> + Send {
        S::load(self, key)
    }

    fn compare_and_swap(
        &self,
        key: &StoreKey,
        expected: Option<Revision>,
        record: &[u8],
    ) -> impl Future<Output = Result<Swap, StoreError>> + Send {
        S::compare_and_swap(self, key, expected, record)
    }

    fn changed(&self, key: &StoreKey) -> impl Future<Output = ()> + Send {
        S::changed(self, key)
    }

    fn capabilities(&self) -> Capabilities {
        S::capabilities(self)
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
