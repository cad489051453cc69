//! A store on a Redis or Valkey server.

mod config;
mod fault;
mod script;
mod server;

use std::{fmt, sync::Arc};

pub use self::config::RedisConfig;
use self::server::Server;
use super::{
    Capabilities, Revision, Scope, StoreError, StoreKey, Stored, Swap, TokenStore, fits, remote::Link,
    revision::successor,
};

/// Keeps each record in a hash of its own on one Redis or Valkey server, for any number of processes that reach it.
///
/// ```no_run
/// # async fn example() -> Result<(), tower_salesforce_auth::store::StoreError> {
/// use tower_salesforce_auth::store::{RedisConfig, RedisStore};
///
/// let config = RedisConfig::from_url("rediss://app:password@cache.example.com:6379")?.accept_loss();
/// let store = RedisStore::connect(config).await?;
/// # drop(store);
/// # Ok(())
/// # }
/// ```
///
/// A swap is one script on one key. All requests share one connection, which is made when it is first needed and made
/// anew when it is broken; no request is sent twice, but for reads. Whoever waits for a change is told by `PUBLISH`
/// over the same connection.
///
/// # The server
///
/// Redis 6 or later, or Valkey (this crate's tests run on Redis 7.0); a primary that is not part of a Redis Cluster. A
/// replica is refused, for reads too: its data may be old. Sentinels are not asked where the primary is: name an address
/// that leads to it. Certificates of clients are not offered.
///
/// A connection has 5 s to be made, each address of the host 1.5 s of them; a load has 0.9 s and a swap 1.8 s.
///
/// **It must not drop records.** They have no time to live, and a server whose `maxmemory-policy` lets it drop keys
/// that have none (`allkeys-…`) is refused, unless [`RedisConfig::accept_eviction`] was said.
///
/// **It may lose what it has confirmed.** Only with `appendonly yes`, `appendfsync always` and without replicas does
/// [`capabilities`](TokenStore::capabilities) say that records are durable, and only after the first connection
/// has shown it. With `appendfsync everysec` a crash loses up to two seconds, without an append-only file all since the
/// last snapshot, and a replica that takes over has missed what its primary had not sent. A connection whose
/// rotation is lost must be authorised again. [`RedisConfig::accept_loss`] says that this is acceptable.
///
/// A user with few permissions: `ACL SETUSER app on >password ~tower-salesforce-auth:* &tower-salesforce-auth:*
/// +eval +persist +exists +hmget +hset +publish +subscribe +info +config|get`. Without the last two the server is not
/// checked and counts as not durable.
///
/// Records are not encrypted by this store, and `MONITOR`, the slow log and the server's files show them.
///
/// # Revisions
///
/// A key's first revision is random and each further one lies a random step above its predecessor: none comes twice,
/// after `DEL` and `FLUSHALL` too.
#[derive(Clone)]
pub struct RedisStore {
    link: Arc<Link<Server>>,
}

impl RedisStore {
    /// A store that connects when it is first used. This does no I/O.
    ///
    /// Whether the server is durable is not known yet: a grant whose refresh token rotates takes such a store only with
    /// [`RedisConfig::accept_loss`].
    ///
    /// # Errors
    ///
    /// If TLS cannot be set up.
    pub fn new(config: RedisConfig) -> Result<Self, StoreError> {
        Ok(Self { link: Arc::new(Link::new(Server::new(config)?)) })
    }

    /// A store that is connected, so that a wrong password or a server that drops records is noticed now.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Unavailable`](super::StoreErrorKind::Unavailable) if the server cannot be reached within 5 s
    /// or refuses the user; [`StoreErrorKind::Unsafe`](super::StoreErrorKind::Unsafe) if it may drop records.
    pub async fn connect(config: RedisConfig) -> Result<Self, StoreError> {
        let store = Self::new(config)?;
        store.link.connect().await?;
        Ok(store)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("config", &self.link.dial().config).finish()
    }
}

/// # Cancel safety
///
/// A dropped `load` has no effect. A dropped `compare_and_swap` may have been sent, and is applied then.
impl TokenStore for RedisStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        let command = self.link.dial().names.load(key);
        self.link
            .read(|mut client| {
                let command = &command;
                async move {
                    let answer = command.query_async(&mut client).await;
                    Ok(script::loaded(answer.map_err(|error| fault::of_load(&error))?)?)
                }
            })
            .await
    }

    async fn compare_and_swap(
        &self,
        key: &StoreKey,
        expected: Option<Revision>,
        record: &[u8],
    ) -> Result<Swap, StoreError> {
        fits(record)?;
        let next = successor(expected)?;
        let command = self.link.dial().names.swap(key, expected, next, record);
        self.link
            .write(async |mut client| {
                let answer = command.query_async(&mut client).await;
                Ok(script::swapped(answer.map_err(|error| fault::of_swap(&error))?, next)?)
            })
            .await
    }

    async fn changed(&self, key: &StoreKey) {
        let changed = self.link.dial().hints.of(key);
        // If there is no connection, the next load makes one.
        let _ = self.link.connect().await;
        changed.notified().await;
    }

    fn capabilities(&self) -> Capabilities {
        let server = self.link.dial();
        let capabilities = Capabilities::new(Scope::Cluster, server.syncs_every_write());
        if server.config.accepts_loss { capabilities.accept_loss() } else { capabilities }
    }
}
