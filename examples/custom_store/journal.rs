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
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use tower_salesforce_auth::store::{
    Capabilities, Revision, Scope, StoreError, StoreKey, Stored, Swap, TokenStore,
};

#[derive(Clone)]
pub(crate) struct Journal(Arc<Mutex<Inner>>);

struct Inner {
    file: File,
    records: HashMap<String, Stored>,
    last_revision: u64,
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
        Ok(Self(Arc::new(Mutex::new(Inner { file, records, last_revision }))))
    }
}

fn parse(line: &str) -> Option<(String, u64, Vec<u8>)> {
    let mut fields = line.split(' ');
    let (key, revision, bytes) = (fields.next()?, fields.next()?, fields.next()?);
    Some((key.to_owned(), revision.parse().ok()?, BASE64_STANDARD.decode(bytes).ok()?))
}

impl TokenStore for Journal {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(inner.records.get(key.as_str()).cloned())
    }

    async fn compare_and_swap(
        &self,
        key: &StoreKey,
        expected: Option<Revision>,
        record: &[u8],
    ) -> Result<Swap, StoreError> {
        let (journal, key, record) = (self.clone(), key.clone(), record.to_vec());
        // Waiting for a disk blocks, and a store is called on the executor.
        let write = move || {
            let mut inner = journal.0.lock().unwrap_or_else(PoisonError::into_inner);
            let current = inner.records.get(key.as_str()).cloned();
            if current.as_ref().map(|stored| stored.revision) != expected {
                return Ok(Swap::Conflict(current));
            }
            let revision = inner.last_revision + 1;
            let line = format!("{key} {revision} {}\n", BASE64_STANDARD.encode(&record));
            // From here on the write may have been applied, whatever is reported.
            inner.file.write_all(line.as_bytes()).map_err(StoreError::ambiguous)?;
            inner.file.sync_data().map_err(StoreError::ambiguous)?;
            inner.last_revision = revision;
            let revision = Revision::new(revision);
            inner.records.insert(key.as_str().to_owned(), Stored { revision, bytes: record });
            Ok(Swap::Applied(revision))
        };
        tokio::task::spawn_blocking(write).await.map_err(StoreError::ambiguous)?
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Scope::Process, true)
    }
}
