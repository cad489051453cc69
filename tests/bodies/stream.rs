//! A body that a test feeds, and a reader that keeps what came.

use bytes::Bytes;
use futures_util::stream;
use http::HeaderMap;
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, StreamBody, combinators::UnsyncBoxBody};
use tokio::sync::mpsc;
use tower_salesforce_auth::BoxError;

/// A body that is neither `Clone` nor `Sync`.
pub(crate) type Stream = UnsyncBoxBody<Bytes, BoxError>;

/// Feeds a body; dropped, it ends it.
pub(crate) struct Feed(mpsc::UnboundedSender<Result<Frame<Bytes>, BoxError>>);

pub(crate) fn stream() -> (Feed, Stream) {
    let (feed, mut frames) = mpsc::unbounded_channel();
    let body = StreamBody::new(stream::poll_fn(move |cx| frames.poll_recv(cx)));
    (Feed(feed), body.boxed_unsync())
}

impl Feed {
    pub(crate) fn data(&self, data: impl Into<Bytes>) {
        self.frame(Ok(Frame::data(data.into())));
    }

    pub(crate) fn trailers(&self, trailers: HeaderMap) {
        self.frame(Ok(Frame::trailers(trailers)));
    }

    pub(crate) fn fail(self, error: &'static str) {
        self.frame(Err(error.into()));
    }

    fn frame(&self, frame: Result<Frame<Bytes>, BoxError>) {
        assert!(self.0.send(frame).is_ok(), "nobody reads this body any more");
    }
}

/// What came of a body.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) data: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) error: Option<BoxError>,
}

impl Read {
    /// Reads `frames` frames, or to the end.
    pub(crate) async fn frames<B>(&mut self, body: &mut B, frames: usize)
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<BoxError>,
    {
        for _ in 0..frames {
            match body.frame().await {
                None => break,
                Some(Err(error)) => {
                    self.error = Some(error.into());
                    break;
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.data.extend_from_slice(&data),
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                },
            }
        }
    }

    pub(crate) fn is_whole(&self, data: impl AsRef<[u8]>) -> bool {
        self.error.is_none() && self.data == data.as_ref()
    }
}
