//! octocrab's two layers, in the order of its client, for a GitHub that is our host.

use http::{HeaderValue, Uri};
use octocrab::service::middleware::{auth_header::AuthHeaderLayer, base_uri::BaseUriLayer};
use tower::ServiceBuilder;

use crate::{
    Over, Peer,
    rig::{ACCESS_TOKEN, Bare, HOST},
    through,
};

pub(crate) const PEERS: [Peer; 1] = [Peer {
    name: "octocrab",
    package: Some("octocrab"),
    does: "one token for ever, for its own hosts only, host; no refresh, no resend",
    over: Over::Http,
    aims: true,
    set_up: || {
        let host: Uri = format!("https://{HOST}").parse().unwrap();
        let mut header = HeaderValue::try_from(format!("Bearer {ACCESS_TOKEN}")).unwrap();
        header.set_sensitive(true);
        through(
            ServiceBuilder::new()
                .layer(AuthHeaderLayer::new(Some(header), host.clone(), host.clone()))
                .layer(BaseUriLayer::new(host))
                .service(Bare),
        )
    },
}];
