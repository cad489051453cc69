//! Who is compared on the hot path, by name.

use std::fmt;

use http::Request;
use tower::{Layer, Service, retry::Retry};
use tower_http::auth::AddAuthorizationLayer;
use tower_salesforce_auth::{SalesforceAuthLayer, replay, store::FileStore};

use super::{ACCESS_TOKEN, Bare, Body, Limit, Once, Rounds, Shape, arrivals, call, session, session_on};

pub const CONTENDERS: [&str; 7] =
    ["bare", "limit", "add_authorization", "ours", "ours_buffered", "ours_never", "retry"];

/// The layer again, on a session that is kept in files.
pub const ON_FILES: &str = "ours_on_files";

/// How a service is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handle {
    /// One handle for all requests.
    LongLived,
    /// A clone for each: `clone().oneshot(..)`, how most users of Tower call.
    Cloned,
}

impl Handle {
    pub const ALL: [Self; 2] = [Self::LongLived, Self::Cloned];

    pub const fn name(self) -> &'static str {
        match self {
            Self::LongLived => "long_lived",
            Self::Cloned => "cloned",
        }
    }
}

/// One thing to measure: requests of a shape through a contender.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub shape: Shape,
    pub contender: &'static str,
    pub handle: Handle,
}

impl Case {
    /// Of one shape, each contender with both handles.
    pub fn of(shape: Shape) -> impl Iterator<Item = Self> {
        let both = move |contender| Handle::ALL.map(|handle| Self { shape, contender, handle });
        CONTENDERS.into_iter().flat_map(both)
    }

    pub fn all() -> impl Iterator<Item = Self> {
        Shape::ALL.into_iter().flat_map(Self::of)
    }

    /// The usual request through the layer, on a session that is kept in files.
    pub fn on_files() -> [Self; 2] {
        Handle::ALL.map(|handle| Self { shape: Shape::Typical, contender: ON_FILES, handle })
    }

    pub fn name(self) -> String {
        format!("{}/{}/{}", self.shape.name(), self.contender, self.handle.name())
    }

    /// What is subtracted: the same without anything above the service.
    pub fn bare(self) -> Self {
        Self { contender: "bare", ..self }
    }

    /// Makes the contender, with a handle of its own.
    pub fn rounds(self) -> Rounds {
        visit(self.contender, Requests { shape: self.shape, handle: self.handle })
    }

    /// The same, seen to put a token on each request.
    pub fn checked(self) -> Rounds {
        let mut rounds = self.rounds();
        let expected = if self.contender == "bare" { 0 } else { 3 };
        assert_eq!(arrivals::of_three(&mut rounds).tokens, expected, "{}", self.name());
        rounds
    }
}

/// Sends requests of a shape through whatever is visited.
#[derive(Clone, Copy, Debug)]
pub struct Requests {
    pub shape: Shape,
    pub handle: Handle,
}

impl Visit for Requests {
    type Output = Rounds;

    fn visit<S>(self, mut service: S) -> Rounds
    where
        S: Service<Request<Body>> + Clone + Send + Sync + 'static,
        S::Error: fmt::Debug,
    {
        let Self { shape, handle } = self;
        match handle {
            Handle::LongLived => {
                Box::new(move |rounds| (0..rounds).for_each(|_| call(&mut service, shape.request())))
            }
            Handle::Cloned => {
                Box::new(move |rounds| (0..rounds).for_each(|_| call(&mut service.clone(), shape.request())))
            }
        }
    }
}

/// What is done with a contender, each of which is a type of its own.
pub trait Visit {
    type Output;

    fn visit<S>(self, service: S) -> Self::Output
    where
        S: Service<Request<Body>> + Clone + Send + Sync + 'static,
        S::Error: fmt::Debug;
}

/// Makes the contender of a name.
pub fn visit<V: Visit>(contender: &str, visitor: V) -> V::Output {
    let auth = SalesforceAuthLayer::new;
    match contender {
        "bare" => visitor.visit(Bare),
        "limit" => visitor.visit(Limit::new(Bare)),
        "add_authorization" => {
            visitor.visit(AddAuthorizationLayer::bearer(ACCESS_TOKEN).as_sensitive(true).layer(Bare))
        }
        "ours" => visitor.visit(auth(session()).layer(Bare)),
        "ours_buffered" => visitor.visit(auth(session()).replay(replay::Buffered::default()).layer(Bare)),
        "ours_never" => visitor.visit(auth(session()).replay(replay::Never).layer(Bare)),
        "retry" => visitor.visit(Retry::new(Once, Limit::new(Bare))),
        ON_FILES => {
            // Nothing reads them while the token is alive.
            let dir = tempfile::tempdir().unwrap();
            let store = FileStore::open(dir.path().join("tokens")).unwrap();
            visitor.visit(auth(session_on(store)).layer(Bare))
        }
        other => panic!("no contender is called {other}"),
    }
}
