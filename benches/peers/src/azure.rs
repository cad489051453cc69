//! The bearer token policy of azure_core in front of its transport policy, whose client answers in memory.

use std::{hint::black_box, sync::Arc, time::Duration};

use azure_core::{
    Result,
    credentials::{AccessToken, TokenCredential, TokenRequestOptions},
    http::{
        AsyncRawResponse, Context, HttpClient, Method, Request, StatusCode, Transport, Url,
        headers::{AUTHORIZATION, HeaderName, Headers},
        policies::{Policy, TransportPolicy, auth::BearerTokenAuthorizationPolicy},
    },
    time::OffsetDateTime,
};
use futures_util::FutureExt;

use crate::{
    Over, Peer, Rounds, SHAPE,
    rig::{ACCESS_TOKEN, HOST, arrivals::arrived},
};

pub(crate) const PEERS: [Peer; 1] = [Peer {
    name: "azure_core",
    package: Some("azure_core"),
    does: "cached token, no host; refresh below a lock, no resend (a callback may, after a challenge)",
    over: Over::Azure,
    aims: false,
    set_up: || {
        let credential = Arc::new(Static);
        let scopes = ["https://example.com/.default"];
        through(vec![Arc::new(BearerTokenAuthorizationPolicy::new(credential, scopes)), end()])
    },
}];

#[derive(Debug)]
struct Static;

#[async_trait::async_trait]
impl TokenCredential for Static {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> Result<AccessToken> {
        let expires_on = OffsetDateTime::now_utc() + Duration::from_secs(24 * 60 * 60);
        Ok(AccessToken::new(ACCESS_TOKEN, expires_on))
    }
}

#[derive(Debug)]
struct End;

#[async_trait::async_trait]
impl HttpClient for End {
    async fn execute_request(&self, request: &Request) -> Result<AsyncRawResponse> {
        arrived(|| (request.headers().get_optional_str(&AUTHORIZATION).map(str::as_bytes), None));
        black_box(request);
        Ok(AsyncRawResponse::from_bytes(StatusCode::Ok, Headers::new(), ""))
    }
}

fn end() -> Arc<dyn Policy> {
    Arc::new(TransportPolicy::new(Transport::new(Arc::new(End))))
}

fn through(policies: Vec<Arc<dyn Policy>>) -> Rounds {
    Box::new(move |rounds| {
        for _ in 0..rounds {
            let (context, mut request) = (Context::new(), request());
            let response = policies[0].send(&context, &mut request, &policies[1..]);
            black_box(response.now_or_never().expect("answered at once").unwrap());
        }
    })
}

/// The request of the others, of Azure's kind, which must name its host.
fn request() -> Request {
    let (parts, _) = SHAPE.request().into_parts();
    let mut request = Request::new(Url::parse(&format!("https://{HOST}{}", parts.uri)).unwrap(), Method::Get);
    for (name, value) in &parts.headers {
        let name = HeaderName::from(name.as_str().to_owned());
        request.insert_header(name, value.to_str().unwrap().to_owned());
    }
    request
}

/// The same through the transport policy alone.
pub(crate) fn base() -> Rounds {
    through(vec![end()])
}
