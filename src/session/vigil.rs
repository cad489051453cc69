//! Looks after what a store has taken and does not promise to keep.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use super::state::{Shared, State};
use crate::{
    refresh::{
        decide::{Seen, is_ahead},
        flight::Landed,
        record::Record,
    },
    store::{Scope, StoreErrorKind},
    token::Lineage,
};

/// How long after a commit its record is looked for: a fail-over that loses the write of a moment ago is over within a
/// second, one that first has to be noticed within half a minute.
const LOOKS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(30)];

/// How long after a last look that saw nothing there is another one: it may have been in the middle of the fail-over.
const AGAIN: Duration = Duration::from_secs(30);

/// The watch over one record. It ends with the last look, with the next token set, and with the session.
pub(super) struct Vigil {
    shared: Weak<Shared>,
    lineage: Lineage,
}

impl Vigil {
    /// Over what this flight has stored, where the store may lose it while the process goes on. What it could not store
    /// is not looked after: the next refresh brings the store up to date, and has its pauses.
    pub(super) fn over(shared: &Arc<Shared>, landed: &Landed) -> Option<Self> {
        let fresh = landed.finish.result.as_ref().ok()?;
        let capabilities = shared.crew.store.capabilities();
        let may_be_lost = !capabilities.durable && capabilities.scope > Scope::Process;
        (fresh.own && fresh.stored && may_be_lost)
            .then(|| Self { shared: Arc::downgrade(shared), lineage: fresh.record.lineage })
    }

    pub(super) async fn keep(self) {
        let mut looks = LOOKS.into_iter();
        let (mut before, mut last) = (Duration::ZERO, Look::Missed);
        loop {
            let pause = match looks.next() {
                Some(look) => look - std::mem::replace(&mut before, look),
                None if last == Look::Missed => AGAIN,
                None => return,
            };
            let Some(pace) = self.shared.upgrade().map(|shared| shared.crew.pace) else { return };
            tokio::time::sleep(pace.real(pause)).await;
            let Some(shared) = self.shared.upgrade() else { return };
            last = shared.look_after(self.lineage).await;
            if last == Look::Last {
                return;
            }
        }
    }
}

/// What came of a look.
#[derive(Clone, Copy, PartialEq)]
enum Look {
    /// The record is there.
    Kept,
    /// Nothing: the store cannot be read, or a flight is under way, which may fail.
    Missed,
    /// There is nothing more to look after, or somebody else does.
    Last,
}

impl Shared {
    /// F051: stores the record once more if the store has lost it.
    async fn look_after(self: &Arc<Self>, lineage: Lineage) -> Look {
        if let Err(look) = self.state().quiet_at(lineage) {
            return look;
        }
        // A store that cannot be read now may have lost it all the same.
        let seen = match self.crew.load(&mut None).await {
            Ok(seen) => seen,
            Err(fault) if fault.kind == StoreErrorKind::Unavailable => return Look::Missed,
            Err(_) => return Look::Last,
        };
        let mut state = self.state();
        let known = match state.quiet_at(lineage) {
            Ok(known) => known,
            Err(look) => return look,
        };
        if !seen.is_none_or(|seen: Box<Seen>| is_ahead(known, &seen.record)) {
            return Look::Kept;
        }
        state.dirty = true;
        if let Ok(boarding) = self.flush(&mut state) {
            // The flight that stores it begins a vigil of its own.
            drop(boarding.depart(state));
        }
        Look::Last
    }
}

impl State {
    /// The record, if it is still the newest and no flight is under way.
    fn quiet_at(&self, lineage: Lineage) -> Result<&Record, Look> {
        let known = self.known.as_ref().filter(|known| known.lineage == lineage).ok_or(Look::Last)?;
        if self.flight.is_some() { Err(Look::Missed) } else { Ok(known) }
    }
}
