//! What a world's numbers stand for, and what each thing that happens does to it.

use std::{collections::HashMap, time::Duration};

use super::{
    super::{Action, Input, Seen, SwapOutcome},
    clock::Passing,
    controls::Design,
    interned::Interned,
    process::{self, Local, Memory, Then, Wrong},
    token,
    world::{
        Bounds, Cell, Checks, Endpoint, Failed, Heard, Late, MOST, Pending, Process, Start, Store, Violation,
        World,
    },
};
use crate::{refresh::record::Record, secret::Secret, store::Revision, token_endpoint::TokenErrorKind};

/// What worlds are made of, and how far they go.
pub(super) struct Universe {
    pub(super) design: Design,
    pub(super) bounds: Bounds,
    pub(super) locals: Interned<Local>,
    pub(super) records: Interned<Record>,
    facts: Vec<Facts>,
    steps: HashMap<(u32, Heard, u8), Step>,
    aged_locals: HashMap<u32, u32>,
    aged_records: HashMap<u32, u32>,
    fresh: u32,
}

/// The state after a step, what comes then, and whether a nonce was drawn.
type Step = (u32, Result<Then, Wrong>, bool);

/// What is asked of a local state again and again.
#[derive(Clone, Copy)]
struct Facts {
    holds: Option<u8>,
    is_exposed: bool,
    is_flying: bool,
    is_watching: bool,
    latest: u8,
}

impl Universe {
    pub(super) fn new(design: Design, bounds: Bounds) -> Self {
        let mut universe = Self {
            design,
            bounds,
            locals: Interned::new(),
            records: Interned::new(),
            facts: Vec::new(),
            steps: HashMap::new(),
            aged_locals: HashMap::new(),
            aged_records: HashMap::new(),
            fresh: 0,
        };
        universe.fresh = universe.local(Local::default());
        universe
    }

    pub(super) fn beginning(&mut self) -> World {
        let first = Record::first(process::binding(), Some(&token::refresh(0)), 7, 9)
            .child(Some(token::refresh(1)), Some(token::set(1)));
        let (cell, newest, memory) = match self.bounds.start {
            Start::Cold => (None, 0, Memory::default()),
            Start::Warm => {
                let record = self.records.number(first.clone());
                (Some(Cell { revision: 1, record }), 1, Memory::of(first))
            }
        };
        let local = self.local(Local { memory, flight: None });
        World {
            store: Store { cell, is_down: false, last_revision: 1 },
            endpoint: Endpoint { newest, is_alive: true, is_expired: false },
            processes: [Process { local, pending: Pending::Rest, window: None }; MOST],
            late: None,
            left: self.bounds.left,
            is_lossy: false,
            drawn: 1,
        }
    }

    fn local(&mut self, local: Local) -> u32 {
        let facts = Facts {
            holds: local.holds(),
            is_exposed: local.is_exposed(),
            is_flying: local.flight.is_some(),
            is_watching: local.flight.as_ref().is_some_and(|flight| flight.is_watching),
            latest: local.memory.latest,
        };
        let number = self.locals.number(local);
        if number as usize == self.facts.len() {
            self.facts.push(facts);
        }
        number
    }

    fn facts(&self, process: Process) -> Facts {
        self.facts[process.local as usize]
    }

    /// What a process waits for.
    pub(super) fn action(&self, process: Process) -> &Action {
        &self.locals.get(process.local).flight.as_ref().unwrap().action
    }

    // === processes ===

    /// Whether a process may begin a refresh: it has no token that is accepted.
    pub(super) fn may_take_off(&self, world: &World, process: Process) -> bool {
        let latest = self.facts(process).latest;
        let Endpoint { newest, is_alive, is_expired } = world.endpoint;
        process.pending == Pending::Rest && (latest == 0 || latest < newest || is_expired || !is_alive)
    }

    pub(super) fn take_off(&mut self, process: Process) -> Process {
        let mut local = (**self.locals.get(process.local)).clone();
        local.take_off(self.design);
        Process { local: self.local(local), pending: Pending::Heard(Heard::Started), window: None }
    }

    /// The `n`-th process takes notice of what came of its action, and decides.
    pub(super) fn hear(&mut self, world: &mut World, n: usize) -> Option<Violation> {
        let process = &mut world.processes[n];
        let Pending::Heard(heard) = process.pending else { return None };
        let key = (process.local, heard, world.drawn);
        let (local, then, drew) = match self.steps.get(&key) {
            Some(step) => *step,
            None => {
                let step = self.step(key);
                self.steps.insert(key, step);
                step
            }
        };
        world.drawn += u8::from(drew);
        process.local = local;
        process.pending = match then {
            Ok(Then::Act) => Pending::Act,
            Ok(Then::Sleep(pause)) => Pending::Sleep(self.ticks(pause)),
            Ok(Then::Rest) | Err(_) => Pending::Rest,
        };
        process.window = process.window.filter(|_| process.pending != Pending::Rest);
        then.err().map(Violation::Wrong)
    }

    /// What a process does, having heard so: the one place where the core runs, once for each.
    fn step(&mut self, (local, heard, drawn): (u32, Heard, u8)) -> Step {
        let mut local = (**self.locals.get(local)).clone();
        let then = local.step(self.input(heard), drawn);
        let drew = local.flight.as_ref().is_some_and(
            |flight| matches!(&flight.action, Action::Swap { record, .. } if record.claim.is_some()),
        );
        (self.local(local), then, drew)
    }

    /// A pause in ticks of the clock, begun ones included.
    fn ticks(&self, pause: Duration) -> u8 {
        pause.as_millis().div_ceil(self.bounds.tick.as_millis()).try_into().unwrap()
    }

    fn input(&self, heard: Heard) -> Input {
        let seen = |cell: Option<Cell>| {
            cell.map(|Cell { revision, record }| {
                let revision = Revision::new(revision.into());
                Box::new(Seen { revision, record: (**self.records.get(record)).clone() })
            })
        };
        match heard {
            Heard::Started => Input::Started,
            Heard::Loaded(cell) => Input::Loaded(Ok(seen(cell))),
            Heard::NotLoaded => Input::Loaded(Err(process::unavailable())),
            Heard::Applied(revision) => {
                Input::Swapped(Ok(SwapOutcome::Applied(Revision::new(revision.into()))))
            }
            Heard::Conflict(cell) => Input::Swapped(Ok(SwapOutcome::Conflict(seen(cell)))),
            Heard::NotSwapped => Input::Swapped(Err(process::unavailable())),
            Heard::Granted(number) => Input::Exchanged(token::granted(number)),
            Heard::Quarantined(number) => Input::Exchanged(token::quarantined(number)),
            Heard::Failed(failed) => Input::Exchanged(token::failed(match failed {
                Failed::Unknown => TokenErrorKind::OutcomeUnknown,
                Failed::NotSent => TokenErrorKind::NotSent,
                Failed::Busy => TokenErrorKind::AlreadyProcessing,
                Failed::Transient => TokenErrorKind::Transient,
                Failed::Refused => TokenErrorKind::Reauthorise,
            })),
            Heard::Done => Input::Done,
        }
    }

    /// The process is gone; another one takes its place.
    pub(super) fn fresh(&self) -> Process {
        Process { local: self.fresh, pending: Pending::Rest, window: None }
    }

    // === the store ===

    /// What a process is about to write.
    pub(super) fn write_of(&mut self, process: Process) -> Option<Late> {
        let Action::Swap { expected, record } = self.action(process).clone() else { return None };
        let expected = expected.map(|revision| revision.get().try_into().unwrap());
        Some(Late::Write { expected, record: self.records.number(*record) })
    }

    pub(super) fn write(&self, store: &mut Store, expected: Option<u16>, record: u32) -> Heard {
        if store.cell.map(|cell| cell.revision) != expected {
            return Heard::Conflict(store.cell);
        }
        store.last_revision += 1;
        store.cell = Some(Cell { revision: store.last_revision, record });
        Heard::Applied(store.last_revision)
    }

    // === the token endpoint ===

    /// What a process is about to present.
    pub(super) fn request_of(&self, process: Process) -> Option<Late> {
        let Action::Exchange { refresh_token } = self.action(process) else { return None };
        let token = refresh_token.as_ref().map(token::number as fn(&Secret) -> u8).unwrap();
        Some(Late::Request { token, window: process.window.unwrap_or(0) })
    }

    pub(super) fn request(&self, world: &mut World, token: u8) -> (Heard, Option<Violation>) {
        let refused = Heard::Failed(Failed::Refused);
        if !world.endpoint.is_alive {
            return (refused, None);
        }
        if token == world.endpoint.newest {
            world.endpoint.newest += 1;
            world.endpoint.is_expired = false;
            return (Heard::Granted(world.endpoint.newest), None);
        }
        world.endpoint.is_alive = false;
        let violation = if self.is_held(world) {
            Some(Violation::Reuse).filter(|_| self.bounds.checks == Checks::All)
        } else {
            Some(Violation::Dropped).filter(|_| !world.is_lossy)
        };
        (refused, violation)
    }

    /// Whether the newest refresh token is stored, in anybody's hands, or under way to them.
    pub(super) fn is_held(&self, world: &World) -> bool {
        let newest = world.endpoint.newest;
        self.is_stored(world)
            || world.processes.iter().any(|process| {
                self.facts(*process).holds == Some(newest)
                    || matches!(
                        process.pending,
                        Pending::Heard(Heard::Granted(number) | Heard::Quarantined(number))
                            | Pending::Stalled(Heard::Granted(number) | Heard::Quarantined(number))
                            if number == newest
                    )
            })
    }

    pub(super) fn is_stored(&self, world: &World) -> bool {
        match world.store.cell {
            Some(cell) => self.is_newest(world, cell.record),
            // The configured one is everybody's.
            None => world.endpoint.newest == 0,
        }
    }

    fn is_newest(&self, world: &World, record: u32) -> bool {
        process::refresh_token(self.records.get(record)) == Some(world.endpoint.newest)
    }

    // === time ===

    /// Whether somebody's refresh token, or what came for it, is under way for as long as the bounds let it be.
    pub(super) fn is_at_limit(&self, world: &World) -> bool {
        let Some(limit) = self.bounds.window else { return false };
        let late = matches!(world.late, Some(Late::Request { window, .. }) if window >= limit);
        late || world.processes.iter().any(|process| {
            process.window.is_some_and(|window| window >= limit) && self.facts(*process).is_exposed
        })
    }

    pub(super) fn tick(&mut self, mut world: World) -> World {
        if let Some(cell) = &mut world.store.cell {
            cell.record = self.aged_record(cell.record);
        }
        match &mut world.late {
            Some(Late::Write { record, .. }) => *record = self.aged_record(*record),
            Some(Late::Request { window, .. }) => *window = window.saturating_add(1),
            None => {}
        }
        for process in &mut world.processes {
            process.local = self.aged_local(process.local);
            process.window = process.window.map(|window| (window + 1).min(self.longest_window()));
            if let Pending::Stalled(Heard::Loaded(Some(cell)) | Heard::Conflict(Some(cell))) =
                &mut process.pending
            {
                cell.record = self.aged_record(cell.record);
            }
            process.pending = match process.pending {
                Pending::Stalled(heard) => Pending::Heard(heard),
                Pending::Sleep(1) => Pending::Heard(Heard::Done),
                Pending::Sleep(ticks) => Pending::Sleep(ticks - 1),
                pending => pending,
            };
        }
        world
    }

    /// A window older than its limit is as old as it gets.
    fn longest_window(&self) -> u8 {
        self.bounds.window.unwrap_or(0)
    }

    fn passing(&self) -> Passing {
        // No wait-out is longer: it doubles with each claim that was superseded, and each of those takes a fault.
        let oldest = super::super::sending::WAIT_OUT_ROTATING * (1 << self.bounds.left.faults.min(3));
        Passing { by: self.bounds.tick, oldest }
    }

    fn aged_local(&mut self, number: u32) -> u32 {
        if let Some(aged) = self.aged_locals.get(&number) {
            return *aged;
        }
        let mut local = (**self.locals.get(number)).clone();
        local.age(self.passing());
        let aged = self.local(local);
        self.aged_locals.insert(number, aged);
        aged
    }

    fn aged_record(&mut self, number: u32) -> u32 {
        if let Some(aged) = self.aged_records.get(&number) {
            return *aged;
        }
        let mut record = (**self.records.get(number)).clone();
        self.passing().age_record(&mut record);
        let aged = self.records.number(record);
        self.aged_records.insert(number, aged);
        aged
    }

    pub(super) fn is_watching(&self, process: Process) -> bool {
        self.facts(process).is_watching
    }

    pub(super) fn is_flying(&self, process: Process) -> bool {
        self.facts(process).is_flying
    }
}
