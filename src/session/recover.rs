//! What follows a refusal.

use std::{
    future::{Future, poll_fn},
    mem,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use super::{
    live::Live,
    state::{Boarding, Outcome, Seat, Shared, State, shutting_down},
};
use crate::{
    clock::{self, Timer},
    diagnosis::{self, Diagnosis, NotResendable},
    error::{AuthError, AuthErrorKind},
    refusal::{Refusal, Verdict},
};

/// A token that is refused as expired sooner than this did not expire: Salesforce's shortest session time-out is
/// 15 minutes.
const TOO_YOUNG_TO_EXPIRE: Duration = Duration::from_secs(60);

/// A refusal that the layer met.
#[derive(Debug)]
pub(crate) struct Refused {
    /// The token that the request was sent with.
    pub(crate) live: Arc<Live>,
    pub(crate) refusal: Arc<Refusal>,
    /// Whether it was sent to the org's own host.
    pub(crate) is_home: bool,
    /// Whether the layer holds a copy of the request, or why not.
    pub(crate) resendable: Result<(), NotResendable>,
}

/// What the session advises after a refusal.
#[derive(Debug)]
pub(crate) enum Recovery {
    /// Send the request once more, with this token, to its host.
    Resend(Arc<Live>),
    /// Hand the answer back, with this diagnosis.
    HandBack(Box<Diagnosis>),
}

/// What can be said at once, under the lock.
enum Now {
    Newer(Arc<Live>),
    Wait(Seat),
    Not(diagnosis::Outcome),
}

/// The same, before the lock is released: a flight departs without it.
enum Advice {
    Newer(Arc<Live>),
    Board(Boarding),
    Not(diagnosis::Outcome),
}

impl Shared {
    pub(super) async fn recover(self: Arc<Self>, refused: Refused) -> Recovery {
        let outcome = match self.consider(&refused) {
            Now::Newer(live) => Ok(live),
            Now::Not(outcome) => match self.instead_of(&outcome).await {
                Some(live) if live.generation > refused.live.generation => Ok(live),
                _ => return self.hand_back(refused, outcome),
            },
            Now::Wait(seat) => self.seated(seat).await,
        };
        match outcome {
            Ok(live) if live.generation > refused.live.generation => match refused.resendable {
                _ if refused.live.is_other_org(&live) => {
                    self.hand_back(refused, diagnosis::Outcome::NotResendable(NotResendable::OtherOrg))
                }
                Ok(()) => Recovery::Resend(live),
                Err(reason) => self.hand_back(refused, diagnosis::Outcome::NotResendable(reason)),
            },
            Ok(_) => self.hand_back(refused, self.unchanged()),
            Err(error) => self.hand_back(refused, diagnosis::Outcome::RefreshFailed(error)),
        }
    }

    /// What another process has stored, where no refresh may begin because of a pause.
    async fn instead_of(self: &Arc<Self>, outcome: &diagnosis::Outcome) -> Option<Arc<Live>> {
        use diagnosis::Outcome::{CoolingDown, RefreshFailed};
        if !matches!(outcome, CoolingDown { .. } | RefreshFailed(_)) {
            return None;
        }
        self.look_out().await
    }

    fn hand_back(&self, refused: Refused, outcome: diagnosis::Outcome) -> Recovery {
        let Refused { live, refusal, is_home, .. } = refused;
        Recovery::HandBack(Box::new(self.diagnosis(refusal, &live, is_home, outcome)))
    }

    /// What is known now of a refusal that is handed to the caller.
    pub(super) fn diagnosis(
        &self,
        refusal: Arc<Refusal>,
        live: &Live,
        is_home: bool,
        outcome: diagnosis::Outcome,
    ) -> Diagnosis {
        let facts = self.state().facts(Some(live), is_home);
        Diagnosis::new(Some(refusal), outcome, facts)
    }

    fn consider(self: &Arc<Self>, refused: &Refused) -> Now {
        let mut state = self.state();
        state.note_refusal(&refused.live, &refused.refusal);
        let advice = self.advise(&mut state, refused);
        let news = mem::take(&mut state.outbox);
        let now = match advice {
            Advice::Newer(live) => Now::Newer(live),
            Advice::Board(boarding) => Now::Wait(boarding.depart(state)),
            Advice::Not(outcome) => {
                drop(state);
                Now::Not(outcome)
            }
        };
        self.announce(news);
        now
    }

    fn advise(self: &Arc<Self>, state: &mut State, refused: &Refused) -> Advice {
        if !may_refresh(refused.refusal.verdict) {
            return Advice::Not(diagnosis::Outcome::NotRefreshable);
        }
        if let Some(live) = &state.live
            && live.generation > refused.live.generation
        {
            return Advice::Newer(Arc::clone(live)); // F148: a late refusal of an older token refreshes nothing
        }
        let joins = state.flight.is_some();
        if !joins && let Some(retry_after) = state.cool_down.remaining(clock::now()) {
            return Advice::Not(diagnosis::Outcome::CoolingDown { retry_after });
        }
        match self.board(state, false) {
            Ok(boarding) => {
                if !joins {
                    state.doubtful |= is_suspicious(refused);
                    state.cool_down.doubt(refused.refusal.verdict != Verdict::SessionExpired);
                }
                Advice::Board(boarding)
            }
            Err(error) => Advice::Not(diagnosis::Outcome::RefreshFailed(error)),
        }
    }

    /// The current token, or the one of the flight that is joined or started for it.
    pub(super) async fn token(self: &Arc<Self>) -> Outcome {
        let boarded = {
            let mut state = self.state();
            if let Some(live) = &state.live {
                return Ok(Arc::clone(live));
            }
            self.board(&mut state, false).map(|boarding| boarding.depart(state))
        };
        match boarded {
            Ok(seat) => self.seated(seat).await,
            Err(error) => self.look_out().await.ok_or(error),
        }
    }

    /// Waits for a flight, at most as long as the wait budget. Dropping the future gives the seat up and nothing else.
    pub(super) async fn seated(&self, mut seat: Seat) -> Outcome {
        let Some(mut budget) = Timer::start(self.wait_budget, self.runtime.as_ref()) else {
            return Err(shutting_down("to wait for a refresh needs a tokio runtime with timers"));
        };
        let wait = async {
            match seat.wait_for(Option::is_some).await {
                Ok(outcome) => outcome.clone(),
                Err(_) => None,
            }
        };
        let mut wait = pin!(wait);
        let first = poll_fn(|cx| match wait.as_mut().poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending => budget.poll_over(cx).map(|()| None),
        });
        match first.await {
            Some(Some(outcome)) => outcome,
            Some(None) => Err(shutting_down("the refresh was abandoned")),
            None => {
                let message = format!(
                    "the refresh is not done after {} s; it goes on without this caller",
                    self.wait_budget.as_secs_f32()
                );
                Err(AuthError::new(AuthErrorKind::WaitBudgetExceeded, message)
                    .with_retry_after(Some(Duration::from_secs(1))))
            }
        }
    }

    /// The flight came back with the token that had been refused.
    fn unchanged(&self) -> diagnosis::Outcome {
        let mut state = self.state();
        if state.dirty {
            let message = "the last token set is not stored yet, so the next refresh token must not be used";
            return diagnosis::Outcome::RefreshFailed(AuthError::new(
                AuthErrorKind::StoreUnavailable,
                message,
            ));
        }
        self.cool_down(&mut state);
        diagnosis::Outcome::TokenUnchanged
    }

    /// Notes that a resend with `live` was accepted.
    pub(super) fn resend_accepted(&self, live: &Live) {
        let_in(&mut self.state(), live);
    }

    /// Notes that a resend with `live` was refused, and says what that means.
    pub(super) fn resend_refused(&self, live: &Live, refusal: &Arc<Refusal>) -> diagnosis::Outcome {
        let mut state = self.state();
        state.note_second_refusal(live, refusal);
        self.judge_resend(&mut state, live, refusal)
    }

    fn judge_resend(&self, state: &mut State, live: &Live, refusal: &Refusal) -> diagnosis::Outcome {
        if !may_refresh(refusal.verdict) {
            // The new session was let in, unless nobody was there to look at it.
            if refusal.verdict != Verdict::OrgUnavailable {
                let_in(state, live);
            }
            return diagnosis::Outcome::RefusedOtherwise;
        }
        // Another process may have refreshed hours ago, and its session have ended since: a token request helps as ever.
        let ended_before =
            refusal.verdict == Verdict::SessionExpired && state.adopted == Some(live.generation);
        // Many resends report one refresh: the first counts.
        if state.is_newest(live)
            && state.refused_again.replace(live.generation) != Some(live.generation)
            && !ended_before
        {
            self.cool_down(state);
        }
        diagnosis::Outcome::RefusedAgain
    }

    fn cool_down(&self, state: &mut State) {
        state.cool_down.begin(clock::now(), &mut self.crew.chance.entropy());
    }
}

/// Notes that a resend's token was accepted: the refresh helped.
fn let_in(state: &mut State, live: &Live) {
    live.accept();
    // An older token says nothing of the refreshes since. Where the same token is refused to another request, the next
    // refresh would not help that one either.
    if state.is_newest(live) && state.refused_again != Some(live.generation) {
        state.cool_down.helped();
    }
}

/// Whether a new token could change the answer at all.
pub(super) fn may_refresh(verdict: Verdict) -> bool {
    matches!(
        verdict,
        Verdict::SessionExpired
            | Verdict::SessionNotPermitted
            | Verdict::UnrecognisedRefusal
            | Verdict::WrongHost
    )
}

/// Whether there is reason to doubt that a refresh helps, so that the next one has to wait.
fn is_suspicious(refused: &Refused) -> bool {
    refused.refusal.verdict != Verdict::SessionExpired
        || !refused.live.was_accepted()
        || refused.live.since.elapsed() < TOO_YOUNG_TO_EXPIRE
}
