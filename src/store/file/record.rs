//! Reading and replacing a record file.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::Path,
};

use super::{Failed, cannot, format, lock::KeyLock, place::Place};
use crate::store::{Revision, StoreError, StoreKey, Stored, Swap, revision::successor};

/// Reads the record of `key`. No lock is needed: a rename swaps whole files.
pub(super) fn read(place: &Place, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
    match place.open_file(OpenOptions::new().read(true), &place.record_file(key))? {
        Some(file) => format::read(key, file).map(Some),
        None => Ok(None),
    }
}

/// Compares and swaps under `lock`, which is the lock of `key`.
pub(super) fn swap(
    place: &Place,
    lock: &KeyLock,
    key: &StoreKey,
    expected: Option<Revision>,
    record: &[u8],
) -> Result<Swap, StoreError> {
    let current = read(place, key)?;
    let revision = current.as_ref().map(|stored| stored.revision);
    if revision != expected {
        return Ok(Swap::Conflict(current));
    }
    let next = successor(revision)?;
    replace(place, lock, key, next, record, File::sync_all)?;
    Ok(Swap::Applied(next))
}

/// Puts `record` in the place of whatever is there, whole and durable.
///
/// `sync` is [`File::sync_all`]; it is called for the new file, then for the directory. If it fails, its file is given
/// up: a second call on the same one could succeed without the bytes being on the disk (F034).
fn replace(
    place: &Place,
    lock: &KeyLock,
    key: &StoreKey,
    revision: Revision,
    record: &[u8],
    sync: impl Fn(&File) -> io::Result<()>,
) -> Result<(), StoreError> {
    let (temporary, target) = (place.temporary_file(key)?, place.record_file(key));
    let prepared = write(place, &temporary, &[&format::header(key, revision, record), record], &sync)
        .and_then(|()| {
            if lock.is_in_place()? {
                return Ok(());
            }
            Err(StoreError::unavailable(
                "the lock file was removed during a write: exclude the store from clean-up programs",
            ))
        });
    if let Err(error) = prepared {
        let _ = fs::remove_file(&temporary); // if that fails too, `remove_stale` is next
        return Err(error);
    }
    if let Err(source) = fs::rename(&temporary, &target) {
        let failed = Failed { what: "replace", path: target, source };
        // A temporary file that is still there was not renamed.
        return Err(match fs::remove_file(&temporary) {
            Ok(()) => StoreError::unavailable(failed),
            Err(_) => StoreError::ambiguous(failed),
        });
    }
    place.sync(sync).map_err(|source| {
        StoreError::ambiguous(Failed { what: "sync the directory of", path: target, source })
    })
}

/// Creates `path` with `parts` in it, and sees them to the disk.
fn write(
    place: &Place,
    path: &Path,
    parts: &[&[u8]],
    sync: impl Fn(&File) -> io::Result<()>,
) -> Result<(), StoreError> {
    let create = place.open_file(OpenOptions::new().write(true).create_new(true), path)?;
    let mut file = create.ok_or_else(|| cannot("create", path)(io::ErrorKind::NotFound.into()))?;
    for part in parts {
        file.write_all(part).map_err(cannot("write", path))?;
    }
    sync(&file).map_err(cannot("sync", path))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;
    use crate::store::StoreErrorKind;
    use crate::store::file::platform;

    struct Bench {
        above: tempfile::TempDir,
        place: Place,
        key: StoreKey,
    }

    impl Bench {
        fn new() -> Self {
            let above = tempfile::tempdir().unwrap();
            let place = Place::open(&above.path().join("tokens")).unwrap();
            Self { above, place, key: StoreKey::new("acme", "refresh_token") }
        }

        fn lock(&self) -> KeyLock {
            KeyLock::try_acquire(&self.place, &self.key).unwrap().unwrap()
        }

        fn stored(&self) -> Option<Stored> {
            read(&self.place, &self.key).unwrap()
        }

        /// Replaces the record while call number `failing` of sync fails; how often sync was called.
        fn replace(&self, record: &[u8], failing: u32) -> (Result<(), StoreError>, u32) {
            let calls = Cell::new(0);
            let sync = |file: &File| {
                calls.set(calls.get() + 1);
                if calls.get() == failing { Err(io::ErrorKind::StorageFull.into()) } else { file.sync_all() }
            };
            let result = replace(&self.place, &self.lock(), &self.key, Revision::new(7), record, sync);
            (result, calls.get())
        }

        fn temporary_files(&self) -> usize {
            let entries = fs::read_dir(self.place.path()).unwrap();
            entries.filter(|entry| entry.as_ref().unwrap().path().extension().unwrap() == "tmp").count()
        }
    }

    #[test]
    fn a_replaced_record_is_synced_and_so_is_its_directory() {
        let bench = Bench::new();
        let (result, syncs) = bench.replace(b"first", 0);
        result.unwrap();
        assert_eq!((syncs, bench.temporary_files()), (2, 0));
        assert_eq!(bench.stored().unwrap().bytes, b"first");
    }

    #[test]
    fn f028_a_record_is_written_synced_renamed_and_then_its_directory_synced() {
        let bench = Bench::new();
        bench.replace(b"first", 0).0.unwrap();
        let steps = RefCell::new(Vec::new());
        let sync = |file: &File| {
            steps.borrow_mut().push((file.metadata()?, bench.stored().unwrap().bytes));
            file.sync_all()
        };
        replace(&bench.place, &bench.lock(), &bench.key, Revision::new(8), b"second", sync).unwrap();
        let steps = steps.into_inner();
        let [(file, before), (directory, after)] = &steps[..] else { panic!("{steps:?}") };
        let renamed = fs::metadata(bench.place.record_file(&bench.key)).unwrap();
        assert!(
            platform::is_same(file, &renamed) && file.len() == renamed.len(),
            "all of it, before the rename"
        );
        assert!(
            directory.is_dir() && platform::is_same(directory, &fs::metadata(bench.place.path()).unwrap())
        );
        assert_eq!((before.as_slice(), after.as_slice()), (&b"first"[..], &b"second"[..]));
    }

    #[test]
    fn f034_a_failed_sync_of_the_file_is_not_tried_again_and_nothing_was_applied() {
        let bench = Bench::new();
        bench.replace(b"first", 0).0.unwrap();
        let (result, syncs) = bench.replace(b"second", 1);
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.may_have_applied()), (StoreErrorKind::Unavailable, false));
        assert_eq!((syncs, bench.temporary_files()), (1, 0));
        assert_eq!(bench.stored().unwrap().bytes, b"first");
        bench.replace(b"second", 0).0.unwrap();
        assert_eq!(bench.stored().unwrap().bytes, b"second");
    }

    #[test]
    fn a_failed_sync_of_the_directory_may_have_applied() {
        let bench = Bench::new();
        let (result, syncs) = bench.replace(b"first", 2);
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.may_have_applied()), (StoreErrorKind::Unavailable, true));
        assert_eq!((syncs, bench.temporary_files()), (2, 0));
        assert_eq!(bench.stored().unwrap().bytes, b"first");
    }

    #[test]
    fn a_failed_rename_applied_nothing_and_leaves_nothing() {
        let bench = Bench::new();
        fs::create_dir(bench.place.record_file(&bench.key)).unwrap();
        let (result, syncs) = bench.replace(b"first", 0);
        assert!(!result.unwrap_err().may_have_applied());
        assert_eq!((syncs, bench.temporary_files()), (1, 0));
    }

    #[test]
    fn f081_nothing_is_renamed_once_the_lock_file_is_gone() {
        let bench = Bench::new();
        let lock = bench.lock();
        let remove_lock_file = |_: &File| fs::remove_file(bench.place.lock_file(&bench.key));
        let result = replace(&bench.place, &lock, &bench.key, Revision::new(7), b"first", remove_lock_file);
        assert!(!result.unwrap_err().may_have_applied());
        assert_eq!((bench.stored(), bench.temporary_files()), (None, 0));
    }

    #[test]
    fn a_record_missing_together_with_its_directory_is_an_error() {
        let bench = Bench::new();
        fs::rename(bench.place.path(), bench.above.path().join("elsewhere")).unwrap();
        assert_eq!(read(&bench.place, &bench.key).unwrap_err().kind(), StoreErrorKind::Unavailable);
        fs::create_dir(bench.place.path()).unwrap();
        assert_eq!(read(&bench.place, &bench.key).unwrap_err().kind(), StoreErrorKind::Unavailable);
    }
}
