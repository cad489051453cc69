//! What may happen next: each process's next step, and everything that may go wrong with it.
//!
//! A process that stands still is one whose step does not happen yet: any other's may come first, and the clock may tick.

use super::{
    super::Action,
    universe::Universe,
    world::{Endpoint, Failed, Heard, Late, Pending, Process, Violation, World},
};

/// One thing that happens. Numbers are processes' places in the world before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Move {
    /// A request was refused: a flight begins.
    TakeOff(usize),
    /// A process's action takes effect.
    Act(usize, How),
    /// A process takes notice of what came of it, or wakes.
    Hear(usize),
    /// It does not, until the clock ticks.
    Stall(usize),
    /// A hint wakes it that comes early, or twice.
    Hint(usize),
    /// It is killed, and started again with nothing.
    Crash(usize),
    /// The same, and what it had just sent arrives later.
    CrashLate(usize),
    /// What nobody waits for any more arrives.
    Arrive,
    /// Salesforce ends the session.
    Expire,
    StoreUp,
    Tick,
}

/// How an action takes effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum How {
    Well,
    /// Not at all, and the process is told that it is not known.
    Lost,
    /// The same, and the store is down from now on.
    Down,
    /// Well, and the answer is lost.
    Unanswered,
    /// After the process has given up.
    Late,
    /// The token request provably never left.
    NotSent,
    /// The token endpoint says that it is at it.
    Busy,
    Transient,
    /// The token endpoint's answer must not be served.
    Quarantined,
}

const ENDPOINT: [How; 8] = [
    How::Well,
    How::Lost,
    How::Unanswered,
    How::Late,
    How::NotSent,
    How::Busy,
    How::Transient,
    How::Quarantined,
];

impl Universe {
    /// Calls `visit` with everything that can happen next.
    pub(super) fn moves(&self, world: &World, mut visit: impl FnMut(Move)) {
        let processes = &world.processes[..self.bounds.processes];
        // Nobody else can tell when a process takes notice, other than the clock: none need come before it but that.
        if let Some(n) = processes.iter().position(|process| matches!(process.pending, Pending::Heard(_))) {
            visit(Move::Hear(n));
            if world.left.pauses > 0 {
                visit(Move::Stall(n));
            }
            return;
        }
        let has_fault = world.left.faults > 0;
        for (n, process) in processes.iter().enumerate() {
            if self.may_take_off(world, *process) {
                visit(Move::TakeOff(n));
            }
            if process.pending == Pending::Act {
                self.hows(world, *process).for_each(|how| visit(Move::Act(n, how)));
                if has_fault && world.late.is_none() && !matches!(self.action(*process), Action::Load) {
                    visit(Move::CrashLate(n));
                }
            }
            if has_fault && matches!(process.pending, Pending::Sleep(_)) && self.is_watching(*process) {
                visit(Move::Hint(n));
            }
            if has_fault && process.local != self.fresh().local {
                visit(Move::Crash(n));
            }
        }
        if world.late.is_some() {
            visit(Move::Arrive);
        }
        let Endpoint { is_alive, is_expired, .. } = world.endpoint;
        if world.left.expiries > 0 && is_alive && !is_expired && world.endpoint.newest > 0 {
            visit(Move::Expire);
        }
        // An outage begins with the first who meets it, and may end before the next.
        if world.store.is_down && processes.iter().any(|process| self.is_at_store(*process)) {
            visit(Move::StoreUp);
        }
        if (world.left.pauses > 0 || !self.is_urgent(world)) && !self.is_at_limit(world) {
            visit(Move::Tick);
        }
    }

    /// Whether somebody could go on.
    fn is_urgent(&self, world: &World) -> bool {
        let is_busy = |pending| matches!(pending, Pending::Act | Pending::Heard(_) | Pending::Stalled(_));
        world.processes[..self.bounds.processes].iter().any(|process| is_busy(process.pending))
    }

    fn is_at_store(&self, process: Process) -> bool {
        process.pending == Pending::Act && !matches!(self.action(process), Action::Exchange { .. })
    }

    fn hows(&self, world: &World, process: Process) -> impl Iterator<Item = How> + use<> {
        let is_at_store = self.is_at_store(process);
        let all: &'static [How] = match self.action(process) {
            Action::Load => &[How::Well, How::Lost, How::Down],
            Action::Swap { .. } => &[How::Well, How::Lost, How::Down, How::Unanswered, How::Late],
            _ => &ENDPOINT,
        };
        let is_certain = world.left.faults == 0 || (is_at_store && world.store.is_down);
        // One at a time: there is one place for what is late.
        let is_full = world.late.is_some();
        let hows = all[..if is_certain { 1 } else { all.len() }].iter().copied();
        hows.filter(move |how| !(is_full && *how == How::Late))
    }

    /// The world after `step`, and what went wrong in it. `None`: it makes no difference.
    pub(super) fn after(&mut self, world: &World, step: Move) -> Option<(World, Option<Violation>)> {
        let (mut next, violation) = self.after_unsorted(world, step)?;
        // Processes are alike: their order is nothing to tell worlds apart by.
        next.processes[..self.bounds.processes].sort_unstable();
        (next != *world || violation.is_some()).then_some((next, violation))
    }

    /// The same, with each process at its place.
    pub(super) fn after_unsorted(&mut self, world: &World, step: Move) -> Option<(World, Option<Violation>)> {
        let mut next = *world;
        let mut violation = None;
        match step {
            Move::TakeOff(n) => {
                next.processes[n] = self.take_off(world.processes[n]);
                violation = self.hear(&mut next, n);
            }
            Move::Act(n, how) => violation = self.act(&mut next, n, how)?,
            Move::Hear(n) => violation = self.hear(&mut next, n),
            Move::Stall(n) => {
                if let Pending::Heard(heard) = world.processes[n].pending {
                    next.processes[n].pending = Pending::Stalled(heard);
                }
            }
            Move::Hint(n) => {
                next.left.faults -= 1;
                next.processes[n].pending = Pending::Heard(Heard::Done);
            }
            Move::Crash(n) => {
                next.left.faults -= 1;
                next.processes[n] = self.fresh();
                next.is_lossy |= !self.is_held(&next);
            }
            Move::CrashLate(n) => {
                next.left.faults -= 1;
                next.late = self.sent(world.processes[n]);
                next.processes[n] = self.fresh();
                next.is_lossy |= !self.is_held(&next);
            }
            Move::Arrive => violation = self.arrive(&mut next),
            Move::Expire => {
                next.left.expiries -= 1;
                next.endpoint.is_expired = true;
            }
            Move::StoreUp => next.store.is_down = false,
            Move::Tick => {
                next.left.pauses -= u8::from(self.is_urgent(world));
                next = self.tick(next);
            }
        }
        // Nobody stands still any more.
        while next.left.pauses == 0
            && violation.is_none()
            && let Some(n) =
                next.processes.iter().position(|process| matches!(process.pending, Pending::Heard(_)))
        {
            violation = self.hear(&mut next, n);
        }
        Some((next, violation))
    }

    /// What a process has sent and waits for.
    fn sent(&mut self, process: Process) -> Option<Late> {
        self.request_of(process).or_else(|| self.write_of(process))
    }

    fn arrive(&mut self, world: &mut World) -> Option<Violation> {
        match world.late.take()? {
            Late::Write { .. } if world.store.is_down => None,
            Late::Write { expected, record } => {
                self.write(&mut world.store, expected, record);
                None
            }
            Late::Request { token, .. } => {
                let (heard, violation) = self.request(world, token);
                // Nobody is told.
                world.is_lossy |= matches!(heard, Heard::Granted(_));
                violation
            }
        }
    }

    fn act(&mut self, world: &mut World, n: usize, how: How) -> Option<Option<Violation>> {
        let process = world.processes[n];
        world.left.faults -= u8::from(how != How::Well);
        let mut violation = None;
        let heard = match self.sent(process) {
            None if world.store.is_down || how != How::Well => {
                world.store.is_down |= how == How::Down;
                Heard::NotLoaded
            }
            None => Heard::Loaded(world.store.cell),
            Some(late @ Late::Write { expected, record }) => {
                let is_claim = self.records.get(record).claim.is_some();
                let heard = match how {
                    _ if world.store.is_down => Heard::NotSwapped,
                    How::Well | How::Unanswered => self.write(&mut world.store, expected, record),
                    How::Late => {
                        world.late = Some(late);
                        Heard::NotSwapped
                    }
                    _ => {
                        world.store.is_down |= how == How::Down;
                        Heard::NotSwapped
                    }
                };
                let is_applied = matches!(heard, Heard::Applied(_));
                // What comes late counts from when it was sent.
                if is_claim && (is_applied || how == How::Late) {
                    world.processes[n].window = Some(0);
                }
                match how {
                    // As good as lost.
                    How::Unanswered if !is_applied => return None,
                    How::Unanswered => Heard::NotSwapped,
                    _ => heard,
                }
            }
            Some(late @ Late::Request { token, .. }) => {
                world.processes[n].window.get_or_insert(0);
                match how {
                    How::Well | How::Unanswered | How::Quarantined => {
                        let (heard, found) = self.request(world, token);
                        violation = found;
                        match (how, heard) {
                            (How::Well, heard) => heard,
                            (How::Quarantined, Heard::Granted(number)) => Heard::Quarantined(number),
                            (How::Unanswered, heard) => {
                                world.is_lossy |= matches!(heard, Heard::Granted(_));
                                Heard::Failed(Failed::Unknown)
                            }
                            _ => return None,
                        }
                    }
                    How::Late => {
                        world.late = Some(late);
                        Heard::Failed(Failed::Unknown)
                    }
                    How::Lost | How::Down => Heard::Failed(Failed::Unknown),
                    How::NotSent => Heard::Failed(Failed::NotSent),
                    How::Busy => Heard::Failed(Failed::Busy),
                    How::Transient => Heard::Failed(Failed::Transient),
                }
            }
        };
        world.processes[n].pending = Pending::Heard(heard);
        Some(violation)
    }
}
