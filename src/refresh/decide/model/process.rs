//! A process: what it remembers, its flight, and how the one becomes the other. A session in small.

use std::time::Duration;

use super::{
    super::{Action, Input, StoreFault, Terms, Watch},
    clock::{NOW, Passing},
    controls::{Core, Design},
    token,
};
use crate::{
    error::AuthErrorKind,
    refresh::{
        backoff::Entropy,
        record::{Binding, Record},
    },
    secret::Secret,
    store::StoreErrorKind,
    token::Lineage,
};

/// Everything that a process knows.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Local {
    pub(super) memory: Memory,
    pub(super) flight: Option<Flight>,
}

/// What outlives a flight, and ends with the process.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Memory {
    pub(super) known: Option<Record>,
    dirty: bool,
    watch: Option<Watch>,
    own_not_before: Option<u64>,
    idle_claim: Option<u128>,
    served: Option<Lineage>,
    /// The number of the access token that is served; 0 while there is none.
    pub(super) latest: u8,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Flight {
    pub(super) core: Core,
    /// What it waits for.
    pub(super) action: Action,
    /// How often it has paused while somebody waits for it.
    pauses: u8,
    released: bool,
    /// Whether it sleeps and can be woken by a hint.
    pub(super) is_watching: bool,
}

/// What came of a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Then {
    Act,
    Sleep(Duration),
    Rest,
}

/// What a step did that must not be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wrong {
    /// I6: an older access token is served than before.
    Backwards,
    /// I5: somebody waits for longer than any flight may take.
    Endless,
    /// The flight did not understand what it was told.
    Lost,
}

/// How often a flight pauses at most, and for how long, until whoever waits for it is answered: for a claim until its
/// holder counts as gone, for three tries of the store, for four of the token endpoint. Many more would be a loop.
const MOST_PAUSES: u8 = 8;
/// The longest is the one between two tries to commit, give or take a quarter.
const LONGEST_PAUSE: Duration = Duration::from_millis(6_250);

impl Memory {
    /// A process that has been serving `record`.
    pub(super) fn of(record: Record) -> Self {
        Self { served: Some(record.lineage), latest: access(&record), known: Some(record), ..Self::default() }
    }

    fn terms(&self) -> Terms {
        Terms {
            binding: binding(),
            seed: Some(Secret::new("r0")),
            rotating: true,
            known: self.known.clone(),
            dirty: self.dirty,
            stores_only: false,
            served_for: Duration::ZERO,
            rejected: self.served,
            watch: self.watch,
            own_not_before: self.own_not_before,
            idle_claim: self.idle_claim,
            failures: 0,
            // One that no claim is drawn from.
            entropy: Entropy::seeded(0),
        }
    }

    fn serve(&mut self, record: &Record) -> Result<(), Wrong> {
        if record.tokens.is_none() {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.latest, access(record));
        self.served = Some(record.lineage);
        if self.latest < before { Err(Wrong::Backwards) } else { Ok(()) }
    }
}

impl Local {
    pub(super) fn take_off(&mut self, design: Design) {
        let core = Core::begin(design, self.memory.terms());
        self.flight =
            Some(Flight { core, action: Action::Load, pauses: 0, released: false, is_watching: false });
    }

    /// Goes on until the next thing that takes time. `draw` is what randomness there is.
    pub(super) fn step(&mut self, mut input: Input, draw: u8) -> Result<Then, Wrong> {
        let memory = &mut self.memory;
        let flight = self.flight.as_mut().unwrap();
        flight.core.draw_from(Entropy::seeded(draw.into()));
        loop {
            match flight.core.step(NOW, input) {
                Action::Hold(record) => {
                    memory.known = Some(*record);
                    memory.dirty = true;
                }
                Action::Release => {
                    flight.released = true;
                    let record = memory.known.clone().unwrap();
                    memory.serve(&record)?;
                }
                action @ (Action::Wait(pause) | Action::Watch(pause)) => {
                    flight.is_watching = matches!(action, Action::Watch(_));
                    flight.action = Action::Wait(Duration::ZERO);
                    flight.core.draw_from(Entropy::seeded(0));
                    flight.pauses += u8::from(!flight.released);
                    if flight.pauses > MOST_PAUSES || pause > LONGEST_PAUSE {
                        return Err(Wrong::Endless);
                    }
                    return Ok(Then::Sleep(pause));
                }
                Action::Finish(finish) => {
                    memory.watch = finish.watch;
                    memory.own_not_before = finish.own_not_before;
                    memory.idle_claim = finish.idle_claim;
                    memory.dirty = finish.dirty;
                    self.flight = None;
                    match finish.result {
                        Ok(fresh) => {
                            memory.watch = None;
                            memory.serve(&fresh.record)?;
                            memory.known = Some(fresh.record);
                        }
                        Err(failure) if failure.kind == AuthErrorKind::RefreshPanicked => {
                            return Err(Wrong::Lost);
                        }
                        Err(failure) => {
                            if let Some(record) = failure.record {
                                memory.known = Some(record);
                            }
                        }
                    }
                    return Ok(Then::Rest);
                }
                action => {
                    flight.core.draw_from(Entropy::seeded(0));
                    flight.is_watching = false;
                    flight.action = action;
                    return Ok(Then::Act);
                }
            }
            input = Input::Done;
        }
    }

    pub(super) fn age(&mut self, passing: Passing) {
        let memory = &mut self.memory;
        memory.known.iter_mut().for_each(|record| passing.age_record(record));
        passing.near(&mut memory.own_not_before);
        if let Some(watch) = &mut memory.watch {
            passing.age(&mut watch.since);
        }
        if let Some(flight) = &mut self.flight {
            passing.age_action(&mut flight.action);
            flight.core.age(passing);
        }
    }

    /// The newest refresh token that would be lost with this process, if nobody else has it.
    pub(super) fn holds(&self) -> Option<u8> {
        let granted = self.flight.as_ref().and_then(|flight| flight.core.granted());
        self.memory.known.iter().chain(granted).filter_map(refresh_token).max()
    }

    /// Whether its refresh token is under way, or the next one is not stored yet.
    pub(super) fn is_exposed(&self) -> bool {
        self.flight.as_ref().is_some_and(|flight| {
            matches!(flight.action, Action::Exchange { .. }) || flight.core.granted().is_some()
        })
    }
}

/// The number of a record's refresh token: 3 for `r3`.
pub(super) fn refresh_token(record: &Record) -> Option<u8> {
    record.refresh_token.as_ref().map(token::number)
}

fn access(record: &Record) -> u8 {
    record.tokens.as_ref().map_or(0, |tokens| token::number(&tokens.access_token))
}

pub(super) fn binding() -> Binding {
    Binding {
        client_id: "client".into(),
        login_origin: "https://login.salesforce.com".into(),
        org: None,
        user: None,
    }
}

pub(super) fn unavailable() -> StoreFault {
    StoreFault { kind: StoreErrorKind::Unavailable }
}
