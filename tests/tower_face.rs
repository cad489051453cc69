//! What the public types promise to the compiler: names, auto traits, sizes.

use std::{convert::Infallible, future::Future};

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use tower::{
    Layer, Service,
    limit::ConcurrencyLimit,
    util::{BoxCloneService, BoxCloneSyncService},
};
use tower_salesforce_auth::{
    AuthError, BoxError, Diagnosis, PeekBody, ResponseFuture, SalesforceAuth, SalesforceAuthLayer, Session,
    replay::{self, Buffered, BufferedBody, Cloned, Kept, Never, Replay},
};

type Ask = Request<Full<Bytes>>;
type Answer = Response<Full<Bytes>>;
/// A service that is `Send` and not `Sync`.
type Unsync = BoxCloneService<Ask, Answer, BoxError>;

const fn send<T: Send>() {}
const fn sync<T: Sync>() {}
const fn unpin<T: Unpin>() {}
const fn cloned<T: Clone>() {}

#[test]
fn f173_auto_traits_follow_the_inner_service() {
    send::<ResponseFuture<Unsync, Cloned, Full<Bytes>, Full<Bytes>>>();
    send::<SalesforceAuth<Unsync>>();
    send::<SalesforceAuth<Unsync, Never>>();

    type Shared = BoxCloneSyncService<Ask, Answer, BoxError>;
    send::<SalesforceAuth<Shared>>();
    sync::<SalesforceAuth<Shared>>();
    cloned::<SalesforceAuth<Shared>>();
    sync::<SalesforceAuthLayer>();
    cloned::<SalesforceAuthLayer<Never>>();

    send::<PeekBody<Full<Bytes>>>();
    sync::<PeekBody<Full<Bytes>>>();
    unpin::<PeekBody<Full<Bytes>>>();
    send::<PeekBody<UnsyncBoxBody<Bytes, BoxError>>>();

    // Whatever is in it, a remembered body is `Sync`, as reqwest wants it.
    type Remembered = BufferedBody<UnsyncBoxBody<Bytes, BoxError>>;
    send::<Remembered>();
    sync::<Remembered>();
    unpin::<Remembered>();
    let _ = Remembered::default;
    type Inner = BoxCloneService<Request<Remembered>, Answer, BoxError>;
    send::<ResponseFuture<Inner, Buffered, UnsyncBoxBody<Bytes, BoxError>, Full<Bytes>>>();

    sync::<Diagnosis>();
    sync::<AuthError>();
}

#[test]
fn any_response_body_and_any_error_are_taken() {
    fn layered<S, R, B, Rs>(
        session: Session,
        replay: R,
        inner: S,
    ) -> impl Service<Request<B>, Response = Response<PeekBody<Rs>>, Error = BoxError>
    where
        S: Service<Request<R::Body>, Response = Response<Rs>, Error: Into<BoxError>> + Clone,
        R: Replay<B>,
        Rs: Body,
    {
        SalesforceAuthLayer::new(session).replay(replay).layer(inner)
    }
    let _ = layered::<Unsync, Cloned, Full<Bytes>, Full<Bytes>>;
    let _ = layered::<ConcurrencyLimit<Unsync>, Never, Full<Bytes>, Full<Bytes>>;
    // A body that cannot be cloned, and is not `Sync`.
    type Stream = UnsyncBoxBody<Bytes, BoxError>;
    let _ = layered::<BoxCloneService<Request<Stream>, Response<Stream>, BoxError>, Never, Stream, Stream>;
    type Inner = BoxCloneService<Request<BufferedBody<Stream>>, Response<Stream>, BoxError>;
    let _ = layered::<Inner, Buffered, Stream, Stream>;
}

#[test]
fn a_stack_has_a_name() {
    fn erase(
        session: Session,
        inner: Unsync,
    ) -> BoxCloneService<Ask, Response<PeekBody<Full<Bytes>>>, BoxError> {
        BoxCloneService::new(SalesforceAuthLayer::new(session).layer(inner))
    }
    let _ = erase;
}

#[tokio::test]
async fn a_strategy_can_be_used_by_name() {
    let (sent, kept) = replay::Cloned.keep(Full::new(Bytes::from_static(b"abc")), &mut Extensions::new());
    for body in [sent, kept.unwrap().into_body().unwrap()] {
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abc");
    }
}

/// The future costs little over the one it wraps: the spare service is not in it.
#[test]
fn a_future_stays_small_over_the_inner_one() {
    #[derive(Clone)]
    struct Large([u64; 100]);

    impl Service<Ask> for Large {
        type Response = Answer;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Answer, Infallible>>;

        fn poll_ready(
            &mut self,
            _cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), Infallible>> {
            std::task::Poll::Ready(Ok(()))
        }

        fn call(&mut self, _request: Ask) -> Self::Future {
            let _ = self.0;
            std::future::ready(Ok(Response::default()))
        }
    }

    fn over<S: Service<Ask>>() -> usize
    where
        ResponseFuture<S, Cloned, Full<Bytes>, Full<Bytes>>: Future,
    {
        size_of::<ResponseFuture<S, Cloned, Full<Bytes>, Full<Bytes>>>() - size_of::<S::Future>()
    }
    assert!(over::<Large>() <= 320, "{} bytes", over::<Large>());
}
