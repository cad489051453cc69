//! A private key in this process.

use std::fmt;

use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use rustls_pki_types::{
    PrivateKeyDer,
    pem::{self, PemObject},
};
use zeroize::Zeroizing;

use super::Signer;
use crate::BoxError;

/// Why a private key cannot be used. It shows nothing of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyError {
    /// There is no PEM section.
    NotPem,
    /// The line breaks are written as `\n`, two characters.
    EscapedLineBreaks,
    /// The PEM section is damaged: no end, no base64, or no key inside.
    Damaged,
    /// The key is encrypted with a passphrase.
    Encrypted,
    /// There are PEM sections, but none holds a private key: a certificate, a public key, another format.
    NoPrivateKey,
    /// The key is not an RSA key.
    NotRsa,
    /// The key has less than 2,048 or more than 4,096 bits, or its numbers do not fit together.
    Unusable,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotPem => "the private key is not PEM; give the content of the file that begins with -----BEGIN",
            Self::EscapedLineBreaks => {
                "the private key holds \\n in place of line breaks; replace them, or read the key from a file"
            }
            Self::Damaged => "the private key's PEM is damaged; copy it again, from its BEGIN to its END line",
            Self::Encrypted => "the private key is encrypted; decrypt it first (openssl pkey -in key.pem)",
            Self::NoPrivateKey => {
                "the PEM holds no private key in PKCS#8 or PKCS#1; give the key and not the certificate (other formats: \
                 openssl pkey -in key)"
            }
            Self::NotRsa => "the private key is not an RSA key; Salesforce takes RS256 only",
            Self::Unusable => "the private key is not a valid RSA key of 2,048 to 4,096 bits",
        })
    }
}

impl std::error::Error for KeyError {}

/// Signs with ring. The parsed key inside of ring cannot be wiped; what is read on the way to it is.
pub(super) struct RsaKey(RsaKeyPair);

impl RsaKey {
    pub(super) fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let der = Zeroizing::new(PrivateKeyDer::from_pem_slice(pem).map_err(|error| diagnose(&error, pem))?);
        // Neither parser's error is kept: one of them quotes lines of the file.
        let key = match &*der {
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            _ => return Err(KeyError::NotRsa),
        };
        key.map(Self).map_err(|rejected| match rejected.to_string().as_str() {
            "WrongAlgorithm" => KeyError::NotRsa,
            "InvalidEncoding" => KeyError::Damaged,
            _ => KeyError::Unusable,
        })
    }
}

/// The usual mistakes have names of their own.
fn diagnose(error: &pem::Error, pem: &[u8]) -> KeyError {
    let contains = |text: &str| pem.windows(text.len()).any(|window| window == text.as_bytes());
    if !contains("-----BEGIN ") {
        KeyError::NotPem
    } else if contains("\\n") {
        KeyError::EscapedLineBreaks
    } else if contains("ENCRYPTED") {
        KeyError::Encrypted
    } else if matches!(error, pem::Error::NoItemsFound) {
        KeyError::NoPrivateKey
    } else {
        KeyError::Damaged
    }
}

impl Signer for RsaKey {
    /// Some milliseconds of arithmetic at most, and only when a session begins: not worth another thread.
    async fn sign(&self, signing_input: &[u8]) -> Result<Vec<u8>, BoxError> {
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signing_input, &mut signature)
            .map_err(|_| "the assertion could not be signed")?;
        Ok(signature)
    }
}
