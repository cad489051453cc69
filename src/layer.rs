//! The layer.

use tower_layer::Layer;

use crate::{request::replay, service::SalesforceAuth, session::Session};

/// Gives an HTTP client a Salesforce session: [`SalesforceAuth`] around any service.
///
/// `R` is how request bodies are kept for the one resend after a refusal, see the module [`replay`](mod@crate::replay).
///
/// A layer that is built does nothing: it needs no runtime and spawns nothing. Requests need a tokio runtime with its
/// timer, for the refresh and for the one second that is spent on a refusal's body at most.
///
/// ```
/// use std::{convert::Infallible, time::Duration};
///
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
/// use tower_salesforce_auth::{Diagnosis, SalesforceAuthLayer, Session};
///
/// async fn limits(session: Session) -> Result<(), BoxError> {
///     // Any client will do that takes `http` requests and is `Clone`.
///     let client = service_fn(|request: Request<Full<Bytes>>| async move {
///         assert!(request.headers()["authorization"].is_sensitive());
///         Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"{}"))))
///     });
///     let salesforce = ServiceBuilder::new()
///         .timeout(Duration::from_secs(30))
///         .layer(SalesforceAuthLayer::new(session))
///         .concurrency_limit(20)
///         .service(client);
///
///     let request = Request::get("/services/data/v65.0/limits").body(Full::default())?;
///     let response = salesforce.oneshot(request).await?;
///     if let Some(diagnosis) = Diagnosis::of(&response) {
///         eprintln!("{diagnosis}");
///     }
///     Ok(())
/// }
/// # let _ = limits;
/// ```
#[derive(Clone, Debug)]
pub struct SalesforceAuthLayer<R = replay::Cloned> {
    session: Session,
    replay: R,
}

impl SalesforceAuthLayer {
    /// A layer for one session, which sends refused requests once more if their body is `Clone`.
    #[must_use]
    pub fn new(session: Session) -> Self {
        Self { session, replay: replay::Cloned }
    }
}

impl<R> SalesforceAuthLayer<R> {
    /// Keeps request bodies with another strategy.
    #[must_use]
    pub fn replay<R2>(self, replay: R2) -> SalesforceAuthLayer<R2> {
        SalesforceAuthLayer { session: self.session, replay }
    }

    /// The session that requests are sent with.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }
}

impl<S: Clone, R: Clone> Layer<S> for SalesforceAuthLayer<R> {
    type Service = SalesforceAuth<S, R>;

    fn layer(&self, inner: S) -> SalesforceAuth<S, R> {
        SalesforceAuth::new(inner, self.session.clone(), self.replay.clone())
    }
}
