//! Puts a session together.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tokio::runtime::Handle;
use tower_service::Service;

use super::{Session, state::Shared};
use crate::{
    BoxError,
    clock::{self, Pace},
    grant::{DynGrant, Grant},
    instance_url::{HostPolicy, InstanceUrl},
    org_id::OrgId,
    refresh::{backoff::Chance, flight::Crew, record::Binding},
    store::{MemoryStore, Scope, SharedStore, StoreKey},
    token_endpoint::{TokenEndpoint, Transport},
};

/// A refresh takes 10 s at most and a commit 2 s; a caller who waits longer waits for somebody else's unknown outcome.
const WAIT_BUDGET: Duration = Duration::from_secs(15);

/// Collects what a [`Session`] needs. Made by [`Session::builder`].
pub struct SessionBuilder {
    connection: String,
    grant: Arc<dyn DynGrant>,
    store: Option<SharedStore>,
    allows_plaintext_store: bool,
    transport: Option<Transport>,
    runtime: Option<Handle>,
    wait_budget: Duration,
    allowed_origins: Vec<String>,
    org: Option<OrgId>,
    policy: HostPolicy,
    #[cfg(feature = "testing")]
    time_scale: f64,
    #[cfg(feature = "testing")]
    simulated: Option<(u64, Duration)>,
}

impl SessionBuilder {
    pub(super) fn new(connection: String, grant: impl Grant) -> Self {
        Self {
            connection,
            grant: Arc::new(grant),
            store: None,
            allows_plaintext_store: false,
            transport: None,
            runtime: None,
            wait_budget: WAIT_BUDGET,
            allowed_origins: Vec::new(),
            org: None,
            policy: HostPolicy::default(),
            #[cfg(feature = "testing")]
            time_scale: 1.0,
            #[cfg(feature = "testing")]
            simulated: None,
        }
    }

    /// Keeps the connection's record in `store`. Needed for grants with a refresh token; the others use memory unless
    /// told otherwise.
    #[must_use]
    pub fn store(mut self, store: impl Into<SharedStore>) -> Self {
        self.store = Some(store.into());
        self
    }

    /// Accepts a store that other hosts reach and that does not seal its records.
    ///
    /// Tokens are then legible to whoever can read that store: its operators, its backups and replicas, other
    /// applications on it. `Sealed` (feature `sealed`) spares that. A store in the files of this user on this host
    /// needs no such word: who can read those can read the process.
    #[must_use]
    pub fn allow_plaintext_store(mut self) -> Self {
        self.allows_plaintext_store = true;
        self
    }

    /// Sends token requests through `service` instead of the transport that the feature `hyper-client` brings.
    ///
    /// It must not follow redirects, must not retry, and must not be a service that this session's layer wraps: a
    /// shared limiter would deadlock.
    #[must_use]
    pub fn transport<T, B>(mut self, service: T) -> Self
    where
        T: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
        T::Error: Into<BoxError>,
        T::Future: Send,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        self.transport = Some(Transport::new(service));
        self
    }

    /// Runs refreshes on this runtime. Without it they run on the runtime of the caller that starts them, which is
    /// wrong for an application that shuts one of several runtimes down. Callers outside of any runtime need it. It must
    /// have its timers enabled.
    #[must_use]
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// How long one caller waits for a refresh: 15 s unless told otherwise. The refresh itself is not affected.
    #[must_use]
    pub fn wait_budget(mut self, budget: Duration) -> Self {
        self.wait_budget = budget;
        self
    }

    /// Sends the token to absolute URIs at `origin` too, unchanged: `https://api.salesforce.com`, a Visualforce or
    /// site domain that takes the org's token. May be called several times.
    #[must_use]
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.allowed_origins.push(origin.into());
        self
    }

    /// Pins the org: a token answer for any other is refused from the first one on. Without it the first answer pins.
    #[must_use]
    pub fn org(mut self, org: OrgId) -> Self {
        self.org = Some(org);
        self
    }

    /// Accepts instance URLs under `.force.com`, where Experience Cloud sites live that customers control.
    #[must_use]
    pub fn allow_force_com(mut self) -> Self {
        self.policy.force_com = true;
        self
    }

    /// For tests only: accepts `http` and any port on loopback, for the login host and the instance URL alike, so that
    /// `testing::FakeOrg` can be used.
    #[must_use]
    pub fn allow_loopback(mut self) -> Self {
        self.policy.loopback = true;
        self
    }

    /// For tests only: has every time of the refresh protocol pass at `scale`, from 0.001 to 1,000. At 0.1 a foreign claim
    /// is waited out for 6 s instead of 60, the record is read ten times as often meanwhile, and a load is given 0.1 s
    /// instead of 1 s. The wait budget of callers is not scaled, nor are the limits that stores have of their own (0.9 s for a
    /// load from Redis or Postgres, 1.8 s for a swap).
    ///
    /// All processes that share a store must be given the same scale.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn time_scale(mut self, scale: f64) -> Self {
        self.time_scale = scale;
        self
    }

    /// For tests only: draws jitter and nonces from `seed` instead of the system, and has the clock on the wall stand at
    /// `wall` since 1970 now and go with tokio's clock from now on. With tokio's time paused, the session then does the
    /// same each time that it meets the same.
    ///
    /// No two sessions on one store may be given the same seed.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn simulated(mut self, seed: u64, wall: Duration) -> Self {
        self.simulated = Some((seed, wall));
        self
    }

    /// Builds the session. Does no I/O, spawns nothing, and needs no runtime.
    ///
    /// # Errors
    ///
    /// When the parts do not fit together; the error says what to change.
    pub fn build(self) -> Result<Session, BuildError> {
        if self.connection.is_empty() || self.connection.chars().any(char::is_control) {
            return Err(BuildError::new(
                "the connection's name must be some text without control characters",
                None,
            ));
        }
        self.grant
            .check()
            .map_err(|error| BuildError::new("the grant cannot be used as it is", Some(error)))?;
        let host = self
            .grant
            .login_host()
            .resolve(self.policy.loopback)
            .map_err(|error| BuildError::new("the login host cannot be used", Some(error.into())))?;
        let rotating = self.grant.seed().is_some();
        let store = self.checked_store(rotating)?;
        let transport = match self.transport {
            Some(transport) => transport,
            None => default_transport()?,
        };
        let mut allowed_origins = Vec::new();
        for origin in &self.allowed_origins {
            let origin = InstanceUrl::parse_with(origin, HostPolicy { force_com: true, ..self.policy })
                .map_err(|error| BuildError::new("an allowed origin cannot be used", Some(error.into())))?;
            allowed_origins.push(origin);
        }
        #[cfg(feature = "testing")]
        let pace = Pace::new(self.time_scale)
            .ok_or_else(|| BuildError::new("the time scale must be from 0.001 to 1,000", None))?;
        #[cfg(not(feature = "testing"))]
        let pace = Pace::default();
        #[cfg(feature = "testing")]
        let (chance, wall) =
            self.simulated.map_or_else(Default::default, |(seed, wall)| (Chance::seeded(seed), Some(wall)));
        #[cfg(not(feature = "testing"))]
        let (chance, wall) = (Chance::default(), None);
        let crew = Crew {
            key: StoreKey::new(&self.connection, self.grant.kind()),
            store,
            binding: Binding {
                client_id: self.grant.client_id().to_owned(),
                login_origin: host.origin().to_owned(),
                org: self.org,
                user: None,
            },
            endpoint: TokenEndpoint::new(transport, host),
            policy: self.policy,
            origin: clock::now(),
            pace,
            chance,
            wall,
            grant: self.grant,
        };
        let seed = crew.grant.seed().cloned();
        let shared = Shared::new(
            crew,
            seed,
            rotating,
            allowed_origins,
            self.wait_budget,
            self.runtime,
            &self.connection,
        );
        Ok(Session(Arc::new(shared)))
    }

    fn checked_store(&self, rotating: bool) -> Result<SharedStore, BuildError> {
        let Some(store) = self.store.clone() else {
            return if rotating {
                Err(BuildError::new(
                    "a refresh token may rotate, so its successor must outlive the process; give the session a durable \
                     store (.store(FileStore::open(\"tokens\")?), or one of your own), or accept the loss of the \
                     connection at the end of the process with .store(MemoryStore::volatile())",
                    None,
                ))
            } else {
                Ok(MemoryStore::volatile().into())
            };
        };
        let capabilities = store.capabilities();
        if rotating && !capabilities.durable && !capabilities.loss_accepted {
            return Err(BuildError::new(
                "a refresh token may rotate, but the store does not say that it survives a crash; implement \
                 TokenStore::capabilities with `durable`, or accept the loss with Capabilities::accept_loss",
                None,
            ));
        }
        if capabilities.scope == Scope::Cluster && !capabilities.sealed && !self.allows_plaintext_store {
            // S24
            return Err(BuildError::new(
                "other hosts reach the store, and its records are not sealed; wrap it (.store(Sealed::new(store, keys)), \
                 feature `sealed`), or accept that whoever reads the store reads the tokens with \
                 .allow_plaintext_store()",
                None,
            ));
        }
        Ok(store)
    }
}

#[cfg(feature = "hyper-client")]
fn default_transport() -> Result<Transport, BuildError> {
    Transport::hyper().map_err(|error| BuildError::new("the TLS configuration cannot be made", Some(error)))
}

#[cfg(not(feature = "hyper-client"))]
fn default_transport() -> Result<Transport, BuildError> {
    Err(BuildError::new(
        "token requests need a transport: enable the feature `hyper-client`, or call .transport(..) with a service of \
         your own",
        None,
    ))
}

impl fmt::Debug for SessionBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionBuilder")
            .field("connection", &self.connection)
            .field("grant", &self.grant.kind())
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

/// Why a session cannot be built, and what to change.
#[derive(Debug)]
pub struct BuildError {
    message: &'static str,
    source: Option<BoxError>,
}

impl BuildError {
    fn new(message: &'static str, source: Option<BoxError>) -> Self {
        Self { message, source }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => write!(f, "{}: {source}", self.message),
            None => f.write_str(self.message),
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
