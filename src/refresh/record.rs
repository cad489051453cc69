//! What a store keeps for one connection.

use crate::{
    hmac,
    org_id::OrgId,
    secret::Secret,
    token::{Lineage, TokenSet},
};

/// One connection's record: everything that another process needs to serve it, and to leave it alone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Record {
    pub(crate) lineage: Lineage,
    pub(crate) binding: Binding,
    /// The newest refresh token; `None` for grants that have none.
    pub(crate) refresh_token: Option<Secret>,
    /// What is served; `None` before the first exchange and after an answer that had to be refused.
    pub(crate) tokens: Option<TokenSet>,
    pub(crate) claim: Option<Claim>,
    /// No token request before this wall-clock time, in milliseconds since the Unix epoch.
    pub(crate) not_before: Option<u64>,
    pub(crate) health: Health,
    pub(crate) seeds: Seeds,
}

/// Who a record belongs to. A record that says otherwise is never used and never replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Binding {
    pub(crate) client_id: String,
    pub(crate) login_origin: String,
    /// Learned from the first token answer, or pinned by the application.
    pub(crate) org: Option<OrgId>,
    pub(crate) user: Option<String>,
}

/// Somebody is about to present this lineage's refresh token, or has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Claim {
    /// One flight's own number.
    pub(crate) nonce: u128,
    pub(crate) lineage: Lineage,
    /// How many claims on this lineage were superseded before this one.
    pub(crate) attempt: u32,
}

/// Whether the connection can be refreshed at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) enum Health {
    #[default]
    Sound,
    /// A person must connect again.
    Reauthorise(Reauthorise),
    /// The application revoked the connection: nothing brings it back but a new consent.
    Revoked,
}

/// Why a person must connect again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Reauthorise {
    /// An earlier token request had no known outcome: the answer with the next refresh token was probably lost.
    pub(crate) rotation_lost: bool,
    /// What the token endpoint said, escaped and capped.
    pub(crate) said: String,
}

impl Binding {
    /// Whether a record bound like `self` may serve a session configured like `configured`.
    pub(crate) fn serves(&self, configured: &Self) -> bool {
        let org_agrees = match (&self.org, &configured.org) {
            (Some(stored), Some(pinned)) => stored == pinned,
            _ => true,
        };
        self.client_id == configured.client_id && self.login_origin == configured.login_origin && org_agrees
    }
}

impl Record {
    /// The record of a connection that nobody has used yet.
    pub(crate) fn first(binding: Binding, seed: Option<&Secret>, id: u128, salt: u128) -> Self {
        let mut seeds = Seeds { salt: salt.to_be_bytes(), fingerprints: Vec::new() };
        if let Some(seed) = seed {
            seeds.remember(seed);
        }
        Self {
            lineage: Lineage { version: 0, id },
            binding,
            refresh_token: seed.cloned(),
            tokens: None,
            claim: None,
            not_before: None,
            health: Health::Sound,
            seeds,
        }
    }

    /// The record after `seed`, which it has not seen before, replaced a grant that had ended.
    pub(crate) fn reseeded(&self, seed: &Secret, id: u128) -> Self {
        let mut record = Self {
            lineage: Lineage { version: self.lineage.version.saturating_add(1), id },
            refresh_token: Some(seed.clone()),
            tokens: None,
            claim: None,
            not_before: None,
            health: Health::Sound,
            ..self.clone()
        };
        record.seeds.remember(seed);
        record
    }

    /// The claim that counts: one on the lineage that the record is at.
    pub(crate) fn standing_claim(&self) -> Option<Claim> {
        self.claim.filter(|claim| claim.lineage == self.lineage)
    }

    pub(crate) fn claimed(&self, nonce: u128, attempt: u32) -> Self {
        Self { claim: Some(Claim { nonce, lineage: self.lineage, attempt }), ..self.clone() }
    }

    pub(crate) fn unclaimed(&self, not_before: Option<u64>) -> Self {
        Self { claim: None, not_before, ..self.clone() }
    }

    /// The record after its refresh token was exchanged: the child of `self`, unclaimed.
    pub(crate) fn child(&self, refresh_token: Option<Secret>, tokens: Option<TokenSet>) -> Self {
        let mut binding = self.binding.clone();
        if let Some(tokens) = &tokens {
            // F112: an answer without an identity URL names its org all the same, by its access token.
            binding.org = tokens.org().or(binding.org);
            binding.user = tokens.identity.as_ref().map(|identity| identity.user.clone()).or(binding.user);
        }
        Self {
            lineage: self.lineage.child(),
            binding,
            // F020: an answer without a refresh token leaves the old one valid.
            refresh_token: refresh_token.or_else(|| self.refresh_token.clone()),
            tokens,
            claim: None,
            not_before: None,
            health: Health::Sound,
            seeds: self.seeds.clone(),
        }
    }

    /// Whether `other` is this very record's content, read back.
    pub(crate) fn is_same_grant(&self, other: &Self) -> bool {
        self.lineage == other.lineage
            && self.refresh_token == other.refresh_token
            && self.tokens.as_ref().map(|tokens| &tokens.access_token)
                == other.tokens.as_ref().map(|tokens| &tokens.access_token)
    }
}

/// How many fingerprints a record remembers. An operator redeploys a handful of times between two consents; the oldest
/// seeds are long dead by then.
const REMEMBERED_SEEDS: usize = 16;

/// Fingerprints of the configured refresh tokens that were used once, so that none is ever presented again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Seeds {
    pub(crate) salt: [u8; 16],
    pub(crate) fingerprints: Vec<[u8; 32]>,
}

impl Seeds {
    pub(crate) fn knows(&self, seed: &Secret) -> bool {
        let fingerprint = self.fingerprint(seed);
        self.fingerprints.iter().any(|known| hmac::is_equal(known, &fingerprint))
    }

    pub(crate) fn remember(&mut self, seed: &Secret) {
        if self.knows(seed) {
            return;
        }
        if self.fingerprints.len() == REMEMBERED_SEEDS {
            self.fingerprints.remove(0);
        }
        self.fingerprints.push(self.fingerprint(seed));
    }

    fn fingerprint(&self, seed: &Secret) -> [u8; 32] {
        hmac::sha256(&self.salt, seed.expose().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let binding = Binding {
            client_id: "client".into(),
            login_origin: "https://login.salesforce.com".into(),
            org: None,
            user: None,
        };
        Record::first(binding, Some(&Secret::new("seed-1")), 7, 9)
    }

    #[test]
    fn a_seed_is_known_once_it_was_used() {
        let mut record = record();
        assert!(record.seeds.knows(&Secret::new("seed-1")));
        assert!(!record.seeds.knows(&Secret::new("seed-2")));
        for n in 0..40 {
            record.seeds.remember(&Secret::new(format!("later-{n}")));
        }
        assert_eq!(record.seeds.fingerprints.len(), REMEMBERED_SEEDS);
        assert!(record.seeds.knows(&Secret::new("later-39")));
    }

    #[test]
    fn f190_s38_a_fingerprint_is_keyed_by_its_record_and_tells_nothing_of_the_seed() {
        let (one, mut other) = (record().seeds, record().seeds);
        other.salt = [0; 16];
        assert!(!other.knows(&Secret::new("seed-1")), "another key, another fingerprint");
        other.remember(&Secret::new("seed-1"));
        assert_ne!(one.fingerprints, other.fingerprints);
        let mut near = record().seeds;
        // One bit off is as far off as any other value.
        near.fingerprints[0][31] ^= 1;
        assert!(!near.knows(&Secret::new("seed-1")));
    }

    #[test]
    fn f020_a_child_keeps_the_old_refresh_token_when_none_came() {
        let parent = record();
        assert_eq!(parent.child(None, None).refresh_token, Some(Secret::new("seed-1")));
        let child = parent.child(Some(Secret::new("next")), None);
        assert_eq!((child.refresh_token, child.lineage.version), (Some(Secret::new("next")), 1));
        assert_eq!(child.lineage.id, parent.lineage.id);
    }

    #[test]
    fn a_claim_on_an_older_lineage_does_not_stand() {
        let claimed = record().claimed(1, 0);
        assert!(claimed.standing_claim().is_some());
        let moved = Record { lineage: claimed.lineage.child(), ..claimed };
        assert_eq!(moved.standing_claim(), None);
    }
}
