//! How token requests travel: a service of their own, never the one that the layer wraps.
//!
//! A token request over the wrapped service could wait for a permit that the very request which needs the token holds.

use std::{
    error::Error as StdError,
    fmt,
    future::{Future, poll_fn},
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use tower_service::Service;

use super::exchange::BODY_LIMIT;
use crate::BoxError;

/// Any HTTP client, its type erased.
#[derive(Clone)]
pub(crate) struct Transport(Arc<Mutex<Box<dyn Client>>>);

pub(super) type ResponseBody = UnsyncBoxBody<Bytes, BoxError>;
type ResponseFuture = Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, BoxError>> + Send>>;

impl Transport {
    /// Sends token requests through clones of `service`.
    ///
    /// The service must not follow redirects, must not repeat a request on its own once bytes of it may have left, and
    /// should not keep idle connections for long.
    pub(crate) fn new<S, B>(service: S) -> Self
    where
        S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Body + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self(Arc::new(Mutex::new(Box::new(service))))
    }

    /// Waits until a clone of the service is ready for one request. Nothing is sent.
    pub(super) async fn ready(&self) -> Result<Ready, BoxError> {
        // F011: a clone that panicked has left nothing half done.
        let mut client = self.0.lock().unwrap_or_else(PoisonError::into_inner).fresh();
        poll_fn(|cx| client.ready(cx)).await?;
        Ok(Ready(client))
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

/// A service that has been polled ready, for one request.
pub(super) struct Ready(Box<dyn Client>);

impl Ready {
    pub(super) async fn send(
        mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<ResponseBody>, BoxError> {
        self.0.send(request).await
    }
}

trait Client: Send {
    fn fresh(&self) -> Box<dyn Client>;
    fn ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>>;
    fn send(&mut self, request: Request<Full<Bytes>>) -> ResponseFuture;
}

impl<S, B> Client for S
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn fresh(&self) -> Box<dyn Client> {
        Box::new(self.clone())
    }

    fn ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.poll_ready(cx).map_err(Into::into)
    }

    fn send(&mut self, request: Request<Full<Bytes>>) -> ResponseFuture {
        let response = self.call(request);
        Box::pin(async move { Ok(response.await.map_err(Into::into)?.map(erase)) })
    }
}

fn erase<B>(body: B) -> ResponseBody
where
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    // What lies beyond the limit is not read, so it need not be copied either.
    body.map_frame(|frame| {
        frame.map_data(|mut data| data.copy_to_bytes(data.remaining().min(BODY_LIMIT + 1)))
    })
    .map_err(Into::into)
    .boxed_unsync()
}

/// Whether `error` proves that no byte of the request has left this machine (F096).
///
/// `HostUnreachable` and `NetworkUnreachable` prove nothing by themselves: they are also what an established
/// connection reports when its path is lost after the request was written.
pub(super) fn is_unsent(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    let mut refused = false;
    while let Some(error) = next {
        #[cfg(feature = "hyper-client")]
        if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
            return error.is_connect();
        }
        refused |= error.downcast_ref::<io::Error>().is_some_and(|error| {
            matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::AddrNotAvailable)
        });
        next = error.source();
    }
    refused
}

#[cfg(test)]
mod tests;
