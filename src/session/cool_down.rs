//! A brake on refreshes that do not help.

use std::time::Duration;

use crate::{
    clock::Instant,
    refresh::backoff::{Entropy, doubled},
};

/// The first cool-down: a configuration fault costs a token request a minute at most.
const FIRST: Duration = Duration::from_secs(60);
/// The longest: a fault that was lifted is noticed within a quarter of an hour.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// So often in a row a refresh may help against words that no refresh should help against. Two egress addresses of
/// which one is locked out, or a gateway that refuses every other request, would otherwise cost a token request a call
/// (F174).
const MOST_HELPS: u32 = 3;

/// After a refresh that may not have helped, the next one on a refusal waits: 60 s, doubling to 15 min. A resend that
/// is accepted ends it, unless it was against all expectation, for the fourth time, with less than half an hour between.
#[derive(Debug, Default)]
pub(crate) struct CoolDown {
    until: Option<Instant>,
    times: u32,
    /// Whether the refresh that is under way was not expected to help.
    doubted: bool,
    /// How often in a row one helped all the same.
    helps: u32,
    /// When it last began.
    began: Option<Instant>,
}

impl CoolDown {
    /// How long no refusal may start a refresh; `None` when one may.
    pub(crate) fn remaining(&self, now: Instant) -> Option<Duration> {
        self.until.and_then(|until| until.checked_duration_since(now)).filter(|rest| !rest.is_zero())
    }

    /// Begins a cool-down, unless one is under way: many requests report one refusal.
    pub(crate) fn begin(&mut self, now: Instant, entropy: &mut Entropy) {
        if self.remaining(now).is_none() {
            let is_quiet = self.began.is_none_or(|began| now.saturating_duration_since(began) >= 2 * LONGEST);
            if is_quiet {
                self.helps = 0;
            }
            self.began = Some(now);
            let pause = doubled(FIRST, self.times, LONGEST);
            self.times = self.times.saturating_add(1);
            self.until = Some(now + pause + entropy.up_to(pause / 20));
        }
    }

    /// Ends it, as if nothing had been: somebody who knows better has refreshed.
    pub(crate) fn end(&mut self) {
        *self = Self::default();
    }

    /// A resend was accepted: the refresh helped, at least this one request.
    pub(crate) fn helped(&mut self) {
        let counts = self.until.is_some() && self.doubted;
        if !counts || self.helps < MOST_HELPS {
            self.helps += u32::from(counts);
            self.until = None;
            self.times = 0;
        }
    }

    /// The next refresh is for a refusal that does not say that the session is over.
    pub(crate) fn doubt(&mut self, doubted: bool) {
        self.doubted = doubted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f174_a_day_of_refusals_starts_few_refreshes() {
        let (mut cool_down, mut entropy) = (CoolDown::default(), Entropy::seeded(5));
        let start = crate::clock::now();
        let (mut first_hour, mut day) = (0, 0);
        for second in 0..86_400 {
            let now = start + Duration::from_secs(second);
            if cool_down.remaining(now).is_none() {
                day += 1;
                first_hour += u32::from(second < 3_600);
                cool_down.begin(now, &mut entropy);
            }
        }
        assert!(first_hour <= 8 && day <= 110, "{first_hour} in the first hour, {day} in the day");
    }

    #[test]
    fn f174_refreshes_that_help_for_a_moment_only_are_braked_until_it_is_quiet() {
        let (mut cool_down, mut entropy) = (CoolDown::default(), Entropy::seeded(5));
        let start = crate::clock::now();
        let mut refreshes = 0;
        for second in 0..3_600 {
            let now = start + Duration::from_secs(second);
            if cool_down.remaining(now).is_none() {
                refreshes += 1;
                cool_down.doubt(true);
                cool_down.begin(now, &mut entropy);
                // As many resends report it as waited for the refresh.
                (0..20).for_each(|_| cool_down.helped());
            }
        }
        assert!((4..=10).contains(&refreshes), "{refreshes} in an hour");

        // A session that is over is another matter.
        let end = start + Duration::from_secs(3_600);
        cool_down.doubt(false);
        cool_down.begin(end, &mut entropy);
        cool_down.helped();
        assert_eq!(cool_down.remaining(end), None);

        let later = start + Duration::from_secs(3_600) + 3 * LONGEST;
        cool_down.doubt(true);
        cool_down.begin(later, &mut entropy);
        cool_down.helped();
        assert_eq!(cool_down.remaining(later), None);
    }

    #[test]
    fn many_reports_of_one_refusal_are_one_cool_down() {
        let (mut cool_down, mut entropy) = (CoolDown::default(), Entropy::seeded(5));
        let now = crate::clock::now();
        (0..1_000).for_each(|_| cool_down.begin(now, &mut entropy));
        assert!(cool_down.remaining(now).is_some_and(|rest| rest <= Duration::from_secs(63)));
        cool_down.end();
        assert_eq!(cool_down.remaining(now), None);
    }
}
