//! The stores that ship, and the one of the example, keep the contract.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use tempfile::TempDir;
use tower_salesforce_auth::{
    store::{FileStore, KeyRing, MemoryStore, Sealed, SealingKey, TokenStore},
    testing::{ConformanceReport, store_conformance},
};

use crate::{journal::Journal, rig::skipped};

/// Where a second process finds the store.
pub(crate) const DIRECTORY: &str = "CONFORMANCE_TEST_DIRECTORY";

fn keys() -> KeyRing {
    KeyRing::new(SealingKey::new([7; 32]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_keeps_the_contract() {
    let store = Arc::new(MemoryStore::volatile());
    let report = store_conformance(async || Arc::clone(&store)).printing(|store| format!("{store:?}")).await;
    report.assert_passed();
    assert_eq!(
        skipped(&report),
        [
            "fresh_revisions_after_removal",
            "an_outage_is_not_absence",
            "damage_is_not_absence",
            "two_processes",
            "survives_a_kill",
            "outlives_its_handles",
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sealed_memory_keeps_the_contract() {
    let store = Sealed::new(Arc::new(MemoryStore::volatile()), keys());
    store_conformance(async || store.clone()).printing(|store| format!("{store:?}")).await.assert_passed();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_store_of_the_example_keeps_the_contract() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("tokens.journal");
    let store = Journal::open(&path).unwrap();
    store_conformance(async || store.clone()).await.assert_passed();
    drop(store);
    Journal::open(&path).expect("what was written can be read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn files_keep_the_contract_for_any_number_of_processes() {
    let report =
        on_files("passing::files_keep_the_contract_for_any_number_of_processes", |store| store).await;
    report.assert_passed();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sealed_files_keep_the_contract_for_any_number_of_processes() {
    let test = "passing::sealed_files_keep_the_contract_for_any_number_of_processes";
    on_files(test, |store| Sealed::new(store, keys())).await.assert_passed();
}

/// The whole kit on a directory of files; all of it is run.
async fn on_files<S: TokenStore + std::fmt::Debug>(
    test: &str,
    wrap: impl Fn(FileStore) -> S,
) -> ConformanceReport {
    let above = TempDir::new().unwrap();
    let child = env::var_os(DIRECTORY);
    let dir = child.clone().map_or_else(|| above.path().join("tokens"), PathBuf::from);
    let elsewhere = above.path().join("elsewhere");
    let record = |dir: &Path, key: &str| dir.join(format!("{key}.record"));
    let (removing, damaging, moving) = (dir.clone(), dir.clone(), dir.clone());
    let report = store_conformance(async || wrap(FileStore::open(&dir).unwrap()))
        .removing(move |key| {
            fs::remove_file(record(&removing, key.as_str())).unwrap();
            async {}
        })
        .damaging(move |key| {
            fs::write(record(&damaging, key.as_str()), b"damaged").unwrap();
            async {}
        })
        .outages(move |down| {
            let (from, to) = if down { (&moving, &elsewhere) } else { (&elsewhere, &moving) };
            fs::rename(from, to).unwrap();
            async {}
        })
        .second_process(|| this_test(test, &dir))
        .printing(|store| format!("{store:?}"))
        .await;
    assert_eq!(skipped(&report), [""; 0], "all of it");
    report
}

pub(crate) fn this_test(test: &str, dir: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test]).env(DIRECTORY, OsString::from(dir));
    command
}
