//! What came of it.

use std::time::Duration;

use super::options::{Faults, Options};

#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) requests: u64,
    pub(crate) generations: u64,
    pub(crate) token_requests: u64,
    /// Spent refresh tokens that were shown while their child lived, each of which ended a grant.
    pub(crate) tokens_reused: u64,
    /// How often a person was asked to connect again.
    pub(crate) reauthorisations: u64,
    /// Grants whose newest refresh token died with a process that was killed between sending and storing: no client
    /// can prevent that.
    pub(crate) lost_grants: u64,
    pub(crate) refused: u64,
    pub(crate) failed: u64,
    pub(crate) paused: u64,
    pub(crate) killed: u64,
    pub(crate) took: Duration,
}

impl Report {
    /// Whether the fleet kept what the crate promises.
    pub(crate) fn is_sound(&self, options: &Options) -> bool {
        let undisturbed = options.faults != Faults::None
            || (self.token_requests == self.generations && self.failed == 0 && self.refused == 0);
        self.tokens_reused == 0 && self.reauthorisations == self.lost_grants && undisturbed
    }

    pub(crate) fn print(&self, options: &Options) {
        println!(
            "\n{} processes on one {} store, {} requests a generation\n",
            options.processes,
            options.backend.name(),
            options.requests
        );
        let rows = [
            ("requests", self.requests, ""),
            ("generations", self.generations, "the session ended so often"),
            ("token requests", self.token_requests, "one a generation is enough"),
            ("processes paused", self.paused, "for less than the wait-out"),
            ("processes killed", self.killed, ""),
            ("refresh tokens reused", self.tokens_reused, "each would end the grant"),
            ("grants lost", self.lost_grants, "killed between sending and storing"),
            ("re-authorisations", self.reauthorisations, "one for each lost grant"),
            ("refused", self.refused, "while a process was gone"),
            ("failed", self.failed, ""),
        ];
        for (name, figure, note) in rows {
            println!("{name:>22}  {figure:>9}  {note}");
        }
        println!("{:>22}  {:>7.1} s", "took", self.took.as_secs_f64());
        if options.json {
            let object = serde_json::json!({
                "store": options.backend.name(),
                "processes": options.processes,
                "requests": self.requests,
                "generations": self.generations,
                "token_requests": self.token_requests,
                "tokens_reused": self.tokens_reused,
                "reauthorisations": self.reauthorisations,
                "lost_grants": self.lost_grants,
                "refused": self.refused,
                "failed": self.failed,
            });
            println!("{object}");
        }
    }
}
