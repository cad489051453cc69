//! Making a connection.

use std::{future::poll_fn, pin::Pin, sync::Arc};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::{
    AsyncMessage, Client,
    tls::{ChannelBinding, MakeTlsConnect, TlsConnect},
};
use tokio_rustls::TlsConnector;

use super::{config::PostgresConfig, fault, statements::LISTEN};
use crate::{
    BoxError,
    store::{
        StoreError,
        remote::{Connection, Dial, Hints, TlsStream},
    },
};

/// The server that a store is on.
pub(super) struct Server {
    pub(super) config: PostgresConfig,
    pub(super) hints: Arc<Hints>,
    tls: MakeTls,
}

impl Server {
    pub(super) fn new(config: PostgresConfig) -> Result<Self, StoreError> {
        let tls = MakeTls(config.roots.connector(Some(b"postgresql"))?);
        Ok(Self { config, hints: Arc::default(), tls })
    }
}

impl Dial for Server {
    type Client = Arc<Client>;

    async fn dial(&self) -> Result<Connection<Self::Client>, StoreError> {
        let (client, mut driver) =
            self.config.driver.connect(self.tls.clone()).await.map_err(|error| fault::of_greeting(&error))?;
        let hints = Arc::clone(&self.hints);
        let client = Arc::new(client);
        let connection = Connection::new(Arc::clone(&client), async move {
            while let Some(Ok(message)) = poll_fn(|cx| driver.poll_message(cx)).await {
                if let AsyncMessage::Notification(changed) = message {
                    hints.wake(changed.payload());
                }
            }
        });
        // Without hints there is polling.
        let _ = client.batch_execute(LISTEN).await;
        Ok(connection)
    }

    /// A backend that waits for a lock does not notice that its client has gone, and would write once the lock is free
    /// (F076). Limits for locks and statements would be the session's, which a pooler hands to somebody else.
    fn abandon(&self, client: &Self::Client) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let (token, tls) = (client.cancel_token(), self.tls.clone());
        Some(Box::pin(async move { drop(token.cancel_query(tls).await) }))
    }
}

#[derive(Clone)]
struct MakeTls(TlsConnector);

/// The handshake with one host.
struct Handshake {
    connector: TlsConnector,
    name: String,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for MakeTls {
    type Stream = TlsStream<S>;
    type TlsConnect = Handshake;
    type Error = std::convert::Infallible;

    /// Is called for hosts without TLS too, with an empty name for Unix sockets: the name is looked at later.
    fn make_tls_connect(&mut self, name: &str) -> Result<Handshake, Self::Error> {
        Ok(Handshake { connector: self.0.clone(), name: name.to_owned() })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for Handshake {
    type Stream = TlsStream<S>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<TlsStream<S>, BoxError>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move { TlsStream::connect(&self.connector, &self.name, stream).await })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> tokio_postgres::tls::TlsStream for TlsStream<S> {
    /// None: the certificate and the name have been checked.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}
