//! This crate, the least that is possible, and what Tower's own crates offer.

use tower::{Layer, retry::Retry};
use tower_http::auth::AddAuthorizationLayer;
use tower_salesforce_auth::{SalesforceAuthLayer, replay};

use crate::{
    Over, Peer,
    end::End,
    rig::{ACCESS_TOKEN, Limit, Once, session},
    through, through_clones,
};

const OURS: &str = "tower-salesforce-auth";

pub(crate) const PEERS: [Peer; 6] = [
    Peer {
        name: "limit",
        package: "http",
        does: "one token for ever, host from ready parts; no refresh, no resend",
        over: Over::Http,
        set_up: || through(Limit::new(End)),
    },
    Peer {
        name: "ours",
        package: OURS,
        does: "live token, host; single-flight refresh, one resend",
        over: Over::Http,
        set_up: || through(SalesforceAuthLayer::new(session()).layer(End)),
    },
    Peer {
        name: "ours/cloned",
        package: OURS,
        does: "the same with the handle cloned for each request",
        over: Over::Http,
        set_up: || through_clones(SalesforceAuthLayer::new(session()).layer(End)),
    },
    Peer {
        name: "ours/never",
        package: OURS,
        does: "live token, host; single-flight refresh, no resend",
        over: Over::Http,
        set_up: || through(SalesforceAuthLayer::new(session()).replay(replay::Never).layer(End)),
    },
    Peer {
        name: "tower/retry",
        package: "tower",
        does: "`limit` below a policy that keeps a clone: one token for ever, host; no refresh, one resend",
        over: Over::Http,
        set_up: || through(Retry::new(Once, Limit::new(End))),
    },
    Peer {
        name: "tower-http/add_authorization",
        package: "tower-http",
        does: "one token for ever, no host; no refresh, no resend",
        over: Over::Http,
        set_up: || through(AddAuthorizationLayer::bearer(ACCESS_TOKEN).as_sensitive(true).layer(End)),
    },
];
