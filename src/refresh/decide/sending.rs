//! Claiming the refresh token, sending it, and what follows from an answer that brings nothing.

use std::time::Duration;

use super::{
    Action, Answer, LATCHED_PAUSE, OPERATOR_PAUSE, PAUSE_LONGEST, POLL_FIRST, POLL_LONGEST, Phase, Reading,
    Refresh, TokenFault, Watch, Writing,
};
use crate::{
    error::AuthErrorKind,
    refresh::{
        backoff,
        record::{Claim, Record},
    },
    token_endpoint::TokenErrorKind,
};

/// A claim is acted on only while it is this fresh: a process that was paused for longer must look again, because
/// others may have waited it out.
const CLAIM_FRESH: Duration = Duration::from_secs(2);
/// No request leaves later than this after its claim, however often it is retried: well inside the wait-out.
const LATEST_SEND: Duration = Duration::from_secs(30);
/// How long a claim must be seen unchanged before it is superseded, when the refresh token may rotate: the longest
/// send (30 s), its answer (11 s) and its commit, with room for a paused process.
pub(super) const WAIT_OUT_ROTATING: Duration = Duration::from_secs(60);
/// The same for grants that can mint at any time: a duplicate costs a request, not the grant.
const WAIT_OUT_MINTING: Duration = Duration::from_secs(15);
/// The longest wait-out, after several attempts with unknown outcome.
const WAIT_OUT_LONGEST: Duration = Duration::from_secs(15 * 60);
/// A live flight is done by then (11 s for the request, 2 s for each swap), unless it tries again; callers need not
/// wait longer for it, and their 15 s are not over yet.
const HEALTHY_CLAIM: Duration = Duration::from_millis(14_500);
/// Requests that provably never left are tried this often.
const UNSENT_TRIES: u32 = 3;
/// "Already being processed" is asked again this often, with pauses from 0.5 s to 5 s.
const PROCESSING_TRIES: u32 = 4;
const PROCESSING_FIRST: Duration = Duration::from_millis(500);
const PROCESSING_LONGEST: Duration = Duration::from_secs(5);

impl Refresh {
    pub(super) fn wait_out(&mut self, record: &Record, claim: Claim) -> Action {
        let watch = self.terms.watch.filter(|watch| watch.nonce == claim.nonce).unwrap_or_else(|| {
            self.poll = 0;
            Watch { nonce: claim.nonce, since: self.now.monotonic, abandoned: false }
        });
        self.terms.watch = Some(watch);
        let seen_for = self.now.monotonic.saturating_sub(watch.since);
        let wait_out = self.wait_out_time(claim.attempt);
        if seen_for >= wait_out {
            return self.claim(record.clone(), claim.attempt.saturating_add(1));
        }
        if watch.abandoned || seen_for >= HEALTHY_CLAIM {
            // Its holder is gone or has lost its answer. Callers need not wait for the rest; they may ask again.
            let message = format!(
                "a token request with unknown outcome is being waited out; the next one is safe in {} s",
                (wait_out - seen_for).as_secs() + 1
            );
            return self.fail(AuthErrorKind::OutcomeUnknown, message, POLL_LONGEST);
        }
        let pause = backoff::doubled(POLL_FIRST, self.poll, POLL_LONGEST);
        self.poll = self.poll.saturating_add(1);
        let pause = self.terms.entropy.about(pause).min(wait_out - seen_for).min(POLL_LONGEST);
        self.phase = Phase::Waiting(Reading::Begin);
        Action::Watch(pause)
    }

    pub(super) fn wait_out_time(&self, attempt: u32) -> Duration {
        let first = if self.terms.rotating { WAIT_OUT_ROTATING } else { WAIT_OUT_MINTING };
        backoff::doubled(first, attempt, WAIT_OUT_LONGEST)
    }

    pub(super) fn claim(&mut self, record: Record, attempt: u32) -> Action {
        if self.terms.stores_only {
            let message = "another process's record is stored, and there is no token to serve";
            return self.fail(AuthErrorKind::TokenAnswerRejected, message, Duration::ZERO);
        }
        if self.terms.rotating && record.refresh_token.is_none() {
            let message = "the connection has no refresh token; connect again with the refresh_token scope";
            return self.fail(AuthErrorKind::ReauthorisationRequired, message, LATCHED_PAUSE);
        }
        let nonce = self.terms.entropy.nonce();
        self.nonce = Some(nonce);
        self.terms.idle_claim = Some(nonce);
        self.claimed = self.now;
        let claimed = record.claimed(nonce, attempt);
        self.swap(Writing::Claim, claimed)
    }

    /// Sends, if the claim is as fresh as it must be; otherwise gives it up and looks again.
    pub(super) fn send(&mut self) -> Action {
        if self.now.since(self.issued) <= CLAIM_FRESH && self.now.since(self.claimed) <= LATEST_SEND {
            return self.exchange();
        }
        self.stale_claims += 1;
        let Some(seen) = self.stored.clone() else { return self.load(Reading::Begin) };
        let unclaimed = seen.record.unclaimed(seen.record.not_before);
        // This write may land after its answer was given up. Whoever finds the claim until then must not send on it:
        // the record would become free meanwhile. It is claimed anew, which makes this write a conflict.
        self.terms.idle_claim = self.nonce.take();
        self.swap(Writing::GiveUp, unclaimed)
    }

    pub(super) fn exchange(&mut self) -> Action {
        self.sends += 1;
        self.phase = Phase::Exchanging;
        self.terms.idle_claim = None;
        self.presented = self.stored.as_ref().map(|seen| seen.record.clone());
        let refresh_token = self.stored.as_ref().and_then(|seen| seen.record.refresh_token.clone());
        Action::Exchange { refresh_token }
    }

    pub(super) fn answered(&mut self, answer: Answer) -> Action {
        match answer {
            Answer::Granted { tokens, refresh_token } => self.granted(refresh_token, Some(tokens), None),
            Answer::Quarantined { refresh_token: Some(refresh_token), reason } => {
                self.granted(Some(refresh_token), None, Some(reason))
            }
            Answer::Quarantined { refresh_token: None, reason } => {
                self.conclude(AuthErrorKind::TokenAnswerRejected, reason, OPERATOR_PAUSE)
            }
            Answer::Failed(fault) => self.refused(fault),
        }
    }

    pub(super) fn refused(&mut self, fault: TokenFault) -> Action {
        let back_off = fault.retry_after.unwrap_or_default().min(PAUSE_LONGEST).max(self.back_off());
        match fault.kind {
            TokenErrorKind::NotSent if self.sends < UNSENT_TRIES => {
                // Nothing left: if the store fails now too, the next flight may send on this claim.
                self.terms.idle_claim = self.nonce.filter(|_| self.processing == 0);
                let pause =
                    self.terms.entropy.about(backoff::doubled(POLL_FIRST * 2, self.sends, POLL_LONGEST));
                self.wait_again(pause)
            }
            TokenErrorKind::AlreadyProcessing if self.processing + 1 < PROCESSING_TRIES => {
                let pause = backoff::doubled(PROCESSING_FIRST, self.processing, PROCESSING_LONGEST);
                self.processing += 1;
                let pause = self.terms.entropy.about(pause);
                self.wait_again(pause)
            }
            TokenErrorKind::NotSent | TokenErrorKind::AlreadyProcessing | TokenErrorKind::Transient => {
                self.conclude(AuthErrorKind::TokenEndpointUnavailable, fault.story, back_off)
            }
            TokenErrorKind::OutcomeUnknown if self.terms.rotating => self.outcome_unknown(&fault),
            TokenErrorKind::OutcomeUnknown => {
                self.conclude(AuthErrorKind::TokenEndpointUnavailable, fault.story, back_off)
            }
            TokenErrorKind::Reauthorise if self.terms.rotating => self.load(Reading::Refused(fault)),
            TokenErrorKind::Reauthorise | TokenErrorKind::OperatorMustAct => {
                self.conclude(AuthErrorKind::OperatorMustAct, fault.story, OPERATOR_PAUSE)
            }
            TokenErrorKind::Rejected => {
                self.conclude(AuthErrorKind::TokenAnswerRejected, fault.story, OPERATOR_PAUSE)
            }
            TokenErrorKind::Grant => self.conclude(AuthErrorKind::Grant, fault.story, back_off),
        }
    }

    /// Waits, looks whether the claim still stands, and sends once more.
    pub(super) fn wait_again(&mut self, pause: Duration) -> Action {
        if self.storeless {
            self.storeless = false;
            return self.wait(pause, Reading::Begin);
        }
        self.wait(pause, Reading::Again)
    }

    /// F023: the refresh token may be spent. The claim stays, so that nobody presents it before the wait-out is over;
    /// this process watches its own claim as it would a stranger's.
    pub(super) fn outcome_unknown(&mut self, fault: &TokenFault) -> Action {
        let attempt =
            self.stored.as_ref().and_then(|seen| seen.record.claim).map_or(0, |claim| claim.attempt);
        if let Some(nonce) = self.nonce {
            self.terms.watch = Some(Watch { nonce, since: self.claimed.monotonic, abandoned: true });
        }
        let message = format!(
            "{}; the next request is safe in {} s",
            fault.story,
            self.wait_out_time(attempt).as_secs()
        );
        self.fail(AuthErrorKind::OutcomeUnknown, message, POLL_LONGEST)
    }

    pub(super) fn after_refusal(&mut self, fault: TokenFault) -> Action {
        // F073: if the record vanished, the newest that is known of is the one that was refused.
        let stored = self.stored.as_ref().map(|seen| seen.record.clone());
        let Some(record) = stored.or_else(|| self.presented.clone()) else { return self.survey_nothing() };
        match record.standing_claim() {
            // F055: the lineage moved, or another flight is at it: what it finds decides.
            Some(claim) if Some(claim.nonce) != self.nonce => self.survey(),
            _ if self.presented.as_ref().map(|record| record.lineage) != Some(record.lineage) => {
                self.survey()
            }
            claim => self.latch(&record, fault, claim.is_some_and(|claim| claim.attempt > 0)),
        }
    }
}
