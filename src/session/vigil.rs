//! Looks after what a store has taken and does not promise to keep.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use super::state::Shared;
use crate::{
    refresh::{
        decide::{Seen, is_ahead},
        flight::Landed,
    },
    store::Scope,
    token::Lineage,
};

/// How long after a commit its record is looked for: a fail-over that loses the write of a moment ago is over within a
/// second, one that first has to be noticed within half a minute.
const LOOKS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(30)];

/// The watch over one record. It ends with the last look, with the next token set, and with the session.
pub(super) struct Vigil {
    shared: Weak<Shared>,
    lineage: Lineage,
}

impl Vigil {
    /// Over what this flight has stored, where the store may lose it while the process goes on.
    pub(super) fn over(shared: &Arc<Shared>, landed: &Landed) -> Option<Self> {
        let fresh = landed.finish.result.as_ref().ok()?;
        let capabilities = shared.crew.store.capabilities();
        let may_be_lost = !capabilities.durable && capabilities.scope > Scope::Process;
        (fresh.own && may_be_lost)
            .then(|| Self { shared: Arc::downgrade(shared), lineage: fresh.record.lineage })
    }

    pub(super) async fn keep(self) {
        let mut before = Duration::ZERO;
        for look in LOOKS {
            let Some(pace) = self.shared.upgrade().map(|shared| shared.crew.pace) else { return };
            tokio::time::sleep(pace.real(look - before)).await;
            before = look;
            let Some(shared) = self.shared.upgrade() else { return };
            if !shared.look_after(self.lineage).await {
                return;
            }
        }
    }
}

impl Shared {
    /// F051: stores the record once more if the store has lost it. Whether to look again.
    async fn look_after(self: &Arc<Self>, lineage: Lineage) -> bool {
        if !self.is_quiet_at(lineage) {
            return false;
        }
        // A store that cannot be read now may have lost it all the same.
        let Ok(seen) = self.crew.load(&mut None).await else { return true };
        let mut state = self.state();
        if state.flight.is_some() {
            return false;
        }
        match &state.known {
            Some(known) if known.lineage == lineage => {
                let is_lost = seen.is_none_or(|seen: Box<Seen>| is_ahead(known, &seen.record));
                if !is_lost {
                    return true;
                }
            }
            _ => return false,
        }
        state.dirty = true;
        if let Ok(boarding) = self.flush(&mut state) {
            // The flight that stores it begins a vigil of its own.
            drop(boarding.depart(state));
        }
        false
    }

    fn is_quiet_at(&self, lineage: Lineage) -> bool {
        let state = self.state();
        state.flight.is_none() && state.known.as_ref().is_some_and(|known| known.lineage == lineage)
    }
}
