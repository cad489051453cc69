//! How many instructions a request costs, exactly: `cargo bench --bench instructions`.
//!
//! Counts do not depend on how busy a machine is, so that they can be a gate: `-- --check` compares them with
//! `benches/instructions.toml` and fails if one has changed, `-- --write` writes that file. All figures are over the
//! service below alone, called alike. With another toolchain than that of the file, the layer is held against what is
//! the least for one token for ever.
//!
//! The layer on a session that is kept in files must cost what it costs with one in memory: the way to a live token
//! does not lead past a store.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a panic here is a broken bench

#[path = "rig/recorded.rs"]
mod recorded;
mod rig;

use std::{process::ExitCode, thread};

use recorded::{Counts, INSTRUCTIONS};
use rig::{contenders::Case, instructions, results::Run};

fn main() -> ExitCode {
    if let Some((name, rounds)) = instructions::job() {
        // The allocator takes another way in a process that ever had two threads: all cases are such processes.
        thread::spawn(|| ()).join().unwrap();
        cases().into_iter().find(|case| case.name() == name).expect("a case").checked()(rounds);
        return ExitCode::SUCCESS;
    }
    if !instructions::valgrind_is_there() {
        eprintln!("*** SKIPPED: instructions: needs valgrind (Debian: `apt-get install valgrind`) ***");
        return if std::env::var("CI").is_ok_and(|ci| ci == "true") {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        };
    }
    let mut run = Run::begin("instructions");
    let counted = count();
    println!("{:<44} {:>12}", "over the service below", "instructions");
    for (case, count) in &counted {
        println!("{case:<44} {count:>12}");
        run.figure(case, "instructions", *count as f64);
    }
    run.end();
    INSTRUCTIONS.gate(&counted, dearer_on_files(&counted))
}

fn cases() -> Vec<Case> {
    Case::all().chain(Case::on_files()).collect()
}

/// Of each case, over the service below.
fn count() -> Counts {
    let names: Vec<_> = cases().into_iter().map(Case::name).collect();
    let of = instructions::of_all(&names);
    let over_bare = |case: Case| (case.name(), of[&case.name()].saturating_sub(of[&case.bare().name()]));
    cases().into_iter().filter(|case| case.contender != "bare").map(over_bare).collect()
}

/// Where files cost something on the way of a live token.
fn dearer_on_files(counted: &Counts) -> Vec<String> {
    let fault = |on_files: Case| {
        let (files, memory) =
            (counted[&on_files.name()], counted[&Case { contender: "ours", ..on_files }.name()]);
        let name = on_files.handle.name();
        (files.abs_diff(memory) > INSTRUCTIONS.margin_of(memory))
            .then(|| format!("{name}: {files} with files, {memory} with memory"))
    };
    Case::on_files().into_iter().filter_map(fault).collect()
}
