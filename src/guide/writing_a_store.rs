//! Writing a token store: two methods, one contract, and a kit that says whether it is kept.
//!
//! A store keeps one opaque record for each connection and swaps it in one step. It does not know what is in a record,
//! who refreshes, how long anybody waits. All of that is the library's, for every store, so that a store stays small
//! enough to be right.
//!
//! # A worked example
//!
//! A table in any SQL database, `records (key TEXT PRIMARY KEY, revision BIGINT, record BYTEA)`, behind a client of its
//! own. Here a map stands in for the database, with the one thing that matters about a database: a statement is a step
//! that nothing comes between.
//!
//! ```
//! use std::{collections::HashMap, sync::{Arc, Mutex, PoisonError}};
//! use tower_salesforce_auth::store::{
//!     Capabilities, Revision, Scope, StoreError, StoreKey, Stored, Swap, TokenStore,
//! };
//! # #[derive(Clone, Default)]
//! # struct Database(Arc<Mutex<(HashMap<String, Stored>, u64)>>);
//! # impl Database {
//! #     fn step<T>(&self, step: impl FnOnce(&mut HashMap<String, Stored>, &mut u64) -> T) -> T {
//! #         let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
//! #         let (rows, sequence) = &mut *tables;
//! #         step(rows, sequence)
//! #     }
//! #     async fn select(&self, key: &str) -> Result<Option<Stored>, &'static str> {
//! #         Ok(self.step(|rows, _| rows.get(key).cloned()))
//! #     }
//! #     async fn insert_unless_there(&self, key: &str, record: &[u8]) -> Result<Option<u64>, &'static str> {
//! #         Ok(self.step(|rows, sequence| {
//! #             if rows.contains_key(key) { return None; }
//! #             *sequence += 1;
//! #             let stored = Stored { revision: Revision::new(*sequence), bytes: record.to_vec() };
//! #             rows.insert(key.to_owned(), stored);
//! #             Some(*sequence)
//! #         }))
//! #     }
//! #     async fn update_where(&self, key: &str, expected: u64, record: &[u8]) -> Result<Option<u64>, &'static str> {
//! #         Ok(self.step(|rows, sequence| {
//! #             let row = rows.get_mut(key).filter(|row| row.revision.get() == expected)?;
//! #             *sequence += 1;
//! #             *row = Stored { revision: Revision::new(*sequence), bytes: record.to_vec() };
//! #             Some(*sequence)
//! #         }))
//! #     }
//! #     fn delete(&self, key: &str) { self.step(|rows, _| rows.remove(key)); }
//! # }
//!
//! #[derive(Clone)]
//! struct SqlStore {
//!     database: Database, // a pool of its own, its retries switched off
//! }
//!
//! impl TokenStore for SqlStore {
//!     async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
//!         // SELECT revision, record FROM records WHERE key = $1 -- on the primary
//!         self.database.select(key.as_str()).await.map_err(StoreError::unavailable)
//!     }
//!
//!     async fn compare_and_swap(
//!         &self,
//!         key: &StoreKey,
//!         expected: Option<Revision>,
//!         record: &[u8],
//!     ) -> Result<Swap, StoreError> {
//!         let written = match expected {
//!             // INSERT INTO records VALUES ($1, nextval('revisions'), $2) ON CONFLICT DO NOTHING RETURNING revision
//!             None => self.database.insert_unless_there(key.as_str(), record).await,
//!             // UPDATE records SET record = $3, revision = nextval('revisions')
//!             //     WHERE key = $1 AND revision = $2 RETURNING revision
//!             Some(expected) => self.database.update_where(key.as_str(), expected.get(), record).await,
//!         };
//!         // The statement may have arrived, whatever became of its answer.
//!         match written.map_err(StoreError::ambiguous)? {
//!             Some(revision) => Ok(Swap::Applied(Revision::new(revision))),
//!             None => Ok(Swap::Conflict(self.load(key).await?)),
//!         }
//!     }
//!
//!     fn capabilities(&self) -> Capabilities {
//!         Capabilities::new(Scope::Cluster, true)
//!     }
//! }
//!
//! // In a test: #[tokio::test(flavor = "multi_thread")]
//! # #[tokio::main]
//! # async fn main() {
//! use tower_salesforce_auth::testing::store_conformance; // feature `testing`, a dev-dependency
//!
//! # let database = Database::default();
//! let store = SqlStore { database };
//! let rows = store.database.clone();
//! store_conformance(async || store.clone())
//!     .removing(move |key| {
//!         rows.delete(key.as_str());
//!         async {}
//!     })
//!     .await
//!     .assert_passed();
//! # }
//! ```
//!
//! `examples/custom_store` is another one, in a file, with a session on it.
//!
//! # The contract, and why
//!
//! Where refresh tokens rotate, one works once. Showing a spent one again revokes the whole grant, and a customer must
//! connect anew. So before a refresh token is sent, the session that sends it writes a *claim* into the record, and all
//! others wait; what comes back is written before it is used. Both writes are swaps, and all rests on them.
//!
//! | the contract | what goes wrong without |
//! |---|---|
//! | Of the swaps that expect one revision, one applies | two claims on one refresh token: it is sent twice |
//! | A load sees every swap that was over when it began, through any handle | a session reads a record whose refresh token is spent |
//! | `Applied` means durable, to the level that [`capabilities`] declares | the only copy of a new refresh token is lost in a crash |
//! | Records are whole, and any bytes | a damaged record stops the connection |
//! | A record that is damaged, or a store that is away, is an error, never `None` | the session begins anew with the refresh token it was configured with, which is spent |
//! | An error says whether the write may have been applied | the library takes a write for not done and does another one over it |
//! | No second try in the store | a write that was applied is reported as somebody else's, and the session waits for that somebody |
//! | Revisions never repeat | a process that slept for an hour swaps over a record that it never read |
//! | Any future may be dropped at any point | a lock stays behind, and the connection with it |
//!
//! [`TokenStore`] states it in full.
//!
//! # What not to add
//!
//! - **No lock or lease.** A lock that expires lets two in, one that does not keeps everybody out. Compare and swap is
//!   all that is needed.
//! - **No time limit.** A load gets 1 s and a swap 2 s; then the library drops the future. A limit of your own may be
//!   shorter, and reports [`StoreError::ambiguous`] if the write may have left.
//! - **No retry.** Switch off the one that the driver brings.
//! - **No cache, no replica, no expiry** of records. A record that vanishes is a connection lost.
//! - **No look into a record.** Its form changes with the library's version.
//! - **No transaction around a refresh.** Each call is one step, and holds nothing when it returns.
//! - **No blocking** of the executor: files and blocking drivers belong on `spawn_blocking`.
//!
//! # What it may add
//!
//! [`changed`] is a hint that spares others up to a second of waiting: a notification of the database, with the key and
//! never the record in it. It may be lost: everybody polls as well.
//!
//! # Secrets
//!
//! Records hold refresh tokens. They appear in no error and no log of the store, and `Debug` is written by hand. What an
//! error is made from is kept as text, with user parts of URLs and the values of secret names masked: that is a net, not
//! a licence.
//!
//! A store whose [`Scope`] is `Cluster` is refused by [`SessionBuilder::build`](crate::SessionBuilder::build) unless it is
//! wrapped in `store::Sealed` (feature `sealed`), says that it seals by itself ([`Capabilities::sealed`]), or its
//! plaintext is [accepted](crate::SessionBuilder::allow_plaintext_store).
//!
//! # The kit
//!
//! `testing::store_conformance` has a case for each property, searches for interleavings await by await, and drops calls
//! at every poll. Each failed case says what was seen and what to do. Give it what it asks for (a way to remove a record,
//! to damage one, to cut the connection, to start a second process), and it looks further; a case that was skipped says
//! what it needs.
//!
//! [`capabilities`]: crate::store::TokenStore::capabilities
//! [`changed`]: crate::store::TokenStore::changed
//! [`TokenStore`]: crate::store::TokenStore
//! [`Scope`]: crate::store::Scope
//! [`StoreError::ambiguous`]: crate::store::StoreError::ambiguous
//! [`Capabilities::sealed`]: crate::store::Capabilities::sealed()
