//! The directory of a file store, and the names and checks of the files in it.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use super::{cannot, lock::KeyLock, platform};
use crate::store::{StoreError, StoreKey};

/// A checked directory; every file of the store is opened through it.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    dir: platform::Dir,
}

impl Place {
    /// Opens `dir`, which is created if absent and refused unless it is safe.
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = std::path::absolute(dir).map_err(cannot("resolve", dir))?;
        let path: PathBuf = path.components().collect(); // a slash at the end would make a symbolic link followed
        let created =
            platform::Dir::create(&path).map_err(cannot("create (the directory above must exist)", &path))?;
        refuse_link(&path)?;
        let place = Self { dir: platform::Dir::open(&path)?, path };
        if created && let Some(above) = place.path.parent() {
            platform::Dir::sync_at(above).map_err(cannot("sync the directory", above))?;
        }
        Ok(place)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn lock_file(&self, key: &StoreKey) -> PathBuf {
        self.path.join(format!("{key}.lock"))
    }

    pub(super) fn record_file(&self, key: &StoreKey) -> PathBuf {
        self.path.join(format!("{key}.record"))
    }

    /// A name that no other write uses, seen by [`writer_of`] as one of `key`.
    pub(super) fn temporary_file(&self, key: &StoreKey) -> Result<PathBuf, StoreError> {
        let random = getrandom::u64().map_err(StoreError::unavailable)?;
        Ok(self.path.join(format!("{key}.{random:016x}.tmp")))
    }

    /// Opens one of the files above, and refuses it unless it is a regular file of this user alone; `None` if it is
    /// absent.
    pub(super) fn open_file(
        &self,
        options: &mut OpenOptions,
        path: &Path,
    ) -> Result<Option<File>, StoreError> {
        let opened = platform::open(options, path);
        // Absent together with its directory (a volume that was unmounted) is not "no record": that would let a spent
        // refresh token out.
        self.check()?;
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                refuse_link(path)?;
                return Err(cannot("open", path)(error));
            }
        };
        let metadata = file.metadata().map_err(cannot("inspect", path))?;
        if !metadata.is_file() {
            return Err(StoreError::unsafe_place(format!(
                "`{}` is no regular file: remove it",
                path.display()
            )));
        }
        platform::check_file(path, &metadata)?;
        Ok(Some(file))
    }

    /// Makes renamed entries durable.
    pub(super) fn sync(&self, sync: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
        self.dir.sync(sync)
    }

    /// Removes the temporary files that no living writer holds (F028): they contain tokens.
    pub(super) fn remove_stale(&self) -> Result<(), StoreError> {
        let entries = fs::read_dir(&self.path).map_err(cannot("list the directory", &self.path))?;
        for entry in entries {
            let entry = entry.map_err(cannot("list the directory", &self.path))?;
            let Some(key) = entry.file_name().to_str().and_then(writer_of) else { continue };
            // Under the lock nobody writes. If it is taken, a writer lives, and the next `open` will see what it left.
            let Some(_lock) = KeyLock::try_acquire(self, &key)? else { continue };
            match fs::remove_file(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(cannot("remove the left-over file", &entry.path())(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Fails once the path leads elsewhere than at `open`.
    fn check(&self) -> Result<(), StoreError> {
        if self.dir.is_at(&self.path).map_err(cannot("find the directory", &self.path))? {
            return Ok(());
        }
        Err(StoreError::unavailable(format!(
            "`{}` is no longer the directory that this store was opened on: bring it back, or open the store again",
            self.path.display()
        )))
    }
}

/// The key in the name of a temporary file; `None` for all other names.
fn writer_of(name: &str) -> Option<StoreKey> {
    let (key, random) = name.strip_suffix(".tmp")?.split_once('.')?;
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (key.len() == 64 && random.len() == 16 && is_hex(key) && is_hex(random)).then(|| StoreKey(key.into()))
}

/// Says of a symbolic link that it is one: the system's own words are "too many levels of symbolic links".
fn refuse_link(path: &Path) -> Result<(), StoreError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => Err(StoreError::unsafe_place(format!(
            "`{}` is a symbolic link, which could lead anywhere: name or put the real one there",
            path.display()
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_of_temporary_files_are_taken_for_left_overs() {
        let key = StoreKey::new("acme", "refresh_token");
        assert_eq!(writer_of(&format!("{key}.0123456789abcdef.tmp")), Some(key.clone()));
        for other in ["notes.tmp", ".tmp", &format!("{key}.tmp"), &format!("{key}.x123456789abcdef.tmp")] {
            assert_eq!(writer_of(other), None, "{other}");
        }
        assert_eq!(writer_of(&format!("{key}.0123456789abcdef.lock")), None);
    }
}
