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

use tower_salesforce_auth::store::{Revision, StoreError, StoreKey, Stored, Swap, TokenStore};

use self::ground::{Ground, Store};

/// A key that no other test uses.
fn key(test: &str) -> StoreKey {
    StoreKey::new(test, "refresh_token")
}

async fn create(store: &impl TokenStore, key: &StoreKey, record: &[u8]) -> Revision {
    applied(in_time(|| store.compare_and_swap(key, None, record)).await)
}

async fn stored(store: &impl TokenStore, key: &StoreKey) -> Stored {
    in_time(|| store.load(key)).await.map_err(|error| told(&error)).unwrap().unwrap()
}

/// Tries again what was late because the machine is loaded, unless it may have been done.
async fn in_time<T, F>(work: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    for _ in 0..20 {
        match work().await {
            Err(error) if is_late(&error) => {}
            outcome => return outcome,
        }
    }
    work().await
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
    let mut current = in_time(|| store.load(key)).await.unwrap();
    loop {
        let expected = current.as_ref().map(|stored| stored.revision);
        let next = current.as_ref().map_or(0, number) + 1;
        match store.compare_and_swap(key, expected, &next.to_be_bytes()).await {
            Ok(Swap::Applied(revision)) => return (expected, revision),
            Ok(Swap::Conflict(found)) => {
                let revision = found.as_ref().map(|found| found.revision);
                assert_ne!(revision, expected, "a conflict with what was expected");
                current = found;
            }
            Err(error) => assert!(is_late(&error), "{}", told(&error)),
        }
    }
}

/// Whether nothing was written because the machine is loaded, or because Postgres saw a conflict where there was none.
fn is_late(error: &StoreError) -> bool {
    let text = told(error);
    !error.may_have_applied() && (text.contains("in time") || text.contains("left the record as it was"))
}

fn number(stored: &Stored) -> u64 {
    u64::from_be_bytes(stored.bytes.as_slice().try_into().unwrap())
}
