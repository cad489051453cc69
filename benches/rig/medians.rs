//! The median of each case of one run, for ratios between cases.

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

/// Times by case. Criterion keeps its own; these are for figures that are a quotient of two cases, which it does not
/// know.
#[derive(Debug, Default)]
pub struct Medians(RefCell<BTreeMap<String, Vec<(u64, f64)>>>);

impl Medians {
    /// Notes that `iterations` of a case took `elapsed`, and hands `elapsed` on.
    pub fn note(&self, case: &str, iterations: u64, elapsed: Duration) -> Duration {
        let each = elapsed.as_secs_f64() / iterations as f64;
        self.0.borrow_mut().entry(case.to_owned()).or_default().push((iterations, each));
        elapsed
    }

    /// The median time of one iteration, in seconds: of the longest samples, so that those of a warm-up do not count.
    /// `None` if the case did not run, having been filtered out.
    pub fn of(&self, case: &str) -> Option<f64> {
        let cases = self.0.borrow();
        let samples = cases.get(case)?;
        let most = samples.iter().map(|(iterations, _)| *iterations).max()?;
        let mut longest: Vec<f64> =
            samples.iter().filter(|(iterations, _)| *iterations == most).map(|(_, each)| *each).collect();
        longest.sort_by(f64::total_cmp);
        longest.get(longest.len() / 2).copied()
    }

    /// How many times as long as `base` a case takes.
    pub fn ratio(&self, case: &str, base: &str) -> Option<f64> {
        Some(self.of(case)? / self.of(base)?)
    }
}
