//! tonic's body: what a generated gRPC client wants of the service below it. (Salesforce's Pub/Sub API takes its session
//! in headers of its own, so that this alone is no client of it.)

use std::{
    error::Error,
    task::{Context, Poll},
};

use http::{Request, Response, StatusCode};
use tonic::body::Body;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_salesforce_auth::{SalesforceAuthLayer, replay::Never, testing::FakeOrg};

use crate::{LIMITS, hyper_client, session};

/// In place of a generated client, with the bounds that one has.
struct Stub<T>(T);

impl<T> Stub<T>
where
    T: Service<Request<Body>, Response = Response<Body>, Error: Into<Box<dyn Error + Send + Sync>>>,
{
    async fn call(&mut self, request: Request<Body>) -> StatusCode {
        std::future::poll_fn(|cx: &mut Context<'_>| -> Poll<_> { self.0.poll_ready(cx).map_err(Into::into) })
            .await
            .unwrap();
        self.0.call(request).await.map_err(Into::into).unwrap().status()
    }
}

#[tokio::test]
async fn a_generated_client_stands_on_the_layer() {
    let org = FakeOrg::start().await.unwrap();
    let service = ServiceBuilder::new()
        .map_response(|answer: Response<_>| answer.map(Body::new))
        .layer(SalesforceAuthLayer::new(session(&org)).replay(Never))
        .service(hyper_client::<Body>());
    let mut stub = Stub(service.clone());
    let request = || Request::get(LIMITS).body(Body::empty()).unwrap();
    assert_eq!(stub.call(request()).await, StatusCode::OK);
    org.expire_sessions();
    assert_eq!(stub.call(request()).await, StatusCode::UNAUTHORIZED, "not repeated, but refreshed");
    assert_eq!(service.oneshot(request()).await.unwrap().status(), StatusCode::OK);
    assert_eq!(org.counters().token_requests, 2);
}
