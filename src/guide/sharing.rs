//! Sharing a session between processes.
//!
//! Give every process the same connection name, the same grant and the same store; there is nothing else to configure.
//! Whichever finds the session ended first refreshes it, the others take over what it stored. With refresh token
//! rotation this is no matter of thrift: a refresh token works once, and showing a spent one ends the whole grant.
//!
//! ```no_run
//! # #[cfg(all(feature = "postgres", feature = "sealed", feature = "hyper-client"))]
//! # async fn doc() -> Result<(), tower_salesforce_auth::BoxError> {
//! # use std::env;
//! use tower_salesforce_auth::{
//!     Session,
//!     grant::{Client, LoginHost, RefreshToken},
//!     store::{KeyRing, PostgresConfig, PostgresStore, Sealed, SealingKey},
//! };
//!
//! let keys = KeyRing::new(SealingKey::from_hex(&env::var("SEALING_KEY")?)?);
//! let postgres = PostgresStore::connect(PostgresConfig::from_url(&env::var("DATABASE_URL")?)?).await?;
//! let client = Client::confidential(env::var("CONSUMER_KEY")?, env::var("CONSUMER_SECRET")?);
//! let grant = RefreshToken::new(client, LoginHost::Production, env::var("FIRST_REFRESH_TOKEN")?);
//! let session = Session::builder("acme", grant) // the same name in every process
//!     .store(Sealed::new(postgres, keys))       // the same store and the same keys
//!     .build()?;
//! # let _ = session;
//! # Ok(())
//! # }
//! ```
//!
//! # One refresh
//!
//! ```text
//!    process A                    store                    process B              Salesforce
//!        |                          |                          |                       |
//!        |  (both are refused)      |                          |                       |
//!        |--- load ---------------->|                          |                       |
//!        |--- claim (swap) -------->|  applied                 |                       |
//!        |                          |<---------------- load ---|                       |
//!        |                          |   "A has the claim": wait, look again            |
//!        |--- refresh token ---------------------------------------------------------->|
//!        |<-- new tokens --------------------------------------------------------------|
//!        |--- commit (swap) ------->|  applied                 |                       |
//!        |                          |<---------------- load ---|                       |
//!        |  (serves them)           |   a newer lineage: adopt |  (serves them)        |
//! ```
//!
//! The claim is written before the refresh token is sent, and the new tokens are stored before anybody uses them. A
//! claim is not a lock: it does not expire by anybody's clock. A process that *sees it unchanged* for the wait-out of 60 s
//! (15 s for grants without a refresh token), by its own clock, may put its own in its place. Meanwhile the access token
//! that is there is served, and nobody else sends the refresh token.
//!
//! # What survives what
//!
//! | what happens | what comes of it |
//! |---|---|
//! | a process stops between claim and sending | the others wait the claim out, then one of them refreshes |
//! | a process is paused for less than the wait-out, at any point | it finishes; nothing is sent twice |
//! | a process is paused for longer, between sending and storing | another one shows the spent token: the grant is lost |
//! | a process is killed, or an answer lost, between sending and storing | the same: no client can prevent that, since the only living token was in that process or on the wire. [`Event::ReauthorisationRequired`] says so once |
//! | the store is down | the access token that is there is served on. A refresh token is not sent; JWT bearer and client credentials get tokens without the store |
//! | the store goes down after the answer came | the process serves the new tokens, keeps trying to store them, and says so: [`Session::is_stored`], [`Event::CommitDelayed`] |
//! | the store loses its last writes (fail-over, a restored backup) | the process that holds newer tokens writes them again |
//! | a record vanishes | whoever still holds it writes it again; a process that starts cold begins with its configured refresh token, unless that is known to be spent |
//! | a person connects again ([`Session::reconnect`]) in one process | the others find the new consent in the store, at most a second after they ask for a token |
//! | the connection is revoked ([`Session::revoke`]) | its record says so, and no process brings it back |
//!
//! A process that waits looks at the store after 50 ms and then ever less often, once a second at least; stores with a
//! hint (Redis by `PUBLISH`, Postgres by `NOTIFY`) wake it at once. Hints may be lost, nothing depends on them.
//!
//! # Which store
//!
//! | store | shared by | an acknowledged write survives | choose it for |
//! |---|---|---|---|
//! | `MemoryStore` | one process | nothing | tests; grants without a refresh token |
//! | `FileStore` | the processes of one host, on a local file system | a crash of the host | command line tools, one server |
//! | `PostgresStore` | a cluster | a crash, and a fail-over if replication is synchronous | rotating refresh tokens: the recommended one |
//! | `RedisStore` | a cluster | what `appendfsync` says; a fail-over may lose the last write | fleets that have a Redis and no database, grants without rotation |
//! | your own | as it says | as it says | see [`writing_a_store`](super::writing_a_store) |
//!
//! A store that other hosts can read holds what opens a customer's org: wrap it in `Sealed`, or say with
//! [`SessionBuilder::allow_plaintext_store`](crate::SessionBuilder::allow_plaintext_store) that it is guarded otherwise.
//!
//! # Stopping
//!
//! [`Session::close`] waits for a refresh under way and stores what is not stored. Call it when the process is told to
//! stop, before the runtime shuts down: a kill between sending and storing is the one thing that costs a grant.
//!
//! # See it
//!
//! `cargo run --example fleet -- --store file --processes 8 --requests 2000` starts real processes, lets their session end
//! over and over, stops one and kills one while a refresh is under way, and counts. `--faults pause` or `--faults kill` do
//! so in each generation, `--faults none` in no one.
//!
//! [`Event::ReauthorisationRequired`]: crate::Event::ReauthorisationRequired
//! [`Event::CommitDelayed`]: crate::Event::CommitDelayed
//! [`Session::is_stored`]: crate::Session::is_stored
//! [`Session::reconnect`]: crate::Session::reconnect
//! [`Session::revoke`]: crate::Session::revoke
//! [`Session::close`]: crate::Session::close
