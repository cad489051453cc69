//! What a request with a live token costs with others: `cargo bench --manifest-path benches/peers/Cargo.toml`.
//!
//! All on the same request, in memory, in one run. Instructions (with callgrind) and allocations are exact; times are
//! medians of rounds that take turns, good as ratios of one run. All three are over the same request without the peer.
//! What a peer does for its figures is in the last column, and no two do the same.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a broken bench
#![allow(clippy::disallowed_methods, reason = "the clock of a bench is the real one")]

use std::{
    collections::BTreeMap,
    process::{Command, ExitCode},
    thread,
};

use tower_salesforce_auth_peers::{
    NOT_DRIVEN, SHAPE, all, check, names,
    rig::{instructions, medians::Medians, results::Run},
    set_up,
};

fn main() -> ExitCode {
    if let Some((name, rounds)) = instructions::job() {
        // The allocator takes another way in a process that ever had two threads: all peers are such processes.
        thread::spawn(|| ()).join().unwrap();
        set_up(&name)(rounds);
        return ExitCode::SUCCESS;
    }
    check();
    let mut run = Run::begin("peers");
    let times = times();
    let allocations = allocations();
    let instructions = if instructions::valgrind_is_there() {
        let of_all = instructions::of_all(&names().into_iter().map(str::to_owned).collect::<Vec<_>>());
        of_all.into_iter().map(|(name, count)| (name, count as f64)).collect()
    } else {
        eprintln!(
            "*** SKIPPED: instructions of peers: needs valgrind (Debian: `apt-get install valgrind`) ***"
        );
        BTreeMap::new()
    };
    let counts = [("instructions", instructions), ("allocations", allocations), ("ns", times)];

    println!(
        "\n{:<36} {:>12} {:>11} {:>6}  does",
        "over the service below", "instructions", "allocations", "ns"
    );
    for peer in all() {
        let case = format!("{}/{}", SHAPE.name(), peer.full_name());
        run.note(&case, peer.does);
        let mut cells = [const { String::new() }; 3];
        for (cell, (unit, of)) in cells.iter_mut().zip(&counts) {
            if let (Some(with), Some(without)) = (of.get(peer.name), of.get(peer.over.name())) {
                run.figure(&case, unit, with - without);
                *cell = format!("{:.0}", with - without);
            }
        }
        let [instructions, allocations, ns] = cells;
        println!("{:<36} {instructions:>12} {allocations:>11} {ns:>6}  {}", peer.full_name(), peer.does);
    }
    println!("\nnot driven");
    for (name, why) in NOT_DRIVEN {
        println!("{name:<32} {why}");
    }
    // Without counts it is no run for the report.
    if instructions::valgrind_is_there() {
        run.end();
    }
    ExitCode::SUCCESS
}

/// Of each name, for one request.
type Counts = BTreeMap<String, f64>;

/// In nanoseconds.
fn times() -> Counts {
    // A turn is far longer than a clock needs and far shorter than what else a machine does.
    const TURNS: usize = 400;
    const REQUESTS: usize = 1_000;

    let mut handles: Vec<_> = names().into_iter().map(|name| (name.to_owned(), set_up(name))).collect();
    let medians = Medians::of_turns(&mut handles, TURNS, REQUESTS);
    handles.into_iter().map(|(name, _)| (name.clone(), medians.of(&name).unwrap() * 1e9)).collect()
}

fn allocations() -> Counts {
    let output = Command::new(env!("CARGO_BIN_EXE_allocations")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let count = |line: &str| {
        let (name, count) = line.split_once(' ').unwrap();
        (name.to_owned(), count.parse().unwrap())
    };
    lines.lines().map(count).collect()
}
