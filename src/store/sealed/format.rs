//! The bytes of a sealed record.
//!
//! | bytes | what |
//! |--:|---|
//! | 7 | magic |
//! | 1 | version of this format |
//! | 8 | name of the sealing key |
//! | 12 | nonce |
//! | n | the record, encrypted with AES-256-GCM |
//! | 16 | tag over all of it but the nonce, and over the key that the record is stored under |

use ring::aead::{Aad, NONCE_LEN, Nonce};
use zeroize::Zeroize;

use super::key_ring::{KeyId, KeyRing, SealingKey};
use crate::store::{StoreError, StoreKey};

/// Magic and version. The first byte is no ASCII, so that no tool takes a record for text.
const PREFIX: [u8; 8] = *b"\x89sfseal\x01";
const MAGIC_BYTES: usize = 7;

const NONCE_AT: usize = PREFIX.len() + size_of::<KeyId>();
const HEADER_BYTES: usize = NONCE_AT + NONCE_LEN;
const TAG_BYTES: usize = 16;

/// How much longer a sealed record is.
pub(super) const OVERHEAD: usize = HEADER_BYTES + TAG_BYTES;

/// Whether `bytes` begin as a sealed record does.
pub(super) fn is_sealed(bytes: &[u8]) -> bool {
    bytes.starts_with(&PREFIX[..MAGIC_BYTES])
}

/// Whether `bytes` say that they are sealed under `sealing`.
pub(super) fn is_sealed_under(sealing: &SealingKey, bytes: &[u8]) -> bool {
    bytes.starts_with(&PREFIX) && bytes[PREFIX.len()..].starts_with(&sealing.id().0)
}

/// Seals `record`, to be stored under `key`.
///
/// # Errors
///
/// Unavailable, if the system has no randomness.
pub(super) fn seal(sealing: &SealingKey, key: &StoreKey, record: &[u8]) -> Result<Vec<u8>, StoreError> {
    let nonce = fresh_nonce()?;
    let failed = |_| StoreError::unavailable("the record could not be encrypted");
    // All of it at once: an allocation that grows would leave a part of the record behind.
    let mut sealed = Vec::with_capacity(record.len() + OVERHEAD);
    sealed.extend_from_slice(&PREFIX);
    sealed.extend_from_slice(&sealing.id().0);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(record);
    let tag = sealing
        .for_records_of(key)
        .and_then(|cipher| {
            let nonce = Nonce::assume_unique_for_key(nonce);
            cipher.seal_in_place_separate_tag(nonce, aad(sealing.id(), key), &mut sealed[HEADER_BYTES..])
        })
        .map_err(failed)?;
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed)
}

fn fresh_nonce() -> Result<[u8; NONCE_LEN], StoreError> {
    let mut nonce = [0; NONCE_LEN];
    getrandom::fill(&mut nonce).map_err(StoreError::unavailable)?;
    Ok(nonce)
}

/// Opens what was `sealed` for `key` by a key of the ring.
///
/// # Errors
///
/// Corrupt, if `sealed` is not what [`seal`] made for `key`, to the last bit. Key unavailable, if none of `keys` made it.
pub(super) fn open(keys: &KeyRing, key: &StoreKey, sealed: Vec<u8>) -> Result<Vec<u8>, StoreError> {
    if !is_sealed(&sealed) {
        return Err(corrupt(
            "it is not sealed (`Sealed::accept_plaintext` takes what was written before sealing began)",
        ));
    }
    if !sealed.starts_with(&PREFIX) {
        return Err(corrupt("it was sealed by another version of this library: use that, or a later one"));
    }
    if sealed.len() < OVERHEAD {
        return Err(corrupt("it is shorter than any sealed record"));
    }
    let mut id = KeyId::default();
    id.0.copy_from_slice(&sealed[PREFIX.len()..NONCE_AT]);
    if let Some(sealing) = keys.all().find(|sealing| sealing.id() == id) {
        return open_with(sealing, key, sealed).ok_or_else(|| {
            corrupt("it was altered, or belongs to another connection: restore it from a backup, or connect again")
        });
    }
    // A name that was damaged must not look as if a key were missing (S25).
    if keys.all().any(|sealing| open_with(sealing, key, sealed.clone()).is_some()) {
        return Err(corrupt("the name of its key was altered: restore it from a backup, or connect again"));
    }
    Err(StoreError::key_unavailable(format!(
        "the record was sealed under the key {id}, which is not in the key ring: add it with `KeyRing::also_opens`"
    )))
}

fn open_with(sealing: &SealingKey, key: &StoreKey, mut sealed: Vec<u8>) -> Option<Vec<u8>> {
    let nonce = Nonce::try_assume_unique_for_key(&sealed[NONCE_AT..HEADER_BYTES]).ok()?;
    let cipher = sealing.for_records_of(key).ok()?;
    let len = cipher.open_within(nonce, aad(sealing.id(), key), &mut sealed, HEADER_BYTES..).ok()?.len();
    sealed[len..].zeroize(); // it was moved to the front, and its end is still where it was
    sealed.truncate(len);
    Some(sealed)
}

/// What is authenticated beside the record.
fn aad(id: KeyId, key: &StoreKey) -> Aad<Vec<u8>> {
    Aad::from([&PREFIX, id.0.as_slice(), key.as_str().as_bytes()].concat())
}

fn corrupt(what: &str) -> StoreError {
    StoreError::corrupt(format!("the record cannot be opened: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{MAX_RECORD_BYTES, StoreErrorKind};

    fn key() -> StoreKey {
        StoreKey::new("acme", "refresh_token")
    }

    fn sealing(byte: u8) -> SealingKey {
        SealingKey::new([byte; 32])
    }

    fn sealed(record: &[u8]) -> Vec<u8> {
        seal(&sealing(1), &key(), record).unwrap()
    }

    fn kind(keys: &KeyRing, key: &StoreKey, sealed: &[u8]) -> StoreErrorKind {
        open(keys, key, sealed.to_vec()).unwrap_err().kind()
    }

    #[test]
    fn records_of_every_length_come_back_whole_and_are_not_to_be_seen_in_between() {
        let keys = KeyRing::new(sealing(1));
        for len in (0..100).chain([1_000, MAX_RECORD_BYTES - OVERHEAD]) {
            let record: Vec<u8> = (0..len).map(|n| (n * 31) as u8).collect();
            let sealed = sealed(&record);
            assert_eq!(sealed.len(), len + OVERHEAD);
            assert!(len < 8 || !sealed.windows(len).any(|window| window == record));
            assert_eq!(open(&keys, &key(), sealed).unwrap(), record);
        }
    }

    #[test]
    fn s25_every_flipped_bit_of_a_sealed_record_is_corrupt() {
        let keys = KeyRing::new(sealing(1)).also_opens(sealing(2));
        let whole = sealed(b"canary record");
        for offset in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[offset] ^= 1 << bit;
                assert_eq!(
                    kind(&keys, &key(), &flipped),
                    StoreErrorKind::Corrupt,
                    "bit {bit} of byte {offset}"
                );
            }
        }
    }

    /// Pins the format: what one version has sealed, all later ones open.
    #[test]
    fn a_record_that_the_first_version_sealed_is_opened() {
        const SEALED: &str = "8973667365616c014511b854c831beb93a2b2f71e0d38f644d8a85c9\
             c7c6b8e58c655fa909c4813aa589b220f44ebbbfec9cd8c2d718b59bf9";
        let byte = |at| u8::from_str_radix(&SEALED[at..at + 2], 16).unwrap();
        let sealed: Vec<u8> = (0..SEALED.len()).step_by(2).map(byte).collect();
        assert_eq!(open(&KeyRing::new(sealing(1)), &key(), sealed).unwrap(), b"canary record");
    }

    #[test]
    fn every_cut_or_lengthened_record_is_corrupt() {
        let keys = KeyRing::new(sealing(1));
        let whole = sealed(b"canary record");
        for len in 0..whole.len() {
            assert_eq!(kind(&keys, &key(), &whole[..len]), StoreErrorKind::Corrupt, "{len} bytes");
        }
        assert_eq!(kind(&keys, &key(), &[whole, vec![0]].concat()), StoreErrorKind::Corrupt);
    }

    #[test]
    fn f072_s26_a_record_moved_to_another_key_is_corrupt() {
        let other = StoreKey::new("globex", "refresh_token");
        let keys = KeyRing::new(sealing(1));
        assert_eq!(kind(&keys, &other, &sealed(b"canary record")), StoreErrorKind::Corrupt);
    }

    #[test]
    fn f071_s27_a_key_that_left_the_ring_is_unavailable_by_its_name() {
        let record = sealed(b"canary record");
        let both = KeyRing::new(sealing(2)).also_opens(sealing(1));
        assert_eq!(open(&both, &key(), record.clone()).unwrap(), b"canary record");
        let error = open(&KeyRing::new(sealing(2)), &key(), record).unwrap_err();
        assert_eq!((error.kind(), error.may_have_applied()), (StoreErrorKind::KeyUnavailable, false));
        assert!(format!("{error:?}").contains(&sealing(1).id().to_string()), "{error:?}");
    }

    #[test]
    fn s28_a_million_nonces_are_all_different() {
        const NONCES: usize = 1_000_000;
        let of_a_record = |sealed: Vec<u8>| sealed[NONCE_AT..HEADER_BYTES].try_into().unwrap();
        let mut nonces: Vec<[u8; NONCE_LEN]> = (0..1_000).map(|_| of_a_record(sealed(b""))).collect();
        nonces.extend((nonces.len()..NONCES).map(|_| fresh_nonce().unwrap()));
        nonces.sort_unstable();
        nonces.dedup();
        assert_eq!(nonces.len(), NONCES);
    }

    #[test]
    fn connections_do_not_share_an_encryption_key() {
        let (sealing, other) = (sealing(1), StoreKey::new("globex", "refresh_token"));
        let encrypted = |key: &StoreKey| {
            let mut bytes = *b"canary record";
            let cipher = sealing.for_records_of(key).unwrap();
            let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
            let _tag = cipher.seal_in_place_separate_tag(nonce, Aad::empty(), &mut bytes).unwrap();
            bytes
        };
        assert_ne!(encrypted(&key()), encrypted(&other));
    }

    #[test]
    fn s12_an_error_shows_no_byte_of_a_record() {
        let keys = KeyRing::new(sealing(2));
        for bytes in [b"canary record".to_vec(), sealed(b"canary record")] {
            let error = open(&keys, &key(), bytes).unwrap_err();
            assert!(!format!("{error:?} {error}").contains("canary"));
        }
    }
}
