//! What the processes share: a directory, or a server that the example starts by itself.

#[path = "../../tests/servers/mod.rs"]
mod servers;

use tempfile::TempDir;
use tower_salesforce_auth::{
    BoxError,
    store::{
        FileStore, KeyRing, PostgresConfig, PostgresStore, RedisConfig, RedisStore, Sealed, SealingKey,
        SharedStore,
    },
};

use self::servers::{Postgres, Redis};
use super::options::Backend;

/// The key that records on a server are sealed with. An application has one of its own, and it is no constant.
const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// A store that is there for as long as this is.
pub(crate) enum Shared {
    File(TempDir),
    Redis(Redis),
    Postgres(Postgres),
}

impl Shared {
    pub(crate) async fn start(backend: Backend) -> Result<Self, BoxError> {
        Ok(match backend {
            Backend::File => Self::File(TempDir::new()?),
            // Every write is on the disk before it is acknowledged.
            Backend::Redis => Self::Redis(
                Redis::start_with(&["--appendonly", "yes", "--appendfsync", "always"])
                    .ok_or("Redis is not installed: on Debian `apt-get install redis-server`")?,
            ),
            Backend::Postgres => {
                let server = Postgres::start()
                    .ok_or("Postgres is not installed: on Debian `apt-get install postgresql`")?;
                let store = PostgresStore::connect(PostgresConfig::from_url(&server.url())?).await?;
                store.create_schema().await?;
                Self::Postgres(server)
            }
        })
    }

    /// Where the store is: a directory or a URL.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::File(directory) => directory.path().join("tokens").display().to_string(),
            Self::Redis(server) => server.url(),
            Self::Postgres(server) => server.url(),
        }
    }
}

/// Opens the store, as each process does for itself. A server is asked at once: how durable it is decides whether a
/// grant that rotates may use it.
pub(crate) async fn open(backend: &str, place: &str) -> Result<SharedStore, BoxError> {
    let keys = || SealingKey::from_hex(KEY).map(KeyRing::new);
    Ok(match backend {
        "file" => FileStore::open(place)?.into(),
        "redis" => Sealed::new(RedisStore::connect(RedisConfig::from_url(place)?).await?, keys()?).into(),
        _ => Sealed::new(PostgresStore::connect(PostgresConfig::from_url(place)?).await?, keys()?).into(),
    })
}
