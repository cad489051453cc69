//! Bringing what was granted into the store, whatever happened to the record meanwhile.

use std::time::Duration;

use super::{Action, Fresh, Granted, OPERATOR_PAUSE, Phase, Reading, Refresh, Seen, Writing};
use crate::{
    error::AuthErrorKind,
    refresh::record::{Health, Record},
    secret::Secret,
    token::{Lineage, TokenSet},
};

/// Waiters get a token that could not be stored yet after this time.
const COMMIT_GRACE: Duration = Duration::from_secs(2);

/// Of a record that is stored, and of which the answer that it came with was refused.
const NOTHING_TO_SERVE: &str = "the last token answer was refused; there is nothing to serve";

impl Refresh {
    pub(super) fn granted(
        &mut self,
        refresh: Option<Secret>,
        tokens: Option<TokenSet>,
        quarantine: Option<String>,
    ) -> Action {
        let parent = self.parent().cloned().unwrap_or_else(|| {
            let (id, salt) = (self.terms.entropy.nonce(), self.terms.entropy.nonce());
            Record::first(self.terms.binding.clone(), None, id, salt)
        });
        let child = parent.child(refresh, tokens);
        let parent = Some(parent.lineage);
        self.granted =
            Some(Granted { parent, child: child.clone(), at: self.now, released: false, quarantine });
        self.phase = Phase::Holding;
        Action::Hold(Box::new(child))
    }

    pub(super) fn commit(&mut self) -> Action {
        // The store was down a moment ago; the next refresh brings it up to date.
        if let Some(granted) = self.granted.take_if(|_| self.storeless) {
            return self.finish(Ok(Fresh { record: granted.child, own: true, stored: false }));
        }
        let Some(granted) = &self.granted else { return self.load(Reading::Begin) };
        let child = granted.child.clone();
        self.swap(Writing::Commit, child)
    }

    pub(super) fn committed(&mut self) -> Action {
        let Some(granted) = self.granted.take() else { return self.load(Reading::Begin) };
        if let Some(reason) = granted.quarantine {
            let mut failure = self.failure(AuthErrorKind::TokenAnswerRejected, reason, OPERATOR_PAUSE);
            failure.record = Some(granted.child);
            return self.finish(Err(failure));
        }
        let served = granted.child.tokens.is_some() && self.terms.rejected != Some(granted.child.lineage);
        if !served && self.terms.stores_only {
            let mut failure =
                self.failure(AuthErrorKind::TokenAnswerRejected, NOTHING_TO_SERVE, OPERATOR_PAUSE);
            failure.record = Some(granted.child);
            return self.finish(Err(failure));
        }
        if granted.parent.is_none() && !served {
            // An earlier flight's record is stored now, and it is the one that was refused: begin.
            self.terms.known = Some(granted.child);
            return self.load(Reading::Begin);
        }
        self.finish(Ok(Fresh { record: granted.child, own: true, stored: true }))
    }

    /// Holds the granted child against what is stored.
    pub(super) fn reconcile(&mut self) -> Action {
        let Some(granted) = self.granted.clone() else { return self.load(Reading::Begin) };
        let Some(Seen { record, .. }) = self.stored.clone() else { return self.commit() };
        if record.is_same_grant(&granted.child) {
            return self.committed(); // F030: the reply was lost, the write was not.
        }
        let child = &granted.child.lineage;
        let parent_is_there = match granted.parent {
            // F051: or what the parent was before the store lost it.
            Some(parent) => {
                record.lineage == parent || record.lineage.id == child.id && is_ahead(&granted.child, &record)
            }
            None => is_ahead(&granted.child, &record),
        };
        if parent_is_there {
            // F045: right even if the claim was superseded meanwhile, since this is the parent that was presented.
            return self.commit();
        }
        let ours_is_newer = record.lineage.id == child.id
            && record.health == Health::Sound
            && issued_at(&granted.child) > issued_at(&record);
        if ours_is_newer {
            let lineage = Lineage { version: record.lineage.version.saturating_add(1), id: child.id };
            if let Some(granted) = &mut self.granted {
                granted.child.lineage = lineage;
            }
            return self.commit();
        }
        // F037: a new consent, or another process's newer answer, takes precedence.
        self.granted = None;
        self.terms.known = None;
        self.survey()
    }

    pub(super) fn commit_failed(&mut self) -> Action {
        let grace_over = match &mut self.granted {
            Some(granted) if !granted.released && self.now.since(granted.at) >= COMMIT_GRACE => {
                granted.released = true;
                true
            }
            _ => false,
        };
        if !self.terms.rotating
            && let Some(granted) = self.granted.take_if(|granted| granted.quarantine.is_none())
        {
            return self.finish(Ok(Fresh { record: granted.child, own: true, stored: false }));
        }
        if grace_over {
            self.phase = Phase::Releasing;
            return Action::Release;
        }
        self.wait(self.store_pause(), Reading::Commit)
    }
}

/// Whether `ours` is what `theirs` was before the store lost it. Versions count within one consent. A record that was
/// removed may have begun again at any version: of two consents the newer tokens decide, and where one has none yet,
/// whether the token that it begins with is one that `ours` began with too.
pub(crate) fn is_ahead(ours: &Record, theirs: &Record) -> bool {
    if ours.lineage.version <= theirs.lineage.version || theirs.health == Health::Revoked {
        return false; // F038
    }
    let is_the_newer = || match (issued_at(ours), issued_at(theirs)) {
        (Some(ours), Some(theirs)) => ours > theirs,
        _ => {
            theirs.tokens.is_none()
                && theirs.refresh_token.as_ref().is_some_and(|seed| ours.seeds.knows(seed))
        }
    };
    ours.lineage.id == theirs.lineage.id || is_the_newer()
}

fn issued_at(record: &Record) -> Option<u64> {
    record.tokens.as_ref().and_then(|tokens| tokens.issued_at)
}
