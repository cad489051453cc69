//! Owners, modes and identities of files on Unix.

use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::Path,
};

use rustix::{fs::OFlags, process::geteuid};

use super::cannot;
use crate::store::StoreError;

const OTHERS: u32 = 0o077;

/// A directory held open, so that its identity is not given to another one.
#[derive(Debug)]
pub(super) struct Dir {
    handle: File,
    opened: Metadata,
}

impl Dir {
    /// Creates `path`, for this user alone, unless something is there; `true` if it was created.
    pub(super) fn create(path: &Path) -> io::Result<bool> {
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Opens the directory at `path` if it is this user's alone (F083).
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let handle =
            open_nofollow(OpenOptions::new().read(true), path).map_err(cannot("open the directory", path))?;
        let opened = handle.metadata().map_err(cannot("inspect the directory", path))?;
        let shown = path.display();
        if !opened.is_dir() {
            return Err(StoreError::unsafe_place(format!(
                "`{shown}` is no directory: name a directory for the token store alone"
            )));
        }
        check_file_system(path, &handle)?;
        check_owner(path, &opened)?;
        if opened.mode() & OTHERS != 0 {
            return Err(StoreError::unsafe_place(format!(
                "other users may enter `{shown}` (mode {:04o}): run `chmod 700` on it, or name a directory that does \
                 not exist yet, for the token store alone",
                opened.mode() & 0o7777
            )));
        }
        Ok(Self { handle, opened })
    }

    /// Whether `path` still leads to this directory.
    pub(super) fn is_at(&self, path: &Path) -> io::Result<bool> {
        Ok(is_same(&self.opened, &fs::symlink_metadata(path)?))
    }

    /// Makes an entry that was created in the directory at `path` durable.
    pub(super) fn sync_at(path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    /// Makes created and renamed entries durable.
    pub(super) fn sync(&self, sync: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
        sync(&self.handle)
    }
}

/// Opens a file of the store; if `options` create it, then for this user alone.
///
/// Symbolic links are refused.
pub(super) fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    open_nofollow(options.mode(0o600), path)
}

fn open_nofollow(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    // A named pipe would block the thread until somebody writes to it; regular files do not know the flag.
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    options.custom_flags(flags.bits() as i32).open(path)
}

/// Refuses what this user does not hold alone (F083).
///
/// No link at all is fine: another process has renamed a newer record over this one.
pub(super) fn check_file(path: &Path, file: &Metadata) -> Result<(), StoreError> {
    check_owner(path, file)?;
    let shown = path.display();
    if file.mode() & OTHERS != 0 {
        return Err(StoreError::unsafe_place(format!(
            "other users may read or write `{shown}` (mode {:04o}): its tokens may be known to them; run `chmod 600` \
             on it and consider to connect again",
            file.mode() & 0o7777
        )));
    }
    if file.nlink() > 1 {
        return Err(StoreError::unsafe_place(format!(
            "`{shown}` has a second name elsewhere (a hard link): remove the other one"
        )));
    }
    Ok(())
}

/// Refuses file systems that other hosts reach as well: a lock may be known to this host only (F080).
#[cfg(any(target_os = "linux", target_os = "android"))]
fn check_file_system(path: &Path, directory: &File) -> Result<(), StoreError> {
    let Ok(found) = rustix::fs::fstatfs(directory) else { return Ok(()) };
    // As wide as the platform has it; the numbers are of 32 bits.
    match shared_file_system(found.f_type as u32) {
        None => Ok(()),
        Some(name) => Err(StoreError::unsafe_place(format!(
            "`{}` is on {name}, where a lock may not hold between hosts: name a directory on a disk of this host, or use \
             a store on Redis or Postgres",
            path.display()
        ))),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn check_file_system(_path: &Path, _directory: &File) -> Result<(), StoreError> {
    Ok(()) // no number to know it by
}

/// By the numbers of statfs(2). FUSE and 9P have one number for all, those within one host too.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn shared_file_system(number: u32) -> Option<&'static str> {
    Some(match number {
        0x6969 => "NFS",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "SMB",
        0x00c3_6400 => "Ceph",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x7375_7245 => "Coda",
        0x0bd0_0bd0 => "Lustre",
        0x4750_4653 => "GPFS",
        0x0116_1970 => "GFS2",
        0x7461_636f => "OCFS2",
        0x1983_0326 => "BeeGFS",
        0xaad7_aaea => "PanFS",
        0xbeef_dead => "StorNext",
        0x786f_4256 => "a shared folder of VirtualBox",
        0xbacb_acbc => "a shared folder of VMware",
        0x7c7c_6673 => "a shared folder of Parallels",
        _ => return None,
    })
}

fn check_owner(path: &Path, metadata: &Metadata) -> Result<(), StoreError> {
    let user = geteuid().as_raw();
    if metadata.uid() == user {
        return Ok(());
    }
    Err(StoreError::unsafe_place(format!(
        "`{}` belongs to user {} and this process runs as user {user}: change its owner, or run as that user",
        path.display(),
        metadata.uid()
    )))
}

/// Whether both describe one file.
pub(super) fn is_same(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn f080_file_systems_that_other_hosts_reach_are_known_and_those_of_this_host_are_not_among_them() {
        for shared in [
            0x6969,
            0xfe53_4d42,
            0xff53_4d42,
            0x00c3_6400,
            0x1983_0326,
            0xaad7_aaea,
            0xbeef_dead,
            0x786f_4256,
            0xbacb_acbc,
            0x7c7c_6673,
        ] {
            assert!(shared_file_system(shared).is_some(), "{shared:#x}");
        }
        // ext4, XFS, Btrfs, tmpfs, overlay, ZFS, FUSE, 9P
        for local in [
            0xef53,
            0x5846_5342,
            0x9123_683e,
            0x0102_1994,
            0x794c_7630,
            0x2fc1_2fc1,
            0x6573_5546,
            0x0102_1997,
        ] {
            assert_eq!(shared_file_system(local), None, "{local:#x}");
        }
    }

    #[test]
    fn f080_the_directory_itself_is_asked() {
        let here = File::open(std::env::temp_dir()).unwrap();
        let number = rustix::fs::fstatfs(&here).unwrap().f_type as u32;
        assert!(number != 0 && check_file_system(Path::new("here"), &here).is_ok());
        let proc = rustix::fs::fstatfs(File::open("/proc").unwrap()).unwrap().f_type as u32;
        assert_eq!(proc, 0x9fa0, "the number is read as statfs(2) writes it");
    }
}
