//! Who waits for a change of which key.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;

use crate::store::StoreKey;

/// The waiters of a store, by key.
#[derive(Default)]
pub(in crate::store) struct Hints(Mutex<HashMap<Box<str>, Arc<Notify>>>);

impl Hints {
    /// What is notified when the record under `key` may have changed.
    pub(in crate::store) fn of(&self, key: &StoreKey) -> Arc<Notify> {
        let mut waiters = self.0.lock().unwrap_or_else(PoisonError::into_inner); // F011
        Arc::clone(waiters.entry(key.as_str().into()).or_default())
    }

    /// The record under the key that is written like `text` may have changed.
    pub(in crate::store) fn wake(&self, text: &str) {
        let waiters = self.0.lock().unwrap_or_else(PoisonError::into_inner); // F011
        if let Some(waiter) = waiters.get(text) {
            waiter.notify_waiters();
            // For a waiter that is reading the record just now, and comes back.
            waiter.notify_one();
        }
    }
}
