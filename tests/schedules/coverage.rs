//! How often what happened, so that an adversary who has lost a power is noticed.

use std::{collections::BTreeMap, fmt};

/// What the scheduler did, and what sessions made of it. Schedules at random meet all of it.
pub(crate) const EVERYTHING: &[&str] = &[
    // What went wrong in a store.
    "load refused",
    "swap refused",
    "swap lost, not known",
    "swap applied, not known",
    "swap in conflict, not known",
    "write came late",
    "outage",
    "failover lost a commit",
    // What went wrong at the token endpoint.
    "token request lost",
    "token request never sent",
    "token request came late",
    "grant not told",
    "grant told as a 500",
    "overloaded",
    "already being processed",
    // What went wrong in a process.
    "operation slow",
    "stood still",
    "stood still with a claim",
    "killed",
    "killed with a claim",
    // What others did.
    "session expired",
    "caller gone",
    "caller came",
    // What the sessions did.
    "claimed",
    "claim given up",
    "claim superseded",
    "committed",
    "commit delayed",
    "stored again",
    "refreshed",
    "adopted",
    "outcome unknown",
    "person asked for",
];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Coverage(BTreeMap<&'static str, usize>);

impl Coverage {
    pub(crate) fn note(&mut self, what: &'static str) {
        debug_assert!(EVERYTHING.contains(&what), "{what} is not asked for");
        *self.0.entry(what).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (what, times) in &other.0 {
            *self.0.entry(what).or_default() += times;
        }
    }

    /// What has not happened once.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        EVERYTHING.iter().copied().filter(|what| !self.0.contains_key(what)).collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = EVERYTHING.iter().map(|what| format!("{what} {}", self.0.get(what).unwrap_or(&0)));
        f.write_str(&times.collect::<Vec<_>>().join(", "))
    }
}
