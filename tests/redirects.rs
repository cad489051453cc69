//! Redirects that lead away from the org, and back: outside the layer and inside it. The shape is that of Go's
//! CVE-2024-45336, where headers that one hop had taken away came back at the next.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

mod support;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{
    Request, Response, StatusCode, Uri,
    header::{AUTHORIZATION, LOCATION},
};
use http_body_util::Full;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_http::follow_redirect::{FollowRedirectLayer, policy::SameOrigin};
use tower_salesforce_auth::{
    AuthError, AuthErrorKind, Diagnosis, SalesforceAuth, SalesforceAuthLayer, Session,
};

use self::support::{Api, BoxFuture, Org, get};

const HOME: &str = "acme.my.salesforce.com";
const EVIL: &str = "evil.example";

/// Hosts that lead to one another: home, twice through a foreign host, back home, away again.
const HOPS: [(&str, &str); 5] = [
    ("https://acme.my.salesforce.com/start", "https://evil.example/1"),
    ("https://evil.example/1", "/2"),
    ("https://evil.example/2", "https://acme.my.salesforce.com/back"),
    ("https://acme.my.salesforce.com/back", "/again"),
    ("https://acme.my.salesforce.com/again", "https://evil.example/3"),
];

/// All hosts of the world, in memory.
#[derive(Clone)]
struct World {
    api: Api,
    /// Where requests arrived, and whether they carried any credential.
    seen: Arc<Mutex<Vec<(Uri, bool)>>>,
}

impl World {
    fn new(org: &Org) -> Self {
        Self { api: org.api(), seen: Arc::default() }
    }

    fn seen(&self) -> Vec<(String, bool)> {
        self.seen.lock().unwrap().iter().map(|(uri, token)| (uri.to_string(), *token)).collect()
    }
}

impl Service<Request<Full<Bytes>>> for World {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let has_token =
            request.headers().values().any(|value| value.as_bytes().windows(7).any(|w| w == b"!token."));
        assert_eq!(has_token, request.headers().contains_key(AUTHORIZATION));
        self.seen.lock().unwrap().push((request.uri().clone(), has_token));
        let target = request.uri().to_string();
        if let Some((_, location)) = HOPS.iter().find(|(from, _)| *from == target) {
            let response = Response::builder().status(StatusCode::FOUND).header(LOCATION, *location);
            return Box::pin(std::future::ready(Ok(response.body(Full::default()).unwrap())));
        }
        if request.uri().host() == Some(HOME) {
            return self.api.call(request);
        }
        Box::pin(std::future::ready(Ok(Response::new(Full::from("not Salesforce's answer")))))
    }
}

/// Where an answer leads that is a redirect.
fn redirect<B>(response: &Response<B>) -> &str {
    assert_eq!(response.status(), StatusCode::FOUND);
    response.headers()[LOCATION].to_str().unwrap()
}

async fn session(org: &Org) -> Session {
    let session = org.session();
    session.access_token().await.unwrap();
    session
}

#[tokio::test(start_paused = true)]
async fn s10_f133_outside_the_layer_a_foreign_hop_is_an_error_and_nothing_is_sent_to_it() {
    let org = Org::new();
    let world = World::new(&org);
    let salesforce = ServiceBuilder::new()
        .layer(FollowRedirectLayer::new())
        .layer(SalesforceAuthLayer::new(session(&org).await))
        .service(world.clone());
    let error = salesforce.oneshot(get(&format!("https://{HOME}/start"))).await.unwrap_err();
    assert_eq!(AuthError::find(&*error).unwrap().kind(), AuthErrorKind::ForeignOrigin);
    assert_eq!(world.seen(), [(format!("https://{HOME}/start"), true)], "S05");
    assert_eq!(org.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn f133_outside_the_layer_a_hop_within_the_org_gets_its_token_from_the_layer() {
    let org = Org::new();
    let world = World::new(&org);
    let salesforce = ServiceBuilder::new()
        .layer(FollowRedirectLayer::new())
        .layer(SalesforceAuthLayer::new(session(&org).await))
        .service(world.clone());
    let error = salesforce.oneshot(get(&format!("https://{HOME}/back"))).await.unwrap_err();
    assert_eq!(AuthError::find(&*error).unwrap().kind(), AuthErrorKind::ForeignOrigin);
    let expected = ["/back", "/again"].map(|path| (format!("https://{HOME}{path}"), true));
    assert_eq!(world.seen(), expected);
}

#[tokio::test(start_paused = true)]
async fn f135_outside_the_layer_relative_targets_lead_nowhere_and_the_redirect_is_the_answer() {
    let org = Org::new();
    let world = World::new(&org);
    let salesforce = ServiceBuilder::new()
        .layer(FollowRedirectLayer::new())
        .layer(SalesforceAuthLayer::new(session(&org).await))
        .service(world.clone());
    let response = salesforce.clone().oneshot(get("/start")).await.unwrap();
    assert_eq!(redirect(&response), "https://evil.example/1");
    let response = salesforce.oneshot(get("/back")).await.unwrap();
    assert_eq!(redirect(&response), "/again");
    let expected = ["/start", "/back"].map(|path| (format!("https://{HOME}{path}"), true));
    assert_eq!(world.seen(), expected);
}

fn inside<P>(
    layer: FollowRedirectLayer<P>,
    session: Session,
    world: &World,
) -> SalesforceAuth<tower_http::follow_redirect::FollowRedirect<World, P>>
where
    P: Clone,
{
    SalesforceAuthLayer::new(session).layer(layer.layer(world.clone()))
}

#[tokio::test(start_paused = true)]
async fn s10_f134_inside_the_layer_no_token_is_sent_to_a_foreign_host_nor_to_any_hop_behind_it() {
    let org = Org::new();
    let world = World::new(&org);
    let salesforce = inside(FollowRedirectLayer::new(), session(&org).await, &world);
    let response = salesforce.oneshot(get("/start")).await.unwrap();
    let hops: Vec<_> =
        world.seen().into_iter().map(|(uri, token)| (uri.replace("https://", ""), token)).collect();
    let expected = ["/1", "/2"].map(|path| (format!("{EVIL}{path}"), false));
    assert_eq!(hops[0], (format!("{HOME}/start"), true));
    assert_eq!(hops[1..3], expected);
    let expected = ["/back", "/again"].map(|path| (format!("{HOME}{path}"), false));
    assert_eq!(hops[3..5], expected, "sticky: what one hop took away does not come back");
    assert_eq!((hops.len(), hops[5].clone()), (6, (format!("{EVIL}/3"), false)));
    // Why the documentation asks for `SameOrigin`: this is not Salesforce's answer, and looks like it.
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(org.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn f134_inside_the_layer_the_policy_same_origin_hands_a_foreign_redirect_to_the_caller() {
    let org = Org::new();
    let world = World::new(&org);
    let layer = FollowRedirectLayer::with_policy(SameOrigin::new());
    let salesforce = inside(layer, session(&org).await, &world);
    let response = salesforce.clone().oneshot(get("/start")).await.unwrap();
    assert_eq!(redirect(&response), "https://evil.example/1");
    assert!(Diagnosis::of(&response).is_none());
    // Within the org a redirect is followed, with the token.
    let response = salesforce.oneshot(get("/back")).await.unwrap();
    assert_eq!(redirect(&response), "https://evil.example/3");
    let expected = ["/start", "/back", "/again"].map(|path| (format!("https://{HOME}{path}"), true));
    assert_eq!(world.seen(), expected);
    assert_eq!(org.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn f134_inside_the_layer_a_refusal_behind_a_redirect_is_resent_from_the_start() {
    let org = Org::new();
    let world = World::new(&org);
    let layer = FollowRedirectLayer::with_policy(SameOrigin::new());
    let salesforce = inside(layer, session(&org).await, &world);
    org.expire();
    let response = salesforce.oneshot(get("/services/data")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!((world.seen().len(), org.token_requests()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn f135_a_redirect_from_the_org_is_the_callers_answer() {
    let org = Org::new();
    let world = World::new(&org);
    let salesforce = SalesforceAuthLayer::new(session(&org).await).layer(world.clone());
    let response = salesforce.oneshot(get("/start")).await.unwrap();
    assert_eq!(redirect(&response), "https://evil.example/1");
    assert_eq!((world.seen().len(), org.token_requests()), (1, 1));
}
