//! What a run of the conformance kit found.

use std::fmt;

/// One property of the contract, by name, and what to do if it does not hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Property {
    pub(super) name: &'static str,
    pub(super) advice: &'static str,
}

/// What [`store_conformance`](super::store_conformance()) found. `Display` is for people: a line a case, and under each
/// that failed what was seen and what to do.
#[derive(Clone, Debug)]
#[must_use = "`assert_passed` makes a failed case fail the test"]
pub struct ConformanceReport {
    cases: Vec<ConformanceCase>,
}

impl ConformanceReport {
    pub(super) fn new(cases: Vec<ConformanceCase>) -> Self {
        Self { cases }
    }

    /// All cases, in the order in which they ran.
    #[must_use]
    pub fn cases(&self) -> &[ConformanceCase] {
        &self.cases
    }

    /// The cases that failed.
    pub fn failed(&self) -> impl Iterator<Item = &ConformanceCase> {
        self.cases.iter().filter(|case| matches!(case.outcome, ConformanceOutcome::Failed(_)))
    }

    /// Does nothing if no case failed.
    ///
    /// # Panics
    ///
    /// With the report, if a case failed.
    #[track_caller]
    #[allow(clippy::panic, reason = "that is how a test fails")]
    pub fn assert_passed(&self) {
        if self.failed().next().is_some() {
            panic!("{self}");
        }
    }
}

impl fmt::Display for ConformanceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (failed, skipped) =
            (self.failed().count(), self.cases.iter().filter(|case| case.is_skipped()).count());
        let passed = self.cases.len() - failed - skipped;
        writeln!(f, "store conformance: {passed} passed, {failed} failed, {skipped} skipped")?;
        self.cases.iter().try_for_each(|case| writeln!(f, "{case}"))
    }
}

/// One case of the kit.
#[derive(Clone, Debug)]
pub struct ConformanceCase {
    property: Property,
    outcome: ConformanceOutcome,
}

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConformanceOutcome {
    /// The property held.
    Passed,
    /// It did not; this is what was seen.
    Failed(String),
    /// It was not tried; this is what it needs.
    Skipped(String),
}

impl ConformanceCase {
    pub(super) fn new(property: Property, outcome: ConformanceOutcome) -> Self {
        Self { property, outcome }
    }

    /// The name of the property: one of those in the table at [`store_conformance`](super::store_conformance()).
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.property.name
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> &ConformanceOutcome {
        &self.outcome
    }

    /// What to do if it failed.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        self.property.advice
    }

    fn is_skipped(&self) -> bool {
        matches!(self.outcome, ConformanceOutcome::Skipped(_))
    }
}

impl fmt::Display for ConformanceCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match &self.outcome {
            ConformanceOutcome::Passed => write!(f, "  ok       {name}"),
            ConformanceOutcome::Failed(seen) => {
                write!(
                    f,
                    "  FAILED   {name}\n             seen: {seen}\n             do:   {}",
                    self.advice()
                )
            }
            ConformanceOutcome::Skipped(needs) => write!(f, "  skipped  {name} ({needs})"),
        }
    }
}
