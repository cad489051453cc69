//! A bare client, and the requests that the tests send with it.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header::AUTHORIZATION};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tower_salesforce_auth::testing::FakeOrg;

#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) http: legacy::Client<HttpConnector, Full<Bytes>>,
    pub(crate) http2: bool,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A client of each version.
pub(crate) fn both() -> [Client; 2] {
    [false, true].map(|http2| {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let http = legacy::Client::builder(TokioExecutor::new()).http2_only(http2).build(connector);
        Client { http, http2 }
    })
}

impl Client {
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        self.try_send(request).await.unwrap()
    }

    /// Fails if the answer or the rest of its body is lost.
    pub(crate) async fn try_send(&self, request: Request<Full<Bytes>>) -> Result<Answer, Lost> {
        let (head, body) = self.http.request(request).await.map_err(|_| Lost::Answer)?.into_parts();
        let body = body.collect().await.map_err(|_| Lost::Body)?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    pub(crate) async fn get(&self, url: &str, token: &str) -> Answer {
        self.send(get(url, token)).await
    }

    /// `GET …/limits` at the org's current host.
    pub(crate) async fn limits(&self, org: &FakeOrg, token: &str) -> Answer {
        self.get(&format!("{}/services/data/v65.0/limits", org.instance_url()), token).await
    }

    pub(crate) async fn post(&self, url: &str, form: &str) -> Answer {
        self.send(post(url, form)).await
    }

    pub(crate) async fn refresh(&self, org: &FakeOrg, refresh_token: &str) -> Answer {
        self.send(refresh(org, refresh_token)).await
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    Answer,
    Body,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self, field: &str) -> String {
        self.json()[field].as_str().unwrap().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Status and `error_description` of a refusal by the token endpoint.
    pub(crate) fn refusal(&self) -> (u16, String) {
        (self.status.as_u16(), self.text("error_description"))
    }

    /// Status and `errorCode` of a refusal by a REST resource.
    pub(crate) fn rest_error(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()[0]["errorCode"].as_str().unwrap().to_owned())
    }
}

pub(crate) fn get(url: &str, token: &str) -> Request<Full<Bytes>> {
    Request::get(url).header(AUTHORIZATION, format!("Bearer {token}")).body(Full::default()).unwrap()
}

pub(crate) fn post(url: &str, form: &str) -> Request<Full<Bytes>> {
    Request::post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::from(form.to_owned()))
        .unwrap()
}

pub(crate) fn refresh(org: &FakeOrg, refresh_token: &str) -> Request<Full<Bytes>> {
    let form = format!(
        "grant_type=refresh_token&refresh_token={refresh_token}&client_id={}&client_secret={}",
        org.client_id(),
        org.client_secret()
    );
    post(&token_url(org), &form)
}

pub(crate) fn token_url(org: &FakeOrg) -> String {
    format!("{}/services/oauth2/token", org.url())
}

/// The access and the refresh token of a fresh consent.
pub(crate) fn consent(org: &FakeOrg) -> (String, String) {
    let answer: Value = serde_json::from_str(&org.issue_token_response()).unwrap();
    let text = |field: &str| answer[field].as_str().unwrap().to_owned();
    (text("access_token"), text("refresh_token"))
}
