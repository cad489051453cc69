//! How many instructions a request costs, exactly: `cargo bench --bench instructions`.
//!
//! Counts do not depend on how busy a machine is, so that they can be a gate: `-- --check` compares them with
//! `benches/instructions.toml` and fails if one has changed, `-- --write` writes that file. A change that costs more
//! changes the file too, and its message says why. All figures are over the service below alone, called alike.
//!
//! The layer on a session that is kept in files must cost what it costs with one in memory: the way to a live token
//! does not lead past a store.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a panic here is a broken bench

mod rig;

use std::{collections::BTreeMap, fmt::Write, path::Path, process::ExitCode, thread};

use rig::{
    Shape,
    contenders::{Case, Handle, ON_FILES},
    instructions,
    results::{Figure, write},
};

/// Relative to the crate, where cargo runs benches.
const FILE: &str = "benches/instructions.toml";

/// What may differ without being a change: code that moves in the binary moves a few instructions with it.
fn margin(count: u64) -> u64 {
    (count / 50).max(8)
}

/// The most that is acceptable, whoever compiled it: shape, contender, handle, instructions over the service below.
const BARS: [(Shape, &str, Handle, u64); 3] = [
    (Shape::Typical, "ours", Handle::LongLived, 2_100),
    (Shape::Typical, "ours_never", Handle::LongLived, 1_400),
    (Shape::Typical, "ours", Handle::Cloned, 2_200),
];

fn main() -> ExitCode {
    if let Some((name, rounds)) = instructions::job() {
        // The allocator takes another way in a process that ever had two threads: all cases are such processes.
        thread::spawn(|| ()).join().unwrap();
        Case::all().into_iter().find(|case| case.name() == name).expect("a case").run(rounds);
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
    let counted = count();
    print(&counted);
    let flag = |name| std::env::args().any(|argument| argument == name);
    if flag("--write") {
        record(&counted);
    }
    if flag("--check") { check(&counted) } else { ExitCode::SUCCESS }
}

/// Of each case, over the service below. Two at a time: the cores do not share what is counted.
fn count() -> BTreeMap<String, u64> {
    let cases = Case::all();
    let (even, odd): (Vec<_>, Vec<_>) = cases.iter().enumerate().partition(|(at, _)| at % 2 == 0);
    let all: BTreeMap<String, u64> = thread::scope(|scope| {
        let halves = [even, odd].map(|half| {
            scope.spawn(move || {
                half.into_iter()
                    .map(|(_, case)| (case.name(), instructions::of(&case.name())))
                    .collect::<Vec<_>>()
            })
        });
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    });
    cases
        .iter()
        .filter(|case| case.contender != "bare")
        .map(|case| (case.name(), all[&case.name()].saturating_sub(all[&case.bare().name()])))
        .collect()
}

fn print(counted: &BTreeMap<String, u64>) {
    println!("{:<44} {:>12}", "over the service below", "instructions");
    for (case, count) in counted {
        println!("{case:<44} {count:>12}");
    }
    let figures: Vec<_> = counted
        .iter()
        .map(|(case, count)| Figure::new("instructions", case, "instructions", *count as f64))
        .collect();
    write("instructions", &figures);
}

fn record(counted: &BTreeMap<String, u64>) {
    let mut text = format!(
        "# Instructions a request costs over the service below: written by `cargo bench --bench instructions -- --write`.\nrustc = \"{}\"\n\n[instructions]\n",
        rustc()
    );
    for (case, count) in counted {
        writeln!(text, "\"{case}\" = {count}").unwrap();
    }
    std::fs::write(Path::new(FILE), text).unwrap();
}

fn check(counted: &BTreeMap<String, u64>) -> ExitCode {
    let mut faults = Vec::new();
    for (shape, contender, handle, bar) in BARS {
        let case = Case { shape, contender, handle }.name();
        if counted[&case] > bar {
            faults.push(format!("{case}: {} instructions, where {bar} are the most", counted[&case]));
        }
    }
    for handle in Handle::ALL {
        let [memory, files] = ["ours", ON_FILES]
            .map(|contender| counted[&Case { shape: Shape::Typical, contender, handle }.name()]);
        if memory.abs_diff(files) > margin(memory) {
            faults.push(format!("{}: {files} with files, {memory} with memory", handle.name()));
        }
    }
    let recorded: toml::Table = std::fs::read_to_string(FILE).unwrap().parse().unwrap();
    // Another compiler makes other code, for which these figures are no gate.
    let writer = recorded["rustc"].as_str().unwrap();
    if writer == rustc() {
        for (case, count) in counted {
            let Some(expected) = recorded["instructions"].get(case).and_then(toml::Value::as_integer) else {
                faults.push(format!("{case}: not in {FILE}"));
                continue;
            };
            let expected = expected.unsigned_abs();
            if count.abs_diff(expected) > margin(expected) {
                faults.push(format!("{case}: {count} instructions, recorded {expected}"));
            }
        }
    } else {
        println!("{FILE} was written with {writer}: only the bars were compared");
    }
    if faults.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("{}", faults.join("\n"));
    eprintln!("If that is meant: `cargo bench --bench instructions -- --write`, and say why in the commit");
    ExitCode::FAILURE
}

fn rustc() -> String {
    let output = std::process::Command::new("rustc").arg("--version").output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
