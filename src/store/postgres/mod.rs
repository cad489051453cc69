//! A store in a table of a Postgres database.

mod config;
mod fault;
mod server;
mod statements;

use std::{fmt, sync::Arc};

use tokio_postgres::{
    Client,
    types::{ToSql, Type},
};

pub use self::config::PostgresConfig;
use self::{server::Server, statements::Statements};
use super::{
    Capabilities, Revision, Scope, StoreError, StoreKey, Stored, Swap, TokenStore, fits,
    remote::{Failed, Link},
    revision::successor,
};

/// Keeps each record in a row of its own in a Postgres database, for any number of processes that reach it.
///
/// ```no_run
/// # async fn example() -> Result<(), tower_salesforce_auth::store::StoreError> {
/// use tower_salesforce_auth::store::{PostgresConfig, PostgresStore};
///
/// let config = PostgresConfig::from_url("postgres://app:password@db.example.com/app?sslmode=verify-full")?;
/// let store = PostgresStore::connect(config).await?;
/// store.create_schema().await?; // or by a migration, see below
/// # Ok(())
/// # }
/// ```
///
/// A swap is one statement that commits by itself: no transaction is held open, no lock outlives it, and nothing of a
/// session's state is relied on. All requests share one connection of the store's own, which is made when it is first
/// needed and made anew when it is broken; no request is sent twice, but for reads. Whoever waits for a change is told
/// by `NOTIFY` over the same connection.
///
/// # The table
///
/// [`create_schema`](Self::create_schema) makes it if it is not there. As a migration:
///
/// ```sql
/// CREATE TABLE IF NOT EXISTS tower_salesforce_auth (
///     key text PRIMARY KEY,
///     revision bigint NOT NULL,
///     record bytea NOT NULL
/// );
/// GRANT SELECT, INSERT, UPDATE ON tower_salesforce_auth TO app;
/// ```
///
/// # The server
///
/// PostgreSQL 12 or later (this crate's tests run on 15), and its primary: a standby is refused, for reads too, since it
/// may be behind. Name several hosts and the primary among them is used. Certificates of clients are not offered.
///
/// A connection has 5 s to be made, each host `connect_timeout` of them; a load has 0.9 s and a swap 1.8 s. Where a
/// swap is not done by then the server is asked to cancel it, so that one that waits for a lock does not write when
/// nobody expects it any more. One that came second then reads what came first; a session waits 2 s for all of it, and
/// looks again where that was not enough.
///
/// Any default isolation level will do: where another transaction came first, the swap is a conflict. A swap waits for
/// the disk even if `synchronous_commit` is `off` by default. So records are durable, as far as the server keeps its
/// promises (`fsync = on`); a standby that takes over may have missed what was not replicated synchronously.
///
/// Behind PgBouncer, pools of all modes will do. Where it hands each transaction to another server connection,
/// notifications are lost, and a waiter sees a change when it polls next, within a second.
///
/// Records are not encrypted by this store: backups hold them, and so does the server's log with `log_statement = all`
/// or a low `log_min_duration_statement`, unless `log_parameter_max_length = 0`.
///
/// # Revisions
///
/// A key's first revision is random and each further one lies a random step above its predecessor: none comes twice,
/// after `DELETE` and after a restored backup too.
#[derive(Clone)]
pub struct PostgresStore {
    link: Arc<Link<Server>>,
}

impl PostgresStore {
    /// A store that connects when it is first used. This does no I/O.
    ///
    /// # Errors
    ///
    /// If TLS cannot be set up.
    pub fn new(config: PostgresConfig) -> Result<Self, StoreError> {
        Ok(Self { link: Arc::new(Link::new(Server::new(config)?)) })
    }

    /// A store that is connected, so that a wrong password is noticed now.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Unavailable`](super::StoreErrorKind::Unavailable) if the server cannot be reached within 5 s,
    /// refuses the user or takes no writes.
    pub async fn connect(config: PostgresConfig) -> Result<Self, StoreError> {
        let store = Self::new(config)?;
        store.link.connect().await?;
        Ok(store)
    }

    /// Creates the table unless it is there. Any number of processes may do so at once, and a user who may not create
    /// tables may do so where there is nothing to create.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached, or the user may not create the table in its schema.
    pub async fn create_schema(&self) -> Result<(), StoreError> {
        let statements = &self.link.dial().config.statements;
        self.link.write(|client| create_table(client, statements)).await
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("config", &self.link.dial().config).finish()
    }
}

/// # Cancel safety
///
/// A dropped `load` has no effect. A dropped `compare_and_swap` may have been sent, and is applied then.
impl TokenStore for PostgresStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        let statements = &self.link.dial().config.statements;
        self.link.read(|client| load(client, statements, key)).await
    }

    async fn compare_and_swap(
        &self,
        key: &StoreKey,
        expected: Option<Revision>,
        record: &[u8],
    ) -> Result<Swap, StoreError> {
        fits(record)?;
        let next = successor(expected)?;
        let statements = &self.link.dial().config.statements;
        if self.link.write(|client| write(client, statements, key, expected, next, record)).await? {
            return Ok(Swap::Applied(next));
        }
        // F076: no part of the write. A write that is late is cancelled, and what the server does by then may be the
        // commit of another session.
        let found = self.load(key).await?;
        if found.as_ref().map(|stored| stored.revision) == expected {
            return Err(StoreError::unavailable(
                "other transactions came first, and left the record as it was",
            ));
        }
        Ok(Swap::Conflict(found))
    }

    async fn changed(&self, key: &StoreKey) {
        let changed = self.link.dial().hints.of(key);
        // If there is no connection, the next load makes one.
        let _ = self.link.connect().await;
        changed.notified().await;
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Scope::Cluster, true)
    }
}

// The `…_typed` requests take one round trip and leave no prepared statement behind, which a pooler might hand to
// somebody else; and with them the driver logs no parameters.

async fn create_table(client: Arc<Client>, statements: &Statements) -> Result<(), Failed> {
    let found = client.query_typed_one(&statements.find_table, &[]).await;
    if found.and_then(|row| row.try_get(0)).map_err(|error| fault::of_read(&error))? {
        return Ok(());
    }
    match client.batch_execute(&statements.create_table).await {
        Err(error) if !fault::exists_already(&error) => Err(fault::of_write(&error)),
        _ => Ok(()),
    }
}

async fn load(
    client: Arc<Client>,
    statements: &Statements,
    key: &StoreKey,
) -> Result<Option<Stored>, Failed> {
    let row = client
        .query_typed_opt(&statements.load, &[(&key.as_str(), Type::TEXT)])
        .await
        .map_err(|error| fault::of_read(&error))?;
    let Some(row) = row else { return Ok(None) };
    match (row.try_get::<_, i64>(0), row.try_get::<_, Vec<u8>>(1)) {
        (Ok(revision), Ok(bytes)) => {
            Ok(Some(Stored { revision: Revision::new(revision.cast_unsigned()), bytes }))
        }
        _ => Err(StoreError::corrupt("the table has other columns than this store needs").into()),
    }
}

/// Writes the record, unless another transaction came first; whether it did.
async fn write(
    client: Arc<Client>,
    statements: &Statements,
    key: &StoreKey,
    expected: Option<Revision>,
    next: Revision,
    record: &[u8],
) -> Result<bool, Failed> {
    let (text, revision) = (key.as_str(), next.get().cast_signed());
    let written = match expected {
        None => {
            let parameters: [(&(dyn ToSql + Sync), Type); 3] =
                [(&text, Type::TEXT), (&revision, Type::INT8), (&record, Type::BYTEA)];
            client.query_typed(&statements.create, &parameters).await
        }
        Some(expected) => {
            let expected = expected.get().cast_signed();
            let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
                (&text, Type::TEXT),
                (&revision, Type::INT8),
                (&record, Type::BYTEA),
                (&expected, Type::INT8),
            ];
            client.query_typed(&statements.replace, &parameters).await
        }
    };
    match written {
        Ok(rows) => Ok(!rows.is_empty()),
        Err(error) if fault::is_overtaken(&error) => Ok(false),
        Err(error) => Err(fault::of_write(&error)),
    }
}
