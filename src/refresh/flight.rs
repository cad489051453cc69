//! Performs what [`decide`](super::decide) decides.
//!
//! A flight runs in a task of its own: no caller can cancel it, and everything that must survive it is handed to a
//! [`Witness`] at once.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use super::{
    admit,
    backoff::Chance,
    codec,
    decide::{
        Action, Answer, Failure, Finish, Input, Now, Refresh, Seen, StoreFault, SwapOutcome, Terms,
        TokenFault,
    },
    record::{Binding, Health, Record},
};
use crate::{
    BoxError,
    clock::{self, Instant, Pace},
    error::{AuthErrorKind, printable},
    grant::DynGrant,
    instance_url::HostPolicy,
    secret::Secret,
    store::{Revision, SharedStore, StoreError, StoreErrorKind, StoreKey, Stored, Swap},
    token_endpoint::{TokenEndpoint, TokenError, TokenErrorKind},
};

/// A healthy store answers in milliseconds; a load is repeated cheaply.
const LOAD_LIMIT: Duration = Duration::from_secs(1);
/// A swap waits for a disk or a quorum.
const SWAP_LIMIT: Duration = Duration::from_secs(2);
/// One token request in all: signing, then the 10 s of connecting, sending and reading the answer. A second more than
/// those, so that what has come of an answer by then is not dropped with it.
const EXCHANGE_LIMIT: Duration = Duration::from_secs(11);
/// A hint may come doubled, or be the echo of this process's own write: the record is read no more often than this.
const HINT_PAUSE: Duration = Duration::from_millis(50);

/// What a flight needs from the outside.
pub(crate) struct Crew {
    pub(crate) store: SharedStore,
    pub(crate) key: StoreKey,
    pub(crate) grant: Arc<dyn DynGrant>,
    pub(crate) endpoint: TokenEndpoint,
    pub(crate) binding: Binding,
    pub(crate) policy: HostPolicy,
    /// The origin of the process's monotonic time, the same for all flights of a session.
    pub(crate) origin: Instant,
    pub(crate) pace: Pace,
    pub(crate) chance: Chance,
    /// The wall time at `origin` where a test has given it: it then passes as monotonic time does.
    pub(crate) wall: Option<Duration>,
}

/// Who keeps what must survive a flight.
pub(crate) trait Witness: Send + Sync {
    /// `record` is the truth from now on, though it is not stored yet.
    fn hold(&self, record: Record);
    /// Whoever waits may go on with the held record.
    fn release(&self);
}

/// How a flight ended, with the error behind it.
pub(crate) struct Landed {
    pub(crate) finish: Finish,
    pub(crate) source: Option<BoxError>,
}

impl Crew {
    /// Flies one refresh to its end.
    pub(crate) async fn fly(&self, terms: Terms, witness: &dyn Witness) -> Landed {
        let mut refresh = Refresh::new(terms);
        // Kept apart: an error of the store that passed is not why the token endpoint refused.
        let (mut of_store, mut of_endpoint) = (None, None);
        let mut input = Input::Started;
        loop {
            input = match refresh.step(self.now(), input) {
                Action::Load => Input::Loaded(self.load(&mut of_store).await),
                Action::Swap { expected, record } => {
                    Input::Swapped(self.swap(expected, &record, &mut of_store).await)
                }
                Action::Exchange { refresh_token } => {
                    let parent = refresh.parent().cloned();
                    Input::Exchanged(self.exchange(refresh_token, parent, &mut of_endpoint).await)
                }
                Action::Wait(pause) => {
                    tokio::time::sleep(self.pace.real(pause)).await;
                    Input::Done
                }
                Action::Watch(pause) => {
                    let soonest = clock::now() + self.pace.real(pause.min(HINT_PAUSE));
                    let pause = self.pace.real(pause);
                    let _ = tokio::time::timeout(pause, self.store.changed(&self.key)).await;
                    tokio::time::sleep_until(soonest).await;
                    Input::Done
                }
                Action::Hold(record) => {
                    witness.hold(*record);
                    Input::Done
                }
                Action::Release => {
                    witness.release();
                    Input::Done
                }
                Action::Finish(finish) => {
                    let source = match finish.result.as_ref().err() {
                        Some(failure) => behind(failure, of_store, of_endpoint),
                        None => None,
                    };
                    return Landed { finish: *finish, source };
                }
            };
        }
    }

    pub(crate) fn now(&self) -> Now {
        let monotonic = clock::now().saturating_duration_since(self.origin);
        let wall = self.wall.map_or_else(clock::wall, |wall| wall + monotonic);
        Now { monotonic: self.pace.told(monotonic), wall: self.pace.told(wall) }
    }

    /// Reads the record.
    pub(crate) async fn load(&self, source: &mut Option<BoxError>) -> Result<Option<Box<Seen>>, StoreFault> {
        let loaded =
            limited(self.pace.real(LOAD_LIMIT), self.store.load(&self.key), StoreError::unavailable).await;
        let seen = match loaded {
            Ok(stored) => self.seen(stored),
            Err(error) => Err(error),
        };
        seen.map_err(|error| fault(error, source))
    }

    /// Writes the record over `expected`.
    pub(crate) async fn swap(
        &self,
        expected: Option<Revision>,
        record: &Record,
        source: &mut Option<BoxError>,
    ) -> Result<SwapOutcome, StoreFault> {
        let bytes = codec::encode(record).map_err(|error| fault(StoreError::corrupt(error), source))?;
        let swap = self.store.compare_and_swap(&self.key, expected, &bytes);
        let outcome = match limited(self.pace.real(SWAP_LIMIT), swap, StoreError::ambiguous).await {
            Ok(Swap::Applied(revision)) => Ok(SwapOutcome::Applied(revision)),
            Ok(Swap::Conflict(stored)) => self.seen(stored).map(SwapOutcome::Conflict),
            Err(error) => Err(error),
        };
        outcome.map_err(|error| fault(error, source))
    }

    fn seen(&self, stored: Option<Stored>) -> Result<Option<Box<Seen>>, StoreError> {
        let Some(stored) = stored else { return Ok(None) };
        let bytes = zeroize::Zeroizing::new(stored.bytes);
        let record = codec::decode(&bytes, self.policy).map_err(StoreError::corrupt)?;
        Ok(Some(Box::new(Seen { revision: stored.revision, record })))
    }

    async fn exchange(
        &self,
        refresh_token: Option<Secret>,
        parent: Option<Record>,
        source: &mut Option<TokenError>,
    ) -> Answer {
        let exchange = self.grant.exchange(&self.endpoint, refresh_token.as_ref());
        let limit = self.pace.real(EXCHANGE_LIMIT);
        let answer = clock::within(limit, exchange).await.unwrap_or_else(|| {
            let error = TokenError::new(TokenErrorKind::OutcomeUnknown);
            Err(error.with_answer(None, Some(&format!("no answer within {} s", limit.as_secs_f32()))))
        });
        match answer {
            Ok(response) => {
                let answer = admit::admit(&response, parent.as_ref(), &self.binding, self.policy);
                *source = match &answer {
                    Answer::Quarantined { reason, .. } => Some(TokenError::unfit(reason)),
                    Answer::Granted { .. } | Answer::Failed(_) => None,
                };
                answer
            }
            Err(error) => {
                let kept = error.kept().cloned();
                let (said, story) = (error.said(), story(&error));
                let (kind, retry_after) = (error.kind(), error.retry_after());
                *source = Some(error);
                match kept {
                    Some(refresh_token) => {
                        Answer::Quarantined { refresh_token: Some(refresh_token), reason: story }
                    }
                    None => Answer::Failed(TokenFault { kind, said, story, retry_after }),
                }
            }
        }
    }
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew")
            .field("store", &self.store)
            .field("key", &self.key)
            .field("grant", &self.grant.kind())
            .field("binding", &self.binding)
            .finish_non_exhaustive()
    }
}

/// The error behind a failure, which tells causes apart that one kind of failure has in common.
fn behind(
    failure: &Failure,
    of_store: Option<BoxError>,
    of_endpoint: Option<TokenError>,
) -> Option<BoxError> {
    let of_endpoint = match failure.kind {
        AuthErrorKind::StoreUnavailable | AuthErrorKind::StoreCorrupt => return of_store,
        // Latched by an earlier flight, or by another process while this one was told something else.
        AuthErrorKind::ReauthorisationRequired => of_endpoint
            .filter(|error| error.kind() == TokenErrorKind::Reauthorise)
            .or_else(|| match &failure.record.as_ref()?.health {
                Health::Reauthorise(reason) => Some(TokenError::remembered(&reason.said)),
                _ => None,
            }),
        _ => of_endpoint,
    };
    of_endpoint.map(Into::into)
}

/// The error and what is behind it, on one line.
fn story(error: &TokenError) -> String {
    let mut story = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        story.push_str(": ");
        story.push_str(&printable(&error.to_string()));
        source = error.source();
    }
    story
}

async fn limited<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
    late: impl FnOnce(BoxError) -> StoreError,
) -> Result<T, StoreError> {
    match tokio::time::timeout(limit, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(late(format!("no answer within {} s", limit.as_secs_f32()).into())),
    }
}

fn fault(error: StoreError, source: &mut Option<BoxError>) -> StoreFault {
    let kind: StoreErrorKind = error.kind();
    *source = Some(error.into());
    StoreFault { kind }
}
