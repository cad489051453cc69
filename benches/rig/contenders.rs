//! Who is compared on the hot path, by name, for benches that count and do not time.

use tower::{Layer, Service, retry::Retry};
use tower_http::auth::AddAuthorizationLayer;
use tower_salesforce_auth::{SalesforceAuthLayer, Session, replay};

use super::{ACCESS_TOKEN, Bare, Body, Limit, Once, Shape, call, session};

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

/// One thing to count: so many requests of a shape through a contender.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub shape: Shape,
    pub contender: &'static str,
    pub handle: Handle,
}

impl Case {
    pub fn all() -> Vec<Self> {
        let mut cases = Vec::new();
        for shape in Shape::ALL {
            let on_files = (shape == Shape::Typical).then_some(ON_FILES);
            for contender in CONTENDERS.into_iter().chain(on_files) {
                cases.extend(Handle::ALL.map(|handle| Self { shape, contender, handle }));
            }
        }
        cases
    }

    pub fn name(self) -> String {
        format!("{}/{}/{}", self.shape.name(), self.contender, self.handle.name())
    }

    /// What is subtracted: the same without anything above the service.
    pub fn bare(self) -> Self {
        Self { contender: "bare", ..self }
    }

    /// Sends so many requests.
    pub fn run(self, rounds: usize) {
        let auth = |session: Session| SalesforceAuthLayer::new(session);
        match self.contender {
            "bare" => self.send(Bare, rounds),
            "limit" => self.send(Limit::new(Bare), rounds),
            "add_authorization" => {
                self.send(AddAuthorizationLayer::bearer(ACCESS_TOKEN).as_sensitive(true).layer(Bare), rounds);
            }
            "ours" => self.send(auth(session()).layer(Bare), rounds),
            "ours_buffered" => {
                self.send(auth(session()).replay(replay::Buffered::default()).layer(Bare), rounds);
            }
            "ours_never" => self.send(auth(session()).replay(replay::Never).layer(Bare), rounds),
            "retry" => self.send(Retry::new(Once, Limit::new(Bare)), rounds),
            ON_FILES => {
                let dir = tempfile::tempdir().unwrap();
                let store = tower_salesforce_auth::store::FileStore::open(dir.path().join("tokens")).unwrap();
                self.send(auth(super::session_on(store)).layer(Bare), rounds);
            }
            other => panic!("no contender is called {other}"),
        }
    }

    fn send<S>(self, mut service: S, rounds: usize)
    where
        S: Service<http::Request<Body>> + Clone,
        S::Error: std::fmt::Debug,
    {
        for _ in 0..rounds {
            let request = self.shape.request();
            match self.handle {
                Handle::LongLived => call(&mut service, request),
                Handle::Cloned => call(&mut service.clone(), request),
            }
        }
    }
}
