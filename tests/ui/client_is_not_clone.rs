//! The second send needs a service of its own, and this one cannot be cloned.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{BoxError, Layer, ServiceBuilder, service_fn};
use tower_salesforce_auth::{SalesforceAuthLayer, Session};

type Body = Full<Bytes>;

fn stack(session: Session) {
    let client = service_fn(|_: Request<Body>| async { Ok::<_, BoxError>(Response::new(Body::default())) });
    let limited = ServiceBuilder::new().rate_limit(10, Duration::from_secs(1)).service(client);
    SalesforceAuthLayer::new(session).layer(limited);
}

fn main() {}
