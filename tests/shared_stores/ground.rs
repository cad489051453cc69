//! The two kinds of server as one.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tower_salesforce_auth::store::{
    Capabilities, PostgresConfig, PostgresStore, RedisConfig, RedisStore, Revision, StoreError, StoreKey,
    Stored, Swap, TokenStore,
};

use crate::servers::{Postgres, Redis};

/// A server, and what is done to it by other means than a store.
#[derive(Debug)]
pub(crate) enum Ground {
    Redis(Redis),
    Postgres(Postgres),
}

/// A store on either.
#[derive(Clone, Debug)]
pub(crate) enum Store {
    Redis(RedisStore),
    Postgres(PostgresStore),
}

/// The servers that tests share while one of them runs.
static SHARED: Mutex<Weak<Vec<Ground>>> = Mutex::new(Weak::new());

impl Ground {
    /// Both servers, for tests that keep to a key of their own.
    pub(crate) fn shared() -> Arc<Vec<Self>> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let grounds = Arc::new(Self::fresh());
            *shared = Arc::downgrade(&grounds);
            grounds
        })
    }

    /// Both servers, for a test that does something to them. The table is there.
    pub(crate) fn fresh() -> Vec<Self> {
        let redis = Redis::start_with(&["--appendonly", "yes", "--appendfsync", "always"]).map(Self::Redis);
        let postgres = Postgres::start().inspect(create_table).map(Self::Postgres);
        redis.into_iter().chain(postgres).collect()
    }

    /// A store that connects on its own.
    pub(crate) fn store(&self) -> Store {
        Store::at(&self.url())
    }

    pub(crate) fn url(&self) -> String {
        self.url_at(self.port())
    }

    /// The URL by the way of a proxy.
    pub(crate) fn url_at(&self, port: u16) -> String {
        match self {
            Self::Redis(_) => format!("redis://127.0.0.1:{port}"),
            Self::Postgres(server) => server.url_at("127.0.0.1", port),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        match self {
            Self::Redis(server) => server.port(),
            Self::Postgres(server) => server.port(),
        }
    }

    pub(crate) fn remove_records(&self) {
        match self {
            Self::Redis(server) => server.command(&["FLUSHALL"]),
            Self::Postgres(server) => server.sql("DELETE FROM tower_salesforce_auth"),
        };
    }

    pub(crate) fn kill(&mut self) {
        match self {
            Self::Redis(server) => server.kill(),
            Self::Postgres(server) => server.kill(),
        }
    }

    pub(crate) fn start_again(&mut self) {
        match self {
            Self::Redis(server) => server.start_again(),
            Self::Postgres(server) => server.start_again(),
        }
    }
}

/// The migration of the documentation.
pub(crate) fn create_table(server: &Postgres) {
    server.sql(
        "CREATE TABLE IF NOT EXISTS tower_salesforce_auth (
            key text PRIMARY KEY, revision bigint NOT NULL, record bytea NOT NULL)",
    );
}

impl Store {
    pub(crate) fn at(url: &str) -> Self {
        if url.starts_with("redis") {
            Self::Redis(RedisStore::new(RedisConfig::from_url(url).unwrap()).unwrap())
        } else {
            Self::Postgres(PostgresStore::new(PostgresConfig::from_url(url).unwrap()).unwrap())
        }
    }

    pub(crate) async fn connect(url: &str) -> Result<Self, StoreError> {
        Ok(if url.starts_with("redis") {
            Self::Redis(RedisStore::connect(RedisConfig::from_url(url)?).await?)
        } else {
            Self::Postgres(PostgresStore::connect(PostgresConfig::from_url(url)?).await?)
        })
    }
}

impl TokenStore for Store {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        match self {
            Self::Redis(store) => store.load(key).await,
            Self::Postgres(store) => store.load(key).await,
        }
    }

    async fn compare_and_swap(
        &self,
        key: &StoreKey,
        expected: Option<Revision>,
        record: &[u8],
    ) -> Result<Swap, StoreError> {
        match self {
            Self::Redis(store) => store.compare_and_swap(key, expected, record).await,
            Self::Postgres(store) => store.compare_and_swap(key, expected, record).await,
        }
    }

    async fn changed(&self, key: &StoreKey) {
        match self {
            Self::Redis(store) => store.changed(key).await,
            Self::Postgres(store) => store.changed(key).await,
        }
    }

    fn capabilities(&self) -> Capabilities {
        match self {
            Self::Redis(store) => store.capabilities(),
            Self::Postgres(store) => store.capabilities(),
        }
    }
}
