//! One request through the layer: where it goes, what it carries, what its caller gets, and what is held meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

mod answers;
mod probe;
mod requests;
mod sockets;
#[path = "../support/mod.rs"]
mod support;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tower::Layer;
use tower_salesforce_auth::{
    AuthError, AuthErrorKind, BoxError, SalesforceAuth, SalesforceAuthLayer, Session,
};

use self::{probe::Probe, support::Org};

/// The hosts of the org, before it moves and after.
const FIRST_HOST: &str = "acme.my.salesforce.com";
const SECOND_HOST: &str = "acme--moved.my.salesforce.com";

/// A session that has the first token; its refresh yields the second, and the org's move.
async fn connected() -> (Org, Session) {
    let org = Org::new();
    let session = org.session();
    session.access_token().await.unwrap();
    org.move_to(&format!("https://{SECOND_HOST}"));
    (org, session)
}

fn auth(session: &Session, api: &Probe) -> SalesforceAuth<Probe> {
    SalesforceAuthLayer::new(session.clone()).layer(api.clone())
}

fn request(uri: &str) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::default()).unwrap()
}

fn kind(error: &BoxError) -> Option<AuthErrorKind> {
    AuthError::find(&**error).map(AuthError::kind)
}
