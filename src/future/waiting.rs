//! A request that waits for a token.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::Request;
use tower_service::Service;

use super::{
    outbound::Outbound,
    reserving::{Reserving, Sent},
};
use crate::{
    BoxError,
    request::{Form, replay::Replay},
    session::Acquire,
    stripes::Shared,
};

/// Acquires a token, polls a clone of the service ready, and sends.
pub(crate) struct Waiting<S, R: Replay<B>, B> {
    shared: Arc<Shared<S>>,
    acquire: Option<Acquire>,
    unsent: Option<Unsent<R, B>>,
    reserving: Option<Reserving<S, R::Body, R::Kept>>,
}

/// A request as the caller made it.
struct Unsent<R, B> {
    replay: R,
    form: Form,
    request: Request<B>,
}

type Outcome<S, B, K> = Result<Sent<<S as Service<Request<B>>>::Future, S, K>, BoxError>;

impl<S, R: Replay<B>, B> Waiting<S, R, B> {
    pub(crate) fn new(shared: Arc<Shared<S>>, replay: R, form: Form, request: Request<B>) -> Self {
        Self { shared, acquire: None, unsent: Some(Unsent { replay, form, request }), reserving: None }
    }

    /// Resolves once the inner service has the request. Pending for ever afterwards.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<S, R::Body, R::Kept>>
    where
        S: Service<Request<R::Body>> + Clone,
        S::Error: Into<BoxError>,
    {
        let Self { shared, acquire, unsent, reserving } = self;
        if unsent.is_some() {
            // Here and not when the future is made: one that is never polled starts no refresh (F004).
            let acquire = acquire.get_or_insert_with(|| shared.session.acquire());
            let live = ready!(acquire.as_mut().poll(cx))?;
            if let Some(Unsent { replay, form, request }) = unsent.take() {
                let given = request.uri().clone();
                let outbound = Outbound::new(shared, live, &replay, form, request)?;
                *reserving = Some(Reserving::new(shared.fresh(), outbound, given));
            }
        }
        if let Some(reserving) = reserving {
            ready!(reserving.poll_ready(cx))?;
        }
        match reserving.take() {
            Some(reserving) => Poll::Ready(Ok(reserving.send())),
            None => Poll::Pending,
        }
    }
}
