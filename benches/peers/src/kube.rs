//! kube-client's two layers, in the order of its client, on a configuration for a cluster that is our host.

use std::io::Write;

use kube_client::{Config, client::ConfigExt};
use tower::ServiceBuilder;

use crate::{
    Over, Peer, Rounds,
    rig::{ACCESS_TOKEN, Bare, HOST},
    through,
};

const PACKAGE: &str = "kube-client";

pub(crate) const PEERS: [Peer; 2] = [
    Peer {
        name: "kube-client/static",
        package: Some(PACKAGE),
        does: "one token for ever, host; no refresh, no resend",
        over: Over::Http,
        aims: true,
        set_up: || stack(|config| config.auth_info.token = Some(ACCESS_TOKEN.to_owned().into())),
    },
    Peer {
        name: "kube-client/refreshable",
        package: Some(PACKAGE),
        does: "token of a file, host; reads the file anew each minute below a lock, no resend",
        over: Over::Http,
        aims: true,
        set_up: || {
            // Read once, when the stack is made.
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(ACCESS_TOKEN.as_bytes()).unwrap();
            let path = file.path().to_str().unwrap().to_owned();
            let mut rounds = stack(|config| config.auth_info.token_file = Some(path));
            Box::new(move |number| {
                let _kept = &file;
                rounds(number);
            })
        },
    },
];

fn stack(authorize: impl FnOnce(&mut Config)) -> Rounds {
    let mut config = Config::new(format!("https://{HOST}").parse().unwrap());
    authorize(&mut config);
    let auth = config.auth_layer().unwrap().expect("a token");
    through(ServiceBuilder::new().layer(config.base_uri_layer()).layer(auth).service(Bare))
}
