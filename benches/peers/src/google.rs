//! The cached token of google-cloud-auth: that of a service account, since it is signed here and asks no server. The
//! caller asks for headers and puts them on its request, as the documentation says for those who derive nothing of
//! them.

use futures_util::FutureExt;
use google_cloud_auth::credentials::{CacheableResource, Credentials, service_account};
use http::Extensions;
use serde_json::json;
use tokio::runtime::Runtime;
use tower::Service;

use crate::{Over, Peer, SHAPE, rig::Bare, runtime};

pub(crate) const PEERS: [Peer; 1] = [Peer {
    name: "google-cloud-auth",
    package: Some("google-cloud-auth"),
    does: "cached token (a JWT of some 600 bytes), no host; refreshes in the background, no resend",
    over: Over::Http,
    aims: false,
    set_up: || {
        let runtime = runtime();
        let credentials = credentials(&runtime);
        Box::new(move |rounds| {
            let _entered = runtime.enter();
            for _ in 0..rounds {
                let mut request = SHAPE.request();
                let headers = credentials.headers(Extensions::new()).now_or_never().expect("cached").unwrap();
                let CacheableResource::New { data, .. } = headers else { panic!("no tag was given") };
                request.headers_mut().extend(data);
                Bare.call(request).now_or_never().unwrap().unwrap();
            }
        })
    },
}];

/// With its first token.
fn credentials(runtime: &Runtime) -> Credentials {
    let key = json!({
        "client_email": "bench@example.com",
        "private_key_id": "bench",
        "private_key": include_str!("../../../tests/fixtures/test-only-keys/rsa-2048.pkcs8.pem"),
        "project_id": "bench",
    });
    runtime.block_on(async {
        let credentials = service_account::Builder::new(key).build().unwrap();
        credentials.headers(Extensions::new()).await.unwrap();
        credentials
    })
}
