//! Looks into the store while no refresh may begin: another process may have what this one must not ask for yet.

use std::{mem, sync::Arc, time::Duration};

use tokio::runtime::Handle;

use super::{
    live::Live,
    state::{Shared, State},
};
use crate::{
    AuthErrorKind,
    clock::{self, Instant},
    refresh::{
        decide::{Fresh, has_outlived, is_ahead},
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
        let runtime = self.runtime.clone().or_else(|| Handle::try_current().ok())?;
        let read = self.state().begin_look(clock::now(), self.crew.pace.real(LOOK_PAUSE))?;
        // On a task of its own: a store that panics panics no caller (F009), and what is found is served though the caller
        // has gone.
        runtime.spawn(Arc::clone(self).look(read)).await.ok()?
    }

    async fn look(self: Arc<Self>, read: u64) -> Option<Arc<Live>> {
        let load = async { self.crew.load(&mut None).await };
        let record = tokio::time::timeout(self.wait_budget, load).await.ok()?.ok()??.record;
        let mut state = self.state();
        if !state.is_last_look(read) || !state.is_news(&record, &self.crew.binding, self.served_for(&state)) {
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
    /// Numbers a look, if one is due and of use: a store that failed has pauses of its own.
    fn begin_look(&mut self, now: Instant, pause: Duration) -> Option<u64> {
        let is_due = self.read_at.is_none_or(|read| now.saturating_duration_since(read) >= pause);
        let store_failed = self
            .last_failure
            .as_ref()
            .is_some_and(|(failure, _)| failure.kind() == AuthErrorKind::StoreUnavailable);
        if !is_due || store_failed || self.closed || self.dirty || self.flight.is_some() {
            return None;
        }
        Some(self.note_read(now))
    }

    /// Notes that the store is read, or was.
    pub(super) fn note_read(&mut self, now: Instant) -> u64 {
        self.read_at = Some(now);
        self.reads += 1;
        self.reads
    }

    /// Whether nothing that knows better has happened since: a decision of a person, or a flight, which reads for itself.
    fn is_last_look(&self, read: u64) -> bool {
        self.reads == read && self.flight.is_none() && !self.dirty && !self.closed
    }

    /// Whether a flight would adopt `record` too, and requests would look different then.
    fn is_news(&self, record: &Record, binding: &Binding, served_for: Duration) -> bool {
        let Some(tokens) = &record.tokens else { return false };
        let rejected = self.known.as_ref().filter(|known| Some(known.lineage) == self.rejected());
        record.binding.serves(binding)
            && record.health == Health::Sound
            && self.rejected() != Some(record.lineage)
            && !self.known.as_ref().is_some_and(|known| is_ahead(known, record))
            && !has_outlived(rejected, served_for, record)
            && !self.live.as_ref().is_some_and(|live| live.serves(tokens))
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
            assert_eq!(state.is_news(&record, &binding("client"), Duration::ZERO), is_news, "{record:?}");
        }
    }
}
