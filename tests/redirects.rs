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
    HeaderName, HeaderValue, Request, Response, StatusCode, Uri,
    header::{AUTHORIZATION, LOCATION},
};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_http::follow_redirect::{
    FollowRedirect, FollowRedirectLayer,
    policy::{SameOrigin, Standard},
};
use tower_salesforce_auth::{
    AuthError, AuthErrorKind, BoxError, Diagnosis, SalesforceAuth, SalesforceAuthLayer, Session,
};

use self::support::{Api, BoxFuture, Org, get};

const HOME: &str = "https://acme.my.salesforce.com";
const EVIL: &str = "https://evil.example";

/// An API, by where its paths begin and the header that carries its session.
#[derive(Clone)]
struct Dialect {
    base: &'static str,
    credential: HeaderName,
}

const REST: Dialect = Dialect { base: "/services/data", credential: AUTHORIZATION };
const BULK: Dialect =
    Dialect { base: "/services/async/65.0", credential: HeaderName::from_static("x-sfdc-session") };

/// Places that lead to one another: home, twice through a foreign host, back home, away again. And one within the org.
const HOPS: [(&str, &str, &str); 6] = [
    (HOME, "/start", "https://evil.example{}/1"),
    (EVIL, "/1", "{}/2"),
    (EVIL, "/2", "https://acme.my.salesforce.com{}/back"),
    (HOME, "/back", "{}/again"),
    (HOME, "/again", "https://evil.example{}/3"),
    (HOME, "/moved", "{}/here"),
];

/// All hosts of the world, in memory.
#[derive(Clone)]
struct World {
    api: Api,
    dialect: Dialect,
    /// Where requests arrived, and whether they carried the session.
    seen: Arc<Mutex<Vec<(Uri, bool)>>>,
}

impl World {
    fn new(org: &Org, dialect: Dialect) -> Self {
        Self { api: org.api(), dialect, seen: Arc::default() }
    }

    fn at(&self, host: &str, path: &str) -> String {
        format!("{host}{}{path}", self.dialect.base)
    }

    /// Where requests arrived, which were these.
    #[track_caller]
    fn saw(&self, expected: &[(&str, &str, bool)]) {
        let seen: Vec<_> =
            self.seen.lock().unwrap().iter().map(|(uri, session)| (uri.to_string(), *session)).collect();
        let expected: Vec<_> =
            expected.iter().map(|(host, path, session)| (self.at(host, path), *session)).collect();
        assert_eq!(seen, expected);
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
        let carries = |value: &HeaderValue| value.as_bytes().windows(7).any(|part| part == b"!token.");
        let credentials: Vec<_> =
            request.headers().iter().filter(|(_, value)| carries(value)).map(|(name, _)| name).collect();
        assert!(credentials.iter().all(|name| **name == self.dialect.credential) && credentials.len() < 2);
        self.seen.lock().unwrap().push((request.uri().clone(), !credentials.is_empty()));
        let target = request.uri().to_string();
        if let Some((_, _, location)) = HOPS.iter().find(|(host, path, _)| self.at(host, path) == target) {
            let location = location.replace("{}", self.dialect.base);
            let response = Response::builder().status(StatusCode::FOUND).header(LOCATION, location);
            return Box::pin(std::future::ready(Ok(response.body(Full::default()).unwrap())));
        }
        if target.starts_with(HOME) {
            return self.api.call(request);
        }
        Box::pin(std::future::ready(Ok(Response::new(Full::from("not Salesforce's answer")))))
    }
}

/// An org, and the world around it, for each of the headers that carry a session.
fn worlds() -> [(Org, World); 2] {
    [REST, BULK].map(|dialect| {
        let org = Org::new();
        let world = World::new(&org, dialect);
        (org, world)
    })
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

// === A redirect layer outside the layer ===

fn outside(session: Session, world: &World) -> FollowRedirect<SalesforceAuth<World>, Standard> {
    FollowRedirectLayer::new().layer(SalesforceAuthLayer::new(session).layer(world.clone()))
}

#[tokio::test(start_paused = true)]
async fn s10_s11_f133_outside_the_layer_a_foreign_hop_is_an_error_and_nothing_is_sent_to_it() {
    for (org, world) in worlds() {
        let salesforce = outside(session(&org).await, &world);
        let error = salesforce.oneshot(get(&world.at(HOME, "/start"))).await.unwrap_err();
        assert_eq!(AuthError::find(&*error).unwrap().kind(), AuthErrorKind::ForeignOrigin);
        world.saw(&[(HOME, "/start", true)]);
        assert_eq!(org.token_requests(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn f133_outside_the_layer_a_hop_within_the_org_gets_its_token_from_the_layer() {
    for (org, world) in worlds() {
        let salesforce = outside(session(&org).await, &world);
        let error = salesforce.oneshot(get(&world.at(HOME, "/back"))).await.unwrap_err();
        assert_eq!(AuthError::find(&*error).unwrap().kind(), AuthErrorKind::ForeignOrigin);
        world.saw(&[(HOME, "/back", true), (HOME, "/again", true)]);
    }
}

/// A stack that takes foreign hops past the layer, so that the journey goes on: what the redirect layer has to carry
/// along has no session in it, neither on the way out nor on the way back.
#[tokio::test(start_paused = true)]
async fn s10_s11_f133_outside_the_layer_a_journey_through_a_foreign_host_and_back_leaves_the_session_at_home()
{
    for (org, world) in worlds() {
        let salesforce = SalesforceAuthLayer::new(session(&org).await).layer(world.clone());
        let beyond = world.clone();
        let router = service_fn(move |request: Request<Full<Bytes>>| {
            let (salesforce, beyond) = (salesforce.clone(), beyond.clone());
            async move {
                if request.uri().to_string().starts_with(HOME) {
                    salesforce.oneshot(request).await.map(|response| response.map(BodyExt::boxed))
                } else {
                    let Ok(response) = beyond.oneshot(request).await;
                    Ok::<_, BoxError>(response.map(BodyExt::boxed))
                }
            }
        });
        let start = get(&world.at(HOME, "/start"));
        let response = FollowRedirectLayer::new().layer(router).oneshot(start).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        world.saw(&[
            (HOME, "/start", true),
            (EVIL, "/1", false),
            (EVIL, "/2", false),
            (HOME, "/back", true),
            (HOME, "/again", true),
            (EVIL, "/3", false),
        ]);
        assert_eq!(org.token_requests(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn f135_outside_the_layer_relative_targets_lead_nowhere_and_the_redirect_is_the_answer() {
    for (org, world) in worlds() {
        let salesforce = outside(session(&org).await, &world);
        let response = salesforce.clone().oneshot(get(&world.at("", "/start"))).await.unwrap();
        assert_eq!(redirect(&response), world.at(EVIL, "/1"));
        let response = salesforce.oneshot(get(&world.at("", "/back"))).await.unwrap();
        assert_eq!(redirect(&response), world.at("", "/again"));
        world.saw(&[(HOME, "/start", true), (HOME, "/back", true)]);
    }
}

// === A redirect layer inside the layer ===

fn inside<P: Clone>(
    layer: FollowRedirectLayer<P>,
    session: Session,
    world: &World,
) -> SalesforceAuth<FollowRedirect<World, P>> {
    SalesforceAuthLayer::new(session).layer(layer.layer(world.clone()))
}

#[tokio::test(start_paused = true)]
async fn s10_f134_inside_the_layer_no_bearer_token_is_sent_to_a_foreign_host_nor_to_any_hop_behind_it() {
    let org = Org::new();
    let world = World::new(&org, REST);
    let salesforce = inside(FollowRedirectLayer::new(), session(&org).await, &world);
    let response = salesforce.oneshot(get(&world.at("", "/start"))).await.unwrap();
    world.saw(&[
        (HOME, "/start", true),
        (EVIL, "/1", false),
        (EVIL, "/2", false),
        // Sticky: what one hop took away does not come back.
        (HOME, "/back", false),
        (HOME, "/again", false),
        (EVIL, "/3", false),
    ]);
    // Why the documentation asks for `SameOrigin`: this is not Salesforce's answer, and looks like it.
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(org.token_requests(), 1);
}

/// A limit, and the other reason for `SameOrigin`: a layer below has the request with its session, and the default
/// policy knows three headers that carry credentials, of which this is none. When this test fails, the warnings in
/// SECURITY.md, in the README and in the guide can go.
#[tokio::test(start_paused = true)]
async fn s11_f134_inside_the_layer_the_default_policy_takes_the_session_header_of_bulk_to_a_foreign_host() {
    let org = Org::new();
    let world = World::new(&org, BULK);
    let salesforce = inside(FollowRedirectLayer::new(), session(&org).await, &world);
    salesforce.oneshot(get(&world.at("", "/start"))).await.unwrap();
    world.saw(&[
        (HOME, "/start", true),
        (EVIL, "/1", true),
        (EVIL, "/2", true),
        (HOME, "/back", true),
        (HOME, "/again", true),
        (EVIL, "/3", true),
    ]);
}

#[tokio::test(start_paused = true)]
async fn s10_s11_f134_inside_the_layer_the_policy_same_origin_hands_a_foreign_redirect_to_the_caller() {
    for (org, world) in worlds() {
        let layer = FollowRedirectLayer::with_policy(SameOrigin::new());
        let salesforce = inside(layer, session(&org).await, &world);
        let response = salesforce.clone().oneshot(get(&world.at("", "/start"))).await.unwrap();
        assert_eq!(redirect(&response), world.at(EVIL, "/1"));
        assert!(Diagnosis::of(&response).is_none());
        // Within the org a redirect is followed, with the token.
        let response = salesforce.oneshot(get(&world.at("", "/back"))).await.unwrap();
        assert_eq!(redirect(&response), world.at(EVIL, "/3"));
        world.saw(&[(HOME, "/start", true), (HOME, "/back", true), (HOME, "/again", true)]);
        assert_eq!(org.token_requests(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn f134_inside_the_layer_a_refusal_behind_a_redirect_is_resent_from_the_start() {
    let org = Org::new();
    let world = World::new(&org, REST);
    let layer = FollowRedirectLayer::with_policy(SameOrigin::new());
    let salesforce = inside(layer, session(&org).await, &world);
    org.expire();
    let response = salesforce.oneshot(get(&world.at("", "/moved"))).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    world.saw(&[
        (HOME, "/moved", true),
        (HOME, "/here", true),
        (HOME, "/moved", true),
        (HOME, "/here", true),
    ]);
    assert_eq!(org.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn f135_a_redirect_from_the_org_is_the_callers_answer() {
    for (org, world) in worlds() {
        let salesforce = SalesforceAuthLayer::new(session(&org).await).layer(world.clone());
        let response = salesforce.oneshot(get(&world.at("", "/start"))).await.unwrap();
        assert_eq!(redirect(&response), world.at(EVIL, "/1"));
        world.saw(&[(HOME, "/start", true)]);
        assert_eq!(org.token_requests(), 1);
    }
}
