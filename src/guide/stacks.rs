//! Recipes for stacks. Which layer belongs where, and why, is a table in the [README](super::readme#layer-order).
//!
//! # A rate limit
//!
//! `RateLimit` is not `Clone`. Above the layer it can be used as it is, and one permit is good for two sends. Below,
//! where every send takes its own, it needs a `Buffer` around it, which spawns a task when the stack is built:
//!
//! ```
//! # use std::{convert::Infallible, time::Duration};
//! # use bytes::Bytes;
//! # use http::{Request, Response};
//! # use http_body_util::Full;
//! # use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//! # use tower_salesforce_auth::{SalesforceAuthLayer, Session};
//! # async fn recipe(session: Session, request: Request<Full<Bytes>>) -> Result<(), BoxError> {
//! # let client = service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
//! let salesforce = ServiceBuilder::new()
//!     .layer(SalesforceAuthLayer::new(session))
//!     .buffer(64)
//!     .rate_limit(100, Duration::from_secs(20))
//!     .service(client);
//! # ServiceExt::oneshot(salesforce, request).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # A stack with a name
//!
//! A struct that holds a stack can erase its type. The response body is the client's own in a
//! [`PeekBody`](crate::PeekBody):
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use hyper::body::Incoming;
//! use tower::{BoxError, Layer, util::BoxCloneSyncService};
//! use tower_salesforce_auth::{PeekBody, SalesforceAuthLayer, Session};
//!
//! type Salesforce = BoxCloneSyncService<Request<Full<Bytes>>, Response<PeekBody<Incoming>>, BoxError>;
//!
//! fn salesforce(session: Session) -> Salesforce {
//!     let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
//!         .build_http::<Full<Bytes>>();
//!     BoxCloneSyncService::new(SalesforceAuthLayer::new(session).layer(client))
//! }
//! # let _ = salesforce;
//! ```
//!
//! # Bodies that are not `Clone`
//!
//! Streams, boxed bodies and `Incoming` take [`replay::Buffered`](crate::replay::Buffered): what is sent of a body is
//! remembered, up to a cap, until the answer comes. The client below gets a
//! [`BufferedBody`](crate::replay::BufferedBody). One whose body type is open (hyper-util's, `ReqwestService`, what
//! `kube::Client::new` is given) takes it as it is; one of a fixed body type (axum's, tonic's) has it put into its own,
//! by one line below the layer:
//!
//! ```
//! # use std::convert::Infallible;
//! # use bytes::Bytes;
//! # use http::{Request, Response};
//! # use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
//! # use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//! use tower_salesforce_auth::{
//!     SalesforceAuthLayer, Session,
//!     replay::{Buffered, BufferedBody},
//! };
//!
//! # type Boxed = UnsyncBoxBody<Bytes, BoxError>; // in place of axum's or tonic's `Body`
//! # async fn recipe(session: Session, upload: Request<Boxed>) -> Result<(), BoxError> {
//! # let client = service_fn(|_: Request<Boxed>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
//! let salesforce = ServiceBuilder::new()
//!     .layer(SalesforceAuthLayer::new(session).replay(Buffered::default()))
//!     .map_request(|request: Request<BufferedBody<Boxed>>| request.map(|body| body.boxed_unsync()))
//!     .service(client);
//! salesforce.oneshot(upload).await?;
//! # Ok(())
//! # }
//! ```
//!
//! With [`replay::Never`](crate::replay::Never) such a body is sent once, and a refused request is handed back with a
//! diagnosis; the next one has the new session.
//!
//! # tower-http
//!
//! - **`FollowRedirect`** above follows nothing when requests have relative URIs: its base is not absolute. With absolute
//!   ones a redirect within the org is followed, and one to another host is an error. Below, its default policy follows
//!   to a foreign host and hands that host's answer back as if it were Salesforce's. It drops `Authorization` on the way,
//!   but **sends the session to that host** on paths of Bulk API 1.0, where it is in `X-SFDC-Session`. Below, always take
//!   `FollowRedirectLayer::with_policy(SameOrigin::new())`: the caller gets a redirect to another host as the answer.
//!   The layer sees one request, whatever hops it takes: one that is refused behind a redirect is sent again from the
//!   start. What must not be repeated goes through a stack that follows no redirects.
//! - **`Decompression`** belongs below. Above, refusals arrive compressed: a `401` still refreshes the session, at most
//!   once per cool-down; refusals of Bulk API 1.0 and SOAP, which have other statuses, are not recognised.
//! - **`TimeoutLayer`** does not compile over a hyper body, which has no `Default`; `tower::timeout` does.
//! - **`Trace`** above sees one request, below every send. The header with the token is marked sensitive, which its
//!   printing respects.
//!
//! # Other clients
//!
//! - **reqwest** is no `Service<http::Request<_>>`; `reqwest::ReqwestService` (feature `reqwest`) makes it one, to stand
//!   below the layer, where URIs are absolute. Its redirects must be off, for the reasons above. Read
//!   [`Diagnosis::of`](crate::Diagnosis::of) before `error_for_status`, which drops the response with its extensions.
//! - **gRPC and other calls that cannot go through a layer** take the token from
//!   [`Session::access_token`](crate::Session::access_token).
//!
//! # One session, several stacks
//!
//! A [`Session`](crate::Session) is cheap to clone and means the same connection everywhere: give its clones to all
//! stacks, jobs and tasks of one connection, and one refresh serves them all. Two sessions built for one connection
//! work, if their store is the same, but refresh separately.
