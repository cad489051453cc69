//! The keys that records are sealed under, and their names.

use std::fmt;

use ring::{
    aead::{AES_256_GCM, LessSafeKey, UnboundKey},
    error::Unspecified,
    hkdf::{HKDF_SHA256, Prk},
};
use zeroize::Zeroizing;

use crate::{hmac, store::StoreKey};

/// What is derived from a key is bound to its use, so that none is good for another.
const FOR_RECORDS: &[u8] = b"tower-salesforce-auth: records of ";
const FOR_ID: &[u8] = b"tower-salesforce-auth: name of a sealing key";

/// A secret of 256 random bits that records are sealed under.
///
/// It must come from a generator of keys: `openssl rand -hex 32`, a secret manager. A password is none.
///
/// `Debug` shows the key's name: 16 hexadecimal digits, derived from the key, that tell nothing about it. Errors and
/// sealed records name a key by it. The memory is overwritten on drop; copies in the cryptography library, for the time
/// of one use, are out of reach.
#[derive(Clone)]
pub struct SealingKey {
    bytes: Zeroizing<[u8; 32]>,
    id: KeyId,
}

impl SealingKey {
    /// The key of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self::from_bytes(Zeroizing::new(bytes))
    }

    /// The key that `text` writes as 64 hexadecimal digits. Space around them is ignored: a file may end with a newline.
    ///
    /// # Errors
    ///
    /// When `text` is anything else. The error does not repeat it.
    pub fn from_hex(text: &str) -> Result<Self, SealingKeyError> {
        let text = text.trim().as_bytes();
        let mut bytes = Zeroizing::new([0_u8; 32]);
        if text.len() != 2 * bytes.len() {
            return Err(SealingKeyError);
        }
        for (byte, digits) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            for digit in digits {
                let value = char::from(*digit).to_digit(16).ok_or(SealingKeyError)?;
                *byte = (*byte << 4) | value as u8;
            }
        }
        Ok(Self::from_bytes(bytes))
    }

    fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        let mut id = KeyId::default();
        let length = id.0.len();
        id.0.copy_from_slice(&hmac::sha256(&*bytes, FOR_ID)[..length]);
        Self { bytes, id }
    }

    pub(super) fn id(&self) -> KeyId {
        self.id
    }

    /// The encryption key of what is stored under `key`: HKDF-Expand of RFC 5869.
    pub(super) fn for_records_of(&self, key: &StoreKey) -> Result<LessSafeKey, Unspecified> {
        let info = [FOR_RECORDS, key.as_str().as_bytes()];
        let derived = Prk::new_less_safe(HKDF_SHA256, &*self.bytes);
        Ok(LessSafeKey::new(UnboundKey::from(derived.expand(&info, &AES_256_GCM)?)))
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({})", self.id)
    }
}

/// The name of a sealing key, long enough that no two keys of one application share it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyId(pub(super) [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The keys of an application: one that seals, and any number that still open.
#[derive(Clone, Debug)]
pub struct KeyRing {
    newest: SealingKey,
    older: Vec<SealingKey>,
}

impl KeyRing {
    /// Seals under `key`, and opens what was sealed under it.
    #[must_use]
    pub fn new(key: SealingKey) -> Self {
        Self { newest: key, older: Vec::new() }
    }

    /// Opens what was sealed under `key` too.
    #[must_use]
    pub fn also_opens(mut self, key: SealingKey) -> Self {
        self.older.push(key);
        self
    }

    pub(super) fn newest(&self) -> &SealingKey {
        &self.newest
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &SealingKey> {
        std::iter::once(&self.newest).chain(&self.older)
    }
}

/// A text that is no sealing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealingKeyError;

impl fmt::Display for SealingKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a sealing key is written as 64 hexadecimal digits, as `openssl rand -hex 32` prints them",
        )
    }
}

impl std::error::Error for SealingKeyError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_from_64_hexadecimal_digits() {
        let digits = "00ff".repeat(16);
        let key = SealingKey::from_hex(&format!(" {digits}\n")).unwrap();
        assert_eq!(*key.bytes, std::array::from_fn::<u8, 32, _>(|n| if n % 2 == 0 { 0 } else { 0xff }));
        assert_eq!(key.id(), SealingKey::from_hex(&digits.to_uppercase()).unwrap().id());
        for other in ["", &digits[1..], &format!("{digits}00"), &digits.replace('f', "g"), &"+1".repeat(32)] {
            assert_eq!(SealingKey::from_hex(other).unwrap_err(), SealingKeyError, "{other:?}");
        }
    }

    #[test]
    fn s12_a_key_is_printed_by_its_name_alone() {
        let key = SealingKey::new([0xca; 32]);
        let printed =
            format!("{:?} {:?}", key, KeyRing::new(SealingKey::new([7; 32])).also_opens(key.clone()));
        assert!(printed.starts_with(&format!("SealingKey({})", key.id())), "{printed}");
        assert!(!printed.contains("caca") && !printed.contains("202"), "{printed}");
    }
}
