//! A store in a directory of this host.
//!
//! | file | what it is |
//! |---|---|
//! | `<key>.record` | the record with its revision and a checksum; only ever replaced as a whole |
//! | `<key>.lock` | empty; locked from the read to the rename of a swap; never removed |
//! | `<key>.<random>.tmp` | a record being written; one that a crash left behind is removed by the next `open` |

mod format;
mod lock;
mod place;
#[cfg_attr(not(unix), path = "platform_other.rs")]
#[cfg_attr(unix, path = "platform_unix.rs")]
mod platform;
mod record;

use std::{
    error::Error as StdError,
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::runtime::Handle;
use zeroize::Zeroizing;

use self::{lock::KeyLock, place::Place};
use super::{Capabilities, Revision, Scope, StoreError, StoreKey, Stored, Swap, TokenStore, fits};
use crate::clock;

/// Below the 2 s that the library gives a swap, so that a lock held too long is reported as what it is (nothing was
/// written) before the library has to call the outcome unknown.
const LOCK_PATIENCE: Duration = Duration::from_millis(1500);

/// An uncontended writer is done within a few milliseconds; a try costs two system calls.
const LOCK_POLL: std::ops::RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_millis(10);

/// Keeps each record in a file of its own, safe for any number of handles, tasks and processes on one host.
///
/// ```no_run
/// # fn main() -> Result<(), tower_salesforce_auth::store::StoreError> {
/// use tower_salesforce_auth::store::FileStore;
///
/// let store = FileStore::open("tokens")?;
/// # drop(store);
/// # Ok(())
/// # }
/// ```
///
/// A swap locks the key, reads, compares, writes a temporary file, syncs it, renames it over the record and syncs the
/// directory. Whoever reads sees the old record or the new one, also after a power cut, and an applied swap is on the
/// disk. File-system work runs on Tokio's blocking threads; nothing waits for a lock there.
///
/// # The directory
///
/// It must be a real directory that belongs to this process's user and that nobody else can enter (mode `0700`); the
/// files in it have mode `0600`. Anything looser is refused: the records hold refresh tokens, and they are not
/// encrypted unless `Sealed` (feature `sealed`) wraps the store. On systems other than Unix there are no such checks; the directory's access list is the application's
/// task. On Kubernetes an `fsGroup` opens all files of a volume to the group at every mount unless
/// `fsGroupChangePolicy` is `OnRootMismatch`.
///
/// It must be on a file system of this host. Containers that mount one volume of one host share a store correctly.
/// Network and cluster file systems are not supported: some ignore the lock, some keep it on each host for itself, and
/// two processes would then swap at the same time. On Linux those that are known are refused (NFS, SMB, Ceph, AFS, Coda,
/// Lustre, GPFS, GFS2, OCFS2, BeeGFS, PanFS, StorNext, shared folders of VirtualBox, VMware and Parallels); what is
/// behind FUSE or 9P, or on another system, cannot be told and is the application's task.
///
/// Programs that tidy up (`tmpwatch`, `systemd-tmpfiles`) must leave it alone. A removed lock file is noticed; a removed
/// record is a connection lost.
///
/// # Revisions
///
/// A key's first revision is random and each further one lies a random step above its predecessor. So they grow, and none
/// comes twice, whether a record was removed or the directory restored from a backup.
#[derive(Clone)]
pub struct FileStore {
    place: Arc<Place>,
}

impl FileStore {
    /// Opens the store in `dir`, creates that directory (mode `0700`) if it is absent, and removes what writers that
    /// crashed left behind.
    ///
    /// A relative path is resolved now, not at each use. The directory above must exist: if it does not, a volume may
    /// not be mounted, and an empty store in its place would lead to the use of refresh tokens that are spent.
    ///
    /// This does a little blocking I/O.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Unsafe`](super::StoreErrorKind::Unsafe) if `dir` is a symbolic link, no directory, another
    /// user's, or open to other users; the error's source says what to do.
    /// [`StoreErrorKind::Unavailable`](super::StoreErrorKind::Unavailable) if it cannot be created, read or written.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let place = Place::open(&dir.into())?;
        place.remove_stale()?;
        Ok(Self { place: Arc::new(place) })
    }

    /// The directory, as an absolute path.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.place.path()
    }

    /// Polls for the lock of `key` (F084: a thread parked in a blocking lock could be neither cancelled nor bounded).
    async fn lock(&self, key: &StoreKey) -> Result<KeyLock, StoreError> {
        let started = clock::now();
        let mut pause = *LOCK_POLL.start();
        loop {
            let (place, wanted) = (Arc::clone(&self.place), key.clone());
            let attempt = blocking(move || KeyLock::try_acquire(&place, &wanted)).await;
            if let Some(lock) = attempt.map_err(StoreError::unavailable)?? {
                return Ok(lock);
            }
            if started.elapsed() >= LOCK_PATIENCE {
                return Err(StoreError::unavailable(format!(
                    "`{}` was locked for {LOCK_PATIENCE:?}: the disk is very slow, or a process that holds the lock hangs",
                    self.place.lock_file(key).display()
                )));
            }
            tokio::time::sleep(pause).await;
            pause = LOCK_POLL.end().min(&(pause * 2)).to_owned();
        }
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore").field("dir", &self.dir()).finish()
    }
}

/// # Cancel safety
///
/// A dropped `load` has no effect. A dropped `compare_and_swap` that still waits for the lock writes nothing; once it has
/// the lock, the swap runs to its end on a blocking thread.
impl TokenStore for FileStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        let (place, key) = (Arc::clone(&self.place), key.clone());
        blocking(move || record::read(&place, &key)).await.map_err(StoreError::unavailable)?
    }

    async fn compare_and_swap(
        &self,
        key: &StoreKey,
        expected: Option<Revision>,
        record: &[u8],
    ) -> Result<Swap, StoreError> {
        fits(record)?;
        let lock = self.lock(key).await?;
        let (place, key) = (Arc::clone(&self.place), key.clone());
        let record = Zeroizing::new(record.to_vec());
        blocking(move || record::swap(&place, &lock, &key, expected, &record))
            .await
            .map_err(StoreError::ambiguous)?
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Scope::Host, true)
    }
}

/// Runs `work` off the executor. It runs to its end even if the caller goes away.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, &'static str> {
    let runtime = Handle::try_current().map_err(|_| "the file store was used outside a Tokio runtime")?;
    runtime.spawn_blocking(work).await.map_err(|_| "the runtime shut down before the file store was done")
}

/// What was being done to which file when the system refused.
#[derive(Debug)]
struct Failed {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} `{}`", self.what, self.path.display())
    }
}

impl StdError for Failed {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.source)
    }
}

/// For `map_err`: nothing was written, because the system refused to do `what` with `path`.
fn cannot(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::unavailable(Failed { what, path: path.to_owned(), source })
}
