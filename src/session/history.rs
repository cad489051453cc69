//! What a session has lived through: the past by which causes are told apart.

use std::{sync::Arc, time::Duration};

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

/// How long a refusal that was met is part of what [`Session::diagnose`](crate::Session::diagnose) finds. What lasts is
/// met again within the longest cool-down.
const REFUSAL_MEMORY: Duration = Duration::from_secs(15 * 60);

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
    /// The last refusal of the newest session that was refused, and when that was.
    last: Option<(Generation, Arc<Refusal>, Instant)>,
}

impl State {
    /// Notes a refusal of a request that was sent with `live`.
    pub(super) fn note_refusal(&mut self, live: &Live, refusal: &Arc<Refusal>) {
        if self.history.refused(live, refusal, false, clock::now()) {
            self.outbox.push(Event::SessionsDieYoung { sessions: EVICTION });
        }
    }

    /// Notes a refusal of the second send, with the session that was begun for it.
    pub(super) fn note_second_refusal(&mut self, live: &Live, refusal: &Arc<Refusal>) {
        self.history.refused(live, refusal, true, clock::now());
    }

    /// What is known beside a refusal of `live`, or beside a failure without a token.
    pub(super) fn facts(&self, live: Option<&Live>, is_home: bool) -> Facts {
        let now = clock::now();
        let past = match live {
            Some(live) => Past {
                refused_again: self.refused_again == Some(live.generation),
                ..self.history.past_of(live, now)
            },
            None => self.history.past(now),
        };
        Facts {
            token: live.map(|live| TokenFacts {
                generation: live.generation,
                age: now.saturating_duration_since(live.since),
                accepted: live.was_accepted(),
                api_scope: live.tokens.has_api_scope(),
                is_jwt: live.tokens.access_token.expose().starts_with("eyJ"),
            }),
            host: live.map(|live| HostFacts { record: live.authority.clone(), is_home }),
            past,
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
    fn refused(&mut self, live: &Live, refusal: &Arc<Refusal>, is_second: bool, now: Instant) -> bool {
        let verdict = refusal.verdict;
        if self.last.as_ref().is_none_or(|(generation, ..)| *generation <= live.generation) {
            self.last = Some((live.generation, Arc::clone(refusal), now));
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
                return self.judge(live, verdict, is_second, now);
            }
            _ => {}
        }
        false
    }

    fn judge(&mut self, live: &Live, verdict: Verdict, is_second: bool, now: Instant) -> bool {
        if !live.was_accepted() {
            self.barren = self.barren.saturating_add(1);
            return false;
        }
        self.barren = 0;
        if is_second {
            // Let in to others and refused at once where the one before it was: it did not die, it is not wanted there.
            return false;
        }
        let age = now.saturating_duration_since(live.since);
        if verdict == Verdict::SessionExpired && age < YOUNG {
            self.died_young = self.died_young.saturating_add(1);
            self.died_young == EVICTION
        } else {
            self.died_young = 0;
            false
        }
    }

    /// How requests with the session `generation` were refused last, if it is the newest that was and that is recent.
    pub(super) fn last_refusal(&self, generation: Generation, now: Instant) -> Option<Arc<Refusal>> {
        let (last, refusal, met) = self.last.as_ref()?;
        let is_recent = now.saturating_duration_since(*met) < REFUSAL_MEMORY;
        (*last == generation && is_recent).then(|| Arc::clone(refusal))
    }

    /// The past of `live`, which ends the habit of dying young if it lives on.
    fn past_of(&self, live: &Live, now: Instant) -> Past {
        let past = self.past(now);
        let lives_on = live.was_accepted() && now.saturating_duration_since(live.since) >= YOUNG;
        Past { died_young: if lives_on { 0 } else { past.died_young }, ..past }
    }

    fn past(&self, now: Instant) -> Past {
        Past {
            worked: self.worked,
            worked_here: self.worked_here,
            barren: self.barren,
            died_young: self.died_young,
            refused_again: false,
            maintenance: self
                .maintenance
                .map(|seen| now.saturating_duration_since(seen))
                .filter(|ago| *ago < MAINTENANCE_MEMORY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn refusal(verdict: Verdict) -> Arc<Refusal> {
        Arc::new(Refusal { verdict, code: None, message: None, retry_after: None })
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
            history.refused(&live, &refusal(Verdict::SessionNotPermitted), false, now);
        }
        assert_eq!(history.past(now).barren, 1);
    }

    #[test]
    fn f057_three_sessions_that_die_young_in_a_row_are_a_habit_told_once() {
        let (mut history, now) = (History::default(), clock::now());
        let told: Vec<bool> = (1..=4)
            .map(|generation| {
                history.refused(
                    &accepted(generation),
                    &refusal(Verdict::SessionExpired),
                    false,
                    now + YOUNG / 2,
                )
            })
            .collect();
        assert_eq!(told, [false, false, true, false]);
        history.refused(&accepted(5), &refusal(Verdict::SessionExpired), false, now + YOUNG * 2);
        assert_eq!(history.past(now).died_young, 0, "one that lived longer ends the habit");
    }

    #[test]
    fn f057_a_session_that_lives_on_says_nothing_of_evictions() {
        let (mut history, now) = (History::default(), clock::now());
        for generation in 1..=3 {
            history.refused(&accepted(generation), &refusal(Verdict::SessionExpired), false, now);
        }
        let healthy = accepted(4);
        assert_eq!(history.past_of(&healthy, now + YOUNG / 2).died_young, 3);
        assert_eq!(history.past_of(&healthy, healthy.since + YOUNG).died_young, 0);
    }

    #[test]
    fn a_refusal_that_was_met_is_remembered_for_a_quarter_of_an_hour() {
        let (mut history, now) = (History::default(), clock::now());
        history.refused(&live(1), &refusal(Verdict::SessionExpired), false, now);
        assert!(history.last_refusal(Generation(1), now + REFUSAL_MEMORY / 2).is_some());
        assert!(history.last_refusal(Generation(1), now + REFUSAL_MEMORY).is_none());
        assert!(history.last_refusal(Generation(2), now).is_none());
    }

    #[test]
    fn f057_a_session_that_others_are_let_in_with_and_a_resend_is_refused_with_did_not_die_young() {
        let (mut history, now) = (History::default(), clock::now());
        for generation in 1..=4 {
            assert!(!history.refused(&accepted(generation), &refusal(Verdict::SessionExpired), true, now));
        }
        assert_eq!(history.past(now).died_young, 0);
    }

    #[test]
    fn a_late_refusal_of_an_older_session_is_no_news() {
        let (mut history, now) = (History::default(), clock::now());
        history.refused(&live(2), &refusal(Verdict::SessionExpired), false, now);
        history.refused(&live(1), &refusal(Verdict::SessionExpired), false, now);
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
        history.refused(&live(1), &refusal(Verdict::ReadOnlyMaintenance), false, now);
        assert_eq!(history.past(now + MAINTENANCE_MEMORY / 2).maintenance, Some(MAINTENANCE_MEMORY / 2));
        assert_eq!(history.past(now + MAINTENANCE_MEMORY).maintenance, None);
    }
}
