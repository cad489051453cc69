//! The service: what happens to a request until the inner service has it.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::{
    BoxError,
    future::{Errand, ResponseFuture},
    request::{Form, replay, replay::Replay},
    response::PeekBody,
    session::Session,
    stripes::Place,
};

/// A client that sends its requests with a Salesforce session.
///
/// - **Target.** A relative URI goes to the org's own instance URL, and so does an absolute one of the org's current or
///   former origins; path and query stay as they are. Origins that the session's builder allows are left alone. Any
///   other absolute URI is an error and nothing is sent.
/// - **Token.** `Authorization` is added, marked sensitive; on paths of Bulk API 1.0 (`/services/async/`) it is
///   `X-SFDC-Session` instead, since that API looks nowhere else. `Host` is removed, since it may name the wrong one. A
///   request that has either of the two headers already keeps what it has, marked sensitive as well: its answer is not
///   looked at, and it is not sent again.
/// - **Refusal.** An answer that says that the session is not valid makes the session refresh, once for everybody, and
///   the request is sent once more. The second answer is final. A redirect of an API to a login page, to Lightning or to
///   the same API on another host counts as such an answer; a request that is not safe (`POST`, `DELETE`) is then sent
///   once more only if the org has moved, since it may have been carried out.
/// - **Errors.** The inner service's own, also those of the second send, and [`AuthError`](crate::AuthError) when a
///   request could not be sent. A request that was answered gets its answer, with a [`Diagnosis`](crate::Diagnosis)
///   among its extensions if it was a refusal.
///
/// # Readiness
///
/// The first send uses the service that `poll_ready` reserved. While there is no token the reservation is given back
/// and another clone is polled ready once there is one, and so it is before a resend: limits below the layer count
/// every send, and nothing is held while a refresh goes on. `poll_ready` itself never refreshes.
pub struct SalesforceAuth<S, R = replay::Cloned> {
    inner: S,
    replay: R,
    place: Place<S>,
}

// === impl SalesforceAuth ===

impl<S: Clone, R> SalesforceAuth<S, R> {
    pub(crate) fn new(inner: S, session: Session, replay: R) -> Self {
        let place = Place::new(session, inner.clone());
        Self { inner, replay, place }
    }

    /// Gives a reservation back: a permit or a rate limit's slot that is not used now is somebody else's.
    fn release(&mut self) {
        self.inner = self.place.shared().fresh();
    }
}

impl<S, R> SalesforceAuth<S, R> {
    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, by value.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, R, B, Rs> Service<Request<B>> for SalesforceAuth<S, R>
where
    S: Service<Request<R::Body>, Response = Response<Rs>> + Clone,
    S::Error: Into<BoxError>,
    R: Replay<B>,
    Rs: Body,
{
    type Response = Response<PeekBody<Rs>>;
    type Error = BoxError;
    type Future = ResponseFuture<S, R, B, Rs>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let form = match Form::of(request.method(), request.uri()) {
            Ok(form) => form,
            Err(error) => {
                self.release();
                return ResponseFuture::failed(error.into());
            }
        };
        let (shared, live) = self.place.at_hand();
        let Some(live) = live else {
            let shared = Arc::clone(shared);
            self.release();
            return ResponseFuture::waiting(shared, self.replay.clone(), form, request);
        };
        let (mut head, body) = request.into_parts();
        let (body, kept) = self.replay.keep(body, &mut head.extensions);
        match Errand::first(shared, live, form, &mut head, kept) {
            Ok(errand) => ResponseFuture::sent(self.inner.call(Request::from_parts(head, body)), errand),
            Err(error) => {
                self.release();
                ResponseFuture::failed(error)
            }
        }
    }
}

impl<S: Clone, R: Clone> Clone for SalesforceAuth<S, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), replay: self.replay.clone(), place: self.place.of_a_clone() }
    }
}

impl<S, R> fmt::Debug for SalesforceAuth<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SalesforceAuth")
            .field("session", &self.place.shared().session)
            .field("inner", &std::any::type_name::<S>())
            .finish_non_exhaustive()
    }
}
