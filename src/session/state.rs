//! What all handles of a session share, and how a flight starts.

use std::{
    fmt,
    future::{Future, poll_fn},
    mem,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{runtime::Handle, sync::watch};

use super::{cool_down::CoolDown, history::History, landing::Landing, live::Live, vigil::Vigil};
use crate::{
    clock::{self, Instant},
    error::{AuthError, AuthErrorKind},
    event::{Announcer, Event},
    instance_url::InstanceUrl,
    refresh::{
        decide::{Terms, Watch},
        flight::Crew,
        record::Record,
    },
    token::{Generation, Lineage},
};

/// What a flight came to, for everyone who waits for it.
pub(super) type Outcome = Result<Arc<Live>, AuthError>;
/// A flight's waiting room: `None` until there is an outcome.
pub(super) type Room = watch::Sender<Option<Outcome>>;
/// A place in it.
pub(super) type Seat = watch::Receiver<Option<Outcome>>;

tokio::task_local! {
    /// The session whose flight this task is.
    static FLYING: usize;
}

pub(super) struct Shared {
    pub(super) crew: Crew,
    pub(super) seed: Option<crate::secret::Secret>,
    pub(super) rotating: bool,
    pub(super) allowed_origins: Vec<InstanceUrl>,
    pub(super) wait_budget: Duration,
    pub(super) runtime: Option<Handle>,
    pub(super) announcer: Announcer,
    /// The live token's generation; 0 while there is none. Written under the lock of `state`.
    generation: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) live: Option<Arc<Live>>,
    /// The lineage that `live` was made from.
    served: Option<Lineage>,
    /// The newest record this process has seen or made.
    pub(super) known: Option<Record>,
    /// Whether `known` is not in the store yet.
    pub(super) dirty: bool,
    /// How often a person decided: connected again, or revoked. A flight of an earlier epoch changes nothing here.
    pub(super) epoch: u64,
    /// Where the flight under way, of this epoch, is waited for.
    pub(super) flight: Option<Room>,
    /// Whether there is reason to doubt that the flight under way will help.
    pub(super) doubtful: bool,
    pub(super) cool_down: CoolDown,
    pub(super) history: History,
    /// The generation whose resend was refused: another request's success with it says nothing new.
    pub(super) refused_again: Option<Generation>,
    /// The newest generation, if it is another process's refresh that brought it.
    pub(super) adopted: Option<Generation>,
    pub(super) closed: bool,
    /// What is to be announced once the lock is free.
    pub(super) outbox: Vec<Event>,
    /// The largest generation ever published: generations never go backwards, also over a time without a token.
    pub(super) last_generation: u64,
    pub(super) failures: u32,
    /// Whether a person was asked to connect again.
    pub(super) asked_for_person: bool,
    pub(super) last_failure: Option<(AuthError, Instant)>,
    /// When a flight, which reads the store, ended or a look began, and how often that was.
    pub(super) read_at: Option<Instant>,
    pub(super) reads: u64,
    pub(super) watch: Option<Watch>,
    pub(super) own_not_before: Option<u64>,
    pub(super) idle_claim: Option<u128>,
    pub(super) seed_ignored: bool,
    /// Whether a commit of a flight that died was taken up already, since one has landed last.
    pub(super) rescued: bool,
}

impl Shared {
    pub(super) fn new(
        crew: Crew,
        seed: Option<crate::secret::Secret>,
        rotating: bool,
        allowed_origins: Vec<InstanceUrl>,
        wait_budget: Duration,
        runtime: Option<Handle>,
        connection: &str,
    ) -> Self {
        Self {
            crew,
            seed,
            rotating,
            allowed_origins,
            wait_budget,
            runtime,
            announcer: Announcer::new(connection),
            generation: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }

    /// F011: a panic elsewhere must not take the request path with it. Every change under this lock is complete at
    /// each point where it could panic.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Does `work` where its timers and the store find a runtime, whoever polls it.
    pub(super) async fn inside<T>(
        &self,
        work: impl Future<Output = Result<T, AuthError>>,
    ) -> Result<T, AuthError> {
        let Some(runtime) = clock::runtime_with_timers(self.runtime.as_ref()) else {
            return Err(shutting_down("this needs a tokio runtime with timers"));
        };
        let mut work = pin!(work);
        poll_fn(|cx| {
            // Entered at each poll: what was entered must be left on the same thread.
            let _inside = runtime.enter();
            work.as_mut().poll(cx)
        })
        .await
    }

    /// Books a place in the flight that is under way, or in a new one. With `force` a pause after an earlier failure is
    /// skipped.
    pub(super) fn board(self: &Arc<Self>, state: &mut State, force: bool) -> Result<Boarding, AuthError> {
        if self.is_flying_here() {
            let message = "the token request goes through the layer that waits for it; \
                           give the session a transport of its own";
            return Err(AuthError::new(AuthErrorKind::Recursion, message)); // F018
        }
        if let Some(room) = &state.flight {
            return Ok(Boarding { seat: room.subscribe(), departure: None });
        }
        if state.closed {
            return Err(shutting_down("the session is closed"));
        }
        if let Some((failure, until)) = &state.last_failure
            && let Some(rest) = until.checked_duration_since(clock::now()).filter(|rest| !rest.is_zero())
            && !force
        {
            let retry_after = failure.retry_after().map(|_| rest);
            return Err(failure.clone().with_retry_after(retry_after)); // F181
        }
        let rejected = state.rejected();
        self.book(state, rejected, false)
    }

    /// Books the flight that stores what is not stored yet and asks for nothing, unless one is under way.
    pub(super) fn flush(self: &Arc<Self>, state: &mut State) -> Result<Boarding, AuthError> {
        match &state.flight {
            Some(room) => Ok(Boarding { seat: room.subscribe(), departure: None }),
            None => self.book(state, None, true),
        }
    }

    fn book(
        self: &Arc<Self>,
        state: &mut State,
        rejected: Option<Lineage>,
        stores_only: bool,
    ) -> Result<Boarding, AuthError> {
        let runtime = match &self.runtime {
            Some(runtime) => runtime.clone(),
            None => Handle::try_current().map_err(|_| shutting_down("a refresh needs a tokio runtime"))?,
        };
        let terms = Terms {
            binding: self.crew.binding.clone(),
            seed: self.seed.clone(),
            rotating: self.rotating,
            known: state.known.clone(),
            dirty: state.dirty,
            stores_only,
            served_for: self.served_for(state),
            rejected,
            watch: state.watch,
            own_not_before: state.own_not_before,
            idle_claim: state.idle_claim,
            failures: state.failures,
            entropy: self.crew.chance.entropy(),
        };
        let (room, seat) = watch::channel(None);
        state.flight = Some(room.clone());
        state.doubtful = false;
        let landing = Landing::new(Arc::clone(self), room, state.epoch);
        Ok(Boarding { seat, departure: Some(Box::new(Departure { runtime, landing, terms })) })
    }

    /// How long the token has been served.
    pub(super) fn served_for(&self, state: &State) -> Duration {
        state.live.as_ref().map_or(Duration::ZERO, |live| self.crew.pace.told(live.since.elapsed()))
    }

    fn identity(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self) as usize
    }

    fn is_flying_here(self: &Arc<Self>) -> bool {
        FLYING.try_with(|id| *id == self.identity()).unwrap_or_default()
    }

    /// Serves `record` from now on. The generation moves only if a request would look different.
    pub(super) fn publish(&self, state: &mut State, record: Record) -> Outcome {
        let Some(tokens) = record.tokens.clone() else {
            let message = "the last token answer was refused; there is nothing to serve";
            return Err(AuthError::new(AuthErrorKind::TokenAnswerRejected, message));
        };
        if let Some(live) = &state.live
            && live.serves(&tokens)
        {
            let live = Arc::clone(live);
            state.served = Some(record.lineage);
            state.known = Some(record);
            return Ok(live);
        }
        let generation = state.last_generation + 1;
        let live = Live::new(Generation(generation), tokens).map_err(|error| {
            AuthError::new(AuthErrorKind::TokenAnswerRejected, "the access token is no valid header value")
                .with_source(error)
        })?;
        let live = Arc::new(live);
        if let Some(before) = &state.live {
            state.history.replaced(before, &live);
            if before.tokens.instance_url != live.tokens.instance_url {
                state.outbox.push(Event::InstanceMoved {
                    from: before.tokens.instance_url.clone(),
                    to: live.tokens.instance_url.clone(),
                });
            }
        }
        state.served = Some(record.lineage);
        state.known = Some(record);
        state.last_generation = generation;
        state.live = Some(Arc::clone(&live));
        self.generation.store(generation, Ordering::Release);
        Ok(live)
    }

    /// Stops serving; handles notice by the generation.
    pub(super) fn withdraw(&self, state: &mut State) {
        state.live = None;
        self.generation.store(0, Ordering::Release);
    }

    /// Serves a consent that is stored.
    pub(super) fn install(&self, record: Record) -> Outcome {
        let mut state = self.state();
        let overtaken = state.begin_epoch();
        state.succeed();
        state.cool_down.end();
        let outcome = self.publish(&mut state, record);
        let news = mem::take(&mut state.outbox);
        drop(state);
        answer(overtaken, &outcome);
        self.announce(news);
        outcome
    }

    /// Serves nothing from now on: the connection is revoked, and `tombstone` is stored.
    pub(super) fn bury(&self, tombstone: Record) {
        let mut state = self.state();
        let overtaken = state.begin_epoch();
        state.known = Some(tombstone);
        self.withdraw(&mut state);
        let outcome = state.standing();
        drop(state);
        answer(overtaken, &outcome);
    }

    /// Tells what happened. To be called with no lock held: listeners and subscribers are others' code (F010).
    pub(super) fn announce(&self, news: Vec<Event>) {
        news.into_iter().for_each(|event| self.announcer.announce(event));
    }
}

impl State {
    /// Notes that a failure is over.
    pub(super) fn succeed(&mut self) {
        self.failures = 0;
        self.last_failure = None;
        self.asked_for_person = false;
        self.watch = None;
    }

    /// The lineage of the token that is served, which whoever asks for another one has seen refused.
    pub(super) fn rejected(&self) -> Option<Lineage> {
        self.live.as_ref().and(self.served)
    }

    /// Whether no newer token than `live` is served.
    pub(super) fn is_newest(&self, live: &Live) -> bool {
        self.live.as_ref().is_none_or(|newest| newest.generation == live.generation)
    }

    /// Lets go of a flight under way, which knows nothing of what is stored now: it is not to be waited for any longer.
    fn begin_epoch(&mut self) -> Option<Room> {
        self.epoch += 1;
        self.reads += 1; // a look that is under way knows less
        self.dirty = false;
        self.rescued = false;
        self.flight.take()
    }
}

/// Answers whoever waits for a flight that was overtaken. To be called with no lock held: wakers are others' code.
fn answer(overtaken: Option<Room>, outcome: &Outcome) {
    if let Some(room) = overtaken {
        room.send_replace(Some(outcome.clone()));
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("crew", &self.crew)
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}

/// A place in a flight, which may be yet to start.
#[must_use = "a new flight starts when it departs"]
pub(super) struct Boarding {
    seat: Seat,
    departure: Option<Box<Departure>>,
}

struct Departure {
    runtime: Handle,
    landing: Landing,
    terms: Terms,
}

impl Boarding {
    /// Takes the seat. A new flight starts now, with the state unlocked: a runtime that is shutting down drops the task
    /// at once, and its landing locks the state.
    pub(super) fn depart(self, state: MutexGuard<'_, State>) -> Seat {
        drop(state);
        if let Some(departure) = self.departure {
            let Departure { runtime, landing, terms } = *departure;
            let id = landing.shared().identity();
            // Dropping the join handle detaches the task: no caller can cancel it (F001, F003).
            drop(runtime.spawn(FLYING.scope(id, async move {
                let landed = landing.shared().crew.fly(terms, &landing).await;
                let vigil = Vigil::over(landing.shared(), &landed);
                landing.land(landed);
                if let Some(vigil) = vigil {
                    vigil.keep().await;
                }
            })));
        }
        self.seat
    }
}

pub(super) fn shutting_down(message: &str) -> AuthError {
    AuthError::new(AuthErrorKind::ShuttingDown, message)
}
