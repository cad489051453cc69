//! Who waits for a change of which key.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::store::StoreKey;

/// So many keys are remembered before those that nobody waits for are looked for.
const FEW: usize = 64;

/// The waiters of a store, by key.
#[derive(Default)]
pub(in crate::store) struct Hints(Mutex<HashMap<Box<str>, Arc<Notify>>>);

impl Hints {
    /// What is notified when the record under `key` may have changed.
    pub(in crate::store) fn of(&self, key: &StoreKey) -> Arc<Notify> {
        let mut waiters = self.lock();
        if let Some(waiter) = waiters.get(key.as_str()) {
            return Arc::clone(waiter);
        }
        // Not as soon as nobody waits: whoever reads the record just now comes back, and a hint is kept for it. A process
        // with a session for each of many customers must not keep all of them for ever. Each look makes room for as many
        // as it leaves.
        if waiters.len() >= FEW && waiters.len() == waiters.capacity() {
            waiters.retain(|_, waiter| Arc::strong_count(waiter) > 1);
            let left = waiters.len();
            waiters.shrink_to(left.max(FEW) * 2);
            waiters.reserve(left);
        }
        Arc::clone(waiters.entry(key.as_str().into()).or_default())
    }

    /// The record under the key that is written like `text` may have changed.
    pub(in crate::store) fn wake(&self, text: &str) {
        if let Some(waiter) = self.lock().get(text) {
            waiter.notify_waiters();
            // For a waiter that is reading the record just now, and comes back.
            waiter.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Notify>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner) // F011
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> StoreKey {
        StoreKey::new(&format!("customer-{n}"), "refresh_token")
    }

    #[test]
    fn keys_that_nobody_waits_for_any_more_are_forgotten_and_the_others_are_not() {
        let hints = Hints::default();
        let waited_for: Vec<_> = (0..100).map(|n| hints.of(&key(n))).collect();
        for n in 100..10_000 {
            hints.of(&key(n));
        }
        assert!(hints.lock().len() <= 1_000, "{}", hints.lock().len());
        for (n, waiter) in waited_for.iter().enumerate() {
            assert!(Arc::ptr_eq(waiter, &hints.of(&key(n))));
        }
    }

    #[tokio::test]
    async fn a_hint_between_two_waits_is_kept() {
        let (hints, key) = (Hints::default(), key(1));
        drop(hints.of(&key));
        hints.wake(key.as_str());
        hints.of(&key).notified().await;
    }
}
