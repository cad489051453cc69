//! The raw figures.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

/// Figures by bench and case, and where each bench ran.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// Bench, then case and unit.
    figures: BTreeMap<String, BTreeMap<(String, String), f64>>,
    pub(crate) machine: String,
    pub(crate) rustc: String,
    pub(crate) day: String,
}

impl Results {
    pub(crate) fn read(file: &str) -> Option<Self> {
        let value: Value = serde_json::from_slice(&fs::read(file).ok()?).unwrap();
        let text = |name: &str| value[name].as_str().unwrap().to_owned();
        let mut results =
            Self { machine: text("machine"), rustc: text("rustc"), day: text("day"), ..Self::default() };
        for figure in value["figures"].as_array().unwrap() {
            results.add(figure);
        }
        Some(results)
    }

    pub(crate) fn write(&self, file: &str) {
        let figures: Vec<_> = self
            .figures
            .iter()
            .flat_map(|(bench, figures)| {
                figures.iter().map(move |((case, unit), value)| {
                    json!({"bench": bench, "case": case, "unit": unit, "value": value}).to_string()
                })
            })
            .collect();
        let head = json!({"machine": self.machine, "rustc": self.rustc, "day": self.day}).to_string();
        let head = head.trim_end_matches('}');
        let figures = figures.join(",\n");
        fs::write(file, format!("{head},\"figures\":[\n{figures}\n]}}\n")).unwrap();
    }

    /// Takes over what the last run left in the target directory.
    pub(crate) fn collect(&mut self) {
        let target = PathBuf::from(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
        let mut found = Vec::new();
        for file in files(&target.join("bench")) {
            let Value::Array(figures) = serde_json::from_slice(&fs::read(file).unwrap()).unwrap() else {
                panic!("not a list of figures")
            };
            found.extend(figures);
        }
        found.extend(files(&target.join("criterion")).iter().filter_map(|file| median(file)));
        for bench in found.iter().map(|figure| figure["bench"].as_str().unwrap()) {
            self.figures.remove(bench);
        }
        found.iter().for_each(|figure| self.add(figure));
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let cores = std::thread::available_parallelism().unwrap();
        self.machine =
            format!("{}, {cores} cores, {}", cpu.map_or("unknown", |(_, name)| name), std::env::consts::OS);
        self.rustc = said("rustc", &["--version"]);
        self.day = said("date", &["-u", "+%Y-%m-%d"]);
    }

    fn add(&mut self, figure: &Value) {
        let text = |name: &str| figure[name].as_str().unwrap().to_owned();
        let figures = self.figures.entry(text("bench")).or_default();
        figures.insert((text("case"), text("unit")), figure["value"].as_f64().unwrap());
    }

    /// The figure of a case; `None` if it was not measured.
    pub(crate) fn of(&self, bench: &str, case: &str, unit: &str) -> Option<f64> {
        self.figures.get(bench)?.get(&(case.to_owned(), unit.to_owned())).copied()
    }

    /// All cases of a bench that have a figure in this unit.
    pub(crate) fn all<'a>(&'a self, bench: &str, unit: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        let figures = self.figures.get(bench).into_iter().flatten();
        figures.filter(move |((_, its), _)| its == unit).map(|((case, _), value)| (case.as_str(), *value))
    }
}

/// What criterion has measured: the first part of an id is the bench.
fn median(file: &Path) -> Option<Value> {
    if file.file_name()? != "estimates.json" || file.parent()?.file_name()? != "new" {
        return None;
    }
    let read = |file: PathBuf| -> Value { serde_json::from_slice(&fs::read(file).unwrap()).unwrap() };
    let id = read(file.with_file_name("benchmark.json"));
    let (bench, case) = id["full_id"].as_str()?.split_once('/')?;
    let value = &read(file.to_owned())["median"]["point_estimate"];
    Some(json!({"bench": bench, "case": case, "unit": "ns", "value": value}))
}

/// All files below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect()
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
