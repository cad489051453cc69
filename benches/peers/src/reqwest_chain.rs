//! A chain of reqwest-middleware. It has no middleware for tokens: the one here is what its documentation shows how to
//! write. The last one of the chain answers and does not call the client, so that nothing leaves memory; reqwest alone
//! cannot be driven so, since its client is no trait and its connector only makes sockets.

use std::hint::black_box;

use futures_util::FutureExt;
use http::{Extensions, HeaderValue, header};
use reqwest::{Client, Request, Response, Url};
use reqwest_middleware::{ClientBuilder, Middleware, Next, Result};

use crate::{
    Over, Peer, Rounds, SHAPE,
    rig::{ACCESS_TOKEN, HOST, arrivals::arrived},
};

pub(crate) const PEERS: [Peer; 1] = [Peer {
    name: "reqwest-middleware",
    package: Some("reqwest-middleware"),
    does: "chain with one token for ever, no host; no refresh, no resend",
    over: Over::Reqwest,
    aims: false,
    set_up: || {
        let mut token = HeaderValue::try_from(format!("Bearer {ACCESS_TOKEN}")).unwrap();
        token.set_sensitive(true);
        let client = ClientBuilder::new(Client::new()).with(Token(token)).with(End).build();
        Box::new(move |rounds| {
            for _ in 0..rounds {
                black_box(client.execute(request()).now_or_never().expect("answered at once").unwrap());
            }
        })
    },
}];

struct Token(HeaderValue);

#[async_trait::async_trait]
impl Middleware for Token {
    async fn handle(&self, mut request: Request, more: &mut Extensions, next: Next<'_>) -> Result<Response> {
        request.headers_mut().insert(header::AUTHORIZATION, self.0.clone());
        next.run(request, more).await
    }
}

struct End;

#[async_trait::async_trait]
impl Middleware for End {
    async fn handle(&self, request: Request, _: &mut Extensions, _: Next<'_>) -> Result<Response> {
        Ok(answer(request))
    }
}

pub(crate) fn answer(request: Request) -> Response {
    arrived(|| (request.headers().get(header::AUTHORIZATION).map(AsRef::as_ref), None));
    black_box(request);
    http::Response::new("").into()
}

/// The request of the others, which must name its host here.
fn request() -> Request {
    let (parts, _) = SHAPE.request().into_parts();
    let url = Url::parse(&format!("https://{HOST}{}", parts.uri)).unwrap();
    let mut request = Request::new(parts.method, url);
    *request.headers_mut() = parts.headers;
    request
}

/// The same without a chain.
pub(crate) fn base() -> Rounds {
    Box::new(|rounds| {
        for _ in 0..rounds {
            black_box(answer(request()));
        }
    })
}
