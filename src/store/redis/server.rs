//! Making a connection, and a look at the server behind it.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use ::redis::{AsyncConnectionConfig, PushInfo, PushKind, Value, aio::MultiplexedConnection};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{
    config::{Address, RedisConfig},
    fault,
    script::Names,
};
use crate::store::{
    StoreError,
    remote::{ADDRESS_PATIENCE, Connection, Dial, Hints, TlsStream},
};

/// The server that a store is on.
pub(super) struct Server {
    pub(super) config: RedisConfig,
    pub(super) names: Names,
    pub(super) hints: Arc<Hints>,
    /// What the last look has shown; `false` before the first.
    syncs_every_write: AtomicBool,
    tls: TlsConnector,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Server {
    pub(super) fn new(config: RedisConfig) -> Result<Self, StoreError> {
        Ok(Self {
            names: Names::new(&config.key_prefix),
            hints: Arc::default(),
            syncs_every_write: AtomicBool::new(false),
            tls: config.roots.connector(None)?,
            config,
        })
    }

    pub(super) fn syncs_every_write(&self) -> bool {
        self.syncs_every_write.load(Ordering::Relaxed)
    }

    async fn open(&self) -> Result<Box<dyn Stream>, StoreError> {
        match &self.config.address {
            Address::Tcp { host, port, tls } => {
                let addresses = lookup_host((host.as_str(), *port)).await.map_err(StoreError::unavailable)?;
                let stream = connect(addresses).await.map_err(StoreError::unavailable)?;
                stream.set_nodelay(true).map_err(StoreError::unavailable)?;
                if !tls {
                    return Ok(Box::new(stream));
                }
                let stream = TlsStream::connect(&self.tls, host, stream).await;
                Ok(Box::new(stream.map_err(StoreError::unavailable)?))
            }
            #[cfg(unix)]
            Address::Unix(path) => {
                let stream = tokio::net::UnixStream::connect(path).await;
                Ok(Box::new(stream.map_err(StoreError::unavailable)?))
            }
            #[cfg(not(unix))]
            Address::Unix(_) => Err(StoreError::unavailable("there are no Unix sockets on this system")),
        }
    }

    /// Refuses a server that may drop records, and remembers whether it may lose them (F073, F074).
    ///
    /// Hosted servers hide their configuration. What cannot be seen is not refused and not promised.
    async fn inspect(&self, client: &mut MultiplexedConnection) -> Result<(), StoreError> {
        let info: String = ::redis::cmd("INFO").query_async(client).await.unwrap_or_default();
        let shown = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let policy = shown("maxmemory_policy").map(str::trim);
        // The `volatile-…` policies drop what has a time to live, and records have none.
        if policy.is_some_and(|policy| policy.starts_with("allkeys")) && !self.config.accepts_eviction {
            return Err(StoreError::unsafe_place(
                "the Redis server may drop any key when its memory is full: set its `maxmemory-policy` to `noeviction`, \
                 or accept that with `RedisConfig::accept_eviction`",
            ));
        }
        let settings: HashMap<String, String> = ::redis::cmd("CONFIG")
            .arg("GET")
            .arg("appendfsync")
            .query_async(client)
            .await
            .unwrap_or_default();
        let is_on_disk = shown("aof_enabled").map(str::trim) == Some("1")
            && settings.get("appendfsync").is_some_and(|when| when == "always");
        // A replica that takes over has not seen the last writes.
        let is_alone = shown("connected_slaves").map(str::trim) == Some("0");
        let is_kept = is_on_disk && is_alone && policy.is_some_and(|policy| !policy.starts_with("allkeys"));
        self.syncs_every_write.store(is_kept, Ordering::Relaxed);
        Ok(())
    }
}

impl Dial for Server {
    type Client = MultiplexedConnection;

    async fn dial(&self) -> Result<Connection<Self::Client>, StoreError> {
        let hints = Arc::clone(&self.hints);
        let wake = move |push: PushInfo| -> Result<(), ()> {
            if let (PushKind::Message, [_, Value::BulkString(key)]) = (push.kind, push.data.as_slice())
                && let Ok(key) = std::str::from_utf8(key)
            {
                hints.wake(key);
            }
            Ok(())
        };
        // The limits are `Link`'s; the driver's own would end a request without saying whether it was sent.
        let options = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(None)
            .set_push_sender(wake);
        let stream = self.open().await?;
        let (mut client, driver) =
            MultiplexedConnection::new_with_config(&self.config.greeting, stream, options)
                .await
                .map_err(|error| fault::of_greeting(&error))?;
        let connection = Connection::new(client.clone(), driver);
        self.inspect(&mut client).await?;
        // Without hints there is polling.
        let _ = client.subscribe(self.names.channel()).await;
        Ok(connection)
    }
}

/// Connects to the first address that answers.
async fn connect(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match timeout(ADDRESS_PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, format!("{address} does not answer")),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};

    use std::time::Duration;

    use super::*;

    /// A server whose queue is full: the kernel drops whoever comes next, as a firewall does.
    async fn silent() -> (TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let full = socket.listen(1).unwrap();
        let address = full.local_addr().unwrap();
        let mut queue = Vec::new();
        while let Ok(Ok(stream)) = timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
            queue.push(stream);
        }
        (full, queue)
    }

    #[tokio::test]
    async fn f068_an_address_that_swallows_packets_is_passed_over() {
        let (full, _queue) = silent().await;
        let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = [full.local_addr().unwrap(), open.local_addr().unwrap()];
        tokio::time::pause();
        let connecting = tokio::spawn(async move { connect(addresses.into_iter()).await });
        let stream = connecting.await.unwrap().unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addresses[1]);
        let error = connect(addresses.into_iter().take(1)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(connect(std::iter::empty()).await.is_err());
    }
}
