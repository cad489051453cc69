//! The caller's body.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

use crate::BoxError;

/// The caller's body, until it has ended or failed.
pub(super) enum Source<B> {
    Flowing(Pin<Box<B>>),
    Ended,
    /// An error was handed on, the body panicked, or somebody else has it.
    Gone,
}

impl<B> Source<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    /// The next frame, its data as `Bytes`: without a copy if it is `Bytes` already.
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        // Taken out while it is polled, so that a body that panics is not polled again.
        let mut body = match mem::replace(self, Self::Gone) {
            Self::Flowing(body) => body,
            Self::Ended => {
                *self = Self::Ended;
                return Poll::Ready(None);
            }
            // Not the end: a length that was never announced would be taken for whole.
            Self::Gone => return Poll::Ready(Some(Err("the request body has failed before".into()))),
        };
        match body.as_mut().poll_frame(cx) {
            Poll::Pending => {
                *self = Self::Flowing(body);
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) => {
                *self = Self::Flowing(body);
                Poll::Ready(Some(Ok(frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => {
                *self = Self::Ended;
                Poll::Ready(None)
            }
        }
    }
}

impl<B: Body> Source<B> {
    pub(super) fn is_end_stream(&self) -> bool {
        match self {
            Self::Flowing(body) => body.is_end_stream(),
            Self::Ended => true,
            Self::Gone => false,
        }
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Flowing(body) => body.size_hint(),
            Self::Ended => SizeHint::with_exact(0),
            Self::Gone => SizeHint::new(),
        }
    }
}
