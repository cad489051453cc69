//! Makes `BENCHMARKS.md` and its pictures from the figures of a run.
//!
//! - `cargo bench && cargo bench --bench report -- --collect` takes over what the last run left in the target directory.
//!   Figures of benches that did not run stay as they are in `benches/results.json`.
//! - `-- --write` makes the report from `benches/results.json`, `-- --check` fails if the two do not fit together.
//!
//! Nothing in the report is written by hand: its words are here, its numbers there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a panic here is a broken bench

#[path = "report/chart.rs"]
mod chart;
#[path = "report/results.rs"]
mod results;
#[path = "report/text.rs"]
mod text;

use std::{fs, process::ExitCode};

use results::Results;

const RESULTS: &str = "benches/results.json";

fn main() -> ExitCode {
    let flag = |name| std::env::args().any(|argument| argument == name);
    if flag("--collect") {
        let mut results = Results::read(RESULTS).unwrap_or_default();
        results.collect();
        results.write(RESULTS);
    }
    let results = Results::read(RESULTS).expect("benches/results.json, which `-- --collect` makes");
    let mut files = vec![("BENCHMARKS.md", text::report(&results))];
    files.extend(chart::all(&results));
    if flag("--check") {
        let stale: Vec<_> = files
            .iter()
            .filter(|(name, made)| fs::read_to_string(name).ok().as_ref() != Some(made))
            .map(|(name, _)| *name)
            .collect();
        if !stale.is_empty() {
            eprintln!("{stale:?} do not say what {RESULTS} says: `cargo bench --bench report -- --write`");
            return ExitCode::FAILURE;
        }
    } else if flag("--write") || flag("--collect") {
        for (name, made) in files {
            fs::write(name, made).unwrap();
        }
    } else {
        println!("nothing to measure here: `-- --collect`, `-- --write` or `-- --check`");
    }
    ExitCode::SUCCESS
}
