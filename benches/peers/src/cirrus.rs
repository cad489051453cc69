//! cirrus, a client of Salesforce: its session of a refresh token, and the builder that it hands out with the token on.
//! It leaves the caller to send that, which nobody does here. Where cirrus sends by itself, it looks at why a session was
//! refused and sends once more, but through a client of reqwest's, which makes nothing but sockets.
//!
//! Most of the figure is a second parse of the URL, for cirrus's check that it is https.

use std::{hint::black_box, sync::Arc};

use cirrus::{Cirrus, auth::RefreshTokenAuth};
use futures_util::FutureExt;
use http::HeaderMap;
use reqwest::RequestBuilder;

use crate::{
    Over, Peer, Rounds, SHAPE,
    reqwest_chain::answer,
    rig::{ACCESS_TOKEN, HOST},
};

pub(crate) const PEERS: [Peer; 1] = [Peer {
    name: "cirrus",
    package: Some("cirrus"),
    does: "hands out a request with a cached token, host, https only; single-flight refresh ahead of expiry, no resend \
           (one where cirrus sends, which is not measured)",
    over: Over::Cirrus,
    aims: false,
    set_up: || {
        let client = client();
        Box::new(move |rounds| {
            for _ in 0..rounds {
                let (parts, _) = SHAPE.request().into_parts();
                let request = client.request_builder(parts.method, parts.uri.path());
                send(request.now_or_never().expect("cached").unwrap(), parts.headers);
            }
        })
    },
}];

/// With the token that came along with the refresh token.
fn client() -> Cirrus {
    let auth = RefreshTokenAuth::builder()
        .consumer_key("client")
        .refresh_token("seed")
        .initial_access_token(ACCESS_TOKEN)
        .instance_url(format!("https://{HOST}"))
        .build()
        .unwrap();
    Cirrus::builder().auth(Arc::new(auth)).build().unwrap()
}

fn send(request: RequestBuilder, headers: HeaderMap) {
    black_box(answer(request.headers(headers).build().unwrap()));
}

/// The same from the builder of the client below, without a token.
pub(crate) fn base() -> Rounds {
    let client = client().http_client().clone();
    Box::new(move |rounds| {
        for _ in 0..rounds {
            let (parts, _) = SHAPE.request().into_parts();
            let url = format!("https://{HOST}{}", parts.uri.path());
            send(client.request(parts.method, url), parts.headers);
        }
    })
}
