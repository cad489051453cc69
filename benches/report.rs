//! Makes `BENCHMARKS.md` and its pictures from the figures of runs.
//!
//! - `cargo bench && cargo bench --bench report -- --collect` takes over what the last whole run of each bench left in
//!   the target directory, with when and where it was. A bench that did not run since keeps its figures in
//!   `benches/results.json`.
//! - `-- --write` makes the report from `benches/results.json`; `-- --check` fails if the two do not fit together, or if
//!   the exact counts among the figures are not those that are gates.
//!
//! No figure of a run is written by hand: the report's words are here, its numbers there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a panic here is a broken bench

#[path = "report/chart.rs"]
mod chart;
#[path = "rig/recorded.rs"]
mod recorded;
#[path = "report/results.rs"]
mod results;
#[path = "rig/results.rs"]
mod run;
#[path = "report/text.rs"]
mod text;

use std::{fs, process::ExitCode};

use recorded::{ALLOCATIONS, INSTRUCTIONS};
use results::Results;

const RESULTS: &str = "benches/results.json";

fn main() -> ExitCode {
    let flag = |name| std::env::args().any(|argument| argument == name);
    let [collect, write, check] = ["--collect", "--write", "--check"].map(flag);
    if !(collect || write || check) {
        println!("nothing to measure here: `-- --collect`, `-- --write` or `-- --check`");
        return ExitCode::SUCCESS;
    }
    let mut results = Results::read(RESULTS).unwrap_or_default();
    if collect {
        // The peers are a crate of their own, with a target directory of its own unless cargo is told otherwise.
        results.collect(&[run::target_dir(), "benches/peers/target".into()]);
        results.write(RESULTS);
    }
    let mut files = vec![("BENCHMARKS.md", text::report(&results))];
    files.extend(chart::all(&results));
    if check {
        let stale: Vec<_> = files
            .iter()
            .filter(|(name, made)| fs::read_to_string(name).ok().as_ref() != Some(made))
            .map(|(name, _)| *name)
            .collect();
        let mut faults = Vec::new();
        if !stale.is_empty() {
            faults.push(format!(
                "{stale:?} do not say what {RESULTS} says: `cargo bench --bench report -- --write`"
            ));
        }
        for gate in [INSTRUCTIONS, ALLOCATIONS] {
            let reported =
                results.all(gate.what, gate.what).map(|(case, count)| (case.to_owned(), count as u64));
            let differences = gate.faults(&reported.collect());
            faults
                .extend(differences.into_iter().map(|fault| format!("{RESULTS}: {fault} in {}", gate.file)));
        }
        if !faults.is_empty() {
            eprintln!("{}", faults.join("\n"));
            return ExitCode::FAILURE;
        }
    } else {
        for (name, made) in files {
            fs::write(name, made).unwrap();
        }
    }
    ExitCode::SUCCESS
}
