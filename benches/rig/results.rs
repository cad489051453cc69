//! What a run of a bench came to, as a file for the report.
// Each bench uses its own part; a panic here is a broken bench.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, reason = "the clock of a bench is the real one")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};

/// One run of a bench: where and when, and its figures. Those that criterion keeps are not repeated.
#[derive(Debug)]
pub struct Run {
    bench: &'static str,
    begun: f64,
    figures: Vec<Value>,
    notes: Map<String, Value>,
}

impl Run {
    pub fn begin(bench: &'static str) -> Self {
        let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        Self { bench, begun, figures: Vec::new(), notes: Map::new() }
    }

    /// Whether all cases run, as they are meant to be measured: not with a filter, nor just to see that they work, as
    /// `cargo test` does.
    pub fn is_whole() -> bool {
        let arguments: Vec<_> = env::args().skip(1).collect();
        let known = |argument: &String| ["--bench", "--check", "--write"].contains(&argument.as_str());
        arguments.iter().any(|argument| argument == "--bench") && arguments.iter().all(known)
    }

    pub fn figure(&mut self, case: impl Into<String>, unit: &str, value: f64) {
        self.figures.push(json!({"case": case.into(), "unit": unit, "value": value}));
    }

    /// What is to be said of a case.
    pub fn note(&mut self, case: impl Into<String>, text: &str) {
        self.notes.insert(case.into(), text.into());
    }

    /// Writes it to the target directory, if it is whole.
    pub fn end(self) {
        if !Self::is_whole() {
            return;
        }
        let dir = target_dir().join("bench");
        fs::create_dir_all(&dir).unwrap();
        let run = json!({
            "bench": self.bench,
            "begun": self.begun,
            "day": said("date", &["-u", "+%Y-%m-%d"]),
            "machine": machine(),
            "rustc": said("rustc", &["--version"]),
            "figures": self.figures,
            "notes": self.notes,
        });
        fs::write(dir.join(format!("{}.json", self.bench)), serde_json::to_vec_pretty(&run).unwrap())
            .unwrap();
    }
}

/// Where cargo built this binary, however it was told.
pub fn target_dir() -> PathBuf {
    let binary = env::current_exe().unwrap();
    binary
        .ancestors()
        .find(|dir| dir.join("CACHEDIR.TAG").is_file())
        .map_or_else(|| PathBuf::from("target"), Path::to_owned)
}

fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    format!("{}, {cores} cores, {}", cpu.map_or("unknown processor", |(_, name)| name), env::consts::OS)
}

/// What a program prints; that it is unknown if there is no such program.
fn said(program: &str, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Err(_) => format!("unknown {program}"),
    }
}
