//! Others that put a token on a request, each driven as its documentation says, with the request and the service in
//! memory of this crate's own benches.
//!
//! Every peer has a token that is alive and a handle that lives long; what is set up once is not counted. A peer that
//! is no Tower middleware hands out a header, or sends requests of a kind of its own: [`Over`] says what is subtracted.

// A panic here is a broken bench.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../../rig/mod.rs"]
pub mod rig;

mod tower_stack;

use std::fmt;

use rig::{Body, Shape, call};
use tower::Service;

/// The request of all peers: most requests to Salesforce are like it.
pub const SHAPE: Shape = Shape::Typical;

/// One who is compared.
#[derive(Clone, Copy)]
pub struct Peer {
    pub name: &'static str,
    /// Whose version counts, as the lock file calls it.
    pub package: &'static str,
    /// What it does for a request, and what it does not.
    pub does: &'static str,
    pub over: Over,
    /// Makes a handle; what comes back sends so many requests through it.
    pub set_up: fn() -> Rounds,
}

pub type Rounds = Box<dyn FnMut(usize)>;

/// What a peer is above: the same request made and answered in memory without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// A `http::Request` and [`rig::Bare`].
    Http,
}

impl Over {
    pub const ALL: [Self; 1] = [Self::Http];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "bare",
        }
    }

    fn set_up(self) -> Rounds {
        match self {
            Self::Http => through(rig::Bare),
        }
    }
}

/// All of them, in the order of the table.
pub fn all() -> Vec<Peer> {
    tower_stack::PEERS.to_vec()
}

/// Who cannot be driven in memory, and why.
pub const NOT_DRIVEN: [(&str, &str); 0] = [];

/// The handle of a peer or of what is subtracted, by its name.
pub fn set_up(name: &str) -> Rounds {
    let peer = all().into_iter().find(|peer| peer.name == name).map(|peer| (peer.set_up)());
    let base = || Over::ALL.into_iter().find(|over| over.name() == name).map(Over::set_up);
    peer.or_else(base).unwrap_or_else(|| panic!("no peer is called {name}"))
}

/// What is set up and counted, by name.
pub fn names() -> Vec<&'static str> {
    let bases = Over::ALL.map(Over::name);
    bases.into_iter().chain(all().into_iter().map(|peer| peer.name)).collect()
}

impl Peer {
    /// As it is locked, so that a figure names the version that it is of.
    pub fn version(&self) -> &'static str {
        let lock = include_str!("../Cargo.lock");
        let entry = format!("name = \"{}\"\nversion = \"", self.package);
        let (_, rest) = lock.split_once(&entry).unwrap_or_else(|| panic!("{} is not locked", self.package));
        assert!(!rest.contains(&entry), "{} is locked twice", self.package);
        rest.split('"').next().unwrap()
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("name", &self.name).finish_non_exhaustive()
    }
}

/// One handle for all requests.
fn through<S>(mut service: S) -> Rounds
where
    S: Service<http::Request<Body>> + 'static,
    S::Error: fmt::Debug,
{
    Box::new(move |rounds| (0..rounds).for_each(|_| call(&mut service, SHAPE.request())))
}

/// A clone for each request.
fn through_clones<S>(service: S) -> Rounds
where
    S: Service<http::Request<Body>> + Clone + 'static,
    S::Error: fmt::Debug,
{
    Box::new(move |rounds| (0..rounds).for_each(|_| call(&mut service.clone(), SHAPE.request())))
}
