//! A way to a server that can be cut.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{AbortHandle, JoinSet},
};

/// What happens to bytes on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// They arrive.
    Flows,
    /// The connection is cut as soon as the server answers: the request has arrived, the answer has not.
    LosesAnswers,
    /// The connection is cut as soon as the client asks: the request has not arrived.
    LosesRequests,
    /// Requests arrive, answers wait until traffic flows again.
    HoldsAnswers,
}

/// Listens on loopback and passes bytes on to a server.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    traffic: watch::Sender<Traffic>,
    connections: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Proxy {
    pub async fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (traffic, rule) = watch::channel(Traffic::Flows);
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                open.spawn(pass(client, port, rule.clone()));
            }
        });
        Self { address, traffic, connections, task: task.abort_handle() }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn set(&self, traffic: Traffic) {
        self.traffic.send_replace(traffic);
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(client: TcpStream, port: u16, rule: watch::Receiver<Traffic>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = copy(from_client, to_server, rule.clone(), Traffic::LosesRequests) => {}
        () = copy(from_server, to_client, rule, Traffic::LosesAnswers) => {}
    }
}

/// Copies until the end, or until the first bytes under a rule that loses them.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut rule: watch::Receiver<Traffic>,
    loses: Traffic,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if *rule.borrow() == loses {
            return;
        }
        if loses == Traffic::LosesAnswers
            && rule.wait_for(|rule| *rule != Traffic::HoldsAnswers).await.is_err()
        {
            return;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
