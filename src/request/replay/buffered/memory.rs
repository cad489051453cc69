//! What has been sent of a body.

use std::{collections::VecDeque, mem};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Frame;

/// Frames below this size are copied together: a handle of its own costs more than the copy, and a body that comes
/// byte by byte would cost many times its cap.
const COPIED: usize = 1024;

/// How large a piece grows that frames are copied to.
const PIECE: usize = 16 * 1024;

/// The frames that have been sent, up to a cap.
pub(super) struct Memory {
    pieces: VecDeque<Bytes>,
    /// Small frames that follow the last of `pieces`.
    small: BytesMut,
    trailers: Option<HeaderMap>,
    /// How many bytes may still come.
    room: usize,
}

/// There was no room for another frame.
pub(super) struct Full;

impl Memory {
    pub(super) fn new(cap: usize) -> Self {
        Self { pieces: VecDeque::new(), small: BytesMut::new(), trailers: None, room: cap }
    }

    /// Remembers a frame, by reference if it is large.
    pub(super) fn remember(&mut self, frame: &Frame<Bytes>) -> Result<(), Full> {
        if let Some(data) = frame.data_ref() {
            self.room = self.room.checked_sub(data.len()).ok_or(Full)?;
            if data.len() < COPIED {
                self.small.extend_from_slice(data);
                if self.small.len() >= PIECE {
                    self.close_small();
                }
            } else {
                self.close_small();
                self.pieces.push_back(data.clone());
            }
        } else if let Some(trailers) = frame.trailers_ref() {
            let size = trailers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
            self.room = self.room.checked_sub(size).ok_or(Full)?;
            self.trailers = Some(trailers.clone());
        }
        Ok(())
    }

    /// Takes the first frame out. Data comes in the order it was sent, if not in the same pieces; trailers last.
    pub(super) fn take(&mut self) -> Option<Frame<Bytes>> {
        if self.pieces.is_empty() {
            self.close_small();
        }
        match self.pieces.pop_front() {
            Some(data) => Some(Frame::data(data)),
            None => self.trailers.take().map(Frame::trailers),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.small.is_empty() && self.trailers.is_none()
    }

    fn close_small(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push_back(mem::take(&mut self.small).freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(bytes: impl Into<Bytes>) -> Frame<Bytes> {
        Frame::data(bytes.into())
    }

    #[test]
    fn f154_large_frames_are_kept_by_reference_and_small_ones_together() {
        let large = Bytes::from(vec![b'x'; COPIED]);
        let mut memory = Memory::new(usize::MAX);
        let frames = [data("a"), data("b"), data(large.clone()), data("c")];
        assert!(frames.iter().all(|frame| memory.remember(frame).is_ok()));
        let pieces: Vec<Bytes> =
            std::iter::from_fn(|| memory.take()).map(|frame| frame.into_data().unwrap()).collect();
        assert_eq!(pieces, [Bytes::from("ab"), large.clone(), Bytes::from("c")]);
        assert_eq!(pieces[1].as_ptr(), large.as_ptr());
        assert!(memory.is_empty());
    }

    #[test]
    fn a_body_of_single_bytes_costs_about_its_size() {
        let mut memory = Memory::new(usize::MAX);
        for _ in 0..1024 * 1024 {
            assert!(memory.remember(&data("x")).is_ok());
        }
        assert!(memory.pieces.len() <= 1024 * 1024 / PIECE);
    }

    #[test]
    fn the_cap_is_inclusive_and_counts_trailers() {
        let mut memory = Memory::new(5);
        assert!(memory.remember(&data("abc")).is_ok());
        assert!(memory.remember(&data("de")).is_ok() && memory.remember(&data("")).is_ok());
        let mut trailers = HeaderMap::new();
        assert!(memory.remember(&Frame::trailers(trailers.clone())).is_ok());
        trailers.insert("x", http::HeaderValue::from_static(""));
        assert!(memory.remember(&Frame::trailers(trailers)).is_err());
        assert!(memory.remember(&data("f")).is_err());
    }
}
