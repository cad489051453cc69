//! Sessions that share a store with sessions of other processes, on real sockets, real stores and the real clock.
#![cfg(all(unix, feature = "file", feature = "postgres", feature = "redis", feature = "testing"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "that is how a test fails")]

mod adoption;
#[path = "../servers/mod.rs"]
mod servers;
mod stores;
mod supersede;

use tower_salesforce_auth::{
    Session,
    grant::{Client, LoginHost, RefreshToken},
    store::SharedStore,
    testing::FakeOrg,
};

/// One of the sessions that share `store`, with the protocol's times as they are, times `scale`.
fn session(org: &FakeOrg, seed: &str, store: impl Into<SharedStore>, scale: f64) -> Session {
    let grant = RefreshToken::new(
        Client::confidential(org.client_id(), org.client_secret()),
        LoginHost::my_domain(org.url()),
        seed,
    );
    Session::builder("fleet", grant)
        .store(store)
        .allow_plaintext_store()
        .allow_loopback()
        .time_scale(scale)
        .build()
        .unwrap()
}
