//! Running cases, each on a task of its own.

use std::{any::Any, time::Duration};

use super::{
    ground::Seen,
    report::{ConformanceCase, ConformanceOutcome, ConformanceReport, Property},
};

/// No case takes as long as this on a store that works.
const CASE_LIMIT: Duration = Duration::from_secs(120);

/// The cases that were run so far.
#[derive(Default)]
pub(super) struct Run {
    cases: Vec<ConformanceCase>,
    /// The case that failed and without which the others say nothing.
    stopped_by: Option<&'static str>,
}

impl Run {
    /// Runs a case that the later ones build on.
    pub(super) async fn first(
        &mut self,
        property: Property,
        work: impl Future<Output = Result<(), Seen>> + Send + 'static,
    ) {
        if !self.case(property, work).await {
            self.stopped_by = self.stopped_by.or(Some(property.name));
        }
    }

    /// Runs a case, on a task of its own, so that a panic in a store is a failed case. Whether it passed.
    pub(super) async fn case(
        &mut self,
        property: Property,
        work: impl Future<Output = Result<(), Seen>> + Send + 'static,
    ) -> bool {
        if let Some(first) = self.stopped_by {
            self.add(property, ConformanceOutcome::Skipped(format!("{first} comes first")));
            return false;
        }
        let mut task = tokio::spawn(work);
        let outcome = match tokio::time::timeout(CASE_LIMIT, &mut task).await {
            Ok(Ok(Ok(()))) => ConformanceOutcome::Passed,
            Ok(Ok(Err(seen))) => ConformanceOutcome::Failed(seen),
            Ok(Err(error)) => ConformanceOutcome::Failed(panicked(error)),
            Err(_) => {
                task.abort();
                ConformanceOutcome::Failed(format!("it did not end within {} s", CASE_LIMIT.as_secs()))
            }
        };
        let passed = outcome == ConformanceOutcome::Passed;
        self.add(property, outcome);
        passed
    }

    /// Runs a case that not every run has what it `needs` for.
    pub(super) async fn case_with(
        &mut self,
        property: Property,
        needs: &str,
        work: Option<impl Future<Output = Result<(), Seen>> + Send + 'static>,
    ) {
        match work {
            Some(work) => {
                self.case(property, work).await;
            }
            None => self.add(property, ConformanceOutcome::Skipped(needs.to_owned())),
        }
    }

    fn add(&mut self, property: Property, outcome: ConformanceOutcome) {
        self.cases.push(ConformanceCase::new(property, outcome));
    }

    pub(super) fn report(self) -> ConformanceReport {
        ConformanceReport::new(self.cases)
    }
}

fn panicked(error: tokio::task::JoinError) -> Seen {
    let Ok(panic) = error.try_into_panic() else { return "the runtime shut down".to_owned() };
    let text = |panic: &dyn Any| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned())
    };
    format!("the store panicked: {}", text(&*panic).unwrap_or_default())
}
