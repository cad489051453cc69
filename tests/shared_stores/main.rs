//! `store::RedisStore` and `store::PostgresStore` from outside, on real servers that the tests start and end.
#![cfg(all(unix, feature = "postgres", feature = "redis"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "that is how a test fails")]

mod conformance;
mod contract;
mod ground;
mod postgres;
mod processes;
mod redis;
#[path = "../servers/mod.rs"]
mod servers;
mod trouble;

use std::error::Error;

use tower_salesforce_auth::store::{
    Revision, StoreError, StoreErrorKind, StoreKey, Stored, Swap, TokenStore,
};

use self::ground::{Ground, Store};

/// A key that no other test uses.
fn key(test: &str) -> StoreKey {
    StoreKey::new(test, "refresh_token")
}

async fn create(store: &impl TokenStore, key: &StoreKey, record: &[u8]) -> Revision {
    applied(store.compare_and_swap(key, None, record).await)
}

async fn stored(store: &impl TokenStore, key: &StoreKey) -> Stored {
    store.load(key).await.map_err(|error| told(&error)).unwrap().unwrap()
}

fn applied(swap: Result<Swap, StoreError>) -> Revision {
    match swap {
        Ok(Swap::Applied(revision)) => revision,
        Ok(Swap::Conflict(found)) => panic!("expected an applied swap, found {found:?}"),
        Err(error) => panic!("expected an applied swap: {}", told(&error)),
    }
}

/// The error with all its sources, as text that a person reads.
fn told(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

/// Adds one to the number in the record, however often others come first; the expected and the applied revision.
async fn increment(store: &impl TokenStore, key: &StoreKey) -> (Option<Revision>, Revision) {
    let mut current = loop {
        match store.load(key).await {
            Ok(found) => break found,
            // On a loaded machine it may be late.
            Err(error) => assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{}", told(&error)),
        }
    };
    loop {
        let expected = current.as_ref().map(|stored| stored.revision);
        let next = current.as_ref().map_or(0, number) + 1;
        match store.compare_and_swap(key, expected, &next.to_be_bytes()).await {
            Ok(Swap::Applied(revision)) => return (expected, revision),
            Ok(Swap::Conflict(found)) => {
                assert_ne!(
                    found.as_ref().map(|found| found.revision),
                    expected,
                    "a conflict with what was expected"
                );
                current = found;
            }
            // Nothing was written.
            Err(error) if error.kind() == StoreErrorKind::Unavailable && !error.may_have_applied() => {}
            Err(error) => panic!("{}", told(&error)),
        }
    }
}

fn number(stored: &Stored) -> u64 {
    u64::from_be_bytes(stored.bytes.as_slice().try_into().unwrap())
}
