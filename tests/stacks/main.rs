//! Recipes: the layer in the stacks that people have, compiled and run against an org on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

mod axum;
mod buffered;
mod diagnosis;
mod hyper;
mod kube;
mod reqwest;
mod tonic;

use bytes::Bytes;
use http::Request;
use http_body::Body;
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower_salesforce_auth::{
    Session,
    grant::{Client as App, LoginHost, RefreshToken},
    store::MemoryStore,
    testing::FakeOrg,
};

const LIMITS: &str = "/services/data/v65.0/limits";
const ECHO: &str = "/services/apexrest/echo";

fn session(org: &FakeOrg) -> Session {
    let app = App::confidential(org.client_id(), org.client_secret());
    let grant = RefreshToken::new(app, LoginHost::my_domain(org.url()), org.issue_refresh_token());
    Session::builder("acme", grant).store(MemoryStore::volatile()).allow_loopback().build().unwrap()
}

fn hyper_client<B>() -> Client<HttpConnector, B>
where
    B: Body + Send,
    B::Data: Send,
{
    Client::builder(TokioExecutor::new()).build_http()
}

fn get(target: &str) -> Request<Full<Bytes>> {
    Request::get(target).body(Full::default()).unwrap()
}
