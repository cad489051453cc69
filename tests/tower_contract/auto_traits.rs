//! Auto traits of the layer, the service, the future and the bodies, over inner services that differ in theirs. A line
//! that does not compile is a promise that was broken.

use std::{marker::PhantomData, rc::Rc};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full, combinators::UnsyncBoxBody};
use tower::{
    ServiceBuilder, ServiceExt,
    buffer::Buffer,
    limit::ConcurrencyLimit,
    load_shed::LoadShed,
    timeout::Timeout,
    util::{BoxCloneService, BoxCloneSyncService},
};
use tower_salesforce_auth::{
    BoxError, PeekBody, ResponseFuture, SalesforceAuth, SalesforceAuthLayer, Session,
    replay::{Cloned, ClonedBody, Never, Nothing},
};

use crate::{
    Body, expired, status,
    support::{Api, BoxFuture, Org, get},
};

const fn send<T: Send>() {}
const fn sync<T: Sync>() {}
const fn unpin<T: Unpin>() {}
const fn cloned<T: Clone>() {}
const fn stays<T: 'static>() {}

/// Is `Send` and not `Sync`.
type Unsync = BoxCloneService<Request<Body>, Response<Body>, BoxError>;
/// Is both.
type Shared = BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>;
/// Its requests and answers stream, are not `Sync` and cannot be cloned.
type Stream = UnsyncBoxBody<Bytes, BoxError>;
type Streaming = BoxCloneService<Request<Stream>, Response<Stream>, BoxError>;
type Buffered = Buffer<Request<Body>, BoxFuture<Result<Response<Body>, BoxError>>>;

#[test]
fn f173_the_layer_goes_anywhere() {
    fn anywhere<T: Clone + Send + Sync + Unpin + 'static>() {}
    anywhere::<SalesforceAuthLayer>();
    anywhere::<SalesforceAuthLayer<Cloned>>();
    anywhere::<SalesforceAuthLayer<Never>>();
    anywhere::<Session>();
}

#[test]
fn f173_the_service_is_what_its_inner_service_is() {
    fn follows<S: Clone + Send + 'static>() {
        send::<SalesforceAuth<S>>();
        cloned::<SalesforceAuth<S>>();
        stays::<SalesforceAuth<S, Never>>();
    }
    follows::<Unsync>();
    follows::<Shared>();
    follows::<Api>();
    follows::<Buffered>();
    follows::<ConcurrencyLimit<LoadShed<Timeout<Unsync>>>>();
    sync::<SalesforceAuth<Shared>>();
    sync::<SalesforceAuth<Shared, Never>>();
    unpin::<SalesforceAuth<Unsync>>();
    // Nobody asks for `Send` who stays on one thread.
    cloned::<SalesforceAuth<Rc<()>>>();
}

#[test]
fn f173_the_future_is_send_over_services_that_are_not_sync() {
    send::<ResponseFuture<Unsync, Cloned, Body, Body>>();
    send::<ResponseFuture<Shared, Cloned, Body, Body>>();
    send::<ResponseFuture<Unsync, Never, Body, Body>>();
    send::<ResponseFuture<Streaming, Never, Stream, Stream>>();
    send::<ResponseFuture<Buffered, Cloned, Body, Body>>();
    send::<ResponseFuture<ConcurrencyLimit<Unsync>, Cloned, Body, Body>>();
    stays::<ResponseFuture<Unsync, Cloned, Body, Body>>();
    // A boxed future of the inner service is `Unpin`, and then ours is.
    unpin::<ResponseFuture<Unsync, Cloned, Body, Body>>();
}

#[test]
fn f173_bodies_are_what_the_inner_bodies_are() {
    fn all<T: Send + Sync + Unpin + Default>() {}
    all::<PeekBody<Full<Bytes>>>();
    all::<PeekBody<Empty<Bytes>>>();
    send::<PeekBody<Stream>>();
    unpin::<PeekBody<Stream>>();
    send::<PeekBody<hyper::body::Incoming>>();
    sync::<PeekBody<hyper::body::Incoming>>();

    send::<ClonedBody<Full<Bytes>>>();
    sync::<ClonedBody<Full<Bytes>>>();
    // There is no value of it, so it may be anything.
    send::<Nothing<Stream>>();
    sync::<Nothing<Stream>>();
    sync::<Nothing<PhantomData<Rc<()>>>>();
}

#[tokio::test(start_paused = true)]
async fn f173_a_service_that_is_not_sync_is_spawned_and_rides_through_a_refresh() {
    let org = Org::new();
    let inner: Unsync = BoxCloneService::new(org.api().map_err(Into::into));
    let service = expired(&org, inner).await;
    let spawned = tokio::spawn(service.clone().oneshot(get("/r")));
    assert_eq!(spawned.await.unwrap().unwrap().status(), 200);
    // And it can be erased again, above.
    let erased = ServiceBuilder::new().boxed_clone().service(service);
    assert_eq!(tokio::spawn(status(erased)).await.unwrap().unwrap(), 200);
    assert_eq!((org.token_requests(), org.api_requests()), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn f173_futures_that_are_not_send_run_on_one_thread() {
    let org = Org::new();
    let here = Rc::new(());
    let api = org.api();
    let inner = tower::service_fn(move |request| {
        let (here, mut api) = (Rc::clone(&here), api.clone());
        async move {
            let answer = tower::Service::call(&mut api, request).await;
            drop(here);
            answer
        }
    });
    assert_eq!(status(expired(&org, inner).await).await.unwrap(), 200);
    assert_eq!(org.token_requests(), 2);
}
