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
        // Both may run code of others: not under the lock.
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
        let state = &mut *state;
        let polled = match (&state.turn, &state.source) {
            // Sent in full: there is nothing to be taken over, and its connection may live.
            (_, Source::Ended) => Poll::Ready(None),
            (Turn::First, _) => state.source.poll_frame(cx),
            (Turn::Held, _) => Poll::Pending,
            (Turn::Second, _) => Poll::Ready(Some(Err(TakenOver.into()))),
        };
        match &polled {
            Poll::Pending => match &mut state.waiting {
                Some(waker) => waker.clone_from(cx.waker()),
                None => state.waiting = Some(cx.waker().clone()),
            },
            Poll::Ready(Some(Ok(frame))) => state.remember(frame),
            Poll::Ready(_) => {}
        }
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
    fn remember(&mut self, frame: &Frame<Bytes>) {
        if let Ok(memory) = &mut self.memory
            && memory.remember(frame).is_err()
        {
            self.memory = Err(NotResendable::BodyOverCap { cap: self.cap });
        }
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
        // What was sent in full leaves the first copy its end.
        let left = if matches!(state.source, Source::Ended) { Source::Ended } else { Source::Gone };
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
