//! Figures of a run, as JSON for whoever compares runs.

use std::{fs, path::PathBuf};

#[derive(Clone, Debug)]
pub struct Figure {
    bench: &'static str,
    case: String,
    unit: &'static str,
    value: f64,
}

impl Figure {
    pub fn new(bench: &'static str, case: impl Into<String>, unit: &'static str, value: f64) -> Self {
        Self { bench, case: case.into(), unit, value }
    }
}

pub fn write(bench: &str, figures: &[Figure]) {
    let dir =
        PathBuf::from(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into())).join("bench");
    fs::create_dir_all(&dir).unwrap();
    let rows: Vec<_> = figures
        .iter()
        .map(|f| serde_json::json!({"bench": f.bench, "case": f.case, "unit": f.unit, "value": f.value}))
        .collect();
    fs::write(dir.join(format!("{bench}.json")), serde_json::to_vec_pretty(&rows).unwrap()).unwrap();
}
