//! What a process may run: the shipped core, the same with a rule taken out, or one of the designs of old.
//!
//! A rule is taken out by lying to the core, which stays as it is shipped.

use std::time::Duration;

use super::{
    super::{Action, Failure, Input, Now, Phase, Reading, Refresh, Seen, SwapOutcome, Terms, Watch, Writing},
    classic::{Classic, Old},
    clock::Passing,
};
use crate::{
    error::AuthErrorKind,
    refresh::{backoff::Entropy, record::Record},
};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Design {
    Shipped,
    Without(Rule),
    Classic(Classic),
}

/// A rule of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Rule {
    /// Nothing is sent before a claim is stored.
    Claim,
    /// Somebody else's claim is waited out.
    WaitOut,
    /// A claim that is no longer fresh is not acted on.
    PauseCheck,
    /// A child is stored whoever claims its parent meanwhile.
    LineageCommit,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Core {
    Refresh(Box<Refresh>, Option<Rule>),
    Old(Box<Old>),
}

impl Core {
    pub(super) fn begin(design: Design, terms: Terms) -> Self {
        match design {
            Design::Shipped => Self::Refresh(Box::new(Refresh::new(terms)), None),
            Design::Without(rule) => Self::Refresh(Box::new(Refresh::new(terms)), Some(rule)),
            Design::Classic(classic) => Self::Old(Box::new(Old::new(classic, terms))),
        }
    }

    pub(super) fn step(&mut self, now: Now, input: Input) -> Action {
        match self {
            Self::Refresh(refresh, None) => refresh.step(now, input),
            Self::Refresh(refresh, Some(rule)) => rule.step_without(refresh, now, input),
            Self::Old(old) => old.step(now, input),
        }
    }

    pub(super) fn draw_from(&mut self, entropy: Entropy) {
        match self {
            Self::Refresh(refresh, _) => refresh.terms.entropy = entropy,
            Self::Old(old) => old.terms.entropy = entropy,
        }
    }

    pub(super) fn age(&mut self, passing: Passing) {
        match self {
            Self::Refresh(refresh, _) => passing.age_refresh(refresh),
            Self::Old(old) => old.age(passing),
        }
    }

    /// What was granted and is not known to be stored.
    pub(super) fn granted(&self) -> Option<&Record> {
        match self {
            Self::Refresh(refresh, _) => refresh.granted.as_ref().map(|granted| &granted.child),
            Self::Old(old) => old.child.as_ref(),
        }
    }
}

impl Rule {
    fn step_without(self, refresh: &mut Refresh, now: Now, input: Input) -> Action {
        match self {
            Self::Claim => {
                let mut action = refresh.step(now, input);
                while let Action::Swap { expected, record } = &action
                    && let (Some(revision), Some(_)) = (expected, record.claim)
                {
                    // Nothing is written.
                    action = refresh.step(now, Input::Swapped(Ok(SwapOutcome::Applied(*revision))));
                }
                action
            }
            Self::WaitOut => {
                if let Input::Loaded(Ok(Some(seen))) | Input::Swapped(Ok(SwapOutcome::Conflict(Some(seen)))) =
                    &input
                    && let Some(claim) = seen.record.claim
                {
                    // It has stood there for ever.
                    refresh.terms.watch =
                        Some(Watch { nonce: claim.nonce, since: Duration::ZERO, abandoned: false });
                }
                refresh.step(now, input)
            }
            Self::PauseCheck => {
                if matches!(refresh.phase, Phase::Writing(Writing::Claim, _) | Phase::Reading(Reading::Again))
                {
                    // No time has passed.
                    (refresh.issued, refresh.claimed) = (now, now);
                }
                refresh.step(now, input)
            }
            Self::LineageCommit => {
                if let (
                    Phase::Writing(Writing::Commit, _),
                    Input::Swapped(Ok(SwapOutcome::Conflict(Some(seen)))),
                ) = (&refresh.phase, &input)
                    && is_claimed(seen)
                {
                    // Its claim is gone, and its child with it.
                    let record = Some(seen.record.clone());
                    refresh.granted = None;
                    let failure = refresh.failure(AuthErrorKind::Grant, "the claim is gone", Duration::ZERO);
                    return refresh.finish(Err(Failure { record, ..failure }));
                }
                refresh.step(now, input)
            }
        }
    }
}

fn is_claimed(seen: &Seen) -> bool {
    seen.record.standing_claim().is_some()
}
