//! The raw figures.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

/// The last whole run of each bench.
#[derive(Debug, Default)]
pub(crate) struct Results {
    runs: BTreeMap<String, Run>,
}

/// What a bench measured.
#[derive(Debug)]
struct Run {
    circumstances: Circumstances,
    /// Case and unit.
    figures: BTreeMap<(String, String), f64>,
    /// What is to be said of a case.
    notes: BTreeMap<String, String>,
}

/// When and where a bench ran.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Circumstances {
    pub(crate) day: String,
    pub(crate) machine: String,
    pub(crate) rustc: String,
}

impl Results {
    /// `None` if there is no such file.
    pub(crate) fn read(file: &str) -> Option<Self> {
        let runs: Value = serde_json::from_slice(&fs::read(file).ok()?).expect("JSON");
        let runs = runs.as_array().expect("a list of runs: remove the file and collect anew").iter();
        Some(Self { runs: runs.map(|run| (text(run, "bench"), Run::from_json(run))).collect() })
    }

    pub(crate) fn write(&self, file: &str) {
        let runs: Vec<_> = self.runs.iter().map(|(bench, run)| run.to_json(bench)).collect();
        fs::write(file, format!("[\n{}\n]\n", runs.join(",\n"))).unwrap();
    }

    /// Takes over what runs left in a target directory, the newest of each bench; they replace those from before.
    pub(crate) fn collect(&mut self, targets: &[PathBuf]) {
        let mut found: BTreeMap<String, (f64, Run)> = BTreeMap::new();
        for target in targets {
            for file in files(&target.join("bench")) {
                let run: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
                let (bench, begun) = (text(&run, "bench"), run["begun"].as_f64().unwrap());
                if found.get(&bench).is_some_and(|(newest, _)| *newest >= begun) {
                    continue;
                }
                let mut run = Run::from_json(&run);
                run.figures.extend(medians(target, &bench, UNIX_EPOCH + Duration::from_secs_f64(begun)));
                found.insert(bench, (begun, run));
            }
        }
        self.runs.extend(found.into_iter().map(|(bench, (_, run))| (bench, run)));
    }

    /// The figure of a case; `None` if it was not measured.
    pub(crate) fn of(&self, bench: &str, case: &str, unit: &str) -> Option<f64> {
        self.runs.get(bench)?.figures.get(&(case.to_owned(), unit.to_owned())).copied()
    }

    /// All cases of a bench that have a figure in this unit.
    pub(crate) fn all<'a>(&'a self, bench: &str, unit: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        let figures = self.runs.get(bench).into_iter().flat_map(|run| &run.figures);
        figures.filter(move |((_, its), _)| its == unit).map(|((case, _), value)| (case.as_str(), *value))
    }

    pub(crate) fn note(&self, bench: &str, case: &str) -> &str {
        self.runs.get(bench).and_then(|run| run.notes.get(case)).map_or("", String::as_str)
    }

    /// Which benches ran under which circumstances.
    pub(crate) fn circumstances(&self) -> BTreeMap<&Circumstances, Vec<&str>> {
        let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (bench, run) in &self.runs {
            all.entry(&run.circumstances).or_default().push(bench.as_str());
        }
        all
    }
}

impl Run {
    fn from_json(run: &Value) -> Self {
        let figures = run["figures"].as_array().unwrap().iter();
        let notes = run["notes"].as_object().unwrap().iter();
        Self {
            circumstances: Circumstances {
                day: text(run, "day"),
                machine: text(run, "machine"),
                rustc: text(run, "rustc"),
            },
            figures: figures
                .map(|figure| {
                    ((text(figure, "case"), text(figure, "unit")), figure["value"].as_f64().unwrap())
                })
                .collect(),
            notes: notes.map(|(case, note)| (case.clone(), note.as_str().unwrap().to_owned())).collect(),
        }
    }

    /// A line for each figure, so that a change can be read.
    fn to_json(&self, bench: &str) -> String {
        let Circumstances { day, machine, rustc } = &self.circumstances;
        let figures: Vec<_> = self
            .figures
            .iter()
            .map(|((case, unit), value)| json!({"case": case, "unit": unit, "value": value}).to_string())
            .collect();
        format!(
            "{{\"bench\":{},\"day\":{},\"machine\":{},\"rustc\":{},\"notes\":{},\"figures\":[\n{}\n]}}",
            json!(bench),
            json!(day),
            json!(machine),
            json!(rustc),
            json!(self.notes),
            figures.join(",\n")
        )
    }
}

/// What criterion has measured of a bench since it was begun: the first part of an id is the bench.
fn medians(target: &Path, bench: &str, begun: SystemTime) -> Vec<((String, String), f64)> {
    let median = |file: &PathBuf| {
        let is_estimate = file.ends_with("new/estimates.json");
        if !is_estimate || fs::metadata(file).unwrap().modified().unwrap() < begun {
            return None;
        }
        let read = |file: &Path| -> Value { serde_json::from_slice(&fs::read(file).unwrap()).unwrap() };
        let id = text(&read(&file.with_file_name("benchmark.json")), "full_id");
        let case = id.strip_prefix(bench)?.strip_prefix('/')?;
        let value = read(file)["median"]["point_estimate"].as_f64().unwrap();
        Some(((case.to_owned(), "ns".to_owned()), value))
    };
    files(&target.join("criterion")).iter().filter_map(median).collect()
}

/// All files below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect()
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap().to_owned()
}
