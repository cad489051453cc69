//! The protocol in every world there is, within bounds.
//!
//! A small explicit-state model checker. Its processes run the shipped [`Refresh`](super::Refresh) against a linearizable
//! store and a token endpoint that takes each refresh token once; the [`adversary`] decides what happens next, and each
//! of its choices is followed, until there is no world left that has not been seen. What must hold in all of them is in
//! [`invariants`], and in [`universe`] and [`process`] where it would be broken; that breaking it is noticed is what the [`controls`] are for.
//!
//! Standing still is unlimited in place (before and after each step) and limited in sum: so many ticks of the clock may
//! pass while somebody could go on. The `window` says how many may pass between a claim and the commit that ends it:
//! fewer than the wait-out, as the protocol asks for.

mod adversary;
mod classic;
mod clock;
mod controls;
mod explore;
mod interned;
mod invariants;
mod process;
mod token;
mod universe;
mod world;

use std::time::Duration;

use self::{
    classic::Classic,
    controls::{Design, Rule},
    explore::{Explored, explore},
    world::{Bounds, Checks, Left, Start, Violation},
};
use super::sending::WAIT_OUT_ROTATING;

/// Two processes that serve one stored token, on a clock of which three ticks are the wait-out.
const COARSE: Bounds = Bounds {
    processes: 2,
    start: Start::Warm,
    tick: Duration::from_secs(20),
    left: Left { faults: 0, pauses: 0, expiries: 1 },
    window: Some(2),
    checks: Checks::All,
};

/// The same, on a clock of which four ticks are: two of them are the longest time from a claim to its last send.
const MIDDLE: Bounds = Bounds { tick: Duration::from_secs(15), window: Some(3), ..COARSE };

/// The same, on a clock of which six ticks are.
const FINE: Bounds = Bounds { tick: Duration::from_secs(10), window: Some(5), ..COARSE };

const fn left(faults: u8, pauses: u8, expiries: u8) -> Left {
    Left { faults, pauses, expiries }
}

fn report(design: Design, bounds: Bounds) -> Explored {
    let explored = explore(design, bounds);
    let Explored { worlds, steps, depth, locals, .. } = &explored;
    println!(
        "{design:?} in {bounds:?}: {worlds} worlds, {steps} steps, {depth} deep; {locals} states of a process"
    );
    explored
}

/// Explores the shipped core and finds nothing. `worlds`: that the adversary has not lost its powers.
fn holds(bounds: Bounds, worlds: usize) {
    let explored = report(Design::Shipped, bounds);
    assert!(explored.counterexample.is_none(), "{:#?}", explored.counterexample);
    assert!(explored.worlds >= worlds, "only {} worlds", explored.worlds);
}

/// Explores another one and finds what is wrong with it.
fn is_caught(design: Design, bounds: Bounds, violation: Violation) {
    let found = report(design, bounds).counterexample.expect("nothing was noticed");
    assert_eq!(found.violation, violation, "{:#?}", found.story);
}

#[test]
fn the_window_is_just_below_the_wait_out() {
    for bounds in [COARSE, MIDDLE, FINE] {
        let window = bounds.window.unwrap();
        assert!(bounds.tick * window.into() < WAIT_OUT_ROTATING);
        assert_eq!(bounds.tick * (window + 1).into(), WAIT_OUT_ROTATING);
    }
}

// === the protocol holds ===

#[test]
fn f041_f043_f044_f045_processes_that_stand_still_spend_each_token_once() {
    holds(Bounds { left: left(0, 3, 1), ..COARSE }, 100_000);
    holds(Bounds { left: left(0, 2, 1), ..FINE }, 10_000);
}

#[test]
fn f026_f027_f046_f049_any_fault_in_one_of_two_processes_loses_nothing_that_can_be_kept() {
    holds(Bounds { left: left(1, 0, 1), ..FINE }, 50_000);
    holds(Bounds { left: left(1, 0, 2), ..COARSE }, 100_000);
}

#[test]
fn f023_f026_f043_a_fault_and_a_process_that_stands_still_come_together() {
    holds(Bounds { left: left(1, 1, 1), ..MIDDLE }, 500_000);
}

#[test]
fn f041_f065_three_processes_share_one_refresh() {
    holds(Bounds { processes: 3, left: left(0, 1, 1), ..COARSE }, 10_000);
    holds(Bounds { processes: 3, left: left(1, 0, 1), ..COARSE }, 1_000_000);
}

#[test]
fn f041_processes_that_start_on_an_empty_store_share_one_seed() {
    holds(Bounds { start: Start::Cold, left: left(0, 2, 1), ..COARSE }, 100_000);
    holds(Bounds { start: Start::Cold, left: left(1, 0, 0), ..COARSE }, 10_000);
}

/// Two minutes and 1.6 GB when optimised: `cargo test --release --lib deep -- --ignored --nocapture`.
#[test]
#[ignore = "takes minutes even when it is optimised"]
fn deep_bounds_hold_too() {
    holds(Bounds { left: left(1, 1, 1), ..FINE }, 1_000_000);
    holds(Bounds { left: left(2, 0, 1), ..COARSE }, 1_000_000);
    holds(Bounds { left: left(0, 4, 1), ..COARSE }, 1_000_000);
    holds(Bounds { processes: 3, left: left(0, 2, 1), ..COARSE }, 1_000_000);
    holds(Bounds { processes: 3, left: left(1, 0, 1), ..FINE }, 1_000_000);
    holds(Bounds { start: Start::Cold, left: left(1, 1, 1), ..COARSE }, 1_000_000);
}

// === what is wrong is noticed ===

#[test]
fn one_tick_above_the_wait_out_a_token_is_spent_twice() {
    is_caught(Design::Shipped, Bounds { window: None, left: left(0, 3, 1), ..COARSE }, Violation::Reuse);
    is_caught(Design::Shipped, Bounds { window: Some(3), left: left(0, 4, 1), ..COARSE }, Violation::Reuse);
}

#[test]
fn without_claims_a_token_is_spent_twice() {
    is_caught(Design::Without(Rule::Claim), COARSE, Violation::Reuse);
}

#[test]
fn without_the_wait_out_a_token_is_spent_twice() {
    is_caught(Design::Without(Rule::WaitOut), COARSE, Violation::Reuse);
}

#[test]
fn without_the_check_for_a_pause_a_token_is_spent_twice() {
    is_caught(Design::Without(Rule::PauseCheck), Bounds { left: left(0, 4, 1), ..COARSE }, Violation::Reuse);
}

/// Above the wait-out, where a claim can be superseded while its holder lives: the one place that the rule is for.
#[test]
fn f045_without_the_commit_on_lineage_a_late_child_is_dropped() {
    let bounds = Bounds { window: None, checks: Checks::ButReuse, left: left(0, 3, 1), ..COARSE };
    is_caught(Design::Without(Rule::LineageCommit), bounds, Violation::Dropped);
    holds(bounds, 100_000);
}

#[test]
fn without_a_lock_a_token_is_spent_twice() {
    is_caught(Design::Classic(Classic::NoLock), COARSE, Violation::Reuse);
}

#[test]
fn reading_before_sending_is_not_enough() {
    is_caught(Design::Classic(Classic::ReRead), COARSE, Violation::Reuse);
}

#[test]
fn a_lock_that_ends_by_itself_is_not_enough() {
    is_caught(Design::Classic(Classic::TtlLock), Bounds { left: left(0, 2, 1), ..COARSE }, Violation::Reuse);
}

#[test]
fn fencing_does_not_help_and_drops_the_child() {
    let bounds = Bounds { left: left(0, 2, 1), ..COARSE };
    is_caught(Design::Classic(Classic::Fencing), bounds, Violation::Reuse);
    let bounds = Bounds { checks: Checks::ButReuse, ..bounds };
    is_caught(Design::Classic(Classic::Fencing), bounds, Violation::Dropped);
}
