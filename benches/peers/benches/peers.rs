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
    time::Instant,
};

use tower_salesforce_auth_peers::{
    NOT_DRIVEN, SHAPE, all,
    end::tokens_of_three,
    names,
    rig::{
        instructions,
        medians::Medians,
        results::{Figure, write},
    },
    set_up,
};

fn main() -> ExitCode {
    if let Some((name, rounds)) = instructions::job() {
        // The allocator takes another way in a process that ever had two threads: all peers are such processes.
        thread::spawn(|| ()).join().unwrap();
        set_up(&name)(rounds);
        return ExitCode::SUCCESS;
    }
    for peer in all() {
        assert_eq!(tokens_of_three(peer.name), 3, "{} puts a token on each request", peer.name);
        assert_eq!(tokens_of_three(peer.over.name()), 0, "and what is subtracted for it does not");
    }
    let times = times();
    let allocations = allocations();
    let instructions = if instructions::valgrind_is_there() {
        instructions()
    } else {
        eprintln!(
            "*** SKIPPED: instructions of peers: needs valgrind (Debian: `apt-get install valgrind`) ***"
        );
        BTreeMap::new()
    };
    let counts = [("instructions", instructions), ("allocations", allocations), ("ns", times)];

    let mut figures = Vec::new();
    println!(
        "\n{:<32} {:>8} {:>12} {:>11} {:>6}  does",
        "over the service below", "version", "instructions", "allocations", "ns"
    );
    for peer in all() {
        let mut cells = [const { String::new() }; 3];
        for (cell, (unit, of)) in cells.iter_mut().zip(&counts) {
            if let (Some(with), Some(without)) = (of.get(peer.name), of.get(peer.over.name())) {
                let case = format!("{}/{}@{}", SHAPE.name(), peer.name, peer.version());
                figures.push(Figure::new("peers", case, unit, with - without));
                *cell = format!("{:.0}", with - without);
            }
        }
        let [instructions, allocations, ns] = cells;
        let (name, version, does) = (peer.name, peer.version(), peer.does);
        println!("{name:<32} {version:>8} {instructions:>12} {allocations:>11} {ns:>6}  {does}");
    }
    println!("\nnot driven");
    for (name, why) in NOT_DRIVEN {
        println!("{name:<32} {why}");
    }
    write("peers", &figures);
    ExitCode::SUCCESS
}

/// Of each name, for one request.
type Counts = BTreeMap<&'static str, f64>;

/// In nanoseconds.
fn times() -> Counts {
    // A sample is far longer than a clock needs and far shorter than what else a machine does.
    const SAMPLES: usize = 400;
    const REQUESTS: usize = 1_000;

    let medians = Medians::default();
    let mut handles: Vec<_> = names().into_iter().map(|name| (name, set_up(name))).collect();
    for _ in 0..SAMPLES {
        for (name, rounds) in &mut handles {
            let start = Instant::now();
            rounds(REQUESTS);
            medians.note(name, REQUESTS as u64, start.elapsed());
        }
    }
    names().into_iter().map(|name| (name, medians.of(name).unwrap() * 1e9)).collect()
}

fn allocations() -> Counts {
    let output = Command::new(env!("CARGO_BIN_EXE_allocations")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let counted: BTreeMap<_, f64> = lines
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, count)| (name, count.parse().unwrap()))
        .collect();
    names().into_iter().map(|name| (name, counted[name])).collect()
}

/// Two at a time: the cores do not share what is counted.
fn instructions() -> Counts {
    let names = names();
    let (first, second) = names.split_at(names.len() / 2);
    thread::scope(|scope| {
        let halves = [first, second].map(|half| {
            scope.spawn(move || {
                half.iter().map(|name| (*name, instructions::of(name) as f64)).collect::<Vec<_>>()
            })
        });
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    })
}
