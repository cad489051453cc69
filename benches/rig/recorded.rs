//! Exact counts as they are committed: gates, since they do not depend on how busy a machine is.
//!
//! A change that costs more changes the file too, and its message says why.
// Each bench uses its own part; a panic here is a broken bench.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write,
    fs,
    process::{Command, ExitCode},
};

/// What is counted of each case, by its name.
pub type Counts = BTreeMap<String, u64>;

/// A file of counts, relative to the crate, where cargo runs benches.
#[derive(Debug)]
pub struct Recorded {
    /// The bench, and its unit.
    pub what: &'static str,
    pub file: &'static str,
    /// What counts depend on beside `Cargo.lock`.
    toolchain: Option<fn() -> String>,
    /// What may differ without being a change.
    margin: fn(u64) -> u64,
}

/// Code that moves in the binary moves a few instructions with it.
pub const INSTRUCTIONS: Recorded = Recorded {
    what: "instructions",
    file: "benches/instructions.toml",
    toolchain: Some(toolchain),
    margin: |count| (count / 50).max(8),
};

pub const ALLOCATIONS: Recorded =
    Recorded { what: "allocations", file: "benches/allocations.toml", toolchain: None, margin: |_| 0 };

impl Recorded {
    pub fn margin_of(&self, count: u64) -> u64 {
        (self.margin)(count)
    }

    /// What the command line asks for: `--write` writes the file, `--check` fails if `counted` is not what it says, or
    /// if there are `faults` already.
    pub fn gate(&self, counted: &Counts, mut faults: Vec<String>) -> ExitCode {
        let flag = |name| env::args().any(|argument| argument == name);
        if flag("--write") {
            self.write(counted);
        }
        if !flag("--check") {
            return ExitCode::SUCCESS;
        }
        let (made_by, recorded) = self.read();
        let here = self.toolchain.map(|toolchain| toolchain());
        if made_by == here {
            faults.extend(self.differences(&recorded, counted));
        } else {
            println!("{} is of {made_by:?} and here is {here:?}: compared by what `limit` costs", self.file);
            faults.extend(self.scaled_differences(&recorded, counted));
        }
        if faults.is_empty() {
            return ExitCode::SUCCESS;
        }
        eprintln!("{}", faults.join("\n"));
        eprintln!(
            "If that is meant: `cargo bench --bench {} -- --write`, and say why in the commit",
            self.what
        );
        ExitCode::FAILURE
    }

    /// What differs from the file, whoever counted; empty if all is as it says.
    pub fn faults(&self, counted: &Counts) -> Vec<String> {
        self.differences(&self.read().1, counted)
    }

    fn differences(&self, recorded: &Counts, counted: &Counts) -> Vec<String> {
        self.compare(recorded, counted, |_, recorded, counted| {
            (counted.abs_diff(recorded) > self.margin_of(recorded)).then(|| format!("recorded {recorded}"))
        })
    }

    /// Another compiler, processor or C library makes other code of all of them alike: what is held is how many times
    /// the least that is possible a request costs, a tenth more being no fault.
    fn scaled_differences(&self, recorded: &Counts, counted: &Counts) -> Vec<String> {
        self.compare(recorded, counted, |case, then, now| {
            let [shape, contender, handle] = case.split('/').collect::<Vec<_>>().try_into().ok()?;
            let limit = format!("{shape}/limit/{handle}");
            let most = then * counted.get(&limit)? * 11 / (recorded.get(&limit)? * 10);
            (contender.starts_with("ours") && now > most)
                .then(|| format!("{most} are the most beside `limit`"))
        })
    }

    /// What is wrong with the cases that are in both, and which are only in one.
    fn compare(
        &self,
        recorded: &Counts,
        counted: &Counts,
        wrong: impl Fn(&str, u64, u64) -> Option<String>,
    ) -> Vec<String> {
        let fault = |case: &String| match (recorded.get(case), counted.get(case)) {
            (Some(recorded), Some(count)) => {
                wrong(case, *recorded, *count).map(|wrong| format!("{case}: {count} {}, {wrong}", self.what))
            }
            (Some(_), None) => Some(format!("{case}: recorded, but not counted")),
            (None, _) => Some(format!("{case}: not in {}", self.file)),
        };
        let cases: BTreeSet<_> = recorded.keys().chain(counted.keys()).collect();
        cases.into_iter().filter_map(fault).collect()
    }

    /// The toolchain that it was written with, and the counts.
    fn read(&self) -> (Option<String>, Counts) {
        let table: toml::Table = fs::read_to_string(self.file).unwrap().parse().unwrap();
        let count = |(case, count): (&String, &toml::Value)| {
            (case.clone(), count.as_integer().unwrap().unsigned_abs())
        };
        let toolchain = table.get("toolchain").map(|toolchain| toolchain.as_str().unwrap().to_owned());
        (toolchain, table[self.what].as_table().unwrap().iter().map(count).collect())
    }

    fn write(&self, counted: &Counts) {
        let what = self.what;
        let mut text = format!(
            "# What a request costs over the service below: written by `cargo bench --bench {what} -- --write`.\n"
        );
        if let Some(toolchain) = self.toolchain {
            writeln!(text, "toolchain = \"{}\"", toolchain()).unwrap();
        }
        writeln!(text, "\n[{what}]").unwrap();
        counted.iter().for_each(|(case, count)| writeln!(text, "\"{case}\" = {count}").unwrap());
        fs::write(self.file, text).unwrap();
    }
}

/// All that code depends on and `Cargo.lock` does not say.
fn toolchain() -> String {
    let said = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output();
        output.map_or(String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let rustc = said("rustc", "-vV");
    let line =
        |name: &str| rustc.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("unknown").trim();
    format!("rustc {}, {}, {}", line("release:"), line("host:"), said("getconf", "GNU_LIBC_VERSION"))
}
