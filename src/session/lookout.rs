//! Looks into the store while no refresh may begin: another process may have what this one must not ask for yet.

use std::{mem, sync::Arc, time::Duration};

use super::{
    live::Live,
    state::{Shared, State},
};
use crate::{
    clock::{self, Instant},
    refresh::{
        decide::{Fresh, is_ahead},
        record::{Binding, Health, Record},
    },
};

/// As often as a connection that needs a person re-reads the store.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

impl Shared {
    /// Serves what another process has stored meanwhile, if there is anything. The token that is served then, be it a new
    /// one or not; `None` where nobody looked. One caller a second does, at most as long as the wait budget, and the others
    /// are not kept waiting.
    pub(super) async fn look_out(self: &Arc<Self>) -> Option<Arc<Live>> {
        let runtime = clock::runtime_with_timers(self.runtime.as_ref())?;
        let epoch = self.state().begin_look(clock::now(), self.crew.pace.real(LOOK_PAUSE))?;
        let shared = Arc::clone(self);
        let look = async move {
            tokio::time::timeout(shared.wait_budget, shared.crew.load(&mut None)).await.ok()?.ok()?
        };
        // F009: on a task of its own, so that a store that panics panics no caller.
        let record = runtime.spawn(look).await.ok()??.record;
        let mut state = self.state();
        // A person may have decided meanwhile, and a flight that has begun reads for itself.
        if state.epoch != epoch || state.flight.is_some() || !state.is_news(&record, &self.crew.binding) {
            return state.live.clone();
        }
        let outcome = self.landed_fresh(&mut state, Fresh { record, own: false, stored: true });
        let news = mem::take(&mut state.outbox);
        drop(state);
        self.announce(news);
        outcome.ok()
    }
}

impl State {
    /// Notes a look, in the epoch that is returned, if one is due and of use.
    fn begin_look(&mut self, now: Instant, pause: Duration) -> Option<u64> {
        let is_due = self.read_at.is_none_or(|read| now.saturating_duration_since(read) >= pause);
        if !is_due || self.closed || self.dirty || self.flight.is_some() {
            return None;
        }
        self.read_at = Some(now);
        Some(self.epoch)
    }

    /// Whether a flight would adopt `record`, too.
    fn is_news(&self, record: &Record, binding: &Binding) -> bool {
        record.binding.serves(binding)
            && record.health == Health::Sound
            && record.tokens.is_some()
            && self.rejected() != Some(record.lineage)
            && !self.known.as_ref().is_some_and(|known| is_ahead(known, record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(client_id: &str) -> Binding {
        Binding {
            client_id: client_id.into(),
            login_origin: "https://a.example".into(),
            org: None,
            user: None,
        }
    }

    #[test]
    fn a_record_is_news_if_it_is_a_sound_later_one_of_the_same_connection() {
        let live = Live::sample(1, "token", "acme.my.salesforce.com", &[]);
        let tokens = || Some((*live.tokens).clone());
        let older = Record::first(binding("client"), None, 7, 9).child(None, tokens());
        let known = older.child(None, tokens());
        let newer = known.child(None, tokens());
        let mut state = State::default();
        state.known = Some(known);
        for (record, is_news) in [
            (newer.clone(), true),
            (older, false),
            (Record { tokens: None, ..newer.clone() }, false),
            (Record { health: Health::Revoked, ..newer.clone() }, false),
            (Record { binding: binding("another"), ..newer }, false),
        ] {
            assert_eq!(state.is_news(&record, &binding("client")), is_news, "{record:?}");
        }
    }
}
