//! A token store in two methods: an append-only journal, in which each line is a key, a revision and the record in
//! base64. It is meant for one process, and for one handle that is cloned.
//!
//! What the contract asks for is at [`TokenStore`]; note what is *not* here: no lock, no lease, no time limit, no idea of
//! what a record means.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use tower_salesforce_auth::store::{
    Capabilities, Revision, Scope, StoreError, StoreKey, Stored, Swap, TokenStore,
};

#[derive(Clone)]
pub(crate) struct Journal(Arc<Inner>);

struct Inner {
    /// Held while the disk is waited for.
    end: Mutex<End>,
    /// What the journal says; held for a moment only, because loads run on the executor.
    records: Mutex<HashMap<String, Stored>>,
}

struct End {
    file: File,
    last_revision: u64,
    /// Whether a line was not written whole, or not for sure. The next one would be added to what is there of it.
    is_torn: bool,
}

impl Journal {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600); // records hold secrets
        let file = options.open(path)?;
        let (mut records, mut last_revision) = (HashMap::new(), 0);
        for line in BufReader::new(file.try_clone()?).lines() {
            let line = line?;
            let (key, revision, bytes) = parse(&line).ok_or_else(|| {
                // Never take damage for absence: a spent refresh token would be sent again.
                io::Error::new(io::ErrorKind::InvalidData, "a line of the journal is damaged")
            })?;
            last_revision = revision;
            records.insert(key, Stored { revision: Revision::new(revision), bytes });
        }
        let end = End { file, last_revision, is_torn: false };
        Ok(Self(Arc::new(Inner { end: Mutex::new(end), records: Mutex::new(records) })))
    }

    fn records(&self) -> MutexGuard<'_, HashMap<String, Stored>> {
        self.0.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, key: &StoreKey, expected: Option<Revision>, bytes: Vec<u8>) -> Result<Swap, StoreError> {
        let mut end = self.0.end.lock().unwrap_or_else(PoisonError::into_inner);
        if end.is_torn {
            return Err(StoreError::unavailable("the journal's last line may be torn; open it again"));
        }
        let current = self.records().get(key.as_str()).cloned();
        if current.as_ref().map(|stored| stored.revision) != expected {
            return Ok(Swap::Conflict(current));
        }
        let revision = end.last_revision + 1;
        let line = format!("{key} {revision} {}\n", BASE64_STANDARD.encode(&bytes));
        // From here on the write may have been applied, whatever is reported.
        end.is_torn = true;
        end.file.write_all(line.as_bytes()).map_err(StoreError::ambiguous)?;
        end.file.sync_data().map_err(StoreError::ambiguous)?;
        (end.is_torn, end.last_revision) = (false, revision);
        let revision = Revision::new(revision);
        self.records().insert(key.as_str().to_owned(), Stored { revision, bytes });
        Ok(Swap::Applied(revision))
    }
}

fn parse(line: &str) -> Option<(String, u64, Vec<u8>)> {
    let mut fields = line.split(' ');
    let (key, revision, bytes) = (fields.next()?, fields.next()?, fields.next()?);
    Some((key.to_owned(), revision.parse().ok()?, BASE64_STANDARD.decode(bytes).ok()?))
}

impl TokenStore for Journal {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        Ok(self.records().get(key.as_str()).cloned())
    }

    async fn compare_and_swap(
        &self,
        key: &StoreKey,
        expected: Option<Revision>,
        record: &[u8],
    ) -> Result<Swap, StoreError> {
        let (journal, key, record) = (self.clone(), key.clone(), record.to_vec());
        // Waiting for a disk blocks, and a store is called on the executor.
        let write = move || journal.write(&key, expected, record);
        tokio::task::spawn_blocking(write).await.map_err(StoreError::ambiguous)?
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Scope::Process, true)
    }
}
