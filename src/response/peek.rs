//! A bounded look at the beginning of a body.

use std::{
    io::IoSlice,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Buf;
use http_body::Body;
use tokio::runtime::Handle;

use super::body::{PeekBody, Peeked};
use crate::{clock::Timer, refusal::PEEK_BYTES};

/// How long a look may take in all (F139). A refusal is a hundred bytes that come with the head or right behind it;
/// whatever takes longer is not worth the caller's time.
const PEEK_TIME: Duration = Duration::from_secs(1);

/// How many frames a look may take. It bounds what a sender of empty or tiny frames can make us keep: such a body is
/// always ready, so that no clock would stop it.
const PEEK_FRAMES: usize = 1024;

/// How many pieces of one data frame are looked at. Bodies of hyper and of `http-body-util` come in one or two.
const PIECES: usize = 16;

/// Reads the beginning of a body: at most 16 KiB, one second and 1,024 frames.
pub(crate) struct Peek<B: Body> {
    body: Option<Pin<Box<Peeked<B>>>>,
    seen: Vec<u8>,
    /// Set when the body first keeps us waiting.
    deadline: Option<Timer>,
}

impl<B: Body> Peek<B> {
    pub(crate) fn new(body: B) -> Self {
        Self { body: Some(Box::pin(Peeked::new(body))), seen: Vec::new(), deadline: None }
    }

    /// Resolves with the bytes at the beginning, and the body with nothing missing. Pending for ever afterwards.
    ///
    /// Outside of tokio the clock is that of `runtime`. Without any the look ends where the body keeps us waiting.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        runtime: Option<&Handle>,
    ) -> Poll<(Vec<u8>, PeekBody<B>)> {
        let Some(body) = &mut self.body else { return Poll::Pending };
        loop {
            match body.as_mut().poll_look(cx) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) => break,
                Poll::Pending => {
                    if self.deadline.is_none() {
                        self.deadline = Timer::start(PEEK_TIME, runtime);
                    }
                    match self.deadline.as_mut().map(|deadline| deadline.poll_over(cx)) {
                        Some(Poll::Pending) => return Poll::Pending,
                        Some(Poll::Ready(())) | None => break,
                    }
                }
            }
            let frames = body.frames();
            let goes_on = match frames.back() {
                Some(Ok(frame)) => frame.data_ref().is_none_or(|data| view(data, &mut self.seen)),
                Some(Err(_)) | None => false,
            };
            if !goes_on || frames.len() >= PEEK_FRAMES {
                break;
            }
        }
        match self.body.take() {
            Some(body) => Poll::Ready((std::mem::take(&mut self.seen), PeekBody::peeked(body))),
            None => Poll::Pending,
        }
    }
}

/// Copies what `data` holds to the end of `seen`, without taking it from `data`. Whether what follows `data` may be
/// looked at as well: not beyond the cap, and not behind bytes that cannot be reached in place.
fn view(data: &impl Buf, seen: &mut Vec<u8>) -> bool {
    let mut pieces = [IoSlice::new(&[]); PIECES];
    let filled = data.chunks_vectored(&mut pieces);
    let mut viewed = 0;
    for piece in pieces.iter().take(filled) {
        let room = PEEK_BYTES.saturating_sub(seen.len());
        let taken = piece.get(..room.min(piece.len())).unwrap_or_default();
        seen.extend_from_slice(taken);
        viewed += taken.len();
    }
    viewed == data.remaining() && seen.len() < PEEK_BYTES
}

#[cfg(test)]
mod tests;
