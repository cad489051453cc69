//! The shipped sessions and layer, in schedules that are chosen step by step.
//!
//! Processes are runtimes with clocks of their own; one store, one token endpoint and one API are outside of them. Whatever
//! a process asks of these is a choice: who goes on first, what goes wrong, what takes long, who stands still or dies.
//! Each schedule is run from its start, ends with a time in which all goes well, and is held against the invariants of
//! [`Violation`]. What was found is told with a `SCHEDULE`, which as an environment variable is played again by the
//! test `one_schedule_again`. `SCHEDULES` says how many are run in each case that cannot be gone through to its end, and
//! `SCHEDULE_SEED` which ones at random; unless told otherwise they are the same each time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

mod coverage;
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
    coverage::Coverage,
    explore::Explored,
    outside::Violation,
    process::Call::{Refresh, Request, Token},
    steps::{Left, Setup, Store},
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
    store: Store::Durable,
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
const FAILING_OVER: Setup = Setup { name: "failing-over", store: Store::FailsOver, ..FLEET };

/// A process may stand still for longer than its claim is waited for.
const LATE: Setup = Setup { name: "late", window: None, ..FLEET };
const OVERWRITING: Setup = Setup { name: "overwriting", store: Store::Overwrites, ..COLD };
const FORGETTING: Setup = Setup { name: "forgetting", store: Store::FailsOverAnyTime, ..FLEET };

/// Those in which the invariants hold, and those in which they cannot.
const SOUND: [&Setup; 6] = [&FLEET, &COLD, &HINTED, &THREE, &TWO_ORGS, &FAILING_OVER];
const BROKEN: [&Setup; 3] = [&LATE, &OVERWRITING, &FORGETTING];

fn holds(setup: &Setup, explored: &Explored) {
    let Explored { schedules, choices, deepest, found, .. } = explored;
    println!("{}: {schedules} schedules, {choices} choices, {deepest} deep", setup.name);
    if let Some((violation, story)) = found {
        panic!("{violation:?} in schedule {schedules} of {}\n{story}", setup.name);
    }
}

/// How many schedules a case runs that has more of them.
fn schedules(usually: usize) -> usize {
    std::env::var("SCHEDULES").ok().and_then(|number| number.parse().ok()).unwrap_or(usually)
}

fn seed() -> u64 {
    std::env::var("SCHEDULE_SEED").ok().and_then(|number| number.parse().ok()).unwrap_or(1)
}

// === the shipped code holds ===

#[test]
fn f023_f026_f042_f044_f045_f049_sessions_keep_the_invariants_in_schedules_with_few_departures() {
    holds(&FLEET, &explore::few(&FLEET, schedules(150)));
}

#[test]
fn f041_sessions_on_an_empty_store_keep_the_invariants_in_schedules_with_few_departures() {
    holds(&COLD, &explore::few(&COLD, schedules(150)));
}

#[test]
fn f051_sessions_keep_the_invariants_when_the_store_loses_a_commit() {
    holds(&FAILING_OVER, &explore::few(&FAILING_OVER, schedules(150)));
}

#[test]
fn f041_f046_f065_sessions_keep_the_invariants_in_schedules_at_random() {
    let (usually, mut coverage) = (150, Coverage::default());
    for setup in SOUND {
        let explored = explore::at_random(setup, seed(), schedules(usually));
        holds(setup, &explored);
        coverage.add(&explored.coverage);
    }
    println!("{coverage}");
    // A few schedules do not meet everything.
    if schedules(usually) >= usually {
        assert_eq!(coverage.missing(), [""; 0]);
    }
}

// === what is wrong is noticed ===

fn is_noticed(setup: &'static Setup, expected: Violation) {
    let found = explore::few(setup, 0).found;
    let (violation, story) = found.expect("nothing was noticed");
    assert_eq!(violation, expected, "{story}");
}

#[test]
fn a_process_that_stands_still_for_longer_than_its_claim_is_waited_for_spends_a_token_twice() {
    is_noticed(&LATE, Violation::Reuse);
}

#[test]
fn a_store_that_does_not_compare_has_a_token_spent_twice() {
    is_noticed(&OVERWRITING, Violation::Reuse);
}

#[test]
fn a_store_that_loses_a_claim_has_a_token_spent_twice() {
    is_noticed(&FORGETTING, Violation::Reuse);
}

#[test]
fn a_schedule_is_the_same_each_time() {
    for setup in SOUND.into_iter().chain(BROKEN) {
        let [first, second] = [(); 2].map(|()| explore::at_random(setup, 1, 5));
        assert_eq!(first, second);
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
    let setup =
        SOUND.into_iter().chain(BROKEN).find(|setup| setup.name == name).expect("a setup of that name");
    let departures = words
        .map(|word| word.split_once(':').expect("choice:option"))
        .map(|(at, to)| (at.parse().unwrap(), to.parse().unwrap()))
        .collect();
    let ran = explore::replay(setup, &departures, true);
    println!("{}", ran.story.join("\n"));
    assert_eq!(ran.violation, None);
}
