//! The refresh protocol, sans I/O.
//!
//! A [`Refresh`] is one flight's decisions. [`Refresh::step`] is told what came of the last [`Action`] and returns the
//! next one, until [`Action::Finish`]. Time and randomness come from outside.
//!
//! The rules, in the order in which a flight meets them:
//!
//! 1. Read the record. If it is ahead of the token that was rejected, adopt it: no token request.
//! 2. If somebody else has claimed the refresh token, wait; a claim that stays unchanged for too long is superseded.
//! 3. Claim it by a swap. Only then, and only at once, send it.
//! 4. Commit what came back, by a swap over whatever is there as long as it still names the parent that was presented.
//! 5. What cannot be known (a lost answer) is left to the wait-out of rule 2; it is never repeated blindly.

mod committing;
mod ending;
mod interface;
#[cfg(test)]
mod model;
mod sending;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub(crate) use self::committing::is_ahead;
pub(crate) use self::interface::{
    Action, Answer, Failure, Finish, Fresh, Input, Now, Seen, StoreFault, SwapOutcome, Terms, TokenFault,
    Watch,
};
use super::{
    backoff,
    record::{Health, Record},
};
use crate::{error::AuthErrorKind, store::StoreErrorKind, token::Lineage, token_endpoint::TokenErrorKind};

/// How often the record is read while somebody else refreshes.
const POLL_FIRST: Duration = Duration::from_millis(50);
const POLL_LONGEST: Duration = Duration::from_secs(1);
/// A store that fails this often in a row is down.
const STORE_TRIES: u32 = 3;
/// Each conflict means that somebody else got further, and others are few; a store that answers nothing else is broken.
const CONFLICTS: u32 = 16;
/// A store on which claims keep going stale is too slow to be safe.
const STALE_CLAIMS: u32 = 5;
/// No answer puts the next request off for longer: the wait after too many logins is the longest that there is. A
/// `not_before` that lies further ahead was written by a clock that is wrong.
const PAUSE_LONGEST: Duration = Duration::from_secs(5 * 60);
/// Salesforce's default session time-out (Salesforce Help, session settings).
const USUAL_LIFETIME: Duration = Duration::from_secs(2 * 60 * 60);
/// A refusal that only a person can change is not asked again sooner.
const OPERATOR_PAUSE: Duration = Duration::from_secs(60);
/// A connection that needs a person re-reads the store at most this often, to see a repair by another process.
const LATCHED_PAUSE: Duration = Duration::from_secs(1);

/// Why a record is being read.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
enum Reading {
    Begin,
    /// Before the same claim sends once more.
    Again,
    /// After `invalid_grant`: has somebody else rotated?
    Refused(TokenFault),
    Commit,
}

/// Why a record is being written.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
enum Writing {
    /// Memory is ahead of the store.
    Restore,
    Claim,
    GiveUp,
    Commit,
    /// The last write of a flight that failed.
    Conclude(Box<Failure>),
    /// As `Conclude`, but somebody may have moved on meanwhile: then that decides.
    Latch(TokenFault),
}

#[derive(Clone, Debug)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
enum Phase {
    Idle,
    Reading(Reading),
    Writing(Writing, Box<Record>),
    Exchanging,
    Waiting(Reading),
    Holding,
    Releasing,
    Finished,
}

/// One flight's state.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub(crate) struct Refresh {
    terms: Terms,
    phase: Phase,
    now: Now,
    /// When the last load or swap was issued.
    issued: Now,
    /// When the claim was issued.
    claimed: Now,
    /// The claim that this flight may send on.
    nonce: Option<u128>,
    stored: Option<Seen>,
    /// The record whose refresh token was sent last.
    presented: Option<Record>,
    /// Minting goes on without a store that is down.
    storeless: bool,
    poll: u32,
    sends: u32,
    processing: u32,
    /// Loads that failed in a row, and swaps: a store may be readable and take no writes.
    failed_loads: u32,
    failed_swaps: u32,
    conflicts: u32,
    stale_claims: u32,
    granted: Option<Granted>,
    seed_ignored: bool,
}

/// A child record that must reach the store.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
struct Granted {
    parent: Option<Lineage>,
    child: Record,
    at: Now,
    released: bool,
    /// Set when the child may be stored but not served.
    quarantine: Option<String>,
}

impl Refresh {
    pub(crate) fn new(terms: Terms) -> Self {
        let start = Now { monotonic: Duration::ZERO, wall: Duration::ZERO };
        Self {
            terms,
            phase: Phase::Idle,
            now: start,
            issued: start,
            claimed: start,
            nonce: None,
            stored: None,
            presented: None,
            storeless: false,
            poll: 0,
            sends: 0,
            processing: 0,
            failed_loads: 0,
            failed_swaps: 0,
            conflicts: 0,
            stale_claims: 0,
            granted: None,
            seed_ignored: false,
        }
    }

    /// Takes what came of the last action and says what to do next.
    ///
    /// An input that does not answer the last action ends the flight with an error; it cannot happen as long as every
    /// action is answered by its own kind of input.
    pub(crate) fn step(&mut self, now: Now, input: Input) -> Action {
        self.now = now;
        match (std::mem::replace(&mut self.phase, Phase::Finished), input) {
            (Phase::Idle, Input::Started) => self.start(),
            (Phase::Reading(why), Input::Loaded(Ok(seen))) => {
                self.failed_loads = 0;
                self.stored = seen.map(|seen| *seen);
                self.read(why)
            }
            (Phase::Reading(why), Input::Loaded(Err(fault))) => self.unreadable(why, fault),
            (Phase::Writing(why, record), Input::Swapped(outcome)) => self.written(why, *record, outcome),
            (Phase::Exchanging, Input::Exchanged(answer)) => self.answered(answer),
            (Phase::Waiting(why), Input::Done) => self.load(why),
            (Phase::Holding, Input::Done) => self.commit(),
            (Phase::Releasing, Input::Done) => self.wait(self.store_pause(), Reading::Commit),
            _ => self.fail(AuthErrorKind::RefreshPanicked, "the refresh lost its way", LATCHED_PAUSE),
        }
    }

    /// The record whose refresh token is presented: what an answer is held against.
    pub(crate) fn parent(&self) -> Option<&Record> {
        self.stored.as_ref().map(|seen| &seen.record).or(self.terms.known.as_ref())
    }

    fn start(&mut self) -> Action {
        if self.terms.dirty
            && let Some(child) = self.terms.known.clone()
        {
            // F029: what an earlier flight could not store goes first.
            self.granted =
                Some(Granted { parent: None, child, at: self.now, released: false, quarantine: None });
            return self.load(Reading::Commit);
        }
        self.load(Reading::Begin)
    }

    // === reading ===

    fn read(&mut self, why: Reading) -> Action {
        match why {
            Reading::Begin | Reading::Again => self.survey(),
            Reading::Refused(fault) => self.after_refusal(fault),
            Reading::Commit => self.reconcile(),
        }
    }

    fn unreadable(&mut self, why: Reading, fault: StoreFault) -> Action {
        self.failed_loads += 1;
        if matches!(why, Reading::Commit) {
            return self.commit_failed();
        }
        if fault.kind != StoreErrorKind::Unavailable {
            return self.store_down(fault);
        }
        if self.failed_loads < STORE_TRIES {
            return self.wait(self.store_pause(), why);
        }
        self.store_down(fault)
    }

    /// A rotating grant stops when the store does; one that mints goes on without.
    fn store_down(&mut self, fault: StoreFault) -> Action {
        match fault.kind {
            // F038: what was revoked here stays so, whether the store can be asked or not.
            _ if self.terms.known.as_ref().is_some_and(|known| known.health == Health::Revoked) => {
                self.revoked()
            }
            StoreErrorKind::Unavailable if !self.terms.rotating => {
                self.storeless = true;
                self.exchange()
            }
            StoreErrorKind::Unavailable => {
                let message = if self.conflicts >= CONFLICTS {
                    "the token store keeps answering writes with conflicts; check its compare_and_swap"
                } else {
                    "the token store is unavailable, and without it the refresh token must not be used"
                };
                let pause = self.back_off();
                self.fail(AuthErrorKind::StoreUnavailable, message, pause)
            }
            StoreErrorKind::Corrupt => {
                let message = "the stored record cannot be read; restore it, or remove it and connect again";
                self.fail(AuthErrorKind::StoreCorrupt, message, OPERATOR_PAUSE)
            }
            StoreErrorKind::KeyUnavailable => {
                let message =
                    "the stored record is sealed under a key that is not in the key ring; add that key";
                self.fail(AuthErrorKind::StoreUnavailable, message, OPERATOR_PAUSE)
            }
            StoreErrorKind::Unsafe => {
                let message = "the token store's place is not safe to use; mend its owner and permissions";
                self.fail(AuthErrorKind::StoreUnavailable, message, OPERATOR_PAUSE)
            }
        }
    }

    /// Looks at the record and decides what this flight is: an adoption, a wait, a claim.
    fn survey(&mut self) -> Action {
        let Some(Seen { record, .. }) = self.stored.clone() else { return self.survey_nothing() };
        if !record.binding.serves(&self.terms.binding) {
            let message = "the stored record belongs to another client, login host or org; \
                           give this connection an id of its own, or reconnect it";
            return self.fail(AuthErrorKind::ConnectionMismatch, message, OPERATOR_PAUSE);
        }
        if let Some(known) = &self.terms.known
            && is_ahead(known, &record)
        {
            // F035: the store was rolled back to an older record than this process holds.
            let known = known.unclaimed(None);
            return self.swap(Writing::Restore, known);
        }
        let new_seed = self.terms.seed.as_ref().filter(|seed| !record.seeds.knows(seed)).cloned();
        match (&record.health, new_seed) {
            (Health::Sound, new_seed) => self.seed_ignored |= new_seed.is_some(),
            (_, Some(seed)) => {
                // An operator deployed a new refresh token to repair the connection.
                let id = self.terms.entropy.nonce();
                return self.claim(record.reseeded(&seed, id), 0);
            }
            (Health::Reauthorise(reason), None) => return self.reauthorise(reason),
            (Health::Revoked, None) => return self.revoked(),
        }
        if record.tokens.is_some() && self.terms.rejected != Some(record.lineage) {
            let rejected =
                self.terms.known.as_ref().filter(|known| Some(known.lineage) == self.terms.rejected);
            if !has_outlived(rejected, self.terms.served_for, &record) {
                return self.finish(Ok(Fresh { record, own: false, stored: true }));
            }
            self.terms.rejected = Some(record.lineage);
        }
        if let Some(Health::Reauthorise(reason)) = self.terms.known.as_ref().map(|known| &known.health)
            && self.terms.known.as_ref().map(|known| known.lineage) == Some(record.lineage)
        {
            // Latched in this process, but the store did not take it.
            let fault = TokenFault {
                kind: TokenErrorKind::Reauthorise,
                said: reason.said.clone(),
                story: reason.said.clone(),
                retry_after: None,
            };
            return self.latch(&record, fault, reason.rotation_lost);
        }
        if let Some(until) = record.not_before
            && self.terms.own_not_before != Some(until)
            && let pause = Duration::from_millis(until.saturating_sub(self.now.wall_millis()))
            && !pause.is_zero()
            && pause <= PAUSE_LONGEST
        {
            let message = "the token endpoint refused another process a moment ago";
            return self.fail(AuthErrorKind::TokenEndpointUnavailable, message, pause);
        }
        match record.standing_claim() {
            Some(claim) if Some(claim.nonce) == self.nonce => self.send(),
            Some(claim) if Some(claim.nonce) == self.terms.idle_claim => self.claim(record, claim.attempt),
            Some(claim) => self.wait_out(&record, claim),
            None => self.claim(record, 0),
        }
    }

    fn survey_nothing(&mut self) -> Action {
        if let Some(known) = &self.terms.known {
            // F073: the record vanished; memory still has it.
            let known = known.unclaimed(None);
            return self.swap(Writing::Restore, known);
        }
        if self.terms.rotating && self.terms.seed.is_none() {
            let message =
                "no tokens are stored for this connection and no refresh token was configured; connect first";
            return self.fail(AuthErrorKind::NotConnected, message, LATCHED_PAUSE);
        }
        let (id, salt) = (self.terms.entropy.nonce(), self.terms.entropy.nonce());
        let record = Record::first(self.terms.binding.clone(), self.terms.seed.as_ref(), id, salt);
        self.claim(record, 0)
    }

    // === writing ===

    fn swap(&mut self, why: Writing, record: Record) -> Action {
        self.issued = self.now;
        self.phase = Phase::Writing(why, Box::new(record.clone()));
        let expected = self.stored.as_ref().map(|seen| seen.revision);
        Action::Swap { expected, record: Box::new(record) }
    }

    fn written(&mut self, why: Writing, record: Record, outcome: Result<SwapOutcome, StoreFault>) -> Action {
        let outcome = match outcome {
            Ok(SwapOutcome::Conflict(_)) if self.conflicts >= CONFLICTS => {
                Err(StoreFault { kind: StoreErrorKind::Unavailable }) // F085
            }
            outcome => outcome,
        };
        match outcome {
            Ok(SwapOutcome::Applied(revision)) => {
                self.failed_swaps = 0;
                self.stored = Some(Seen { revision, record });
                match why {
                    Writing::Restore => self.survey(),
                    Writing::Claim => self.send(),
                    Writing::GiveUp if self.stale_claims < STALE_CLAIMS => self.load(Reading::Begin),
                    Writing::GiveUp => {
                        let message = "the token store is too slow to claim the refresh token safely";
                        let pause = self.back_off();
                        self.fail(AuthErrorKind::StoreUnavailable, message, pause)
                    }
                    Writing::Commit => self.committed(),
                    Writing::Conclude(failure) => self.finish(Err(*failure)),
                    Writing::Latch(_) => self.latched(),
                }
            }
            Ok(SwapOutcome::Conflict(seen)) => {
                self.conflicts += 1;
                self.stored = seen.map(|seen| *seen);
                match why {
                    Writing::Restore | Writing::Claim | Writing::GiveUp => self.survey(),
                    Writing::Commit => self.reconcile(),
                    // F031: somebody touched the record; it is theirs now, and the claim with it.
                    Writing::Conclude(failure) => self.finish(Err(*failure)),
                    Writing::Latch(fault) => self.after_refusal(fault),
                }
            }
            Err(fault) => {
                self.failed_swaps += 1;
                match why {
                    Writing::Commit => self.commit_failed(),
                    Writing::Conclude(failure) => self.finish(Err(*failure)),
                    Writing::Latch(_) => {
                        self.stored = self.stored.take().map(|seen| Seen { record, ..seen });
                        self.latched()
                    }
                    Writing::Restore | Writing::Claim | Writing::GiveUp => {
                        // Whether it was applied shows when the record is read again.
                        self.after_failed_write(fault)
                    }
                }
            }
        }
    }

    fn after_failed_write(&mut self, fault: StoreFault) -> Action {
        let patient = self.failed_swaps < STORE_TRIES && self.conflicts < CONFLICTS;
        if fault.kind == StoreErrorKind::Unavailable && patient {
            return self.wait(self.store_pause(), Reading::Begin);
        }
        self.store_down(fault)
    }

    // === small steps ===

    fn load(&mut self, why: Reading) -> Action {
        self.issued = self.now;
        self.phase = Phase::Reading(why);
        Action::Load
    }

    fn wait(&mut self, pause: Duration, then: Reading) -> Action {
        self.phase = Phase::Waiting(then);
        Action::Wait(pause)
    }

    fn back_off(&mut self) -> Duration {
        backoff::after_failures(self.terms.failures.saturating_add(1), &mut self.terms.entropy)
    }

    fn store_pause(&self) -> Duration {
        backoff::doubled(POLL_FIRST, self.failed_loads.max(self.failed_swaps), POLL_LONGEST * 5)
    }
}

/// Whether `record`'s session is likely to be over as well: another process's, in a fleet that has been idle. No clock is
/// shared: its age is what this process has served the refused one for, less what Salesforce says that lies between the
/// two. A guess, and good for that: a session that lived longer is replaced too early once.
pub(crate) fn has_outlived(rejected: Option<&Record>, served_for: Duration, record: &Record) -> bool {
    let issued = |record: &Record| record.tokens.as_ref()?.issued_at.map(Duration::from_millis);
    let (Some(before), Some(after)) = (rejected.and_then(issued), issued(record)) else { return false };
    served_for.saturating_sub(after.saturating_sub(before)) >= USUAL_LIFETIME
}
