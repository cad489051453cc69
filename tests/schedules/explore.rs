//! Goes through schedules: all with few departures from what is usual, and many at random.

use crate::{
    coverage::Coverage,
    outside::Violation,
    steps::{Setup, Step},
    world::World,
};

/// A schedule ends after so many choices, whatever is left to be done.
const LONGEST: usize = 200;

/// Which of its options each choice took, where that was not the first.
pub(crate) type Departures = Vec<(usize, usize)>;

#[derive(Default)]
pub(crate) struct Ran {
    pub(crate) violation: Option<Violation>,
    /// How many options each choice had.
    pub(crate) options: Vec<usize>,
    pub(crate) departures: Departures,
    pub(crate) coverage: Coverage,
    pub(crate) story: Vec<String>,
}

/// What a number of schedules came to.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Explored {
    pub(crate) schedules: usize,
    pub(crate) choices: usize,
    pub(crate) deepest: usize,
    pub(crate) coverage: Coverage,
    pub(crate) found: Option<(Violation, String)>,
}

/// Runs one schedule from the start. `choose` is told the number of the choice and its options.
pub(crate) fn run(
    setup: &'static Setup,
    tells: bool,
    mut choose: impl FnMut(usize, &[Step]) -> usize,
) -> Ran {
    let mut world = World::begin(setup);
    world.story = tells.then(Vec::new);
    let mut ran = Ran::default();
    while !world.is_over() && world.outside.violation.is_none() && ran.options.len() < LONGEST {
        let options = world.options();
        let choice = choose(ran.options.len(), &options).min(options.len() - 1);
        if choice > 0 {
            ran.departures.push((ran.options.len(), choice));
        }
        ran.options.push(options.len());
        world.take(options[choice]);
    }
    if world.outside.violation.is_none() {
        world.rest();
    }
    ran.violation = world.outside.violation;
    ran.coverage = world.outside.coverage;
    ran.story = world.story.unwrap_or_default();
    ran
}

/// The same schedule again.
pub(crate) fn replay(setup: &'static Setup, departures: &Departures, tells: bool) -> Ran {
    run(setup, tells, |at, _| departures.iter().find(|(choice, _)| *choice == at).map_or(0, |(_, to)| *to))
}

/// Every schedule with at most one departure, then about so many with two, spread evenly.
pub(crate) fn few(setup: &'static Setup, with_two: usize) -> Explored {
    let mut explored = Explored::default();
    let mut front: Vec<Departures> = vec![Vec::new()];
    let most = if with_two == 0 { 1 } else { 2 };
    for depth in 0..=most {
        let mut next = Vec::new();
        let stride = if depth == 2 { front.len().div_ceil(with_two).max(1) } else { 1 };
        for departures in front.iter().step_by(stride) {
            let ran = replay(setup, departures, false);
            explored.count(&ran);
            if ran.violation.is_some() {
                explored.found = Some(shortest(setup, ran));
                return explored;
            }
            if depth < most {
                let from = departures.last().map_or(0, |(at, _)| at + 1);
                for (at, options) in ran.options.iter().enumerate().skip(from) {
                    next.extend((1..*options).map(|to| {
                        let mut longer = departures.clone();
                        longer.push((at, to));
                        longer
                    }));
                }
            }
        }
        front = next;
    }
    explored
}

/// `schedules` at random; each follows from its number and `seed`.
pub(crate) fn at_random(setup: &'static Setup, seed: u64, schedules: usize) -> Explored {
    let mut explored = Explored::default();
    for number in 0..schedules {
        let mut dice = Dice::new(seed.wrapping_add(number as u64));
        // Some schedules are wild, others have a fault here and there.
        let rarity = 2 + dice.below(12);
        let ran =
            run(setup, false, |_, options| if dice.below(rarity) == 0 { dice.one_of(options) } else { 0 });
        explored.count(&ran);
        if ran.violation.is_some() {
            explored.found = Some(shortest(setup, ran));
            break;
        }
    }
    explored
}

impl Explored {
    fn count(&mut self, ran: &Ran) {
        self.schedules += 1;
        self.choices += ran.options.len();
        self.deepest = self.deepest.max(ran.options.len());
        self.coverage.add(&ran.coverage);
    }
}

/// Leaves out what the violation does not need, and tells the rest.
fn shortest(setup: &'static Setup, ran: Ran) -> (Violation, String) {
    let violation = ran.violation;
    let mut departures = ran.departures;
    let mut at = 0;
    while at < departures.len() {
        let mut fewer = departures.clone();
        fewer.remove(at);
        if replay(setup, &fewer, false).violation == violation {
            departures = fewer;
        } else {
            at += 1;
        }
    }
    let ran = replay(setup, &departures, true);
    let text: Vec<String> = departures.iter().map(|(at, to)| format!("{at}:{to}")).collect();
    let story = format!("SCHEDULE=\"{} {}\"\n{}", setup.name, text.join(" "), ran.story.join("\n"));
    (violation.expect("a violation"), story)
}

/// xorshift64*.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        // Neighbouring seeds begin far apart, and none at zero.
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Of all kinds alike: there are more ways to be slow than to lose an answer.
    fn one_of(&mut self, options: &[Step]) -> usize {
        let mut kinds: Vec<_> = options.iter().map(Step::kind).collect();
        let of_kind = kinds.clone();
        kinds.sort_unstable();
        kinds.dedup();
        let kind = kinds[self.below(kinds.len())];
        let alike: Vec<usize> = (0..options.len()).filter(|n| of_kind[*n] == kind).collect();
        alike[self.below(alike.len())]
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}
