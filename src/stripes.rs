//! What the handles of one service share, so that cores do not contend for it.
//!
//! A handle that is cloned for each request counts references: to what its future needs, to the token, to the bytes of
//! a header value and of a host. Two cores that count the same references wait for each other, and a request then takes
//! more than twice as long. So everything counted exists once for each of a few *stripes*, a clone takes the stripe of
//! the thread that makes it, and what a request counts is on lines of memory that no other core writes.
//!
//! ```text
//!   handle ─► home ─┬─► stripe 1 ─► Shared, with a copy of the token
//!                   ├─► stripe 2 ─► …
//!   handle ─────────┴─► stripe 3      made when a thread of its number first needs one
//! ```
//!
//! The home keeps the others alive and they know it by a weak reference, so that nothing keeps itself alive. A handle
//! of another stripe whose home is gone goes on where it is.

use std::{
    cell::Cell,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::session::{Live, Session};

/// More than enough threads that send at once; each stripe in use costs a clone of the inner service and a copy of the
/// token.
const STRIPES: usize = 8;

/// Where a handle has what it shares.
///
/// A handle that is cloned for one request must be cheap to clone, so it shares with those of its stripe. One that
/// stays is better off with memory of its own, and keeps the token at hand.
pub(crate) struct Place<S> {
    stripe: Arc<Stripe<S>>,
    tenure: Tenure<S>,
}

/// How long a handle has been in use.
enum Tenure<S> {
    New,
    Used,
    Settled { shared: Arc<Shared<S>>, live: Option<Arc<Live>> },
}

/// What the futures of a handle need after the handle has gone on.
///
/// On lines of its own, with those of its count before it: 128 bytes, since caches fetch lines of 64 in pairs.
#[repr(align(128))]
pub(crate) struct Shared<S> {
    pub(crate) session: Session,
    /// Never polled, only cloned from: a resend is rare, so that no future carries a service of its own. The mutex
    /// makes futures `Send` for services that are not `Sync`.
    spare: Mutex<S>,
    /// The token that was used last, on memory of its own.
    live: Mutex<Option<Arc<Live>>>,
}

/// One of the places that handles are cloned from.
#[repr(align(128))]
struct Stripe<S> {
    shared: Arc<Shared<S>>,
    number: usize,
    others: Others<S>,
}

enum Others<S> {
    /// This one is the home.
    Kept([OnceLock<Arc<Stripe<S>>>; STRIPES]),
    KeptBy(Weak<Stripe<S>>),
}

// === impl Place ===

impl<S: Clone> Place<S> {
    pub(crate) fn new(session: Session, spare: S) -> Self {
        let others = Others::Kept(Default::default());
        let stripe = Stripe { shared: Shared::new(session, spare), number: number_of_this_thread(), others };
        Self { stripe: Arc::new(stripe), tenure: Tenure::New }
    }

    /// What a future needs, and the token to send with, if there is one: for a handle that stays one acquire load,
    /// unless the session has another token by now. On the way of all requests, and a call would cost as much as it does.
    #[inline(always)]
    pub(crate) fn at_hand(&mut self) -> (&Arc<Shared<S>>, Option<Arc<Live>>) {
        match self.tenure {
            Tenure::New => {
                self.tenure = Tenure::Used;
                return (&self.stripe.shared, self.stripe.shared.live());
            }
            Tenure::Used => self.settle(),
            Tenure::Settled { .. } => {}
        }
        match &mut self.tenure {
            Tenure::Settled { shared, live } => {
                let generation = shared.session.generation();
                if live.as_ref().is_none_or(|live| live.generation.0 != generation) {
                    *live = shared.live();
                }
                (shared, live.clone())
            }
            Tenure::New | Tenure::Used => (&self.stripe.shared, None), // it has just settled
        }
    }

    #[cold]
    fn settle(&mut self) {
        self.tenure = Tenure::Settled { shared: self.stripe.shared.own_copy(), live: None };
    }

    pub(crate) fn of_a_clone(&self) -> Self {
        Self { stripe: self.stripe.here(), tenure: Tenure::New }
    }
}

impl<S> Place<S> {
    pub(crate) fn shared(&self) -> &Arc<Shared<S>> {
        match &self.tenure {
            Tenure::New | Tenure::Used => &self.stripe.shared,
            Tenure::Settled { shared, .. } => shared,
        }
    }
}

// === impl Shared ===

impl<S: Clone> Shared<S> {
    fn new(session: Session, spare: S) -> Arc<Self> {
        Arc::new(Self { session, spare: Mutex::new(spare), live: Mutex::default() })
    }

    /// The same on memory that nobody else counts.
    fn own_copy(&self) -> Arc<Self> {
        Self::new(self.session.clone(), self.fresh())
    }

    /// A service that holds no reservation.
    pub(crate) fn fresh(&self) -> S {
        lock(&self.spare).clone()
    }
}

impl<S> Shared<S> {
    /// The current token, if there is one.
    fn live(&self) -> Option<Arc<Live>> {
        let generation = self.session.generation();
        let mut live = lock(&self.live);
        if live.as_ref().is_none_or(|live| live.generation.0 != generation) {
            *live = self.newest();
        }
        live.clone()
    }

    #[cold]
    fn newest(&self) -> Option<Arc<Live>> {
        self.session.live().map(|live| Arc::new(live.own_copy()))
    }
}

// === impl Stripe ===

impl<S: Clone> Stripe<S> {
    /// The stripe of this thread.
    fn here(self: &Arc<Self>) -> Arc<Self> {
        let number = number_of_this_thread();
        if number == self.number {
            return Arc::clone(self);
        }
        match &self.others {
            Others::Kept(others) => Arc::clone(self.other(others, number)),
            Others::KeptBy(home) => match home.upgrade() {
                Some(home) => home.here(),
                None => Arc::clone(self),
            },
        }
    }

    fn other<'a>(
        self: &'a Arc<Self>,
        others: &'a [OnceLock<Arc<Self>>; STRIPES],
        number: usize,
    ) -> &'a Arc<Self> {
        others[number].get_or_init(|| {
            let others = Others::KeptBy(Arc::downgrade(self));
            Arc::new(Self { shared: self.shared.own_copy(), number, others })
        })
    }
}

/// Threads are numbered in the order in which they first clone a handle.
fn number_of_this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(STRIPES) };
    }
    NUMBER.with(|number| {
        if number.get() == STRIPES {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES);
        }
        number.get()
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner) // F011
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::{
        grant::{Client, LoginHost, RefreshToken},
        store::MemoryStore,
    };

    fn place(spare: &Arc<()>) -> Place<Arc<()>> {
        let grant = RefreshToken::new(Client::public("client"), LoginHost::Production, "seed");
        let session = Session::builder("acme", grant).store(MemoryStore::volatile()).build().unwrap();
        Place::new(session, Arc::clone(spare))
    }

    /// On so many threads, one after the other, so that each has a number of its own.
    fn clones_elsewhere<S: Clone + Send + Sync>(place: &Place<S>, threads: usize) -> Vec<Place<S>> {
        thread::scope(|scope| {
            (0..threads).map(|_| scope.spawn(|| place.of_a_clone()).join().unwrap()).collect()
        })
    }

    #[test]
    fn clones_on_one_thread_share_and_those_of_another_thread_count_apart() {
        let place = place(&Arc::default());
        let (here, again) = (place.of_a_clone(), place.of_a_clone());
        assert!(Arc::ptr_eq(here.shared(), again.shared()) && Arc::ptr_eq(here.shared(), place.shared()));
        let counts = || (Arc::strong_count(&place.stripe), Arc::strong_count(place.shared()));
        let before = counts();
        // Tests run on threads of their own, which take numbers meanwhile: at most one of so many has this one's.
        let elsewhere = clones_elsewhere(&place, STRIPES);
        let apart = elsewhere.iter().filter(|other| !Arc::ptr_eq(other.shared(), place.shared())).count();
        assert!(apart > 0, "a thread of another number");
        assert_eq!(counts().1, before.1);
        assert_eq!(counts().0 - before.0, STRIPES - apart);
    }

    #[test]
    fn a_handle_that_stays_counts_only_what_is_its_own() {
        let mut place = place(&Arc::default());
        (0..2).for_each(|_| drop(place.at_hand()));
        let stripe = Arc::clone(&place.stripe);
        let counts = || {
            (Arc::strong_count(&stripe), Arc::strong_count(&stripe.shared), stripe.shared.session.handles())
        };
        let before = counts();
        let of_a_request = Arc::clone(place.at_hand().0);
        assert!(!Arc::ptr_eq(&of_a_request, &stripe.shared));
        assert_eq!(counts(), before);
    }

    #[test]
    fn a_clone_of_a_clone_finds_its_threads_stripe() {
        let place = place(&Arc::default());
        for other in clones_elsewhere(&place, STRIPES) {
            assert!(Arc::ptr_eq(other.of_a_clone().shared(), place.of_a_clone().shared()));
        }
    }

    #[test]
    fn handles_outlive_the_one_they_were_cloned_from() {
        let place = place(&Arc::default());
        let elsewhere = clones_elsewhere(&place, STRIPES);
        drop(place);
        for other in elsewhere {
            assert!(other.of_a_clone().at_hand().1.is_none());
        }
    }

    #[test]
    fn f017_nothing_stays_when_the_last_handle_is_gone() {
        let spare = Arc::new(());
        let place = place(&spare);
        let elsewhere = clones_elsewhere(&place, STRIPES);
        assert!(Arc::strong_count(&spare) > 2);
        drop((place, elsewhere));
        assert_eq!(Arc::strong_count(&spare), 1);
    }
}
