//! The response body of the layer.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::size_hint;

pin_project! {
    /// The body of an answer that went through the layer.
    ///
    /// Usually it is the inner service's body, not polled and not moved to the heap. Only the beginning of what may be
    /// a refusal is read by the layer; the frames that it has seen then come first, as they came, and the rest
    /// follows. Data, trailers, errors, the size hint and the end of the stream are those of the inner body.
    pub struct PeekBody<B: Body> {
        #[pin]
        inner: Inner<B>,
    }
}

pin_project! {
    #[project = InnerProj]
    enum Inner<B: Body> {
        Plain { #[pin] body: B },
        Peeked { body: Pin<Box<Peeked<B>>> },
    }
}

impl<B: Body> PeekBody<B> {
    pub(crate) fn plain(body: B) -> Self {
        Self { inner: Inner::Plain { body } }
    }

    pub(crate) fn peeked(body: Pin<Box<Peeked<B>>>) -> Self {
        Self { inner: Inner::Peeked { body } }
    }
}

impl<B: Body> Body for PeekBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().inner.project() {
            InnerProj::Plain { body } => body.poll_frame(cx),
            InnerProj::Peeked { body } => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Plain { body } => body.is_end_stream(),
            Inner::Peeked { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Plain { body } => body.size_hint(),
            Inner::Peeked { body } => body.size_hint(),
        }
    }
}

impl<B: Body + Default> Default for PeekBody<B> {
    fn default() -> Self {
        Self::plain(B::default())
    }
}

impl<B: Body> fmt::Debug for PeekBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("PeekBody");
        match &self.inner {
            Inner::Plain { .. } => f.field("peeked_frames", &0usize),
            Inner::Peeked { body } => f.field("peeked_frames", &body.frames.len()),
        };
        f.finish_non_exhaustive()
    }
}

pin_project! {
    /// A body with the frames that were taken from it and are still to be handed on.
    pub(crate) struct Peeked<B: Body> {
        frames: VecDeque<Result<Frame<B::Data>, B::Error>>,
        // What the body promised at first, less what was handed on since: the caller sees the hint that it would have
        // seen without a look. (An exact hint where there was none makes a proxy drop the trailers.)
        hint: SizeHint,
        ended: bool,
        #[pin]
        rest: B,
    }
}

impl<B: Body> Peeked<B> {
    pub(crate) fn new(body: B) -> Self {
        // Refusals come in one frame.
        Self { frames: VecDeque::with_capacity(1), hint: body.size_hint(), ended: false, rest: body }
    }

    /// Takes one more frame from the body. What came is the last of [`frames`](Self::frames); `None` means the end.
    pub(crate) fn poll_look(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        let this = self.project();
        let next = ready!(this.rest.poll_frame(cx));
        *this.ended = next.is_none();
        Poll::Ready(next.map(|frame| this.frames.push_back(frame)))
    }

    pub(crate) fn frames(&self) -> &VecDeque<Result<Frame<B::Data>, B::Error>> {
        &self.frames
    }
}

impl<B: Body> Body for Peeked<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        use bytes::Buf as _;

        let this = self.project();
        let Some(frame) = this.frames.pop_front() else {
            // The end was met once already; a body need not bear being asked again.
            return if *this.ended { Poll::Ready(None) } else { this.rest.poll_frame(cx) };
        };
        if let Some(data) = frame.as_ref().ok().and_then(Frame::data_ref) {
            *this.hint = size_hint::less(*this.hint, data.remaining());
        }
        Poll::Ready(Some(frame))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && (self.ended || self.rest.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        if self.frames.is_empty() { self.rest.size_hint() } else { self.hint }
    }
}
