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

/// After a refresh that may not have helped, the next one on a refusal waits: 60 s, doubling to 15 min. A resend that
/// is accepted ends it.
#[derive(Debug, Default)]
pub(crate) struct CoolDown {
    until: Option<Instant>,
    times: u32,
}

impl CoolDown {
    /// How long no refusal may start a refresh; `None` when one may.
    pub(crate) fn remaining(&self, now: Instant) -> Option<Duration> {
        self.until.and_then(|until| until.checked_duration_since(now)).filter(|rest| !rest.is_zero())
    }

    /// Begins a cool-down, unless one is under way: many requests report one refusal.
    pub(crate) fn begin(&mut self, now: Instant, entropy: &mut Entropy) {
        if self.remaining(now).is_none() {
            let pause = doubled(FIRST, self.times, LONGEST);
            self.times = self.times.saturating_add(1);
            self.until = Some(now + pause + entropy.up_to(pause / 20));
        }
    }

    /// Ends it: a refresh helped.
    pub(crate) fn end(&mut self) {
        *self = Self::default();
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
    fn many_reports_of_one_refusal_are_one_cool_down() {
        let (mut cool_down, mut entropy) = (CoolDown::default(), Entropy::seeded(5));
        let now = crate::clock::now();
        (0..1_000).for_each(|_| cool_down.begin(now, &mut entropy));
        assert!(cool_down.remaining(now).is_some_and(|rest| rest <= Duration::from_secs(63)));
        cool_down.end();
        assert_eq!(cool_down.remaining(now), None);
    }
}
