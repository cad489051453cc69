//! The end of a schedule: all goes well from now on, and what must hold at rest is looked at.

use std::time::Duration;

use tower_salesforce_auth::AuthErrorKind;

use super::{STEP, World};
use crate::{
    outside::Violation,
    process::{Call, Caller, Ended},
    steps::Step,
};

/// The first two wait-outs, and as much again; that is also the first three pauses of a session whose new tokens were
/// refused at once.
const PATIENCE: Duration = Duration::from_secs(420);
/// Polls for all that time are fewer steps: who takes more goes round in circles.
const STEPS: usize = 5_000;
/// How many token requests a fault may lead to: those of a flight.
const PER_FAULT: usize = 5;

impl World {
    /// Does what is usual until nobody does anything any more.
    pub(super) fn run_out(&mut self) {
        let until = self.now + PATIENCE;
        for _ in 0..STEPS {
            if self.is_over() || self.now >= until {
                break;
            }
            self.take(self.usual());
        }
    }

    /// Everything goes well from now on: does everybody get a token, and is the store up to date?
    pub(crate) fn rest(&mut self) {
        self.tell(|_| "=== all goes well from now on".into());
        self.held.clear();
        self.down_until = None;
        self.desk.lock().unwrap().pending.retain(|_, pending| !pending.is_abandoned());
        self.run_out();
        if !self.is_over() {
            self.outside.violated(Violation::Stuck);
        }
        let is_calm = self.faults == 0 && self.expiries == 0;
        if is_calm && self.callers.iter().any(|caller| caller.ended().is_some_and(|end| end != Ended::Served))
        {
            self.outside.violated(Violation::Unserved);
        }
        self.check_grants();
        self.all_insist(Call::Refresh);
        // The next refresh stores what a failover has lost.
        self.outside.grants.iter_mut().for_each(|grant| grant.is_behind = false);
        self.check_grants();
        self.all_insist(Call::Request);
        if self.outside.revoked() > self.outside.losses {
            self.outside.violated(Violation::Unaccounted);
        }
        if self.outside.token_requests > self.reasons + PER_FAULT * self.faults {
            self.outside.violated(Violation::Storm);
        }
    }

    fn all_insist(&mut self, call: Call) {
        for process in 0..self.setup.processes {
            for connection in 0..self.setup.connections {
                if call == Call::Refresh || !self.outside.grants[connection].is_revoked {
                    self.insist(process, connection, call);
                }
            }
        }
    }

    fn check_grants(&mut self) {
        for connection in 0..self.setup.connections {
            if self.outside.grants[connection].is_revoked {
                continue;
            }
            let is_sound = |record: serde_json::Value| record["health"]["state"] == "sound";
            if !self.outside.record(connection).is_none_or(is_sound) {
                self.outside.violated(Violation::AskedForPerson);
            }
            let has_newest =
                self.outside.grants[connection].newest == 0 || self.outside.is_stored(connection);
            let is_behind = self.outside.grants[connection].is_behind;
            if self.outside.is_held(connection) && !has_newest && !is_behind {
                self.outside.violated(Violation::NotStored);
            }
        }
    }

    /// Left alone, a session gets a token and one that is accepted, or knows that the grant has ended.
    fn insist(&mut self, process: usize, connection: usize, call: Call) {
        self.tell(|_| format!("=== p{process} c{connection} {call:?}"));
        let until = self.now + PATIENCE;
        let reasons = self.reasons + usize::from(call == Call::Refresh);
        loop {
            self.call(process, connection, call);
            self.reasons = reasons;
            self.now += STEP;
            self.go_on();
            self.run_out();
            match self.callers.last().and_then(Caller::ended) {
                Some(Ended::Served) => return,
                Some(Ended::Failed(AuthErrorKind::ReauthorisationRequired)) => {
                    if !self.outside.grants[connection].is_revoked {
                        self.outside.violated(Violation::AskedForPerson);
                    }
                    return;
                }
                // A request is still sent, with a token that nobody accepts any more.
                Some(_) if call == Call::Request && self.outside.grants[connection].is_revoked => return,
                _ if self.now > until || self.outside.violation.is_some() => {
                    self.outside.violated(Violation::Stuck);
                    return;
                }
                _ => self.take(Step::Tick),
            }
        }
    }
}
