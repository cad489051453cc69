//! What must be true of every world.

use super::{
    adversary::{How, Move},
    universe::Universe,
    world::{Pending, Violation, World},
};
use crate::refresh::record::Health;

/// How many steps a process that is left alone may need: a wait-out, as long as it gets, and the refresh after it.
const PATIENCE: usize = 1_000;

impl Universe {
    pub(super) fn check(&mut self, world: &World) -> Option<Violation> {
        if world.endpoint.is_alive && self.asks_for_person(world) {
            return Some(Violation::AskedForPerson);
        }
        let is_at_rest =
            world.late.is_none() && world.processes.iter().all(|process| !self.is_flying(*process));
        if !is_at_rest {
            return None;
        }
        if world.endpoint.is_alive && !self.is_stored(world) && !world.is_lossy {
            return Some(Violation::NotStored);
        }
        self.recovers(world).err()
    }

    fn asks_for_person(&self, world: &World) -> bool {
        world
            .store
            .cell
            .is_some_and(|cell| matches!(self.records.get(cell.record).health, Health::Reauthorise(_)))
    }

    /// Left alone, one process gets a token, or knows that the grant has ended.
    fn recovers(&mut self, world: &World) -> Result<(), Violation> {
        let mut world = *world;
        world.store.is_down = false;
        world.endpoint.is_expired = true;
        for _ in 0..PATIENCE {
            let process = world.processes[0];
            let step = match process.pending {
                Pending::Rest if self.asks_for_person(&world) => {
                    let is_true = !world.endpoint.is_alive;
                    return if is_true { Ok(()) } else { Err(Violation::AskedForPerson) };
                }
                Pending::Rest if self.may_take_off(&world, process) => Move::TakeOff(0),
                Pending::Rest => return Ok(()),
                Pending::Act => Move::Act(0, How::Well),
                Pending::Heard(_) | Pending::Stalled(_) => Move::Hear(0),
                Pending::Sleep(_) => Move::Tick,
            };
            let Some((next, violation)) = self.after_unsorted(&world, step) else {
                return Err(Violation::Stuck);
            };
            if let Some(violation) = violation {
                return Err(violation);
            }
            world = next;
            if world.processes[0].pending == Pending::Rest {
                // Asked again when a request comes again.
                world = self.tick(world);
            }
        }
        Err(Violation::Stuck)
    }
}
