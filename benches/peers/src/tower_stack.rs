//! This crate, the least that is possible, and what Tower's own crates offer: the contenders of this crate's own
//! benches.

use crate::{
    Over, Peer, SHAPE,
    rig::contenders::{Case, Handle},
};

const OURS: Option<&str> = Some("tower-salesforce-auth");

const fn peer(
    name: &'static str,
    package: Option<&'static str>,
    does: &'static str,
    aims: bool,
    set_up: fn() -> crate::Rounds,
) -> Peer {
    Peer { name, package, does, over: Over::Http, aims, set_up }
}

pub(crate) const PEERS: [Peer; 6] = [
    peer("limit", None, "one token for ever, host from ready parts; no refresh, no resend", true, || {
        long_lived("limit")
    }),
    peer("ours", OURS, "live token, host; single-flight refresh, one resend", true, || long_lived("ours")),
    peer("ours/cloned", OURS, "the same with the handle cloned for each request", true, || {
        Case { shape: SHAPE, contender: "ours", handle: Handle::Cloned }.rounds()
    }),
    peer("ours/never", OURS, "live token, host; single-flight refresh, no resend", true, || {
        long_lived("ours_never")
    }),
    peer(
        "tower/retry",
        Some("tower"),
        "`limit` below a policy that keeps a clone: one token for ever, host; no refresh, one resend",
        true,
        || long_lived("retry"),
    ),
    peer(
        "tower-http/add_authorization",
        Some("tower-http"),
        "one token for ever, no host; no refresh, no resend",
        false,
        || long_lived("add_authorization"),
    ),
];

fn long_lived(contender: &'static str) -> crate::Rounds {
    Case { shape: SHAPE, contender, handle: Handle::LongLived }.rounds()
}
