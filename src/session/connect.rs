//! The two things that a person decides: connecting again, and revoking.

use std::time::Duration;

use super::{Session, state::Room};
use crate::{
    clock,
    error::{AuthError, AuthErrorKind},
    refresh::{
        admit,
        decide::{Seen, SwapOutcome, is_ahead},
        record::{Health, Record, Seeds},
    },
    store::StoreErrorKind,
    token::Lineage,
    token_endpoint::{TokenError, TokenResponse},
};

/// How often a swap that others interfere with is tried again: each conflict means that somebody else got further.
const SWAP_TRIES: u32 = 8;
/// A refresh that is under way ends within its own limits; revoking waits so long for it.
const FLIGHT_LIMIT: Duration = Duration::from_secs(20);
/// How often the record is read while another process refreshes.
const CLAIM_POLL: Duration = Duration::from_millis(250);

/// A fresh consent, ready for [`Session::reconnect`].
#[derive(Debug)]
pub struct Reconnect {
    response: TokenResponse,
    accept_new_org: bool,
}

impl Reconnect {
    /// Installs what the token endpoint answered to the authorization code.
    #[must_use]
    pub fn new(response: TokenResponse) -> Self {
        Self { response, accept_new_org: false }
    }

    /// Accepts that the user connected another org than before. Without this a changed org is an error.
    #[must_use]
    pub fn accept_new_org(mut self) -> Self {
        self.accept_new_org = true;
        self
    }
}

impl From<TokenResponse> for Reconnect {
    fn from(response: TokenResponse) -> Self {
        Self::new(response)
    }
}

impl Session {
    /// Installs a fresh consent: the tokens of a [`TokenResponse`] are stored, then served. This is how a connection
    /// that needs re-authorisation is brought back, and how a first one can be begun. A refresh under way changes nothing
    /// any more; whoever waits for it gets the new token.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::ConnectionMismatch`] when the consent is for another org and that was not accepted, or for
    /// another than the session is [pinned to](super::SessionBuilder::org),
    /// [`AuthErrorKind::TokenAnswerRejected`] when it cannot be used (no refresh token for a grant that needs one, a
    /// hostile instance URL), [`AuthErrorKind::StoreUnavailable`] and [`AuthErrorKind::StoreCorrupt`] when it could not
    /// be stored, or the store did not confirm it; the same consent can be installed again.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped the consent may or may not be stored. Calling again with it is safe.
    pub async fn reconnect(&self, consent: impl Into<Reconnect>) -> Result<(), AuthError> {
        self.0.inside(self.store_consent(consent.into())).await
    }

    /// Revokes the connection at Salesforce, then marks its record, so that no process brings it back. A refresh under
    /// way, here or in another process, is waited for up to 20 s, so that it is its refresh token that is revoked. The
    /// refresh token that this session was configured with is revoked too, if it was never used. Only
    /// [`reconnect`](Self::reconnect) or a newly configured refresh token begins anew.
    ///
    /// # Errors
    ///
    /// When Salesforce or the store cannot be reached; calling again is safe. A token that Salesforce does not know any
    /// more counts as revoked. [`AuthErrorKind::ConnectionMismatch`] when the stored record is another connection's;
    /// then nothing is revoked.
    pub async fn revoke(&self) -> Result<(), AuthError> {
        self.0.inside(self.revoke_newest()).await
    }

    async fn store_consent(&self, consent: Reconnect) -> Result<(), AuthError> {
        let Reconnect { response, accept_new_org } = consent;
        let shared = &self.0;
        response.check().map_err(|error| {
            AuthError::new(AuthErrorKind::TokenAnswerRejected, "the consent cannot be used")
                .with_source(error)
        })?;
        if shared.rotating && response.refresh_token().is_none() {
            let message = "the consent brings no refresh token; ask for the scope refresh_token";
            return Err(AuthError::new(AuthErrorKind::TokenAnswerRejected, message));
        }
        let mut entropy = shared.crew.chance.entropy();
        let stored = self
            .rewrite(|seen| {
                let current = seen.map(|seen| &seen.record);
                let mut binding = shared.crew.binding.clone();
                let stored = current.and_then(|record| record.binding.org.as_ref()).filter(|_| !accept_new_org);
                if let (Some(stored), Some(pinned)) = (stored, &binding.org)
                    && stored != pinned
                {
                    return Err(mismatch(format!(
                        "the stored connection is one to org {stored}, and this session is pinned to org {pinned}; \
                         give it a connection id of its own, or accept the new org"
                    )));
                }
                binding.org = stored.cloned().or(binding.org);
                // Another org's origins and identity are nothing to inherit.
                let parent = current.filter(|record| !accept_new_org && record.binding.serves(&binding));
                let tokens =
                    admit::token_set(&response, parent, &binding, shared.crew.policy).map_err(unusable)?;
                let mut seeds = current.map_or_else(
                    || Seeds { salt: entropy.nonce().to_be_bytes(), fingerprints: Vec::new() },
                    |record| record.seeds.clone(),
                );
                // Whatever was configured before this consent is spent or superseded.
                shared.seed.iter().chain(response.refresh_token()).for_each(|token| seeds.remember(token));
                // Beyond what this process holds as well: a refresh under way must not take that for newer, and store
                // it over the consent.
                let known = shared.state().known.as_ref().map_or(0, |record| record.lineage.version);
                let version =
                    current.map_or(known, |record| record.lineage.version.max(known)).saturating_add(1);
                let first = Record {
                    lineage: Lineage { version: version - 1, id: entropy.nonce() },
                    binding,
                    refresh_token: None,
                    tokens: None,
                    claim: None,
                    not_before: None,
                    health: Health::Sound,
                    seeds,
                };
                Ok(first.child(response.refresh_token().cloned(), Some(tokens)))
            })
            .await?;
        shared.install(stored).map(drop)
    }

    async fn revoke_newest(&self) -> Result<(), AuthError> {
        let shared = &self.0;
        let seat = shared.state().flight.as_ref().map(Room::subscribe);
        if let Some(mut seat) = seat {
            let _ = tokio::time::timeout(FLIGHT_LIMIT, async { while seat.changed().await.is_ok() {} }).await;
        }
        let patience = clock::now() + FLIGHT_LIMIT;
        let mut seen = self.load().await?;
        for _ in 0..SWAP_TRIES {
            // Another process is about to store a newer refresh token, and would be left alone with it.
            while shared.rotating
                && clock::now() < patience
                && seen.as_ref().is_some_and(|seen| is_claimed(seen))
            {
                tokio::time::sleep(CLAIM_POLL).await;
                seen = self.load().await?;
            }
            let record = self.newest(seen.as_deref()).unwrap_or_else(|| self.unused());
            // A token of another login host is nothing to send to this one.
            if !record.binding.serves(&shared.crew.binding) {
                return Err(mismatch(
                    "the stored record belongs to another client, login host or org; nothing was revoked",
                ));
            }
            let access = record.tokens.as_ref().map(|tokens| &tokens.access_token);
            // Revoking a refresh token ends its access tokens too.
            let newest = record.refresh_token.as_ref().or(access);
            let ignored = shared.seed.as_ref().filter(|seed| !record.seeds.knows(seed));
            for token in newest.into_iter().chain(ignored) {
                shared.crew.endpoint.revoke(token).await.map_err(not_revoked)?;
            }
            let mut tombstone = Record {
                lineage: record.lineage.child(),
                refresh_token: None,
                tokens: None,
                health: Health::Revoked,
                ..record.unclaimed(None)
            };
            ignored.into_iter().for_each(|seed| tombstone.seeds.remember(seed));
            // A conflict may have brought another refresh token, which must be revoked as well.
            if self.write(&mut seen, &tombstone).await? {
                shared.bury(tombstone);
                return Ok(());
            }
        }
        Err(store_error(StoreErrorKind::Unavailable))
    }

    async fn load(&self) -> Result<Option<Box<Seen>>, AuthError> {
        self.0.crew.load(&mut None).await.map_err(|fault| store_error(fault.kind))
    }

    /// What is stored or, if that is older or nothing at all, what this process holds.
    fn newest(&self, seen: Option<&Seen>) -> Option<Record> {
        let known = self.0.state().known.clone();
        match (seen, known) {
            (Some(seen), Some(known)) if is_ahead(&known, &seen.record) => Some(known),
            (Some(seen), _) => Some(seen.record.clone()),
            (None, known) => known,
        }
    }

    /// The record of a connection that nobody has used yet: what was configured is all that there is to revoke.
    fn unused(&self) -> Record {
        let mut entropy = self.0.crew.chance.entropy();
        let (id, salt) = (entropy.nonce(), entropy.nonce());
        Record::first(self.0.crew.binding.clone(), self.0.seed.as_ref(), id, salt)
    }

    /// Replaces the stored record by what `next` makes of it, and does so again when others interfere.
    async fn rewrite(
        &self,
        mut next: impl FnMut(Option<&Seen>) -> Result<Record, AuthError>,
    ) -> Result<Record, AuthError> {
        let mut seen = self.load().await?;
        for _ in 0..SWAP_TRIES {
            let record = next(seen.as_deref())?;
            if self.write(&mut seen, &record).await? {
                return Ok(record);
            }
        }
        Err(store_error(StoreErrorKind::Unavailable))
    }

    /// Writes `record` over what was `seen`. `false` if it is not there in the end; then `seen` is what is.
    async fn write(&self, seen: &mut Option<Box<Seen>>, record: &Record) -> Result<bool, AuthError> {
        let crew = &self.0.crew;
        let expected = seen.as_ref().map(|seen| seen.revision);
        match crew.swap(expected, record, &mut None).await {
            Ok(SwapOutcome::Applied(_)) => Ok(true),
            Ok(SwapOutcome::Conflict(theirs)) => {
                *seen = theirs;
                Ok(false)
            }
            Err(fault) => {
                // Perhaps it was written nevertheless.
                *seen = crew.load(&mut None).await.map_err(|_| store_error(fault.kind))?;
                Ok(seen.as_ref().is_some_and(|seen| seen.record == *record))
            }
        }
    }
}

fn is_claimed(seen: &Seen) -> bool {
    seen.record.standing_claim().is_some()
}

fn mismatch(message: impl Into<String>) -> AuthError {
    AuthError::new(AuthErrorKind::ConnectionMismatch, message)
}

fn not_revoked(error: TokenError) -> AuthError {
    AuthError::new(AuthErrorKind::TokenEndpointUnavailable, "the connection could not be revoked; try again")
        .with_source(error)
}

fn unusable(unfit: admit::Unfit) -> AuthError {
    let kind =
        if unfit.other_org { AuthErrorKind::ConnectionMismatch } else { AuthErrorKind::TokenAnswerRejected };
    AuthError::new(kind, unfit.reason)
}

fn store_error(kind: StoreErrorKind) -> AuthError {
    match kind {
        StoreErrorKind::Corrupt => AuthError::new(
            AuthErrorKind::StoreCorrupt,
            "the stored record cannot be read; restore it or remove it",
        ),
        _ => AuthError::new(AuthErrorKind::StoreUnavailable, "the token store cannot be used now"),
    }
}
