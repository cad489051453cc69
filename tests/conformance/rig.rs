//! Looking at reports.

use tower_salesforce_auth::testing::{ConformanceOutcome, ConformanceReport};

/// The names of the cases that failed.
pub(crate) fn failed(report: &ConformanceReport) -> Vec<&'static str> {
    report.failed().map(|case| case.name()).collect()
}

/// The names of the cases that did not run.
pub(crate) fn skipped(report: &ConformanceReport) -> Vec<&'static str> {
    let skipped = |outcome: &ConformanceOutcome| matches!(outcome, ConformanceOutcome::Skipped(_));
    report.cases().iter().filter(|case| skipped(case.outcome())).map(|case| case.name()).collect()
}
