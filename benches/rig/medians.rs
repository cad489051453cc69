//! The median of each case of one run, for ratios between cases.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::Rounds;

/// Times by case. Criterion keeps its own; these are for figures that are a quotient of two cases, which it does not
/// know.
#[derive(Debug, Default)]
pub struct Medians(RefCell<BTreeMap<String, Vec<(u64, f64)>>>);

impl Medians {
    /// Lets the cases take turns of so many requests, so that what else the machine does meets all of them alike.
    pub fn of_turns(cases: &mut [(String, Rounds)], turns: usize, requests: usize) -> Self {
        let medians = Self::default();
        for _ in 0..turns {
            for (case, rounds) in &mut *cases {
                let begun = Instant::now();
                rounds(requests);
                medians.note(case, requests as u64, begun.elapsed());
            }
        }
        medians
    }

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
        let longest = samples.iter().filter(|(iterations, _)| *iterations == most).map(|(_, each)| *each);
        Some(median(longest.collect()))
    }

    /// How many nanoseconds longer a request of `case` takes than one of `base`.
    pub fn ns_over(&self, case: &str, base: &str) -> Option<f64> {
        Some((self.of(case)? - self.of(base)?) * 1e9)
    }
}

/// Of at least one value.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
