//! A client that, as kube's `Client::new` does, takes any service of its own body type. kube itself is too large a
//! dependency for this; its body and its bounds are reproduced.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use tower::{
    BoxError, Layer, Service, ServiceExt,
    buffer::Buffer,
    util::{BoxService, MapResponse},
};
use tower_salesforce_auth::{SalesforceAuthLayer, replay::Never, testing::FakeOrg};

use crate::{LIMITS, hyper_client, session};

/// Bytes or a stream, as kube's: not `Clone`, and not `Sync` because of the stream.
#[derive(Default)]
pub(crate) struct KubeBody(Option<Bytes>, Option<UnsyncBoxBody<Bytes, Infallible>>);

impl Body for KubeBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(stream) = &mut self.1 {
            return Pin::new(stream).poll_frame(cx);
        }
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.1 {
            Some(stream) => stream.size_hint(),
            None => SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64)),
        }
    }
}

pub(crate) type Answer = UnsyncBoxBody<Bytes, BoxError>;
type Inner = BoxService<Request<KubeBody>, Response<Answer>, BoxError>;

/// In place of `kube::Client`.
#[derive(Clone)]
pub(crate) struct KubeClient {
    inner: Buffer<Request<KubeBody>, <Inner as Service<Request<KubeBody>>>::Future>,
}

impl KubeClient {
    pub(crate) fn new<S, B>(service: S) -> Self
    where
        S: Service<Request<KubeBody>, Response = Response<B>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let erased = MapResponse::new(service, |answer: Response<B>| {
            answer.map(|body| body.map_err(Into::into).boxed_unsync())
        });
        Self { inner: Buffer::new(BoxService::new(erased.map_err(Into::into)), 1024) }
    }

    pub(crate) async fn send(&self, request: Request<KubeBody>) -> Response<Answer> {
        self.inner.clone().oneshot(request).await.unwrap()
    }
}

#[tokio::test]
async fn a_client_with_a_body_of_its_own_stands_on_the_layer() {
    let org = FakeOrg::start().await.unwrap();
    let layer = SalesforceAuthLayer::new(session(&org)).replay(Never);
    let client = KubeClient::new(layer.layer(hyper_client::<KubeBody>()));
    let request = || Request::get(LIMITS).body(KubeBody(Some(Bytes::new()), None)).unwrap();
    assert_eq!(client.send(request()).await.status(), StatusCode::OK);
    org.expire_sessions();
    assert_eq!(client.send(request()).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(client.send(request()).await.status(), StatusCode::OK);
    assert_eq!((org.counters().token_requests, org.counters().requests), (2, 3));
}
