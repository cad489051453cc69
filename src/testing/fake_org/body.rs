//! Bodies that end well, break off, or fall silent.

use std::{
    error::Error as StdError,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};

/// The body of an answer.
#[derive(Debug)]
pub(super) struct AnswerBody {
    data: Bytes,
    /// What `content-length` says; more than `data` holds if the body is cut short.
    promised: u64,
    ending: Ending,
}

#[derive(Debug)]
enum Ending {
    Complete,
    /// The connection breaks; `true` once what came before had a chance to leave.
    Broken(bool),
    /// Nothing more ever comes.
    Silent,
}

impl AnswerBody {
    pub(super) fn whole(data: Bytes) -> Self {
        Self { promised: data.len() as u64, data, ending: Ending::Complete }
    }

    /// Promises all of `data`, sends the first half and breaks off.
    pub(super) fn truncated(data: Bytes, version: Version) -> Self {
        // Over HTTP/2 a reset would overtake frames that are still queued, the head among them. A stream that ends
        // before its `content-length` is the same fault and arrives in order.
        let ending = if version == Version::HTTP_2 { Ending::Complete } else { Ending::Broken(false) };
        Self { ending, ..Self::half(data) }
    }

    /// Promises all of `data`, sends the first half and then nothing, until the client leaves or the org stops.
    pub(super) fn stalled(data: Bytes) -> Self {
        Self { ending: Ending::Silent, ..Self::half(data) }
    }

    fn half(mut data: Bytes) -> Self {
        // At least one byte is missing, also from an answer without a body.
        let promised = (data.len() as u64).max(1);
        data.truncate(data.len() / 2);
        Self { data, promised, ending: Ending::Complete }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Dropped;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Dropped>>> {
        if !self.data.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.data)))));
        }
        match &mut self.ending {
            Ending::Complete => Poll::Ready(None),
            Ending::Silent => Poll::Pending,
            Ending::Broken(flushed) if !*flushed => {
                // hyper flushes when a body is pending; an error at once would take the head down with it.
                *flushed = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Ending::Broken(_) => Poll::Ready(Some(Err(Dropped))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.promised == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.promised)
    }
}

/// The connection (HTTP/1) or the stream (HTTP/2) ends here.
#[derive(Debug)]
pub(super) struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dropped on purpose")
    }
}

impl StdError for Dropped {}
