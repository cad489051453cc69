//! The default strategy keeps a clone of the body, and this body has none.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Full, combinators::UnsyncBoxBody};
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_salesforce_auth::{SalesforceAuthLayer, Session};

type Stream = UnsyncBoxBody<Bytes, BoxError>;

async fn upload(session: Session, stream: Stream) -> Result<(), BoxError> {
    let client = service_fn(|_: Request<Stream>| async { Ok::<_, BoxError>(Response::new(Full::<Bytes>::default())) });
    let salesforce = SalesforceAuthLayer::new(session).layer(client);
    let request = Request::post("/services/data").body(stream)?;
    ServiceExt::oneshot(salesforce, request).await?;
    Ok(())
}

fn main() {}
