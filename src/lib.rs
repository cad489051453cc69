//! A Tower layer that makes any HTTP client stack a correct Salesforce client.
//!
//! [`SalesforceAuthLayer`] injects the access token, sends each request to the org's own `instance_url`, understands in
//! which ways Salesforce says "not this session", refreshes once for everybody, sends the request once more, and tells
//! the caller *why* when that does not help.
//!
//! ```
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_salesforce_auth::{
//!     Diagnosis, SalesforceAuthLayer, Session,
//!     grant::{Client, LoginHost, RefreshToken},
//!     store::MemoryStore,
//!     testing::FakeOrg,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_salesforce_auth::BoxError> {
//! let org = FakeOrg::start().await?; // a real server on loopback, in place of Salesforce
//! let grant = RefreshToken::new(
//!     Client::confidential(org.client_id(), org.client_secret()),
//!     LoginHost::my_domain(org.url()), // usually `LoginHost::Production`
//!     org.issue_refresh_token(),
//! );
//! let session = Session::builder("acme", grant) // the connection's name
//!     .store(MemoryStore::volatile()) // in production a durable store, such as `FileStore`
//!     .allow_loopback() // for this test alone: Salesforce is https only
//!     .build()?;
//!
//! let hyper_client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
//!     .build_http::<Full<Bytes>>();
//! let salesforce = ServiceBuilder::new()
//!     .timeout(std::time::Duration::from_secs(30))
//!     .layer(SalesforceAuthLayer::new(session))
//!     .concurrency_limit(20)
//!     .service(hyper_client);
//!
//! let limits = || Request::get("/services/data/v65.0/limits").body(Full::default());
//! assert!(salesforce.clone().oneshot(limits()?).await?.status().is_success());
//!
//! org.expire_sessions();
//! let response = salesforce.oneshot(limits()?).await?;
//! assert!(response.status().is_success());
//! assert!(Diagnosis::of(&response).is_none()); // nothing to explain
//! # Ok(())
//! # }
//! ```
//!
//! # The parts
//!
//! | part | is |
//! |---|---|
//! | [`Session`] | one connection to one org; shared by all layers, jobs and tasks that use it |
//! | [`grant`] | how it gets tokens: refresh token, JWT bearer, client credentials, or a [`Grant`](grant::Grant) of yours |
//! | [`store`] | where tokens live: memory, files, Redis, Postgres, sealed or not, or a [`TokenStore`](store::TokenStore) of yours in two methods |
//! | [`SalesforceAuthLayer`] | puts it into a stack; [`replay`] says how bodies are kept for the one resend |
//! | [`Diagnosis`], [`AuthError`], [`Event`] | what went wrong, why, and who must act |
//! | [`refusal`] | the classifier by itself |
//! | `testing` | a fake org for your own suites, and a conformance kit for token stores (feature `testing`) |
//! | [`guide`] | the order of layers, recipes for stacks, what to do about each error, writing a store |
//!
//! # What a caller can rely on
//!
//! - A request that Salesforce answered gets **that** answer, unchanged, with a [`Diagnosis`] among its extensions when
//!   it is a refusal. `Err` means that nothing could be sent, or that the client below failed, be it at the second send
//!   of a refused request; [`AuthError::find`] tells which.
//! - The inner service is called at most twice per request, and a transport error is never retried.
//! - A body that streams is sent as it comes. Only a refusal that arrives while it is still being sent makes one that
//!   [`replay::Buffered`] remembers pause, until the session is refreshed. No byte is lost or doubled by a resend.
//! - Dropping a future at any point loses no token: a refresh runs in a task of its own until its result is stored.
//! - The token goes to the org's own origin and to origins that were explicitly allowed, nowhere else. That is as far as
//!   this crate sends it: a layer or client *below* that follows redirects may carry a session on to another host, and
//!   with tower-http's and reqwest's default policies it does so on paths of Bulk API 1.0, whose `X-SFDC-Session` they do
//!   not know. [`guide::stacks`] says how to keep them from it.
//! - Making a session, a layer or a service does no I/O and spawns nothing (a store may: `FileStore::open` opens its
//!   directory, `RedisStore::connect` connects). There is no permanent background work.
//!
//! # Features
//!
//! | feature | default | brings |
//! |---|---|---|
//! | `hyper-client` | yes | the transport for token requests: hyper-util and rustls |
//! | `file` | yes | `store::FileStore` |
//! | `tracing` | yes | events through `tracing` |
//! | `json` | | `Diagnosis::to_json` |
//! | `jwt` | | `grant::JwtBearer` |
//! | `redis` | | `store::RedisStore` |
//! | `postgres` | | `store::PostgresStore` |
//! | `reqwest` | | `reqwest::ReqwestService`: a reqwest client below the layer |
//! | `sealed` | | `store::Sealed`: records encrypted before they reach a store |
//! | `testing` | | `testing::FakeOrg`, `testing::store_conformance` |
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod clock;
mod diagnosis;
mod error;
mod event;
mod future;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
pub mod grant;
#[cfg(doc)]
pub mod guide;
mod hmac;
mod http_date;
mod instance_url;
mod layer;
mod org_id;
mod refresh;
pub mod refusal;
mod request;
#[cfg(feature = "reqwest")]
pub mod reqwest;
mod response;
mod retry_after;
mod secret;
mod service;
mod session;
mod size_hint;
pub mod store;
mod stripes;
#[cfg(feature = "testing")]
pub mod testing;
mod token;
pub mod token_endpoint;

pub use self::{
    diagnosis::{
        Advice, Cause, Confidence, Diagnosis, Evidence, NotResendable, Outcome, RankedCause, Remedy,
    },
    error::{AuthError, AuthErrorKind},
    event::{Event, Events},
    future::ResponseFuture,
    instance_url::{InstanceUrl, InstanceUrlError, InstanceUrlErrorKind},
    layer::SalesforceAuthLayer,
    org_id::{OrgId, OrgIdError},
    request::replay,
    response::PeekBody,
    secret::Secret,
    service::SalesforceAuth,
    session::{AccessToken, BuildError, Diagnose, Reconnect, Session, SessionBuilder},
    token::Generation,
};

/// The error type of Tower stacks.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
