//! The response future: one request, from the token to the final answer.
//!
//! ```text
//!             token at hand                          not a refusal
//!   call ───────────────────────────────► Sent ──────────────────────► answer
//!    │                                    ▲  │
//!    └─► Waiting ─────────────────────────┤  └─► Refused ────────────► answer, with a diagnosis
//!        acquire, poll a clone ready      │      look, recover
//!                                         └──────┘
//!                                           once: drop the answer, poll a clone ready
//! ```
//!
//! Readiness may take its time: what is sent then has the newest token of the org that the request is for.

mod outbound;
mod refused;
mod reserving;
mod waiting;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

pub(crate) use self::outbound::Errand;
use self::{
    refused::{Next, Refused},
    waiting::Waiting,
};
use crate::{BoxError, request::Form, request::replay::Replay, response::PeekBody, stripes::Shared};

pin_project! {
    /// The future of [`SalesforceAuth`](crate::SalesforceAuth).
    ///
    /// It is not boxed, and what only a missing token or a refusal needs is allocated then.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is polled, it has started nothing but the inner service's own call. Dropped later, it takes
    /// back what it holds of the inner service; a refresh that it started or joined goes on without it.
    ///
    /// Resolved, it still holds the last future of the inner service, and with it the permit of a limit below, until it is
    /// dropped: as the futures of tower's layers do. Polled again, it stays pending.
    pub struct ResponseFuture<S, R, B, Rs>
    where
        S: Service<Request<R::Body>>,
        R: Replay<B>,
        Rs: Body,
    {
        #[pin]
        state: State<S, R, B, Rs>,
        // Beside the state, which goes when the future goes, as it would a moment later: to replace it by another costs
        // each request more.
        is_resolved: bool,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, R, B, Rs>
    where
        S: Service<Request<R::Body>>,
        R: Replay<B>,
        Rs: Body,
    {
        // There is no token: nothing is sent yet.
        Waiting { waiting: Box<Waiting<S, R, B>> },
        // The inner service has the request. Without an errand the answer is the caller's own affair.
        Sent { #[pin] response: S::Future, errand: Option<Errand<S, R::Kept>> },
        // The answer may be a refusal.
        Refused { refused: Box<Refused<S, R::Body, R::Kept, Rs>> },
        Failed { error: Option<BoxError> },
    }
}

impl<S, R, B, Rs> ResponseFuture<S, R, B, Rs>
where
    S: Service<Request<R::Body>>,
    R: Replay<B>,
    Rs: Body,
{
    pub(crate) fn waiting(shared: Arc<Shared<S>>, replay: R, form: Form, request: Request<B>) -> Self {
        Self::new(State::Waiting { waiting: Box::new(Waiting::new(shared, replay, form, request)) })
    }

    pub(crate) fn sent(response: S::Future, errand: Option<Errand<S, R::Kept>>) -> Self {
        Self::new(State::Sent { response, errand })
    }

    pub(crate) fn failed(error: BoxError) -> Self {
        Self::new(State::Failed { error: Some(error) })
    }

    fn new(state: State<S, R, B, Rs>) -> Self {
        Self { state, is_resolved: false }
    }
}

impl<S, R, B, Rs> Future for ResponseFuture<S, R, B, Rs>
where
    S: Service<Request<R::Body>, Response = Response<Rs>> + Clone,
    S::Error: Into<BoxError>,
    R: Replay<B>,
    Rs: Body,
{
    type Output = Result<Response<PeekBody<Rs>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if *this.is_resolved {
            return Poll::Pending;
        }
        let mut state = this.state;
        let answer = loop {
            let next = match state.as_mut().project() {
                StateProj::Sent { response, errand } => match ready!(response.poll(cx)) {
                    Ok(response) => match errand.take_if(|errand| errand.suspects(&response)) {
                        Some(errand) => State::Refused { refused: Box::new(Refused::new(errand, response)) },
                        None => {
                            if let Some(errand) = errand {
                                errand.accept(&response);
                            }
                            *this.is_resolved = true;
                            return Poll::Ready(Ok(response.map(PeekBody::plain)));
                        }
                    },
                    Err(error) => break Err(error.into()),
                },
                StateProj::Waiting { waiting } => match ready!(waiting.poll(cx)) {
                    Ok((response, errand)) => State::Sent { response, errand },
                    Err(error) => break Err(error),
                },
                StateProj::Refused { refused } => match ready!(refused.poll(cx)) {
                    Ok(Next::Sent((response, errand))) => State::Sent { response, errand },
                    Ok(Next::Answer(response)) => break Ok(response),
                    Err(error) => break Err(error),
                },
                StateProj::Failed { error } => match error.take() {
                    Some(error) => break Err(error),
                    None => return Poll::Pending,
                },
            };
            // Drops the future of the first send, and with it the permit of a limit below, before the second is made.
            state.set(next);
        };
        *this.is_resolved = true;
        Poll::Ready(answer)
    }
}

impl<S, R, B, Rs> fmt::Debug for ResponseFuture<S, R, B, Rs>
where
    S: Service<Request<R::Body>>,
    R: Replay<B>,
    Rs: Body,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            _ if self.is_resolved => "Resolved",
            State::Waiting { .. } => "Waiting",
            State::Sent { .. } => "Sent",
            State::Refused { .. } => "Refused",
            State::Failed { .. } => "Failed",
        };
        f.debug_struct("ResponseFuture").field("state", &state).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
