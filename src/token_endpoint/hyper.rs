//! The transport that comes with the crate: hyper-util over rustls.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower_service::Service;

use super::Transport;
use crate::BoxError;

/// Half of a token request's 10 s. A connection that hangs then ends in "not sent", which is repeated at once, and not
/// in "outcome unknown", which must be waited out.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

impl Transport {
    /// A client with Mozilla's root certificates, HTTP/1.1 and HTTP/2. Needs no runtime and does no I/O.
    ///
    /// # Errors
    ///
    /// When the TLS library refuses its own defaults.
    pub(crate) fn hyper() -> Result<Self, BoxError> {
        // The provider is named: the default one is ambiguous, and a panic, as soon as another crate of the
        // application enables a second one.
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .build();
        // Token requests are hours apart. A pooled connection would be dead by then, perhaps without a sign of it, and
        // a refresh token written to it would be a refresh token with an unknown outcome.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build::<_, Full<Bytes>>(Bounded(connector));
        Ok(Self::new(client))
    }
}

/// A connector that gives up after [`CONNECT_LIMIT`], name resolution and TLS included.
#[derive(Clone)]
struct Bounded<C>(C);

impl<C> Service<Uri> for Bounded<C>
where
    C: Service<Uri, Error = BoxError>,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connection = self.0.call(uri);
        Box::pin(async move {
            match tokio::time::timeout(CONNECT_LIMIT, connection).await {
                Ok(connected) => connected,
                Err(_) => Err("no connection within 5 s".into()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::transport::is_unsent, *};
    use http::{Method, Request};

    fn request(uri: &str) -> Request<Full<Bytes>> {
        Request::builder().method(Method::POST).uri(uri).body(Full::default()).unwrap()
    }

    #[test]
    fn f014_it_is_made_outside_of_a_runtime() {
        assert!(Transport::hyper().is_ok());
    }

    #[tokio::test]
    async fn f096_a_refused_connection_is_provably_unsent() {
        // A port that was just free, and on which nobody listens.
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let ready = Transport::hyper().unwrap().ready().await.unwrap();
        let error = ready.send(request(&format!("http://{address}/"))).await.unwrap_err();
        assert!(is_unsent(&*error), "{error:?}");
    }

    #[tokio::test]
    async fn f097_a_connection_that_closes_after_the_request_proves_nothing() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            tokio::io::AsyncReadExt::read(&mut socket, &mut [0; 1024]).await.unwrap()
        });
        let ready = Transport::hyper().unwrap().ready().await.unwrap();
        let error = ready.send(request(&format!("http://{address}/"))).await.unwrap_err();
        assert!(server.await.unwrap() > 0);
        assert!(!is_unsent(&*error), "{error:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn f096_a_connection_that_hangs_is_given_up_unsent() {
        let hanging = tower::service_fn(|_: Uri| std::future::pending::<Result<Never, BoxError>>());
        let client = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(Bounded(hanging));
        let ready = Transport::new(client).ready().await.unwrap();
        let begun = crate::clock::now();
        let error = ready.send(request("http://localhost/")).await.unwrap_err();
        assert_eq!(begun.elapsed(), CONNECT_LIMIT);
        assert!(is_unsent(&*error), "{error:?}");
    }

    /// Only a type: the connection that never comes.
    type Never = hyper_util::rt::TokioIo<tokio::net::TcpStream>;
}
