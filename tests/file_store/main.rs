//! `store::FileStore` from outside: many handles, tasks and processes over one directory.
#![cfg(feature = "file")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "that is how a test fails")]

mod contract;
#[cfg(unix)]
mod place;
mod processes;

use std::{error::Error, ffi::OsStr, fs, path::PathBuf};

use tempfile::TempDir;
use tower_salesforce_auth::store::{
    FileStore, Revision, StoreError, StoreErrorKind, StoreKey, Stored, Swap, TokenStore,
};

/// A directory that does not exist yet, in one that is removed in the end.
struct Ground {
    above: TempDir,
}

impl Ground {
    fn new() -> Self {
        Self { above: TempDir::new().unwrap() }
    }

    fn dir(&self) -> PathBuf {
        self.above.path().join("tokens")
    }

    fn open(&self) -> FileStore {
        FileStore::open(self.dir()).unwrap()
    }

    fn file(&self, extension: &str) -> PathBuf {
        self.dir().join(format!("{}.{extension}", key()))
    }

    fn temporary_files(&self) -> usize {
        let entries = fs::read_dir(self.dir()).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().path().extension() == Some(OsStr::new("tmp"))).count()
    }
}

fn key() -> StoreKey {
    StoreKey::new("acme", "refresh_token")
}

async fn create(store: &FileStore, record: &[u8]) -> Revision {
    applied(store.compare_and_swap(&key(), None, record).await)
}

async fn stored(store: &FileStore) -> Stored {
    store.load(&key()).await.unwrap().unwrap()
}

fn applied(swap: Result<Swap, StoreError>) -> Revision {
    match swap {
        Ok(Swap::Applied(revision)) => revision,
        other => panic!("expected an applied swap, got {other:?}"),
    }
}

/// The error with all its sources, as text that a person reads.
fn told(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

/// Adds one to the number in the record, however often others come first; the expected and the applied revision.
async fn increment(store: &FileStore) -> (Option<Revision>, Revision) {
    let mut current = store.load(&key()).await.unwrap();
    loop {
        let expected = current.as_ref().map(|stored| stored.revision);
        let next = current.as_ref().map_or(0, number) + 1;
        match store.compare_and_swap(&key(), expected, &next.to_be_bytes()).await {
            Ok(Swap::Applied(revision)) => return (expected, revision),
            Ok(Swap::Conflict(found)) => current = found,
            // On a slow disk the lock may not come free in time: nothing was written.
            Err(error) if error.kind() == StoreErrorKind::Unavailable && !error.may_have_applied() => {}
            Err(error) => panic!("{}", told(&error)),
        }
    }
}

fn number(stored: &Stored) -> u64 {
    u64::from_be_bytes(stored.bytes.as_slice().try_into().unwrap())
}
