//! A string that must not be seen: redacted when printed, wiped when dropped.

use std::fmt;

use zeroize::Zeroizing;

/// A secret string: a refresh token, an access token, a client secret.
///
/// `Debug` prints `Secret(***)`, there is no `Display`, and the memory is overwritten on drop. Copies that other
/// libraries make (a header value, a TLS buffer) are out of its reach.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps `value`.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The secret itself. Every use of this method is a place where it may leak.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self::new(value)
    }
}

/// Compares in time that depends on the lengths alone.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (self.0.as_bytes(), other.0.as_bytes());
        a.len() == b.len() && std::hint::black_box(a.iter().zip(b).fold(0, |acc, (x, y)| acc | (x ^ y))) == 0
    }
}

impl Eq for Secret {}

/// For the states of a model only: a hash tells equal secrets apart from others.
#[cfg(test)]
impl std::hash::Hash for Secret {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.expose().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f185_debug_shows_nothing_of_the_secret() {
        assert_eq!(format!("{:?}", Secret::new("00Dxx!canary")), "Secret(***)");
    }

    #[test]
    fn equality_compares_the_whole_text() {
        assert_eq!(Secret::new("abc"), Secret::from("abc"));
        assert_ne!(Secret::new("abc"), Secret::from("abd"));
        assert_ne!(Secret::new("abc"), Secret::from("ab"));
    }
}
