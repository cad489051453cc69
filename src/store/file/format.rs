//! The bytes of a record file: a header of 56 bytes, then the record.
//!
//! | bytes | what |
//! |--:|---|
//! | 8 | magic |
//! | 4 | version of this format (numbers are big-endian) |
//! | 8 | revision |
//! | 4 | length of the record |
//! | 32 | SHA-256 over the key, the 24 bytes above and the record |

use std::io::{self, Read};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::store::{MAX_RECORD_BYTES, Revision, StoreError, StoreKey, Stored};

/// The first byte is no ASCII, so that no tool takes the file for text.
const MAGIC: [u8; 8] = *b"\x89sftoken";
const VERSION: u32 = 1;

/// Magic, version, revision and length.
const NUMBERS_BYTES: usize = 24;
const HEADER_BYTES: usize = NUMBERS_BYTES + 32;

/// The header that goes before `record`, which is at most [`MAX_RECORD_BYTES`] long.
pub(super) fn header(key: &StoreKey, revision: Revision, record: &[u8]) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    let (numbers, checksum) = header.split_at_mut(NUMBERS_BYTES);
    numbers[..8].copy_from_slice(&MAGIC);
    numbers[8..12].copy_from_slice(&VERSION.to_be_bytes());
    numbers[12..20].copy_from_slice(&revision.get().to_be_bytes());
    numbers[20..].copy_from_slice(&(record.len() as u32).to_be_bytes());
    let hash = Sha256::new().chain_update(key.as_str()).chain_update(&*numbers).chain_update(record);
    checksum.copy_from_slice(&hash.finalize());
    header
}

/// Reads a whole record file.
///
/// # Errors
///
/// Corrupt, if `file` is anything but a [`header`] and its record: torn, empty, too long, altered, of another key.
/// Unavailable, if it cannot be read.
pub(super) fn read(key: &StoreKey, mut file: impl Read) -> Result<Stored, StoreError> {
    if take::<8>(&mut file)? != MAGIC {
        return Err(corrupt("it does not begin as a record does"));
    }
    if u32::from_be_bytes(take(&mut file)?) != VERSION {
        return Err(corrupt(
            "its format is of another version of this library: use that version, or a later one",
        ));
    }
    let revision = Revision::new(u64::from_be_bytes(take(&mut file)?));
    let len = u32::from_be_bytes(take(&mut file)?) as usize;
    let checksum: [u8; 32] = take(&mut file)?;
    if len > MAX_RECORD_BYTES {
        return Err(corrupt("it declares more bytes than a record can have"));
    }
    let mut record = Zeroizing::new(Vec::with_capacity(len + 1)); // room to see a byte too many, so that it never moves
    file.take(len as u64 + 1).read_to_end(&mut record).map_err(unreadable)?;
    if record.len() != len {
        return Err(corrupt("it is shorter or longer than it declares"));
    }
    if header(key, revision, &record)[NUMBERS_BYTES..] != checksum {
        return Err(corrupt("its checksum does not match"));
    }
    Ok(Stored { revision, bytes: std::mem::take(&mut *record) })
}

fn take<const N: usize>(file: &mut impl Read) -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    match file.read_exact(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(corrupt("it is shorter than a header"))
        }
        Err(error) => Err(unreadable(error)),
    }
}

fn corrupt(what: &str) -> StoreError {
    StoreError::corrupt(format!(
        "the record file is not usable: {what}; restore it from a backup or connect again"
    ))
}

fn unreadable(error: io::Error) -> StoreError {
    StoreError::unavailable(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreErrorKind;

    const REVISION: Revision = Revision::new(0x0123_4567_89ab_cdef);

    fn key() -> StoreKey {
        StoreKey::new("acme", "refresh_token")
    }

    fn file(record: &[u8]) -> Vec<u8> {
        [header(&key(), REVISION, record).as_slice(), record].concat()
    }

    fn kind(file: &[u8]) -> Option<StoreErrorKind> {
        read(&key(), file).err().map(|error| error.kind())
    }

    #[test]
    fn records_of_every_allowed_length_come_back_whole() {
        for len in [0, 1, 7, 1_000, MAX_RECORD_BYTES] {
            let record: Vec<u8> = (0..len).map(|n| (n * 31) as u8).collect();
            let stored = read(&key(), file(&record).as_slice()).unwrap();
            assert_eq!((stored.revision, stored.bytes), (REVISION, record));
        }
    }

    #[test]
    fn s25_every_flipped_bit_is_corrupt() {
        let whole = file(b"canary record");
        for offset in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[offset] ^= 1 << bit;
                assert_eq!(kind(&flipped), Some(StoreErrorKind::Corrupt), "bit {bit} of byte {offset}");
            }
        }
    }

    #[test]
    fn f028_every_torn_file_is_corrupt() {
        let whole = file(b"canary record");
        for len in 0..whole.len() {
            assert_eq!(kind(&whole[..len]), Some(StoreErrorKind::Corrupt), "{len} bytes");
            let mut zeros = whole[..len].to_vec();
            zeros.resize(whole.len(), 0); // what some file systems leave after a power cut
            assert_eq!(kind(&zeros), Some(StoreErrorKind::Corrupt), "zeros from byte {len}");
        }
    }

    #[test]
    fn a_file_that_is_too_long_is_corrupt() {
        assert_eq!(kind(&[file(b"record"), vec![0]].concat()), Some(StoreErrorKind::Corrupt));
        assert_eq!(kind(&file(&vec![7; MAX_RECORD_BYTES + 1])), Some(StoreErrorKind::Corrupt));
    }

    #[test]
    fn a_record_under_another_key_is_corrupt() {
        let other = StoreKey::new("globex", "refresh_token");
        let error = read(&other, file(b"record").as_slice()).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    }
}
