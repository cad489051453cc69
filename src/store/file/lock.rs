//! The lock of one key: held from the read to the rename of a swap.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::PathBuf,
};

use super::{cannot, place::Place, platform};
use crate::store::{StoreError, StoreKey};

/// The lock of one key, against every other handle in every process of this host.
///
/// It is on a file of its own, since a rename would put another file under the name of the locked one (F082).
#[derive(Debug)]
pub(super) struct KeyLock {
    file: File,
    path: PathBuf,
}

impl KeyLock {
    /// Takes the lock if it is free; `None` if it is not, or if its file was replaced in this moment.
    pub(super) fn try_acquire(place: &Place, key: &StoreKey) -> Result<Option<Self>, StoreError> {
        match Self::open(place, key)? {
            Some(unlocked) => unlocked.try_lock(),
            None => Ok(None),
        }
    }

    fn open(place: &Place, key: &StoreKey) -> Result<Option<Self>, StoreError> {
        let path = place.lock_file(key);
        let file = place.open_file(OpenOptions::new().read(true).write(true).create(true), &path)?;
        Ok(file.map(|file| Self { file, path }))
    }

    fn try_lock(self) -> Result<Option<Self>, StoreError> {
        match self.file.try_lock() {
            Ok(()) => Ok(self.is_in_place()?.then_some(self)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(cannot("lock", &self.path)(error)),
        }
    }

    /// Whether the lock still excludes others: if its file was removed, the next one locks a new file (F081).
    pub(super) fn is_in_place(&self) -> Result<bool, StoreError> {
        let locked = self.file.metadata().map_err(cannot("inspect", &self.path))?;
        match fs::symlink_metadata(&self.path) {
            Ok(named) => Ok(platform::is_same(&locked, &named)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(cannot("inspect", &self.path)(error)),
        }
    }
}

impl Drop for KeyLock {
    fn drop(&mut self) {
        // Closing would do, but for a child process that is being started now: it holds a copy of the handle.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, Place, StoreKey) {
        let above = tempfile::tempdir().unwrap();
        let place = Place::open(&above.path().join("tokens")).unwrap();
        (above, place, StoreKey::new("acme", "refresh_token"))
    }

    #[test]
    fn a_lock_excludes_others_until_it_is_dropped() {
        let (_above, place, key) = place();
        let held = KeyLock::try_acquire(&place, &key).unwrap();
        assert!(held.is_some());
        assert!(KeyLock::try_acquire(&place, &key).unwrap().is_none());
        assert!(KeyLock::try_acquire(&place, &StoreKey::new("globex", "refresh_token")).unwrap().is_some());
        drop(held);
        assert!(KeyLock::try_acquire(&place, &key).unwrap().is_some());
    }

    #[test]
    fn f081_a_lock_file_removed_between_open_and_lock_does_not_count() {
        let (_above, place, key) = place();
        let opened = KeyLock::open(&place, &key).unwrap().unwrap();
        fs::remove_file(place.lock_file(&key)).unwrap();
        let other = KeyLock::try_acquire(&place, &key).unwrap();
        assert!(other.is_some());
        assert!(opened.try_lock().unwrap().is_none(), "two would hold the lock of one key");
        assert!(other.unwrap().is_in_place().unwrap());
    }

    #[test]
    fn f081_a_lock_whose_file_is_removed_knows_it() {
        let (_above, place, key) = place();
        let held = KeyLock::try_acquire(&place, &key).unwrap().unwrap();
        assert!(held.is_in_place().unwrap());
        fs::remove_file(place.lock_file(&key)).unwrap();
        assert!(!held.is_in_place().unwrap());
    }
}
