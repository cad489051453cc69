//! Goes through every world that can come to be, the nearest first.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState},
};

use super::{
    super::Action,
    adversary::Move,
    controls::Design,
    process,
    universe::Universe,
    world::{Bounds, Violation},
};

/// What was found.
pub(super) struct Explored {
    pub(super) worlds: usize,
    pub(super) steps: usize,
    pub(super) depth: usize,
    pub(super) locals: usize,
    pub(super) counterexample: Option<Counterexample>,
}

/// The shortest way to a violation.
#[derive(Debug)]
pub(super) struct Counterexample {
    pub(super) violation: Violation,
    /// Each move, and what the process that makes it is at.
    pub(super) story: Vec<String>,
}

/// By its hash, where each world comes from.
type Known = HashMap<u64, Option<(u64, Move)>, BuildHasherDefault<AsIs>>;

/// What is a hash already needs none.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn write(&mut self, _: &[u8]) {
        unreachable!("a hash is one number");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Goes on until there is no other world, or one that must not be.
pub(super) fn explore(design: Design, bounds: Bounds) -> Explored {
    let mut universe = Universe::new(design, bounds);
    let hasher = RandomState::new();
    let beginning = universe.beginning();
    // Worlds are known by their hash: that any two of ten million have one hash in common has a chance of 1 in 400,000.
    let first = hasher.hash_one(beginning);
    let mut known: Known = HashMap::from_iter([(first, None)]);
    let (mut depth, mut steps) = (0, 0);
    let mut front = vec![(first, beginning)];
    let mut moves = Vec::new();
    let mut counterexample = None;
    'search: while !front.is_empty() {
        let mut next_front = Vec::new();
        for (from, world) in &front {
            universe.moves(world, |step| moves.push(step));
            for step in moves.drain(..) {
                steps += 1;
                let Some((next, violation)) = universe.after(world, step) else { continue };
                let hash = hasher.hash_one(next);
                let is_new = match known.entry(hash) {
                    Entry::Vacant(entry) => {
                        entry.insert(Some((*from, step)));
                        true
                    }
                    Entry::Occupied(_) => false,
                };
                let violation = violation.or_else(|| universe.check(&next).filter(|_| is_new));
                if let Some(violation) = violation {
                    let mut moves = vec![step];
                    let mut at = *from;
                    while let Some(Some((before, step))) = known.get(&at) {
                        moves.push(*step);
                        at = *before;
                    }
                    moves.reverse();
                    counterexample = Some(Counterexample { violation, story: universe.tell(&moves) });
                    break 'search;
                }
                if is_new {
                    next_front.push((hash, next));
                }
            }
        }
        depth += 1;
        front = next_front;
    }
    Explored { worlds: known.len(), steps, depth, locals: universe.locals.len(), counterexample }
}

impl Universe {
    fn tell(&mut self, moves: &[Move]) -> Vec<String> {
        let mut world = self.beginning();
        let mut story = Vec::new();
        for step in moves {
            let at = match step {
                Move::Act(n, _) | Move::CrashLate(n) => name(self.action(world.processes[*n])),
                Move::Hear(n) => format!("{:?}", world.processes[*n].pending),
                _ => String::new(),
            };
            story.push(format!("{step:?} {at}"));
            world = self.after(&world, *step).unwrap().0;
        }
        story
    }
}

fn name(action: &Action) -> String {
    match action {
        Action::Swap { record, .. } => {
            let claim = record.claim.map_or("", |_| " claimed");
            format!("writes {}{claim}", process::refresh_token(record).unwrap_or_default())
        }
        Action::Exchange { .. } => "presents".into(),
        _ => "reads".into(),
    }
}
