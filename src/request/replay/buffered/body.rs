//! The body that the inner service gets.

use std::{
    error::Error as StdError,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{memory::Memory, shared::Shared, source::Source};
use crate::{BoxError, size_hint};

/// A body that [`Buffered`](super::Buffered) remembers: one of the at most two copies that the inner service gets.
///
/// Data is that of the caller's body as `Bytes`, in the caller's pieces on the first send; errors are the caller's own,
/// boxed, and [`TakenOver`]. Size hint and trailers are the same on both sends. It is `Sync` if `B` is `Send`, and
/// never pinned. The default is an empty body.
pub struct BufferedBody<B> {
    copy: Copy<B>,
}

enum Copy<B> {
    Empty,
    First(Arc<Shared<B>>),
    // The mutex is never contended: it makes the copy `Sync`.
    Second(Box<Mutex<Second<B>>>),
}

/// What is remembered, then the rest of the caller's body.
struct Second<B> {
    memory: Memory,
    source: Source<B>,
    /// What the whole body promised, less what was handed on.
    hint: SizeHint,
}

/// The error of a first send that was refused before its body was sent in full, and given up for the second.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TakenOver;

impl<B> BufferedBody<B> {
    pub(super) fn first(shared: Arc<Shared<B>>) -> Self {
        Self { copy: Copy::First(shared) }
    }

    pub(super) fn second(memory: Memory, source: Source<B>, hint: SizeHint) -> Self {
        Self { copy: Copy::Second(Box::new(Mutex::new(Second { memory, source, hint }))) }
    }
}

impl<B> Body for BufferedBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.copy {
            Copy::Empty => Poll::Ready(None),
            Copy::First(shared) => shared.poll_frame(cx),
            Copy::Second(second) => second.get_mut().unwrap_or_else(PoisonError::into_inner).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.copy {
            Copy::Empty => true,
            Copy::First(shared) => shared.is_end_stream(),
            Copy::Second(second) => {
                let second = second.lock().unwrap_or_else(PoisonError::into_inner);
                second.memory.is_empty() && second.source.is_end_stream()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.copy {
            Copy::Empty => SizeHint::with_exact(0),
            Copy::First(shared) => shared.size_hint(),
            Copy::Second(second) => second.lock().unwrap_or_else(PoisonError::into_inner).hint,
        }
    }
}

impl<B> Second<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = match self.memory.take() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None => self.source.poll_frame(cx),
        };
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.hint = size_hint::less(self.hint, data.len());
        }
        polled
    }
}

impl<B> Default for BufferedBody<B> {
    fn default() -> Self {
        Self { copy: Copy::Empty }
    }
}

impl<B> fmt::Debug for BufferedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let copy = match &self.copy {
            Copy::Empty => "Empty",
            Copy::First(_) => "First",
            Copy::Second(_) => "Second",
        };
        f.debug_struct("BufferedBody").field("copy", &copy).finish_non_exhaustive()
    }
}

impl fmt::Display for TakenOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request was refused while its body was being sent, and a second send has taken the body over")
    }
}

impl StdError for TakenOver {}
