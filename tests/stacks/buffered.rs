//! Bodies that cannot be cloned, remembered while they stream: `replay::Buffered` in each of the stacks. The client keeps
//! its own body type; one `map_request` below the layer puts the `BufferedBody` into it.

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};
use tower_salesforce_auth::{
    Diagnosis, SalesforceAuthLayer,
    replay::{Buffered, BufferedBody},
    reqwest::ReqwestService,
    testing::FakeOrg,
};

use crate::{ECHO, LIMITS, hyper_client, session};

/// What arrives of `0123456789` sent in two frames.
const ECHOED: &str = r#""length":10"#;

/// Ten bytes in two frames, of no known length.
fn upload() -> UnsyncBoxBody<Bytes, BoxError> {
    let frames =
        ["01234", "56789"].map(|frame| Ok(http_body::Frame::data(Bytes::from_static(frame.as_bytes()))));
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

/// Sends an upload before and after the session expired; both must arrive whole.
async fn rides_through<S, B, Rs>(org: &FakeOrg, salesforce: S, body: impl Fn() -> B)
where
    S: Service<Request<B>, Response = Response<Rs>> + Clone,
    S::Error: std::fmt::Debug,
    Rs: Body,
    Rs::Error: std::fmt::Debug,
{
    for _ in 0..2 {
        let request = Request::post(ECHO).body(body()).unwrap();
        let response = salesforce.clone().oneshot(request).await.unwrap();
        assert_eq!((response.status(), Diagnosis::of(&response).is_none()), (StatusCode::OK, true));
        let echo = response.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&echo).contains(ECHOED), "{echo:?}");
        org.expire_sessions();
    }
    assert_eq!((org.counters().token_requests, org.counters().requests), (2, 3));
}

#[tokio::test]
async fn f154_hyper_takes_the_buffered_body_as_it_is() {
    let org = FakeOrg::start().await.unwrap();
    let salesforce = SalesforceAuthLayer::new(session(&org))
        .replay(Buffered::default())
        .layer(hyper_client::<BufferedBody<UnsyncBoxBody<Bytes, BoxError>>>());
    rides_through(&org, salesforce, upload).await;
}

#[tokio::test]
async fn f154_an_axum_body_is_sent_again() {
    use axum_core::body::Body as AxumBody;

    let org = FakeOrg::start().await.unwrap();
    let salesforce = ServiceBuilder::new()
        .layer(SalesforceAuthLayer::new(session(&org)).replay(Buffered::default()))
        .map_request(|request: Request<BufferedBody<AxumBody>>| request.map(AxumBody::new))
        .service(hyper_client::<AxumBody>());
    rides_through(&org, salesforce, || AxumBody::new(upload())).await;
}

#[tokio::test]
async fn f154_a_tonic_body_is_sent_again() {
    use tonic::body::Body as TonicBody;

    let org = FakeOrg::start().await.unwrap();
    let salesforce = ServiceBuilder::new()
        .map_response(|answer: Response<_>| answer.map(TonicBody::new))
        .layer(SalesforceAuthLayer::new(session(&org)).replay(Buffered::default()))
        .map_request(|request: Request<BufferedBody<TonicBody>>| request.map(TonicBody::new))
        .service(hyper_client::<TonicBody>());
    rides_through(&org, salesforce, || TonicBody::new(upload().map_err(tonic::Status::from_error))).await;
}

#[tokio::test]
async fn f154_a_clients_own_body_is_sent_again_over_an_untyped_client() {
    let org = FakeOrg::start().await.unwrap();
    let service = SalesforceAuthLayer::new(session(&org)).replay(Buffered::default()).layer(hyper_client());
    let client = crate::kube::KubeClient::new(service);
    let request = || Request::get(LIMITS).body(crate::kube::KubeBody::default()).unwrap();
    assert_eq!(client.send(request()).await.status(), StatusCode::OK);
    org.expire_sessions();
    assert_eq!(client.send(request()).await.status(), StatusCode::OK);
    assert_eq!((org.counters().token_requests, org.counters().requests), (2, 3));
}

#[tokio::test]
async fn f154_reqwest_sends_a_stream_again() {
    let org = FakeOrg::start().await.unwrap();
    let salesforce = SalesforceAuthLayer::new(session(&org))
        .replay(Buffered::default())
        .layer(ReqwestService::build(reqwest::Client::builder()).unwrap());
    rides_through(&org, salesforce, upload).await;
}
