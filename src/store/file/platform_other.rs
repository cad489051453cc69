//! Where there are no owners and modes as on Unix: access lists are the application's task.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io,
    path::Path,
};

use crate::store::StoreError;

/// A directory, known by its path alone.
#[derive(Debug)]
pub(super) struct Dir;

impl Dir {
    /// Creates `path` unless something is there; `true` if it was created.
    pub(super) fn create(path: &Path) -> io::Result<bool> {
        match fs::create_dir(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes the directory at `path`.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        if path.is_dir() {
            return Ok(Self);
        }
        Err(StoreError::unsafe_place(format!(
            "`{}` is no directory: name a directory for the token store alone",
            path.display()
        )))
    }

    /// Whether `path` still leads to a directory.
    pub(super) fn is_at(&self, path: &Path) -> io::Result<bool> {
        Ok(fs::symlink_metadata(path)?.is_dir())
    }

    /// Does nothing, as [`sync`](Self::sync).
    pub(super) fn sync_at(_: &Path) -> io::Result<()> {
        Ok(())
    }

    /// Does nothing: a directory cannot be synced here; the file system's journal keeps the order of renames.
    pub(super) fn sync(&self, _: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
        Ok(())
    }
}

/// Opens a file of the store.
pub(super) fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.open(path)
}

/// Accepts every file.
pub(super) fn check_file(_: &Path, _: &Metadata) -> Result<(), StoreError> {
    Ok(())
}

/// Says yes: an open file cannot be removed or replaced here.
pub(super) fn is_same(_: &Metadata, _: &Metadata) -> bool {
    true
}
