//! The ways in which a refresh fails: with a claim given back, latched for a person, or just so.

use std::time::Duration;

use super::{Action, Failure, Finish, Fresh, LATCHED_PAUSE, Phase, Reading, Refresh, TokenFault, Writing};
use crate::{
    error::AuthErrorKind,
    refresh::record::{Health, Reauthorise, Record},
};

impl Refresh {
    pub(super) fn latch(&mut self, record: &Record, fault: TokenFault, rotation_lost: bool) -> Action {
        let health = Health::Reauthorise(Reauthorise { rotation_lost, said: fault.said.clone() });
        let latched = Record { health, ..record.unclaimed(None) };
        self.swap(Writing::Latch(fault), latched)
    }

    pub(super) fn latched(&mut self) -> Action {
        match self.stored.as_ref().map(|seen| seen.record.health.clone()) {
            Some(Health::Reauthorise(reason)) => self.reauthorise(&reason),
            _ => self.load(Reading::Begin),
        }
    }

    pub(super) fn reauthorise(&mut self, reason: &Reauthorise) -> Action {
        let lost = if reason.rotation_lost {
            "; an earlier answer with the next refresh token was probably lost"
        } else {
            ""
        };
        let message = format!("the user must connect again: {}{lost}", reason.said);
        let record = self.stored.as_ref().map(|seen| seen.record.clone());
        let mut failure = self.failure(AuthErrorKind::ReauthorisationRequired, message, LATCHED_PAUSE);
        failure.record = record;
        self.finish(Err(failure))
    }

    pub(super) fn revoked(&mut self) -> Action {
        let record = self.stored.as_ref().map(|seen| seen.record.clone());
        let message = "the connection was revoked; connect again to use it";
        let mut failure = self.failure(AuthErrorKind::Revoked, message, LATCHED_PAUSE);
        failure.record = record;
        self.finish(Err(failure))
    }

    /// Gives the claim back and fails.
    pub(super) fn conclude(&mut self, kind: AuthErrorKind, message: String, pause: Duration) -> Action {
        let failure = self.failure(kind, message, pause);
        let Some(seen) = self.stored.clone().filter(|_| !self.storeless) else {
            return self.finish(Err(failure));
        };
        self.terms.idle_claim = self.nonce;
        let pause = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        let not_before = self.now.wall_millis().saturating_add(pause);
        self.terms.own_not_before = Some(not_before);
        let unclaimed = seen.record.unclaimed(Some(not_before));
        self.swap(Writing::Conclude(Box::new(failure)), unclaimed)
    }

    pub(super) fn fail(
        &mut self,
        kind: AuthErrorKind,
        message: impl Into<String>,
        pause: Duration,
    ) -> Action {
        let failure = self.failure(kind, message, pause);
        self.finish(Err(failure))
    }

    pub(super) fn failure(
        &self,
        kind: AuthErrorKind,
        message: impl Into<String>,
        pause: Duration,
    ) -> Failure {
        Failure { kind, message: message.into(), pause, record: None }
    }

    pub(super) fn finish(&mut self, result: Result<Fresh, Failure>) -> Action {
        self.phase = Phase::Finished;
        Action::Finish(Box::new(Finish {
            result,
            watch: self.terms.watch,
            own_not_before: self.terms.own_not_before,
            idle_claim: self.terms.idle_claim,
            seed_ignored: self.seed_ignored,
            dirty: self.granted.is_some(),
        }))
    }
}
