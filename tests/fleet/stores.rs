//! The stores that processes can share.

use tempfile::TempDir;
use tokio::sync::watch;
use tower_salesforce_auth::store::{
    Capabilities, FileStore, PostgresConfig, PostgresStore, RedisConfig, RedisStore, Revision, SharedStore,
    StoreError, StoreKey, Stored, Swap, TokenStore,
};

use crate::servers::{Postgres, Redis};

/// Where a store keeps its records.
pub(crate) enum Place {
    File(TempDir),
    Redis(Redis),
    Postgres(Postgres),
}

impl Place {
    /// One of each kind; without those whose programs are not installed.
    pub(crate) async fn all() -> Vec<Self> {
        let mut places = vec![Self::File(tempfile::tempdir().unwrap())];
        // Every write is on the disk before it is acknowledged.
        let redis = Redis::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
        places.extend(redis.map(Self::Redis));
        if let Some(server) = Postgres::start() {
            let config = PostgresConfig::from_url(&server.url()).unwrap();
            PostgresStore::connect(config).await.unwrap().create_schema().await.unwrap();
            places.push(Self::Postgres(server));
        }
        places
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Redis(_) => "redis",
            Self::Postgres(_) => "postgres",
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::File(directory) => directory.path().join("tokens").display().to_string(),
            Self::Redis(server) => server.url(),
            Self::Postgres(server) => server.url(),
        }
    }

    /// Opens the store, as each process does for itself.
    pub(crate) async fn open(&self) -> SharedStore {
        open(&self.url()).await
    }

    /// Opens the store, and tells how often it is read. `hears` whether hints get through.
    pub(crate) async fn watched(&self, hears: bool) -> (SharedStore, watch::Receiver<usize>) {
        let loads = watch::Sender::new(0);
        let reads = loads.subscribe();
        let store = match self {
            Self::File(_) => Watched { store: file(&self.url()), loads, hears }.into(),
            Self::Redis(_) => Watched { store: redis(&self.url()).await, loads, hears }.into(),
            Self::Postgres(_) => Watched { store: postgres(&self.url()).await, loads, hears }.into(),
        };
        (store, reads)
    }
}

pub(crate) async fn open(url: &str) -> SharedStore {
    match url.split_once(':') {
        None => file(url).into(),
        Some(("redis", _)) => redis(url).await.into(),
        Some(_) => postgres(url).await.into(),
    }
}

fn file(path: &str) -> FileStore {
    FileStore::open(path).unwrap()
}

async fn redis(url: &str) -> RedisStore {
    RedisStore::connect(RedisConfig::from_url(url).unwrap()).await.unwrap()
}

async fn postgres(url: &str) -> PostgresStore {
    PostgresStore::connect(PostgresConfig::from_url(url).unwrap()).await.unwrap()
}

/// Counts the reads of a store, and may be deaf to its hints.
struct Watched<S> {
    store: S,
    loads: watch::Sender<usize>,
    hears: bool,
}

impl<S: TokenStore> TokenStore for Watched<S> {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        self.loads.send_modify(|loads| *loads += 1);
        self.store.load(key).await
    }

    async fn compare_and_swap(
        &self,
        key: &StoreKey,
        expected: Option<Revision>,
        record: &[u8],
    ) -> Result<Swap, StoreError> {
        self.store.compare_and_swap(key, expected, record).await
    }

    async fn changed(&self, key: &StoreKey) {
        if !self.hears {
            std::future::pending::<()>().await;
        }
        self.store.changed(key).await;
    }

    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }
}
