//! How a flight lands: what its outcome changes here, who is answered, what is announced.

use std::{mem, sync::Arc};

use super::state::{Outcome, Room, Shared, State, shutting_down};
use crate::{
    BoxError, clock,
    error::{AuthError, AuthErrorKind},
    event::Event,
    refresh::{
        decide::{Failure, Fresh},
        flight::{Landed, Witness},
        record::Record,
    },
};

/// Brings a flight down, whatever happens to its task.
pub(super) struct Landing {
    shared: Arc<Shared>,
    /// Taken when the flight has landed: what is dropped with it never landed.
    room: Option<Room>,
    /// The epoch that the flight began in. In a later one it changes nothing: it may bring a token of before the
    /// consent, or of a connection that is revoked (F037, F038).
    epoch: u64,
}

impl Landing {
    pub(super) fn new(shared: Arc<Shared>, room: Room, epoch: u64) -> Self {
        Self { shared, room: Some(room), epoch }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn land(mut self, landed: Landed) {
        let mut state = self.shared.state();
        let outcome = if self.is_overtaken(&state) {
            state.standing()
        } else {
            state.flight = None;
            self.shared.landed(&mut state, landed)
        };
        let news = mem::take(&mut state.outbox);
        drop(state);
        // Answered first: what is announced runs others' code (F010).
        if let Some(room) = self.room.take() {
            room.send_replace(Some(outcome));
        }
        self.shared.announce(news);
    }

    /// Whether a person decided something since the flight began; then the flight under way is another one.
    fn is_overtaken(&self, state: &State) -> bool {
        self.epoch != state.epoch
    }
}

impl Witness for Landing {
    fn hold(&self, record: Record) {
        let mut state = self.shared.state();
        if !self.is_overtaken(&state) {
            state.known = Some(record);
            state.dirty = true;
        }
    }

    fn release(&self) {
        let mut state = self.shared.state();
        let outcome = if self.is_overtaken(&state) {
            state.standing()
        } else {
            let Some(record) = state.known.clone() else { return };
            state.outbox.push(Event::CommitDelayed);
            self.shared.arrive(&mut state, record, true)
        };
        let news = mem::take(&mut state.outbox);
        drop(state);
        if let Some(room) = &self.room {
            room.send_replace(Some(outcome));
        }
        self.shared.announce(news);
    }
}

impl Drop for Landing {
    /// Reached with the room only if the task ended early: it panicked, or its runtime is shutting down (F008, F012).
    fn drop(&mut self) {
        let Some(room) = self.room.take() else { return };
        let error = if std::thread::panicking() {
            let message = "the refresh panicked; a grant, a store or a transport has a bug";
            AuthError::new(AuthErrorKind::RefreshPanicked, message)
        } else {
            shutting_down("the runtime is shutting down")
        };
        let mut state = self.shared.state();
        let mut rescue = None;
        if !self.is_overtaken(&state) {
            state.flight = None;
            state.note_read(clock::now());
            // The token set that is not stored yet would otherwise wait for the next refusal, and others for it. Once:
            // what always panics is not tried for ever. (A runtime that ends takes no other task.)
            let is_good_to_serve = state.known.as_ref().is_some_and(|known| known.tokens.is_some());
            if state.dirty
                && is_good_to_serve
                && std::thread::panicking()
                && !mem::replace(&mut state.rescued, true)
            {
                rescue = self.shared.flush(&mut state).ok();
            }
        }
        match rescue {
            Some(boarding) => drop(boarding.depart(state)),
            None => drop(state),
        }
        // Whoever was released keeps what it got.
        if room.borrow().is_none() {
            room.send_replace(Some(Err(error)));
        }
    }
}

impl Shared {
    /// Takes over what a flight of this epoch came to.
    fn landed(&self, state: &mut State, landed: Landed) -> Outcome {
        let Landed { finish, source } = landed;
        state.rescued = false;
        state.note_read(clock::now());
        state.watch = finish.watch;
        state.own_not_before = finish.own_not_before;
        state.idle_claim = finish.idle_claim;
        state.dirty = finish.dirty;
        if finish.seed_ignored && !state.seed_ignored {
            state.seed_ignored = true;
            state.outbox.push(Event::SeedIgnored);
        }
        match finish.result {
            Ok(fresh) => self.landed_fresh(state, fresh),
            Err(failure) => Err(self.landed_short(state, failure, source)),
        }
    }

    /// Serves what a flight brought: its own, or another process's.
    fn arrive(&self, state: &mut State, record: Record, own: bool) -> Outcome {
        let before = state.last_generation;
        let live = self.publish(state, record)?;
        if live.generation.0 > before {
            let generation = live.generation;
            state.adopted = (!own).then_some(generation);
            state.outbox.push(if own {
                Event::Refreshed { generation }
            } else {
                Event::Adopted { generation }
            });
        }
        if mem::take(&mut state.doubtful) && own {
            // Now and not when the refresh began: one that fails has its own pause. What another process brought is no
            // sign of what a token request would bring.
            state.cool_down.begin(clock::now(), &mut self.crew.chance.entropy());
        }
        Ok(live)
    }

    /// Serves a record that is stored, and ends the pause after a failure.
    pub(super) fn landed_fresh(&self, state: &mut State, fresh: Fresh) -> Outcome {
        let live = self.arrive(state, fresh.record, fresh.own)?;
        state.succeed();
        Ok(live)
    }

    fn landed_short(&self, state: &mut State, failure: Failure, source: Option<BoxError>) -> AuthError {
        if let Some(record) = failure.record {
            state.known = Some(record);
        }
        let pause = self.crew.pace.real(failure.pause);
        let retry_after = failure.kind.is_transient().then_some(pause);
        let mut error = AuthError::new(failure.kind, failure.message).with_retry_after(retry_after);
        if let Some(source) = source {
            error = error.with_source(source);
        }
        let error = error.diagnosed(state.facts(state.live.as_deref(), true));
        if failure.kind == AuthErrorKind::Revoked {
            self.withdraw(state);
        }
        state.failures = state.failures.saturating_add(1);
        state.last_failure = Some((error.clone(), clock::now() + pause));
        match failure.kind {
            AuthErrorKind::ReauthorisationRequired | AuthErrorKind::Revoked => {
                if !mem::replace(&mut state.asked_for_person, true) {
                    state.outbox.push(Event::ReauthorisationRequired(error.clone()));
                }
            }
            _ => state.outbox.push(Event::RefreshFailed(error.clone())),
        }
        error
    }
}

impl State {
    /// What is served now, for whoever waited for a flight that was overtaken.
    pub(super) fn standing(&self) -> Outcome {
        self.live.clone().ok_or_else(|| {
            AuthError::new(AuthErrorKind::Revoked, "the connection was revoked while a refresh was under way")
        })
    }
}
