//! Others that put a token on a request, each driven as its documentation says, with the request and the service in
//! memory of this crate's own benches.
//!
//! Every peer has a token that is alive and a handle that lives long; what is set up once is not counted. A peer that
//! is no Tower middleware hands out a header, or sends requests of a kind of its own: [`Over`] says what is subtracted.

// A panic here is a broken bench.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "the clock of a bench is the real one")]

#[path = "../../rig/mod.rs"]
pub mod rig;

mod aws;
mod azure;
mod cirrus;
mod google;
mod kube;
mod octocrab;
mod reqwest_chain;
mod tower_stack;

use std::fmt;

use rig::{
    Bare, Body, Rounds, Shape,
    arrivals::{OfThree, of_three},
    contenders::{Handle, Requests, Visit},
};
use tower::Service;

/// The request of all peers: most requests to Salesforce are like it.
pub const SHAPE: Shape = Shape::Typical;

/// One who is compared.
#[derive(Clone, Copy)]
pub struct Peer {
    pub name: &'static str,
    /// Whose version counts, as the lock file calls it.
    pub package: Option<&'static str>,
    /// What it does for a request, and what it does not.
    pub does: &'static str,
    pub over: Over,
    /// Whether it gives the request its host, where requests need not have one before.
    pub aims: bool,
    /// Makes a handle; what comes back sends so many requests through it.
    pub set_up: fn() -> Rounds,
}

/// What a peer is above: the same request made and answered in memory without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// A `http::Request` and [`rig::Bare`].
    Http,
    /// A request of reqwest and a response.
    Reqwest,
    /// A request of the AWS SDK, which is signed and goes nowhere.
    Aws,
    /// A request of Azure's SDK through its transport policy.
    Azure,
    /// A request of the builder of reqwest's client, which cirrus hands out, and a response.
    Cirrus,
}

impl Over {
    pub const ALL: [Self; 5] = [Self::Http, Self::Reqwest, Self::Aws, Self::Azure, Self::Cirrus];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "bare",
            Self::Reqwest => "bare/reqwest",
            Self::Aws => "bare/aws",
            Self::Azure => "bare/azure",
            Self::Cirrus => "bare/cirrus",
        }
    }

    fn set_up(self) -> Rounds {
        match self {
            Self::Http => through(Bare),
            Self::Reqwest => reqwest_chain::base(),
            Self::Aws => aws::base(),
            Self::Azure => azure::base(),
            Self::Cirrus => cirrus::base(),
        }
    }
}

/// All of them, in the order of the table.
pub fn all() -> Vec<Peer> {
    [
        &tower_stack::PEERS[..],
        &kube::PEERS,
        &octocrab::PEERS,
        &reqwest_chain::PEERS,
        &cirrus::PEERS,
        &google::PEERS,
        &aws::PEERS,
        &azure::PEERS,
    ]
    .concat()
}

/// Who is not driven, and why.
pub const NOT_DRIVEN: [(&str, &str); 7] = [
    ("reqwest alone", "its client is no trait and its connector makes nothing but sockets"),
    ("busbar-sf-client 0.0.3", "puts the token on in private, as its own reqwest client sends"),
    ("rustforce 0.2.2", "puts the token on in private, as its own reqwest client sends"),
    ("rustsf 0.1.1", "puts the token on in private, as its own reqwest client sends"),
    ("salesforce-client 0.2.0", "puts the token on in private, as its own reqwest client sends"),
    ("rust_sync_force 0.3.2", "puts the token on in private, as its own blocking client sends"),
    (
        "salesforce_core 0.24.0",
        "has its first token from a server only, then a reqwest client of its own for each token",
    ),
];

/// The handle of a peer or of what is subtracted, by its name.
pub fn set_up(name: &str) -> Rounds {
    // Some peers take whichever provider the process has, and panic if it has none.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let peer = all().into_iter().find(|peer| peer.name == name).map(|peer| (peer.set_up)());
    let base = || Over::ALL.into_iter().find(|over| over.name() == name).map(Over::set_up);
    peer.or_else(base).unwrap_or_else(|| panic!("no peer is called {name}"))
}

/// What is set up and counted, by name.
pub fn names() -> Vec<&'static str> {
    let bases = Over::ALL.map(Over::name);
    bases.into_iter().chain(all().into_iter().map(|peer| peer.name)).collect()
}

/// Sees each peer put its token on three requests, and its host if it says so, and what is subtracted do neither: a peer
/// that does nothing would look fast.
pub fn check() {
    for over in Over::ALL {
        let arrived = of_three(&mut set_up(over.name()));
        assert_eq!(arrived, OfThree { tokens: 0, aimed: 0 }, "{}", over.name());
    }
    for peer in all() {
        let arrived = of_three(&mut set_up(peer.name));
        assert_eq!(arrived, OfThree { tokens: 3, aimed: if peer.aims { 3 } else { 0 } }, "{}", peer.name);
    }
}

impl Peer {
    /// Its name with its version, as it is locked.
    pub fn full_name(&self) -> String {
        let Some(package) = self.package else { return self.name.to_owned() };
        let packages = || include_str!("../Cargo.lock").split("[[package]]");
        let entry = |name| packages().find(|package| package.contains(&format!("name = \"{name}\"\n")));
        // Who depends on one of several says which.
        let ours = entry(env!("CARGO_PKG_NAME")).unwrap();
        let several = ours.split_once(&format!("\"{package} "));
        let only = || entry(package)?.split_once("version = \"");
        let (_, version) = several.or_else(only).unwrap_or_else(|| panic!("{package} is not locked"));
        format!("{}@{}", self.name, version.split('"').next().unwrap())
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("name", &self.name).finish_non_exhaustive()
    }
}

/// One handle for all requests.
fn through<S>(service: S) -> Rounds
where
    S: Service<http::Request<Body>> + Clone + Send + Sync + 'static,
    S::Error: fmt::Debug,
{
    Requests { shape: SHAPE, handle: Handle::LongLived }.visit(service)
}

/// For peers that ask for one, whose clock has to be within reach. Nothing runs on it between requests.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}
