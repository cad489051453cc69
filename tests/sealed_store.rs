//! `store::Sealed` over the stores that ship, and whole sessions on it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

mod support;

use std::{error::Error, sync::Arc};

use support::Org;
use tower_salesforce_auth::{
    AuthError, AuthErrorKind,
    store::{
        Capabilities, FileStore, KeyRing, MAX_RECORD_BYTES, MemoryStore, Revision, Scope, Sealed, SealingKey,
        StoreError, StoreErrorKind, StoreKey, Stored, Swap, TokenStore,
    },
};

const OVERHEAD: usize = 44;

fn key() -> StoreKey {
    StoreKey::new("acme", "refresh_token")
}

fn sealing(byte: u8) -> SealingKey {
    SealingKey::new([byte; 32])
}

fn ring(byte: u8) -> KeyRing {
    KeyRing::new(sealing(byte))
}

async fn stored(store: &impl TokenStore) -> Stored {
    store.load(&key()).await.unwrap().expect("a record")
}

async fn put(store: &impl TokenStore, expected: Option<Revision>, record: &[u8]) -> Revision {
    match store.compare_and_swap(&key(), expected, record).await.unwrap() {
        Swap::Applied(revision) => revision,
        Swap::Conflict(_) => panic!("a conflict"),
    }
}

/// Changes what the store below holds, behind the back of what seals.
async fn alter(store: &MemoryStore, alter: impl FnOnce(&mut Vec<u8>)) {
    let Stored { revision, mut bytes } = stored(store).await;
    alter(&mut bytes);
    put(store, Some(revision), &bytes).await;
}

/// A memory store that says that a cluster shares it.
struct Cluster(MemoryStore);

impl TokenStore for Cluster {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        self.0.load(key).await
    }

    async fn compare_and_swap(
        &self,
        key: &StoreKey,
        expected: Option<Revision>,
        record: &[u8],
    ) -> Result<Swap, StoreError> {
        self.0.compare_and_swap(key, expected, record).await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Scope::Cluster, true)
    }
}

#[tokio::test]
async fn the_store_below_sees_no_byte_of_a_record_and_its_revisions_are_kept() {
    let below = Arc::new(MemoryStore::volatile());
    let store = Sealed::new(Arc::clone(&below), ring(1));
    assert_eq!(store.load(&key()).await.unwrap(), None);
    let first = put(&store, None, b"canary record").await;
    assert_eq!(stored(&store).await, Stored { revision: first, bytes: b"canary record".to_vec() });
    let sealed = stored(&*below).await;
    assert_eq!((sealed.revision, sealed.bytes.len()), (first, b"canary record".len() + OVERHEAD));
    assert!(!sealed.bytes.windows(6).any(|window| window == b"canary"));

    let second = put(&store, Some(first), b"second").await;
    let conflict = store.compare_and_swap(&key(), Some(first), b"third").await.unwrap();
    assert_eq!(conflict, Swap::Conflict(Some(Stored { revision: second, bytes: b"second".to_vec() })));
    assert!(!format!("{store:?} {conflict:?}").contains("second"));
}

#[tokio::test]
async fn f070_s25_an_altered_record_is_corrupt_for_reads_and_for_swaps_and_stays() {
    let below = Arc::new(MemoryStore::volatile());
    let store = Sealed::new(Arc::clone(&below), ring(1));
    put(&store, None, b"canary record").await;
    for offset in 0..stored(&*below).await.bytes.len() {
        alter(&below, |bytes| bytes[offset] ^= 0x20).await;
        let altered = stored(&*below).await;
        let stale = store.compare_and_swap(&key(), None, b"new").await.unwrap_err();
        for error in [store.load(&key()).await.unwrap_err(), stale] {
            assert_eq!(
                (error.kind(), error.may_have_applied()),
                (StoreErrorKind::Corrupt, false),
                "byte {offset}"
            );
            assert!(!format!("{error:?} {error} {}", error.source().unwrap()).contains("canary"));
        }
        assert_eq!(stored(&*below).await, altered);
        alter(&below, |bytes| bytes[offset] ^= 0x20).await;
    }
    assert_eq!(stored(&store).await.bytes, b"canary record");
}

#[tokio::test]
async fn f072_s26_a_record_copied_to_another_connection_is_corrupt() {
    let below = Arc::new(MemoryStore::volatile());
    let store = Sealed::new(Arc::clone(&below), ring(1));
    put(&store, None, b"canary record").await;
    let other = StoreKey::new("globex", "refresh_token");
    below.compare_and_swap(&other, None, &stored(&*below).await.bytes).await.unwrap();
    assert_eq!(store.load(&other).await.unwrap_err().kind(), StoreErrorKind::Corrupt);
}

#[tokio::test]
async fn f071_s27_keys_rotate_in_two_steps_and_each_write_seals_anew() {
    let below = Arc::new(MemoryStore::volatile());
    let with = |keys| Sealed::new(Arc::clone(&below), keys);
    let before = with(ring(1));
    let prepared = with(ring(1).also_opens(sealing(2)));
    let turned = with(ring(2).also_opens(sealing(1)));
    let after = with(ring(2));

    let first = put(&before, None, b"one").await;
    assert_eq!(stored(&turned).await.bytes, b"one");
    let second = put(&turned, Some(first), b"two").await;
    assert_eq!((stored(&prepared).await.bytes, stored(&after).await.bytes), (b"two".into(), b"two".into()));

    // Whoever lacks the key neither takes the record for absent nor writes over it.
    let absent = before.compare_and_swap(&key(), None, b"three").await.unwrap_err();
    for error in [before.load(&key()).await.unwrap_err(), absent] {
        assert_eq!((error.kind(), error.may_have_applied()), (StoreErrorKind::KeyUnavailable, false));
    }
    assert_eq!(stored(&after).await, Stored { revision: second, bytes: b"two".to_vec() });
}

#[tokio::test]
async fn s27_an_idle_record_is_sealed_anew_on_request_and_only_if_need_be() {
    let below = Arc::new(MemoryStore::volatile());
    let with = |keys| Sealed::new(Arc::clone(&below), keys);
    with(ring(2)).reseal(&key()).await.unwrap();
    assert_eq!(below.load(&key()).await.unwrap(), None);

    put(&with(ring(1)), None, b"idle").await;
    assert_eq!(with(ring(2)).reseal(&key()).await.unwrap_err().kind(), StoreErrorKind::KeyUnavailable);
    with(ring(2).also_opens(sealing(1))).reseal(&key()).await.unwrap();
    let resealed = stored(&*below).await;
    assert_eq!(stored(&with(ring(2))).await.bytes, b"idle");
    with(ring(2)).reseal(&key()).await.unwrap();
    assert_eq!(stored(&*below).await, resealed);
}

#[tokio::test]
async fn what_was_written_before_sealing_began_is_damage_unless_it_is_accepted() {
    let below = Arc::new(MemoryStore::volatile());
    let first = put(&*below, None, br#"{"schema":1}"#).await;
    let strict = Sealed::new(Arc::clone(&below), ring(1));
    let error = strict.load(&key()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    assert!(error.source().unwrap().to_string().contains("accept_plaintext"));

    let patient = strict.clone().accept_plaintext();
    assert_eq!(stored(&patient).await, Stored { revision: first, bytes: br#"{"schema":1}"#.to_vec() });
    patient.reseal(&key()).await.unwrap();
    assert_eq!(stored(&strict).await.bytes, br#"{"schema":1}"#);
    alter(&below, |bytes| *bytes.last_mut().unwrap() ^= 1).await;
    assert_eq!(
        patient.load(&key()).await.unwrap_err().kind(),
        StoreErrorKind::Corrupt,
        "sealed, and damaged"
    );
}

#[tokio::test]
async fn a_sealed_record_is_never_longer_than_a_store_takes() {
    let below = Arc::new(MemoryStore::volatile());
    let store = Sealed::new(Arc::clone(&below), ring(1));
    let largest = MAX_RECORD_BYTES - OVERHEAD;
    let error = store.compare_and_swap(&key(), None, &vec![7; largest + 1]).await.unwrap_err();
    assert!(!error.may_have_applied());
    assert_eq!(below.load(&key()).await.unwrap(), None);
    put(&store, None, &vec![7; largest]).await;
    assert_eq!(stored(&*below).await.bytes.len(), MAX_RECORD_BYTES);
    assert_eq!(stored(&store).await.bytes, vec![7; largest]);
}

#[test]
fn s24_a_store_shared_by_hosts_is_sealed_or_said_to_be_legible() {
    let org = Org::new();
    let shared = || Cluster(MemoryStore::volatile());
    let error = org.builder().store(shared()).build().unwrap_err().to_string();
    assert!(error.contains("Sealed") && error.contains("allow_plaintext_store"), "{error}");
    org.builder().store(shared()).allow_plaintext_store().build().unwrap();
    org.builder().store(Sealed::new(shared(), ring(1))).build().unwrap();

    let directory = tempfile::tempdir().unwrap();
    let files = FileStore::open(directory.path().join("tokens")).unwrap();
    org.builder().store(files).build().expect("this user's files on this host need no such word");
}

#[tokio::test]
async fn a_session_on_sealed_files_goes_on_after_a_restart_and_a_change_of_key() {
    let (org, directory) = (Org::new(), tempfile::tempdir().unwrap());
    let dir = directory.path().join("tokens");
    let session =
        |keys| org.builder().store(Sealed::new(FileStore::open(&dir).unwrap(), keys)).build().unwrap();
    session(ring(1)).access_token().await.unwrap();
    assert_eq!(org.token_requests(), 1);
    for entry in std::fs::read_dir(&dir).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for secret in ["refresh.", "access", "salesforce.com"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
        }
    }

    session(ring(1)).access_token().await.unwrap();
    assert_eq!(org.token_requests(), 1, "the stored token serves");
    let turned = session(ring(2).also_opens(sealing(1)));
    turned.access_token().await.unwrap();
    turned.refresh().await.unwrap();
    session(ring(2)).access_token().await.unwrap();
    assert_eq!((org.token_requests(), org.reused()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn f071_a_session_without_the_key_sends_nothing_and_says_which_key() {
    let (org, below) = (Org::new(), Arc::new(MemoryStore::volatile()));
    let session = |keys| org.builder().store(Sealed::new(Arc::clone(&below), keys)).build().unwrap();
    session(ring(1)).access_token().await.unwrap();
    let record = stored(&*below).await;

    let error = session(ring(2)).access_token().await.unwrap_err();
    let error = AuthError::find(&error).unwrap();
    assert_eq!(error.kind(), AuthErrorKind::StoreUnavailable);
    assert!(error.to_string().contains("key ring"), "{error}");
    let source = error.source().and_then(|source| source.downcast_ref::<StoreError>()).unwrap();
    assert_eq!(source.kind(), StoreErrorKind::KeyUnavailable);
    assert_eq!((org.token_requests(), stored(&*below).await), (1, record));
    session(ring(1)).access_token().await.unwrap();
    assert_eq!(org.token_requests(), 1, "with the key it goes on as if nothing had been");
}

#[test]
fn sealing_changes_no_other_promise_of_a_store() {
    let below = Cluster(MemoryStore::volatile());
    let promised = below.capabilities();
    assert_eq!(Sealed::new(below, ring(1)).capabilities(), promised.sealed());
}
