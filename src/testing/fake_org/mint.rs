//! Ids, tokens and secrets in the shapes that Salesforce gives them.

use std::{fmt, io};

use sha2::{Digest as _, Sha256};

/// Characters of access and refresh tokens. There are 64, so that six random bits choose one without bias.
const TOKEN: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";

/// An endless supply of unguessable texts, all drawn from one random key: only making it can fail.
pub(super) struct Mint {
    key: [u8; 32],
    drawn: u64,
}

impl Mint {
    pub(super) fn new() -> io::Result<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        Ok(Self { key, drawn: 0 })
    }

    /// An access token: the 15-character org id, `!`, and letters, digits, `.` and `_`.
    pub(super) fn access_token(&mut self, org_id: &str) -> String {
        format!("{}!AR8AQ{}", fifteen(org_id), self.text(91))
    }

    pub(super) fn refresh_token(&mut self) -> String {
        format!("5Aep861{}", self.text(80))
    }

    /// A consumer key; Salesforce's begin with `3MVG9`.
    pub(super) fn client_id(&mut self) -> String {
        format!("3MVG9{}", self.text(80))
    }

    pub(super) fn client_secret(&mut self) -> String {
        self.text(64)
    }

    /// An 18-character id that begins with `prefix` (three characters that name the kind of record).
    pub(super) fn id(&mut self, prefix: &str) -> String {
        // Ids hold letters and digits only.
        let rest: String = self.text(64).chars().filter(char::is_ascii_alphanumeric).take(10).collect();
        with_checksum(&format!("{prefix}xx{rest:0<10}"))
    }

    fn text(&mut self, length: usize) -> String {
        let mut text = String::with_capacity(length + 31);
        while text.len() < length {
            self.drawn += 1;
            let block =
                Sha256::new().chain_update(self.key).chain_update(self.drawn.to_be_bytes()).finalize();
            text.extend(block.iter().map(|byte| char::from(TOKEN[usize::from(byte & 63)])));
        }
        text.truncate(length);
        text
    }
}

impl fmt::Debug for Mint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mint").field("drawn", &self.drawn).finish_non_exhaustive()
    }
}

/// The case-sensitive form of an id.
pub(super) fn fifteen(id: &str) -> &str {
    id.get(..15).unwrap_or(id)
}

/// Appends the three characters that make an id safe where case is lost: one for every five characters, whose bits say
/// which of the five are upper case. Checked below against real ids.
pub(super) fn with_checksum(id: &str) -> String {
    const SUFFIX: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    let mut whole = id.to_owned();
    for chunk in id.as_bytes().chunks(5) {
        let bits = chunk
            .iter()
            .enumerate()
            .fold(0, |bits, (k, c)| bits | (usize::from(c.is_ascii_uppercase()) << k));
        whole.push(char::from(SUFFIX[bits]));
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_real_ids() {
        assert_eq!(with_checksum("00DR0000000KvIt"), "00DR0000000KvItMAK");
        assert_eq!(with_checksum("005R0000000pgIj"), "005R0000000pgIjIAI");
        assert_eq!(with_checksum("003RM0000068xVC"), "003RM0000068xVCYAY");
    }

    #[test]
    fn a_token_carries_its_org_and_never_repeats() {
        let mut mint = Mint::new().unwrap();
        let org = mint.id("00D");
        assert_eq!(org.len(), 18);
        let (one, two) = (mint.access_token(&org), mint.access_token(&org));
        assert_ne!(one, two);
        assert_eq!(one.split_once('!').unwrap().0, &org[..15]);
        assert!(one.split_once('!').unwrap().1.bytes().all(|c| TOKEN.contains(&c)));
    }
}
