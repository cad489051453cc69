//! Stores that are right in one process and wrong in two.

use std::{
    env,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};
use tower_salesforce_auth::{
    store::{Capabilities, Revision, Scope, StoreError, StoreKey, Stored, Swap, TokenStore},
    testing::{ConformanceOutcome, ConformanceReport, store_conformance},
};

use crate::{
    passing::{DIRECTORY, this_test},
    rig::{failed, skipped},
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    LockOfOneProcess,
    /// What a process that crashed has written is removed by the next one that opens.
    CrashesLoseRecords,
}

/// A record in a file, under a lock.
struct Files {
    dir: PathBuf,
    flaw: Flaw,
    /// Held as long as this handle lives, and then removed.
    alive: (PathBuf, File),
}

static OF_THIS_PROCESS: Mutex<()> = Mutex::const_new(());

impl Files {
    fn open(dir: &Path, flaw: Flaw) -> Self {
        fs::create_dir_all(dir).unwrap();
        let entries = || fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        for marker in entries().filter(|path| path.extension().is_some_and(|end| end == "alive")) {
            let Ok(file) = File::open(&marker) else { continue }; // its owner has just removed it
            match file.try_lock() {
                Ok(()) if flaw == Flaw::CrashesLoseRecords => {
                    entries()
                        .filter(|path| path.extension().is_none())
                        .for_each(|path| fs::remove_file(path).unwrap());
                    fs::remove_file(&marker).unwrap();
                }
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => panic!("{error}"),
            }
        }
        let path = tempfile::Builder::new()
            .suffix(".alive")
            .tempfile_in(dir)
            .unwrap()
            .into_temp_path()
            .keep()
            .unwrap();
        let file = File::open(&path).unwrap();
        file.lock().unwrap();
        Self { dir: dir.to_owned(), flaw, alive: (path, file) }
    }

    async fn lock(&self) -> (MutexGuard<'static, ()>, Option<File>) {
        let of_this_process = OF_THIS_PROCESS.lock().await;
        if self.flaw == Flaw::LockOfOneProcess {
            return (of_this_process, None);
        }
        let file = File::create(self.dir.join("all.lock")).unwrap();
        while file.try_lock().is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        (of_this_process, Some(file))
    }

    fn read(&self, key: &StoreKey) -> Option<Stored> {
        let bytes = fs::read(self.dir.join(key.as_str())).ok()?;
        let (revision, bytes) = bytes.split_first_chunk().unwrap();
        Some(Stored { revision: Revision::new(u64::from_be_bytes(*revision)), bytes: bytes.to_vec() })
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.alive.1.unlock().unwrap();
        fs::remove_file(&self.alive.0).unwrap();
    }
}

impl TokenStore for Files {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        Ok(self.read(key))
    }

    async fn compare_and_swap(
        &self,
        key: &StoreKey,
        expected: Option<Revision>,
        record: &[u8],
    ) -> Result<Swap, StoreError> {
        let _lock = self.lock().await;
        let current = self.read(key);
        if current.as_ref().map(|stored| stored.revision) != expected {
            return Ok(Swap::Conflict(current));
        }
        if self.flaw == Flaw::LockOfOneProcess {
            tokio::time::sleep(Duration::from_millis(1)).await; // the others may come
        }
        let revision = expected.map_or(1, |revision| revision.get() + 1);
        let mut file = tempfile::Builder::new().suffix(".new").tempfile_in(&self.dir).unwrap();
        std::io::Write::write_all(&mut file, &[&revision.to_be_bytes(), record].concat()).unwrap();
        file.persist(self.dir.join(key.as_str())).unwrap();
        Ok(Swap::Applied(Revision::new(revision)))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Scope::Host, true)
    }
}

async fn report_on(flaw: Flaw, test: &str) -> ConformanceReport {
    let above = TempDir::new().unwrap();
    let dir = env::var_os(DIRECTORY).map_or_else(|| above.path().join("tokens"), PathBuf::from);
    store_conformance(async || Files::open(&dir, flaw)).second_process(|| this_test(test, &dir)).await
}

fn is_second_process(report: &ConformanceReport) -> bool {
    report.cases().len() == 1
}

#[tokio::test]
async fn a_store_for_several_processes_passes() {
    let report = report_on(Flaw::None, "processes::a_store_for_several_processes_passes").await;
    report.assert_passed();
    if !is_second_process(&report) {
        assert_eq!(
            skipped(&report),
            ["fresh_revisions_after_removal", "an_outage_is_not_absence", "damage_is_not_absence"]
        );
    }
}

#[tokio::test]
async fn f085_a_lock_of_one_process_fails_the_case_of_two() {
    let test = "processes::f085_a_lock_of_one_process_fails_the_case_of_two";
    let report = report_on(Flaw::LockOfOneProcess, test).await;
    if !is_second_process(&report) {
        assert_eq!(failed(&report), ["two_processes"], "{report}");
    }
}

#[tokio::test]
async fn records_that_die_with_their_process_fail_the_case_about_that() {
    let test = "processes::records_that_die_with_their_process_fail_the_case_about_that";
    let report = report_on(Flaw::CrashesLoseRecords, test).await;
    if !is_second_process(&report) {
        assert_eq!(failed(&report), ["survives_a_kill"], "{report}");
    }
}

#[tokio::test]
async fn a_second_process_that_does_something_else_is_told_from_a_store_that_is_wrong() {
    let directory = TempDir::new().unwrap();
    let report = store_conformance(async || Files::open(directory.path(), Flaw::None))
        .second_process(|| this_test("no::such::test", directory.path()))
        .await;
    assert_eq!(failed(&report), ["two_processes", "survives_a_kill"]);
    for case in report.failed() {
        let ConformanceOutcome::Failed(seen) = case.outcome() else { panic!() };
        assert!(seen.contains("ended") && seen.contains("running 0 tests"), "{seen}");
    }
}
