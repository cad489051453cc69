//! A request that has its token, and the service that is polled ready for it.

use std::task::{Context, Poll};

use http::{Request, Uri};
use tower_service::Service;

use super::outbound::{Errand, Outbound};
use crate::BoxError;

/// Polls a clone of the inner service ready, then sends. A limit below may take its time, so that the token is chosen
/// at the end of it.
pub(crate) struct Reserving<S, B, K> {
    service: S,
    outbound: Outbound<S, B, K>,
    /// The URI as the caller gave it.
    given: Uri,
}

/// A send that has begun.
pub(crate) type Sent<F, S, K> = (F, Option<Errand<S, K>>);

impl<S, B, K> Reserving<S, B, K> {
    pub(crate) fn new(service: S, outbound: Outbound<S, B, K>, given: Uri) -> Self {
        Self { service, outbound, given }
    }
}

impl<S, B, K> Reserving<S, B, K>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.service.poll_ready(cx).map_err(Into::into)
    }

    /// Sends the request. To be called once the service is ready.
    pub(crate) fn send(mut self) -> Sent<S::Future, S, K> {
        self.outbound.renew(&self.given);
        let Outbound { request, errand } = self.outbound;
        (self.service.call(request), errand)
    }
}
