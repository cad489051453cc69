//! The designs of old, each of which loses the grant when one process stands still once.

use std::time::Duration;

use super::{
    super::{Action, Answer, Failure, Finish, Fresh, Input, Now, Seen, SwapOutcome, Terms},
    clock::Passing,
};
use crate::{error::AuthErrorKind, refresh::record::Record};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Classic {
    /// Sends what it has, and writes what it gets.
    NoLock,
    /// Reads before it sends, and writes only over what it read.
    ReRead,
    /// Takes a lock that ends by itself.
    TtlLock,
    /// The same, and the store refuses to be written by who has lost the lock.
    Fencing,
}

/// What such locks are given: shorter than any wait-out, longer than a token request.
const TTL: Duration = Duration::from_secs(30);

/// One flight of such a design.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Old {
    design: Classic,
    pub(super) terms: Terms,
    doing: Doing,
    seen: Option<Seen>,
    pub(super) child: Option<Record>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Doing {
    Looking,
    Locking,
    Sending,
    /// Reads what it is about to write over.
    Aiming,
    Writing,
}

impl Old {
    pub(super) fn new(design: Classic, terms: Terms) -> Self {
        Self { design, terms, doing: Doing::Looking, seen: None, child: None }
    }

    pub(super) fn age(&mut self, passing: Passing) {
        let records = self.seen.iter_mut().map(|seen| &mut seen.record).chain(&mut self.child);
        records.chain(&mut self.terms.known).for_each(|record| passing.age_record(record));
    }

    pub(super) fn step(&mut self, now: Now, input: Input) -> Action {
        match (self.doing, input) {
            (Doing::Looking, Input::Started) if self.design == Classic::NoLock => self.send(),
            (Doing::Looking, Input::Started | Input::Done) => Action::Load,
            (Doing::Looking, Input::Loaded(Ok(Some(seen)))) => self.look(now, *seen),
            (Doing::Locking, Input::Swapped(Ok(SwapOutcome::Applied(revision)))) => {
                let record = self.locked(now);
                self.seen = Some(Seen { revision, record });
                self.send()
            }
            (Doing::Locking, Input::Swapped(Ok(SwapOutcome::Conflict(Some(seen))))) => self.look(now, *seen),
            (Doing::Sending, Input::Exchanged(Answer::Granted { tokens, refresh_token })) => {
                let parent = self.parent();
                self.child = Some(parent.child(refresh_token, Some(tokens)));
                match self.design {
                    Classic::NoLock | Classic::TtlLock => self.aim(),
                    Classic::ReRead | Classic::Fencing => self.write(),
                }
            }
            (Doing::Aiming, Input::Loaded(Ok(seen))) => {
                self.seen = seen.map(|seen| *seen);
                self.write()
            }
            (Doing::Writing, Input::Swapped(Ok(SwapOutcome::Applied(_)))) => match self.child.take() {
                Some(child) => self.finish(Ok(Fresh { record: child, own: true, stored: true })),
                None => self.fail(),
            },
            (Doing::Writing, Input::Swapped(Ok(SwapOutcome::Conflict(Some(seen))))) => match self.design {
                Classic::NoLock | Classic::TtlLock => self.aim(),
                Classic::ReRead => {
                    self.child = None;
                    self.finish(Ok(Fresh { record: seen.record, own: false, stored: true }))
                }
                Classic::Fencing => self.fail(),
            },
            _ => self.fail(),
        }
    }

    fn look(&mut self, now: Now, seen: Seen) -> Action {
        if self.terms.rejected != Some(seen.record.lineage) {
            return self.finish(Ok(Fresh { record: seen.record, own: false, stored: true }));
        }
        let is_locked = seen.record.not_before.is_some_and(|until| until > now.wall_millis());
        self.doing = Doing::Looking;
        self.seen = Some(seen);
        match self.design {
            Classic::NoLock | Classic::ReRead => self.send(),
            Classic::TtlLock | Classic::Fencing if is_locked => Action::Wait(Duration::from_secs(1)),
            Classic::TtlLock | Classic::Fencing => {
                self.doing = Doing::Locking;
                self.swap(self.locked(now))
            }
        }
    }

    /// The record with a lock that ends in time.
    fn locked(&self, now: Now) -> Record {
        let until = now.wall + TTL;
        self.parent()
            .unclaimed(Some(until.as_millis().try_into().unwrap()))
            .claimed(self.terms.entropy.clone().nonce(), 0)
    }

    fn parent(&self) -> Record {
        self.seen.as_ref().map(|seen| &seen.record).or(self.terms.known.as_ref()).unwrap().clone()
    }

    fn send(&mut self) -> Action {
        self.doing = Doing::Sending;
        Action::Exchange { refresh_token: self.parent().refresh_token }
    }

    fn aim(&mut self) -> Action {
        self.doing = Doing::Aiming;
        Action::Load
    }

    fn write(&mut self) -> Action {
        self.doing = Doing::Writing;
        self.swap(self.child.clone().unwrap())
    }

    fn swap(&self, record: Record) -> Action {
        Action::Swap { expected: self.seen.as_ref().map(|seen| seen.revision), record: Box::new(record) }
    }

    fn fail(&mut self) -> Action {
        self.child = None;
        let message = String::from("failed");
        self.finish(Err(Failure { kind: AuthErrorKind::Grant, message, pause: Duration::ZERO, record: None }))
    }

    fn finish(&self, result: Result<Fresh, Failure>) -> Action {
        Action::Finish(Box::new(Finish {
            result,
            watch: None,
            own_not_before: None,
            idle_claim: None,
            seed_ignored: false,
            dirty: false,
        }))
    }
}
