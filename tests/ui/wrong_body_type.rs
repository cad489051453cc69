//! The client takes one body type, and the request has another.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_salesforce_auth::{SalesforceAuthLayer, Session};

type Body = Full<Bytes>;

async fn query(session: Session) -> Result<(), BoxError> {
    let client = service_fn(|_: Request<Body>| async { Ok::<_, BoxError>(Response::new(Body::default())) });
    let salesforce = SalesforceAuthLayer::new(session).layer(client);
    let request = Request::post("/services/data").body(String::from("{}"))?;
    ServiceExt::oneshot(salesforce, request).await?;
    Ok(())
}

fn main() {}
