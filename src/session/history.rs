//! What a session has lived through: the past by which causes are told apart.

use std::time::Duration;

use super::{live::Live, state::State};
use crate::{
    clock::{self, Instant},
    diagnosis::{EVICTION, Facts, HostFacts, Past, TokenFacts},
    event::Event,
    refusal::{Refusal, Verdict},
    token::Generation,
};

/// A session that was accepted and is refused sooner than this has not reached its time-out, which is 15 minutes at
/// least: somebody ended it (F057).
const YOUNG: Duration = Duration::from_secs(5 * 60);

/// How long an org that was in maintenance is suspected to be so still. Salesforce's windows last for hours, but while
/// they do the org says so again and again.
const MAINTENANCE_MEMORY: Duration = Duration::from_secs(15 * 60);

/// Kept under the session's lock; written on refusals and refreshes only.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Whether a session before the current one was accepted.
    worked: bool,
    /// Whether that was at the current one's host.
    worked_here: bool,
    /// Sessions in a row that were refused and never accepted.
    barren: u32,
    /// Sessions in a row that were accepted and refused while young.
    died_young: u32,
    /// The newest session that was refused. It counts once, however many requests it is refused to.
    judged: Option<Generation>,
    maintenance: Option<Instant>,
    /// The last refusal of the newest session that was refused.
    last: Option<(Generation, Refusal)>,
}

impl State {
    /// Notes a refusal of a request that was sent with `live`.
    pub(super) fn note_refusal(&mut self, live: &Live, refusal: &Refusal) {
        if self.history.refused(live, refusal, clock::now()) {
            self.outbox.push(Event::SessionsDieYoung { sessions: EVICTION });
        }
    }

    /// What is known beside a refusal of `live`, or beside a failure without a token.
    pub(super) fn facts(&self, live: Option<&Live>, is_home: bool) -> Facts {
        let now = clock::now();
        Facts {
            token: live.map(|live| TokenFacts {
                generation: live.generation,
                age: now.saturating_duration_since(live.since),
                accepted: live.was_accepted(),
                api_scope: live.tokens.has_api_scope(),
            }),
            host: live.map(|live| HostFacts { record: live.authority.to_string(), is_home }),
            past: self.history.past(now),
            ..Facts::default()
        }
    }
}

impl History {
    /// Notes that `after` takes the place of `before`.
    pub(super) fn replaced(&mut self, before: &Live, after: &Live) {
        if before.was_accepted() {
            self.worked = true;
            self.worked_here = true;
            self.barren = 0;
        }
        self.worked_here &= before.tokens.instance_url == after.tokens.instance_url;
    }

    /// Notes a refusal. Whether this is the session by which dying young becomes a habit.
    fn refused(&mut self, live: &Live, refusal: &Refusal, now: Instant) -> bool {
        let verdict = refusal.verdict;
        if self.last.as_ref().is_none_or(|(generation, _)| *generation <= live.generation) {
            self.last = Some((live.generation, refusal.clone()));
        }
        match verdict {
            Verdict::ReadOnlyMaintenance | Verdict::OrgUnavailable => self.maintenance = Some(now),
            Verdict::SessionExpired
            | Verdict::SessionNotPermitted
            | Verdict::UnrecognisedRefusal
            | Verdict::WrongHost
                if self.judged < Some(live.generation) =>
            {
                self.judged = Some(live.generation);
                return self.judge(live, verdict, now);
            }
            _ => {}
        }
        false
    }

    fn judge(&mut self, live: &Live, verdict: Verdict, now: Instant) -> bool {
        if !live.was_accepted() {
            self.barren = self.barren.saturating_add(1);
            return false;
        }
        self.barren = 0;
        let age = now.saturating_duration_since(live.since);
        if verdict == Verdict::SessionExpired && age < YOUNG {
            self.died_young = self.died_young.saturating_add(1);
            self.died_young == EVICTION
        } else {
            self.died_young = 0;
            false
        }
    }

    /// How requests with the session `generation` were refused last, if it is the newest that was.
    pub(super) fn last_refusal(&self, generation: Generation) -> Option<Refusal> {
        self.last.as_ref().filter(|(last, _)| *last == generation).map(|(_, refusal)| refusal.clone())
    }

    fn past(&self, now: Instant) -> Past {
        Past {
            worked: self.worked,
            worked_here: self.worked_here,
            barren: self.barren,
            died_young: self.died_young,
            maintenance: self
                .maintenance
                .map(|seen| now.saturating_duration_since(seen))
                .filter(|ago| *ago < MAINTENANCE_MEMORY),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock;

    fn refusal(verdict: Verdict) -> Refusal {
        Refusal { verdict, code: None, message: None, retry_after: None }
    }

    fn live(generation: u64) -> Arc<Live> {
        Live::sample(generation, "00D!t", "acme.my.salesforce.com", &[])
    }

    fn accepted(generation: u64) -> Arc<Live> {
        let live = live(generation);
        live.accept();
        live
    }

    #[test]
    fn a_session_that_many_requests_report_counts_once() {
        let (mut history, now) = (History::default(), clock::now());
        let live = live(1);
        for _ in 0..1_000 {
            history.refused(&live, &refusal(Verdict::SessionNotPermitted), now);
        }
        assert_eq!(history.past(now).barren, 1);
    }

    #[test]
    fn f057_three_sessions_that_die_young_in_a_row_are_a_habit_told_once() {
        let (mut history, now) = (History::default(), clock::now());
        let told: Vec<bool> = (1..=4)
            .map(|generation| {
                history.refused(&accepted(generation), &refusal(Verdict::SessionExpired), now + YOUNG / 2)
            })
            .collect();
        assert_eq!(told, [false, false, true, false]);
        history.refused(&accepted(5), &refusal(Verdict::SessionExpired), now + YOUNG * 2);
        assert_eq!(history.past(now).died_young, 0, "one that lived longer ends the habit");
    }

    #[test]
    fn a_late_refusal_of_an_older_session_is_no_news() {
        let (mut history, now) = (History::default(), clock::now());
        history.refused(&live(2), &refusal(Verdict::SessionExpired), now);
        history.refused(&live(1), &refusal(Verdict::SessionExpired), now);
        assert_eq!(history.past(now).barren, 1);
    }

    #[test]
    fn what_worked_at_another_host_says_nothing_of_this_one() {
        let mut history = History::default();
        let moved = Live::sample(2, "00D!t", "moved.my.salesforce.com", &[]);
        history.replaced(&accepted(1), &moved);
        let past = history.past(clock::now());
        assert!(past.worked && !past.worked_here);
        moved.accept();
        history.replaced(&moved, &Live::sample(3, "00D!u", "moved.my.salesforce.com", &[]));
        assert!(history.past(clock::now()).worked_here);
    }

    #[test]
    fn maintenance_is_remembered_for_a_quarter_of_an_hour() {
        let (mut history, now) = (History::default(), clock::now());
        history.refused(&live(1), &refusal(Verdict::ReadOnlyMaintenance), now);
        assert_eq!(history.past(now + MAINTENANCE_MEMORY / 2).maintenance, Some(MAINTENANCE_MEMORY / 2));
        assert_eq!(history.past(now + MAINTENANCE_MEMORY).maintenance, None);
    }
}
