//! The shipped sessions and layer, in schedules that are chosen step by step.
//!
//! Processes are runtimes with clocks of their own; one store, one token endpoint and one API are outside of them. Whatever
//! a process asks of these is a choice: who goes on first, what goes wrong, what takes long, who stands still or dies.
//! Each schedule is run from its start, ends with a time in which all goes well, and is held against the invariants of
//! [`Violation`]. What was found is told with a `SCHEDULE`, which as an environment variable is played again by the
//! test `one_schedule_again`; `SCHEDULES` says how many are run at random in each case.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

mod explore;
mod gate;
mod outside;
mod process;
mod steps;
#[path = "../support/mod.rs"]
mod support;
mod world;

use std::time::Duration;

use self::{
    explore::Explored,
    outside::Violation,
    process::Call::{Refresh, Request, Token},
    steps::{Left, Setup},
};

/// Ten seconds less than a claim is waited for: what a process does of its own between a pause and the commit.
const WINDOW: Option<Duration> = Some(Duration::from_secs(50));

const FLEET: Setup = Setup {
    name: "fleet",
    processes: 2,
    connections: 1,
    is_warm: true,
    calls: &[(0, 0, Request), (1, 0, Request), (1, 0, Refresh)],
    left: Left { faults: 2, pauses: 2, others: 1 },
    hints: false,
    window: WINDOW,
};
const COLD: Setup = Setup { name: "cold", is_warm: false, calls: &[(0, 0, Request), (1, 0, Token)], ..FLEET };
const HINTED: Setup =
    Setup { name: "hinted", hints: true, left: Left { faults: 3, pauses: 2, others: 3 }, ..FLEET };
const THREE: Setup = Setup {
    name: "three",
    processes: 3,
    calls: &[(0, 0, Request), (0, 0, Request), (1, 0, Request), (2, 0, Request)],
    left: Left { faults: 3, pauses: 3, others: 4 },
    ..FLEET
};
const TWO_ORGS: Setup = Setup {
    name: "two-orgs",
    connections: 2,
    calls: &[(0, 0, Request), (0, 1, Request), (1, 0, Request), (1, 1, Request)],
    left: Left { faults: 2, pauses: 2, others: 3 },
    ..FLEET
};
/// A process may stand still for longer than its claim is waited for.
const LATE: Setup = Setup { name: "late", window: None, ..FLEET };

const SETUPS: [&Setup; 6] = [&FLEET, &COLD, &HINTED, &THREE, &TWO_ORGS, &LATE];

fn holds(setup: &Setup, explored: &Explored) {
    let Explored { schedules, choices, deepest, found } = explored;
    println!("{}: {schedules} schedules, {choices} choices, {deepest} deep", setup.name);
    if let Some((violation, story)) = found {
        panic!("{violation:?} in schedule {schedules} of {}\n{story}", setup.name);
    }
}

/// How many schedules each case runs at random.
fn schedules(usually: usize) -> usize {
    std::env::var("SCHEDULES").ok().and_then(|number| number.parse().ok()).unwrap_or(usually)
}

fn seed() -> u64 {
    std::env::var("SCHEDULE_SEED").ok().and_then(|number| number.parse().ok()).unwrap_or(1)
}

// === the shipped code holds ===

#[test]
fn f023_f026_f041_f049_sessions_keep_the_invariants_in_every_schedule_with_one_departure() {
    holds(&FLEET, &explore::all(&FLEET, 1, usize::MAX));
    holds(&COLD, &explore::all(&COLD, 1, usize::MAX));
}

#[test]
fn f042_f044_f045_sessions_keep_the_invariants_in_schedules_with_two_departures() {
    for setup in [&FLEET, &COLD] {
        holds(setup, &explore::all(setup, 2, schedules(700)));
    }
}

#[test]
fn f041_f046_f065_sessions_keep_the_invariants_in_schedules_at_random() {
    for setup in [&FLEET, &COLD, &HINTED, &THREE, &TWO_ORGS] {
        holds(setup, &explore::at_random(setup, seed(), schedules(200)));
    }
}

// === what is wrong is noticed ===

#[test]
fn a_process_that_stands_still_for_longer_than_its_claim_is_waited_for_spends_a_token_twice() {
    let found = explore::all(&LATE, 1, usize::MAX).found;
    let (violation, story) = found.expect("nothing was noticed");
    assert_eq!(violation, Violation::Reuse, "{story}");
}

#[test]
fn a_schedule_is_the_same_each_time() {
    for setup in SETUPS {
        let departures = vec![(1, 3), (4, 7), (9, 5), (12, 1)];
        let [first, second] = [(); 2].map(|()| explore::replay(setup, &departures, true).story);
        assert!(first.len() > 5);
        assert_eq!(first, second);
    }
}

/// Not a test of its own: shows a schedule that was found.
#[test]
fn one_schedule_again() {
    let Ok(schedule) = std::env::var("SCHEDULE") else { return };
    let mut words = schedule.split_whitespace();
    let name = words.next().expect("a setup");
    let setup = SETUPS.into_iter().find(|setup| setup.name == name).expect("a setup of that name");
    let departures = words
        .map(|word| word.split_once(':').expect("choice:option"))
        .map(|(at, to)| (at.parse().unwrap(), to.parse().unwrap()))
        .collect();
    let ran = explore::replay(setup, &departures, true);
    println!("{}", ran.story.join("\n"));
    assert_eq!(ran.violation, None);
}
