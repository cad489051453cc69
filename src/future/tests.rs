//! The protocol of one request: a real session with a scripted token endpoint above, a scripted org below.

mod connection;
mod first_send;
mod handles;
mod org;
mod readiness;
mod refusals;
mod resend;

use std::{convert::Infallible, task::Waker};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use tower::Layer;

use self::{
    connection::{Connection, Turn},
    org::{Mark, Org, Step, reply, token},
};
use super::*;
use crate::{AuthError, AuthErrorKind, Diagnosis, Outcome, SalesforceAuth, SalesforceAuthLayer};

const REFUSAL: &str = r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#;
const OLD: &str = "old.my.salesforce.com";
const NEW: &str = "new.my.salesforce.com";
const OLD_TOKEN: &str = "00D!old";
const NEW_TOKEN: &str = "00D!new";
const THIRD_TOKEN: &str = "00D!third";

fn request(uri: &str) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::default()).unwrap()
}

fn auth(connection: &Connection, org: &Org) -> SalesforceAuth<Org> {
    SalesforceAuthLayer::new(connection.session.clone()).layer(org.clone())
}

async fn text<B: Body<Data = Bytes, Error = Infallible>>(response: Response<B>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn kind(error: &BoxError) -> Option<AuthErrorKind> {
    AuthError::find(&**error).map(AuthError::kind)
}

fn outcome<B>(response: &Response<B>) -> &Outcome {
    Diagnosis::of(response).unwrap().outcome()
}

fn poll_once<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}
