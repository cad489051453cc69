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

use std::time::Duration;

use super::{
    backoff::{self, Entropy},
    record::{Binding, Claim, Health, Reauthorise, Record},
};
use crate::{
    error::AuthErrorKind,
    secret::Secret,
    store::{Revision, StoreErrorKind},
    token::{Lineage, TokenSet},
    token_endpoint::TokenErrorKind,
};

/// A claim is acted on only while it is this fresh: a process that was paused for longer must look again, because
/// others may have waited it out.
const CLAIM_FRESH: Duration = Duration::from_secs(2);
/// No request leaves later than this after its claim, however often it is retried: well inside the wait-out.
const LATEST_SEND: Duration = Duration::from_secs(30);
/// How long a claim must be seen unchanged before it is superseded, when the refresh token may rotate: the longest
/// send (30 s), its answer (11 s) and its commit, with room for a paused process.
const WAIT_OUT_ROTATING: Duration = Duration::from_secs(60);
/// The same for grants that can mint at any time: a duplicate costs a request, not the grant.
const WAIT_OUT_MINTING: Duration = Duration::from_secs(15);
/// The longest wait-out, after several attempts with unknown outcome.
const WAIT_OUT_LONGEST: Duration = Duration::from_secs(15 * 60);
/// A live flight is done by then (11 s for the request, 2 s for each swap), unless it tries again; callers need not
/// wait longer for it, and their 15 s are not over yet.
const HEALTHY_CLAIM: Duration = Duration::from_millis(14_500);
/// How often the record is read while somebody else refreshes.
const POLL_FIRST: Duration = Duration::from_millis(50);
const POLL_LONGEST: Duration = Duration::from_secs(1);
/// Waiters get a token that could not be stored yet after this time.
const COMMIT_GRACE: Duration = Duration::from_secs(2);
/// Requests that provably never left are tried this often.
const UNSENT_TRIES: u32 = 3;
/// "Already being processed" is asked again this often, with pauses from 0.5 s to 5 s.
const PROCESSING_TRIES: u32 = 4;
const PROCESSING_FIRST: Duration = Duration::from_millis(500);
const PROCESSING_LONGEST: Duration = Duration::from_secs(5);
/// A store that fails this often in a row is down.
const STORE_TRIES: u32 = 3;
/// Each conflict means that somebody else got further, and others are few; a store that answers nothing else is broken.
const CONFLICTS: u32 = 16;
/// A store on which claims keep going stale is too slow to be safe.
const STALE_CLAIMS: u32 = 5;
/// No answer puts the next request off for longer: the wait after too many logins is the longest that there is. A
/// `not_before` that lies further ahead was written by a clock that is wrong.
const PAUSE_LONGEST: Duration = Duration::from_secs(5 * 60);
/// A refusal that only a person can change is not asked again sooner.
const OPERATOR_PAUSE: Duration = Duration::from_secs(60);
/// A connection that needs a person re-reads the store at most this often, to see a repair by another process.
const LATCHED_PAUSE: Duration = Duration::from_secs(1);

/// The time, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Now {
    /// Since an origin of the process's own.
    pub(crate) monotonic: Duration,
    /// Since the Unix epoch.
    pub(crate) wall: Duration,
}

impl Now {
    /// Time since `earlier`, by the clock that saw more of it: one of them may have stood still while the process was
    /// suspended (F088).
    fn since(self, earlier: Self) -> Duration {
        let wall = self.wall.saturating_sub(earlier.wall);
        self.monotonic.saturating_sub(earlier.monotonic).max(wall)
    }

    fn wall_millis(self) -> u64 {
        u64::try_from(self.wall.as_millis()).unwrap_or(u64::MAX)
    }
}

/// What a flight starts from.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) binding: Binding,
    /// The configured refresh token.
    pub(crate) seed: Option<Secret>,
    /// Whether the grant presents a refresh token, which may be spent by doing so.
    pub(crate) rotating: bool,
    /// The newest record this process has seen or made.
    pub(crate) known: Option<Record>,
    /// Whether `known` is not in the store yet.
    pub(crate) dirty: bool,
    /// The lineage whose token was refused; `None` when there was no token.
    pub(crate) rejected: Option<Lineage>,
    /// A foreign or abandoned claim that this process watches, and since when (monotonic).
    pub(crate) watch: Option<Watch>,
    /// The `not_before` that this process wrote itself and waits for by its own clock.
    pub(crate) own_not_before: Option<u64>,
    /// A claim that this process made and left behind with nothing under way: nobody need wait for it.
    pub(crate) idle_claim: Option<u128>,
    /// How many refreshes failed in a row before this one.
    pub(crate) failures: u32,
    pub(crate) entropy: Entropy,
}

/// A claim seen unchanged since a moment of this process's own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Watch {
    pub(crate) nonce: u128,
    pub(crate) since: Duration,
    /// Whether this process made the claim itself and lost the answer: nothing will come of it.
    pub(crate) abandoned: bool,
}

/// What came of the last action.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    Started,
    Loaded(Result<Option<Box<Seen>>, StoreFault>),
    Swapped(Result<SwapOutcome, StoreFault>),
    Exchanged(Answer),
    /// The answer to `Wait`, `Watch`, `Hold` and `Release`.
    Done,
}

/// A record as read from the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) revision: Revision,
    pub(crate) record: Record,
}

#[derive(Clone, Debug)]
pub(crate) enum SwapOutcome {
    Applied(Revision),
    Conflict(Option<Box<Seen>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoreFault {
    pub(crate) kind: StoreErrorKind,
}

/// A token request's outcome, already held against the connection it is for.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Granted {
        tokens: TokenSet,
        refresh_token: Option<Secret>,
    },
    /// An answer that must not be served. Its refresh token, if it brought one, is the only living one.
    Quarantined {
        refresh_token: Option<Secret>,
        reason: String,
    },
    Failed(TokenFault),
}

/// The parts of a token error that decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenFault {
    pub(crate) kind: TokenErrorKind,
    /// What the endpoint said, in its own words where there are any.
    pub(crate) said: String,
    /// The whole story, with what to do.
    pub(crate) story: String,
    pub(crate) retry_after: Option<Duration>,
}

/// What to do next.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Load,
    Swap {
        expected: Option<Revision>,
        record: Box<Record>,
    },
    /// Send the token request, now.
    Exchange {
        refresh_token: Option<Secret>,
    },
    /// Wait so long.
    Wait(Duration),
    /// Wait so long, or less if the store hints at a change.
    Watch(Duration),
    /// This record is the truth from now on, though it is not stored yet: it must survive whatever happens here.
    Hold(Box<Record>),
    /// Whoever waits may go on with the held record; storing it takes too long.
    Release,
    Finish(Box<Finish>),
}

/// How a flight ended.
#[derive(Clone, Debug)]
pub(crate) struct Finish {
    pub(crate) result: Result<Fresh, Failure>,
    pub(crate) watch: Option<Watch>,
    pub(crate) own_not_before: Option<u64>,
    pub(crate) idle_claim: Option<u128>,
    pub(crate) seed_ignored: bool,
    /// Whether the record that was held last is still not in the store.
    pub(crate) dirty: bool,
}

/// A record to serve from.
#[derive(Clone, Debug)]
pub(crate) struct Fresh {
    pub(crate) record: Record,
    /// Whether this flight's own token request made it, or another process's.
    pub(crate) own: bool,
}

/// Why there is nothing to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: AuthErrorKind,
    pub(crate) message: String,
    /// How long until a new flight may start.
    pub(crate) pause: Duration,
    /// The record that the failure left behind, if it is newer than what the process knew.
    pub(crate) record: Option<Record>,
}

/// Why a record is being read.
#[derive(Clone, Debug)]
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
pub(crate) struct Refresh {
    terms: Terms,
    phase: Phase,
    now: Now,
    /// When the last load or swap was issued.
    issued: Now,
    /// When the claim was issued.
    claimed: Now,
    nonce: u128,
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
struct Granted {
    parent: Option<Lineage>,
    child: Record,
    at: Now,
    released: bool,
    /// Set when the child may be stored but not served.
    quarantine: Option<String>,
}

impl Refresh {
    pub(crate) fn new(mut terms: Terms) -> Self {
        let nonce = terms.entropy.nonce();
        let start = Now { monotonic: Duration::ZERO, wall: Duration::ZERO };
        Self {
            terms,
            phase: Phase::Idle,
            now: start,
            issued: start,
            claimed: start,
            nonce,
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
            return self.finish(Ok(Fresh { record, own: false }));
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
            Some(claim) if claim.nonce == self.nonce => self.send(),
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

    fn wait_out(&mut self, record: &Record, claim: Claim) -> Action {
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

    fn wait_out_time(&self, attempt: u32) -> Duration {
        let first = if self.terms.rotating { WAIT_OUT_ROTATING } else { WAIT_OUT_MINTING };
        backoff::doubled(first, attempt, WAIT_OUT_LONGEST)
    }

    // === claiming and sending ===

    fn claim(&mut self, record: Record, attempt: u32) -> Action {
        if self.terms.rotating && record.refresh_token.is_none() {
            let message = "the connection has no refresh token; connect again with the refresh_token scope";
            return self.fail(AuthErrorKind::ReauthorisationRequired, message, LATCHED_PAUSE);
        }
        self.nonce = self.terms.entropy.nonce();
        self.terms.idle_claim = Some(self.nonce);
        self.claimed = self.now;
        let claimed = record.claimed(self.nonce, attempt);
        self.swap(Writing::Claim, claimed)
    }

    /// Sends, if the claim is as fresh as it must be; otherwise gives it up and looks again.
    fn send(&mut self) -> Action {
        if self.now.since(self.issued) <= CLAIM_FRESH && self.now.since(self.claimed) <= LATEST_SEND {
            return self.exchange();
        }
        self.stale_claims += 1;
        let Some(seen) = self.stored.clone() else { return self.load(Reading::Begin) };
        let unclaimed = seen.record.unclaimed(seen.record.not_before);
        self.swap(Writing::GiveUp, unclaimed)
    }

    fn exchange(&mut self) -> Action {
        self.sends += 1;
        self.phase = Phase::Exchanging;
        self.terms.idle_claim = None;
        self.presented = self.stored.as_ref().map(|seen| seen.record.clone());
        let refresh_token = self.stored.as_ref().and_then(|seen| seen.record.refresh_token.clone());
        Action::Exchange { refresh_token }
    }

    fn answered(&mut self, answer: Answer) -> Action {
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

    fn refused(&mut self, fault: TokenFault) -> Action {
        let back_off = fault.retry_after.unwrap_or_default().min(PAUSE_LONGEST).max(self.back_off());
        match fault.kind {
            TokenErrorKind::NotSent if self.sends < UNSENT_TRIES => {
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
    fn wait_again(&mut self, pause: Duration) -> Action {
        if self.storeless {
            self.storeless = false;
            return self.wait(pause, Reading::Begin);
        }
        self.wait(pause, Reading::Again)
    }

    /// F023: the refresh token may be spent. The claim stays, so that nobody presents it before the wait-out is over;
    /// this process watches its own claim as it would a stranger's.
    fn outcome_unknown(&mut self, fault: &TokenFault) -> Action {
        let attempt =
            self.stored.as_ref().and_then(|seen| seen.record.claim).map_or(0, |claim| claim.attempt);
        self.terms.watch = Some(Watch { nonce: self.nonce, since: self.claimed.monotonic, abandoned: true });
        let message = format!(
            "{}; the next request is safe in {} s",
            fault.story,
            self.wait_out_time(attempt).as_secs()
        );
        self.fail(AuthErrorKind::OutcomeUnknown, message, POLL_LONGEST)
    }

    fn after_refusal(&mut self, fault: TokenFault) -> Action {
        // F073: if the record vanished, the newest that is known of is the one that was refused.
        let stored = self.stored.as_ref().map(|seen| seen.record.clone());
        let Some(record) = stored.or_else(|| self.presented.clone()) else { return self.survey_nothing() };
        match record.standing_claim() {
            // F055: the lineage moved, or another flight is at it: what it finds decides.
            Some(claim) if claim.nonce != self.nonce => self.survey(),
            _ if self.presented.as_ref().map(|record| record.lineage) != Some(record.lineage) => {
                self.survey()
            }
            claim => self.latch(&record, fault, claim.is_some_and(|claim| claim.attempt > 0)),
        }
    }

    // === committing ===

    fn granted(
        &mut self,
        refresh: Option<Secret>,
        tokens: Option<TokenSet>,
        quarantine: Option<String>,
    ) -> Action {
        let parent = self.parent().cloned().unwrap_or_else(|| {
            let (id, salt) = (self.terms.entropy.nonce(), self.terms.entropy.nonce());
            Record::first(self.terms.binding.clone(), None, id, salt)
        });
        let child = parent.child(refresh, tokens);
        let parent = Some(parent.lineage);
        self.granted =
            Some(Granted { parent, child: child.clone(), at: self.now, released: false, quarantine });
        self.phase = Phase::Holding;
        Action::Hold(Box::new(child))
    }

    fn commit(&mut self) -> Action {
        // The store was down a moment ago; the next refresh brings it up to date.
        if let Some(granted) = self.granted.take_if(|_| self.storeless) {
            return self.finish(Ok(Fresh { record: granted.child, own: true }));
        }
        let Some(granted) = &self.granted else { return self.load(Reading::Begin) };
        let child = granted.child.clone();
        self.swap(Writing::Commit, child)
    }

    fn committed(&mut self) -> Action {
        let Some(granted) = self.granted.take() else { return self.load(Reading::Begin) };
        if let Some(reason) = granted.quarantine {
            let mut failure = self.failure(AuthErrorKind::TokenAnswerRejected, reason, OPERATOR_PAUSE);
            failure.record = Some(granted.child);
            return self.finish(Err(failure));
        }
        let served = granted.child.tokens.is_some() && self.terms.rejected != Some(granted.child.lineage);
        if granted.parent.is_none() && !served {
            // An earlier flight's record is stored now, and it is the one that was refused: begin.
            self.terms.known = Some(granted.child);
            return self.load(Reading::Begin);
        }
        self.finish(Ok(Fresh { record: granted.child, own: true }))
    }

    /// Holds the granted child against what is stored.
    fn reconcile(&mut self) -> Action {
        let Some(granted) = self.granted.clone() else { return self.load(Reading::Begin) };
        let Some(Seen { record, .. }) = self.stored.clone() else { return self.commit() };
        if record.is_same_grant(&granted.child) {
            return self.committed(); // F030: the reply was lost, the write was not.
        }
        let child = &granted.child.lineage;
        let parent_is_there = match granted.parent {
            Some(parent) => record.lineage == parent,
            None => is_ahead(&granted.child, &record),
        };
        if parent_is_there && record.health != Health::Revoked {
            // F045: right even if the claim was superseded meanwhile, since this is the parent that was presented.
            return self.commit();
        }
        let ours_is_newer = record.lineage.id == child.id
            && record.health == Health::Sound
            && issued_at(&granted.child) > issued_at(&record);
        if ours_is_newer {
            let lineage = Lineage { version: record.lineage.version.saturating_add(1), id: child.id };
            if let Some(granted) = &mut self.granted {
                granted.child.lineage = lineage;
            }
            return self.commit();
        }
        // F037: a new consent, or another process's newer answer, takes precedence.
        self.granted = None;
        self.terms.known = None;
        self.survey()
    }

    fn commit_failed(&mut self) -> Action {
        let grace_over = match &mut self.granted {
            Some(granted) if !granted.released && self.now.since(granted.at) >= COMMIT_GRACE => {
                granted.released = true;
                true
            }
            _ => false,
        };
        if !self.terms.rotating
            && let Some(granted) = self.granted.take_if(|granted| granted.quarantine.is_none())
        {
            return self.finish(Ok(Fresh { record: granted.child, own: true }));
        }
        if grace_over {
            self.phase = Phase::Releasing;
            return Action::Release;
        }
        self.wait(self.store_pause(), Reading::Commit)
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

    // === ending ===

    fn latch(&mut self, record: &Record, fault: TokenFault, rotation_lost: bool) -> Action {
        let health = Health::Reauthorise(Reauthorise { rotation_lost, said: fault.said.clone() });
        let latched = Record { health, ..record.unclaimed(None) };
        self.swap(Writing::Latch(fault), latched)
    }

    fn latched(&mut self) -> Action {
        match self.stored.as_ref().map(|seen| seen.record.health.clone()) {
            Some(Health::Reauthorise(reason)) => self.reauthorise(&reason),
            _ => self.load(Reading::Begin),
        }
    }

    fn reauthorise(&mut self, reason: &Reauthorise) -> Action {
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

    fn revoked(&mut self) -> Action {
        let record = self.stored.as_ref().map(|seen| seen.record.clone());
        let message = "the connection was revoked; connect again to use it";
        let mut failure = self.failure(AuthErrorKind::Revoked, message, LATCHED_PAUSE);
        failure.record = record;
        self.finish(Err(failure))
    }

    /// Gives the claim back and fails.
    fn conclude(&mut self, kind: AuthErrorKind, message: String, pause: Duration) -> Action {
        let failure = self.failure(kind, message, pause);
        let Some(seen) = self.stored.clone().filter(|_| !self.storeless) else {
            return self.finish(Err(failure));
        };
        self.terms.idle_claim = Some(self.nonce);
        let pause = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        let not_before = self.now.wall_millis().saturating_add(pause);
        self.terms.own_not_before = Some(not_before);
        let unclaimed = seen.record.unclaimed(Some(not_before));
        self.swap(Writing::Conclude(Box::new(failure)), unclaimed)
    }

    fn fail(&mut self, kind: AuthErrorKind, message: impl Into<String>, pause: Duration) -> Action {
        let failure = self.failure(kind, message, pause);
        self.finish(Err(failure))
    }

    fn failure(&self, kind: AuthErrorKind, message: impl Into<String>, pause: Duration) -> Failure {
        Failure { kind, message: message.into(), pause, record: None }
    }

    fn finish(&mut self, result: Result<Fresh, Failure>) -> Action {
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

/// Whether `ours` is what `theirs` was before the store lost it. Versions count within one consent; between two, which
/// may begin at any version if a record was removed, the newer tokens decide.
fn is_ahead(ours: &Record, theirs: &Record) -> bool {
    ours.lineage.version > theirs.lineage.version
        && (ours.lineage.id == theirs.lineage.id || issued_at(ours) > issued_at(theirs))
}

fn issued_at(record: &Record) -> Option<u64> {
    record.tokens.as_ref().and_then(|tokens| tokens.issued_at)
}

#[cfg(test)]
mod tests;
