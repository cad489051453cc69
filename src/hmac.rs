//! HMAC with SHA-256 (RFC 2104): the crate of that name would bring two more with it for these lines.

use sha2::{Digest, Sha256};

/// What SHA-256 takes at a time, in bytes.
const BLOCK: usize = 64;

/// The authentication code of `message` under `key`.
pub(crate) fn sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let hashed: [u8; 32];
    let key = if key.len() > BLOCK {
        hashed = Sha256::digest(key).into();
        &hashed
    } else {
        key
    };
    let padded = |pad: u8| {
        let mut block = [pad; BLOCK];
        for (to, from) in block.iter_mut().zip(key) {
            *to ^= from;
        }
        block
    };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
}

/// Whether two codes are one, in constant time (S38): every byte is looked at, whichever differ.
pub(crate) fn is_equal(one: &[u8; 32], other: &[u8; 32]) -> bool {
    let differences = one.iter().zip(other).fold(0, |seen, (one, other)| seen | (one ^ other));
    std::hint::black_box(differences) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f190_codes_are_those_of_rfc_4231() {
        for (key, message, expected) in [
            (
                &[0x0b; 20][..],
                &b"Hi There"[..],
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            let code: String = sha256(key, message).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(code, expected);
        }
    }

    #[test]
    fn s38_one_bit_makes_another_code() {
        let code = sha256(b"key", b"message");
        assert!(is_equal(&code, &code.clone()));
        for bit in 0..256 {
            let mut other = code;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_equal(&code, &other), "{bit}");
        }
    }
}
