//! The caller's body and what was sent of it, between the first copy and the one that may follow.

use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{
    super::{Kept, sealed},
    body::{BufferedBody, TakenOver},
    memory::Memory,
    source::Source,
};
use crate::{BoxError, NotResendable};

/// Owns the caller's body while the first copy streams.
///
/// The mutex is held while that body is polled. Nobody contends for it but a refusal, once a request.
pub(super) struct Shared<B> {
    state: Mutex<State<B>>,
}

struct State<B> {
    turn: Turn,
    source: Source<B>,
    memory: Result<Memory, NotResendable>,
    /// What the whole body promised.
    hint: SizeHint,
    cap: usize,
    /// The task of the first copy, when it waits.
    waiting: Option<Waker>,
}

/// Whose turn it is.
enum Turn {
    /// The first copy streams.
    First,
    /// It waits: the request was refused, and whether it is sent again is being decided.
    Held,
    /// The second copy has taken over.
    Second,
}

impl<B> Shared<B> {
    fn state(&self) -> MutexGuard<'_, State<B>> {
        // A body that panicked is gone; everything else is in order.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the first copy go on and forgets what was remembered: nobody will ask for it.
    fn let_go(&self) {
        let mut state = self.state();
        if matches!(state.turn, Turn::Second) {
            return;
        }
        let held = matches!(mem::replace(&mut state.turn, Turn::First), Turn::Held);
        let memory = mem::replace(&mut state.memory, Err(NotResendable::BodyNotKept));
        let waiting = if held { state.waiting.take() } else { None };
        drop(state);
        // Both may run code of others, which may come back for the lock.
        drop(memory);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}

impl<B: Body> Shared<B> {
    /// A frame for the first copy.
    pub(super) fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>>
    where
        B::Error: Into<BoxError>,
    {
        let mut state = self.state();
        let polled = match state.turn {
            Turn::First => state.source.poll_frame(cx),
            // Sent in full: there is nothing to be taken over, and its connection may live.
            Turn::Held | Turn::Second if state.source.is_end_stream() => Poll::Ready(None),
            Turn::Held => Poll::Pending,
            Turn::Second => Poll::Ready(Some(Err(TakenOver.into()))),
        };
        let (mut displaced, mut forgotten) = (None, None);
        match &polled {
            Poll::Pending => displaced = state.wait(cx.waker()),
            Poll::Ready(Some(Ok(frame))) => forgotten = state.remember(frame),
            Poll::Ready(_) => {}
        }
        drop(state);
        // As above: a waker that was the last of its task takes along what that task held, perhaps the other end.
        drop((displaced, forgotten));
        polled
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.state().source.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.state().source.size_hint()
    }
}

impl<B> State<B> {
    /// Remembers a frame; returns what was remembered before, if that is too much now.
    fn remember(&mut self, frame: &Frame<Bytes>) -> Option<Memory> {
        self.memory.as_mut().ok()?.remember(frame).err()?;
        mem::replace(&mut self.memory, Err(NotResendable::BodyOverCap { cap: self.cap })).ok()
    }

    /// Notes who waits; returns who did before.
    fn wait(&mut self, waker: &Waker) -> Option<Waker> {
        if self.waiting.as_ref().is_some_and(|waiting| waiting.will_wake(waker)) {
            return None;
        }
        self.waiting.replace(waker.clone())
    }

    fn obstacle(&self) -> Option<NotResendable> {
        match (&self.memory, &self.source) {
            (_, Source::Gone) => Some(NotResendable::BodyFailed),
            (Err(reason), _) => Some(*reason),
            (Ok(_), _) => None,
        }
    }
}

/// What [`Buffered`](super::Buffered) keeps of a body.
///
/// Dropped, it forgets what it remembered and lets the first send go on.
pub struct BufferedKept<B> {
    shared: Arc<Shared<B>>,
}

impl<B: Body> BufferedKept<B> {
    pub(super) fn new(body: B, cap: usize) -> Self {
        let state = State {
            turn: Turn::First,
            hint: body.size_hint(),
            source: Source::Flowing(Box::pin(body)),
            memory: Ok(Memory::new(cap)),
            cap,
            waiting: None,
        };
        Self { shared: Arc::new(Shared { state: Mutex::new(state) }) }
    }

    /// The body of the first send.
    pub(super) fn first(&self) -> BufferedBody<B> {
        BufferedBody::first(Arc::clone(&self.shared))
    }
}

impl<B> sealed::Kept for BufferedKept<B> {}

impl<B> Kept for BufferedKept<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Body = BufferedBody<B>;

    fn hold(&mut self) -> Result<(), NotResendable> {
        let mut state = self.shared.state();
        if let Some(reason) = state.obstacle() {
            return Err(reason);
        }
        state.turn = Turn::Held;
        Ok(())
    }

    fn into_body(self) -> Result<BufferedBody<B>, NotResendable> {
        let mut state = self.shared.state();
        if let Some(reason) = state.obstacle() {
            return Err(reason);
        }
        let memory = mem::replace(&mut state.memory, Err(NotResendable::BodyNotKept))?;
        // What was sent in full leaves the first copy its end, also if nobody asked for the frame behind the last:
        // clients do not where a body says that there is none.
        let left = if state.source.is_end_stream() { Source::Ended } else { Source::Gone };
        let source = mem::replace(&mut state.source, left);
        state.turn = Turn::Second;
        let (hint, waiting) = (state.hint, state.waiting.take());
        drop(state);
        if let Some(waker) = waiting {
            waker.wake(); // F156: the first connection is given up now, not at the end of an upload
        }
        Ok(BufferedBody::second(memory, source, hint))
    }
}

impl<B> Drop for BufferedKept<B> {
    fn drop(&mut self) {
        self.shared.let_go();
    }
}

impl<B> fmt::Debug for BufferedKept<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferedKept").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Weak,
        task::{Context, Wake},
    };

    use http_body_util::Full;

    use super::*;

    const LARGE: usize = 5000;

    /// Notes, when it goes, whether the lock is free: what it stands for might ask for it.
    struct Witness {
        shared: Weak<Shared<Full<Bytes>>>,
        found_free: Arc<Mutex<Vec<bool>>>,
    }

    impl Drop for Witness {
        fn drop(&mut self) {
            let shared = self.shared.upgrade().unwrap();
            self.found_free.lock().unwrap().push(shared.state.try_lock().is_ok());
        }
    }

    impl Wake for Witness {
        fn wake(self: Arc<Self>) {}
    }

    impl AsRef<[u8]> for Witness {
        fn as_ref(&self) -> &[u8] {
            &[b'x'; LARGE]
        }
    }

    fn witness(kept: &BufferedKept<Full<Bytes>>) -> (Witness, Arc<Mutex<Vec<bool>>>) {
        let found_free = Arc::<Mutex<Vec<bool>>>::default();
        (Witness { shared: Arc::downgrade(&kept.shared), found_free: Arc::clone(&found_free) }, found_free)
    }

    #[test]
    fn a_waker_that_is_displaced_goes_when_the_lock_is_free() {
        let mut kept = BufferedKept::new(Full::from("abc"), LARGE);
        kept.hold().unwrap();
        let (waker, found_free) = witness(&kept);
        let waker = Waker::from(Arc::new(waker));
        assert!(kept.shared.poll_frame(&mut Context::from_waker(&waker)).is_pending());
        assert!(kept.shared.poll_frame(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        assert_eq!(*found_free.lock().unwrap(), [false; 0], "it is the one that is woken");
        assert!(kept.shared.poll_frame(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(*found_free.lock().unwrap(), [true]);
    }

    #[test]
    fn what_was_remembered_goes_when_the_lock_is_free() {
        for over in [true, false] {
            let kept = BufferedKept::new(Full::default(), LARGE);
            let (data, found_free) = witness(&kept);
            let poll = |data: Bytes| {
                kept.shared.state().source = Source::Flowing(Box::pin(Full::new(data)));
                assert!(kept.shared.poll_frame(&mut Context::from_waker(Waker::noop())).is_ready());
            };
            poll(Bytes::from_owner(data));
            if over {
                poll(Bytes::from_static(b"x"));
            } else {
                kept.shared.let_go();
            }
            assert_eq!(*found_free.lock().unwrap(), [true], "over the cap: {over}");
        }
    }
}
