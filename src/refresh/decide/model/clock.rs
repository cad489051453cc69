//! The clock stands still, and everything that is remembered grows older.
//!
//! Worlds that differ by the hour alone are one world that way, so that time needs no end: moments further back than any
//! wait of the protocol's are all the same moment.

use std::time::Duration;

use super::super::{Action, Now, Phase, Refresh, Writing};
use crate::refresh::record::Record;

/// It is always now.
pub(super) const NOW: Now =
    Now { monotonic: Duration::from_secs(100_000), wall: Duration::from_secs(1_700_000_000) };

/// How much time passes, and where the past ends.
#[derive(Clone, Copy)]
pub(super) struct Passing {
    pub(super) by: Duration,
    pub(super) oldest: Duration,
}

impl Passing {
    /// A moment by the monotonic clock.
    pub(super) fn age(self, moment: &mut Duration) {
        *moment = moment.saturating_sub(self.by).max(NOW.monotonic - self.oldest);
    }

    fn age_both(self, moment: &mut Now) {
        self.age(&mut moment.monotonic);
        moment.wall = moment.wall.saturating_sub(self.by).max(NOW.wall - self.oldest);
    }

    /// A moment to come, in milliseconds by the wall clock.
    pub(super) fn near(self, until: &mut Option<u64>) {
        if let Some(until) = until {
            *until = until.saturating_sub(self.by.as_millis().try_into().unwrap()).max(NOW.wall_millis());
        }
    }

    pub(super) fn age_record(self, record: &mut Record) {
        self.near(&mut record.not_before);
    }

    pub(super) fn age_action(self, action: &mut Action) {
        if let Action::Swap { record, .. } = action {
            self.age_record(record);
        }
    }

    pub(super) fn age_refresh(self, refresh: &mut Refresh) {
        self.age_both(&mut refresh.issued);
        self.age_both(&mut refresh.claimed);
        self.near(&mut refresh.terms.own_not_before);
        if let Some(watch) = &mut refresh.terms.watch {
            self.age(&mut watch.since);
        }
        if let Some(granted) = &mut refresh.granted {
            self.age_both(&mut granted.at);
        }
        if let Phase::Writing(why, record) = &mut refresh.phase {
            self.age_record(record);
            if let Writing::Conclude(failure) = why {
                failure.record.iter_mut().for_each(|record| self.age_record(record));
            }
        }
        let stored = refresh.stored.iter_mut().map(|seen| &mut seen.record);
        stored
            .chain(&mut refresh.presented)
            .chain(&mut refresh.terms.known)
            .for_each(|record| self.age_record(record));
    }
}
