//! What may happen next in a world.

use std::time::Duration;

use super::World;
use crate::{
    gate::Site,
    process::Call,
    steps::{HOLDS, How, OUTAGES, SLEEPS, Step, Store, hows},
};

impl World {
    /// Everything that may happen next, what is usual first.
    pub(crate) fn options(&self) -> Vec<Step> {
        let usual = self.usual();
        let mut options = vec![usual];
        let desk = self.desk.lock().unwrap();
        for (number, pending) in &desk.pending {
            let site = pending.site;
            let well = Step::Do(*number, How::Well);
            if well != usual {
                options.push(well);
            }
            if pending.is_abandoned() {
                continue;
            }
            if self.left.faults > 0 {
                options.extend(hows(&pending.asked).iter().map(|how| Step::Do(*number, *how)));
            }
            if self.left.pauses > 0 && !self.held.contains_key(number) {
                let fits =
                    HOLDS.iter().filter(|pause| self.fits(site.process, Some(site.connection), **pause));
                options.extend(fits.map(|pause| Step::Hold(*number, *pause)));
            }
        }
        for (n, process) in self.processes.iter().enumerate() {
            if self.left.pauses > 0 && process.asleep_until.is_none() {
                let fits = SLEEPS.iter().filter(|pause| self.fits(n, None, **pause));
                options.extend(fits.map(|pause| Step::Sleep(n, *pause)));
            }
            // What a store has lost is known to the processes alone.
            if self.left.faults > 0 && !self.outside.grants.iter().any(|grant| grant.is_behind) {
                options.push(Step::Crash(n));
            }
        }
        if self.left.faults > 0 && self.down_until.is_none() {
            let fits = OUTAGES
                .iter()
                .filter(|outage| (0..self.setup.processes).all(|n| self.fits(n, None, **outage)));
            options.extend(fits.map(|outage| Step::Outage(*outage)));
        }
        if self.left.faults > 0 {
            let loses = (0..self.setup.connections).filter(|n| self.may_fail_over(*n));
            options.extend(loses.map(Step::FailOver));
        }
        if self.left.others > 0 {
            let open = (0..self.setup.connections).filter(|n| self.outside.grants[*n].is_open);
            options.extend(open.map(Step::Expire));
            let waiting = self.callers.iter().enumerate().filter(|(_, caller)| !caller.is_over);
            options.extend(waiting.map(|(n, _)| Step::Cancel(n)));
            for process in 0..self.setup.processes {
                options.push(Step::Call(process, Call::Request));
                options.push(Step::Call(process, Call::Refresh));
            }
        }
        options
    }

    pub(super) fn usual(&self) -> Step {
        let desk = self.desk.lock().unwrap();
        let next = desk.pending.iter().find(|(number, pending)| {
            !pending.is_abandoned() && self.held.get(number).is_none_or(|until| *until <= self.now)
        });
        next.map_or(Step::Tick, |(number, _)| Step::Do(*number, How::Well))
    }

    /// Whether what a process has claimed is still its own after `pause`; of a whole process, what it has presented:
    /// before that, no pause is too long.
    fn fits(&self, process: usize, connection: Option<usize>, pause: Duration) -> bool {
        let Some(window) = self.setup.window else { return true };
        self.windows
            .iter()
            .filter(|((of, at), _)| *of == process && connection.is_none_or(|connection| connection == *at))
            .filter(|(_, claimed)| connection.is_some() || claimed.is_sent)
            .all(|(_, claimed)| self.now + pause <= claimed.since + window)
    }

    /// Whether the store may lose its last write: a commit that all have heard of, while nobody acts on a claim.
    fn may_fail_over(&self, connection: usize) -> bool {
        let newest = self.outside.grants[connection].newest;
        match self.setup.store {
            Store::Durable | Store::Overwrites => false,
            Store::FailsOver => {
                self.outside.last_write_was_a_commit(connection)
                    && !self.windows.keys().any(|(_, at)| *at == connection)
                    && self.processes.iter().all(|process| process.serves(connection, newest))
            }
            Store::FailsOverAnyTime => self.outside.has_written(connection),
        }
    }

    /// Whether nobody does anything any more and nobody has a reason to, and nothing is on its way.
    pub(crate) fn is_over(&self) -> bool {
        self.callers.iter().all(|caller| caller.is_over)
            && self.processes.iter().all(|process| process.asleep_until.is_none() && process.is_stored())
            && self.outside.grants.iter().all(|grant| grant.is_open || grant.is_revoked)
            && self.desk.lock().unwrap().pending.is_empty()
    }

    /// What is told of a step in a counterexample.
    pub(super) fn step(&self, step: Step) -> String {
        match step {
            Step::Do(number, _) | Step::Hold(number, _) => {
                let desk = self.desk.lock().unwrap();
                let pending = &desk.pending[&number];
                let Site { process, connection, .. } = pending.site;
                let given_up = if pending.is_abandoned() { " (given up)" } else { "" };
                format!("p{process} c{connection} {step:?}: {:?}{given_up}", pending.asked)
            }
            _ => format!("{step:?}"),
        }
    }
}
