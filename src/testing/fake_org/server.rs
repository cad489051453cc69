//! Accept loops and connections, HTTP/1.1 and HTTP/2 by prior knowledge on the same port.

use std::{pin::Pin, sync::Arc};

use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{
    api,
    body::{AnswerBody, Dropped},
    control,
    org::{Org, exhausted},
    token,
};

/// Streams on one connection. A test that holds thousands of requests at a gate must not wait for a stream instead.
const STREAMS: u32 = 100_000;

/// Accepts connections for one host until it is dropped; its connections end with it.
///
/// Boxed, because its type would hold itself: a connection can carry the command to move, which spawns the next host.
pub(super) fn accept(
    listener: TcpListener,
    org: Arc<Org>,
    host: usize,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(accept_all(listener, org, host))
}

async fn accept_all(listener: TcpListener, org: Arc<Org>, host: usize) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    org.state().counters.connections += 1;
                    connections.spawn(serve(stream, Arc::clone(&org), host));
                }
                Err(_) => exhausted().await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, org: Arc<Org>, host: usize) {
    // Only latency is at stake, and the peer may be gone already.
    let _ = stream.set_nodelay(true);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http2()
        .max_concurrent_streams(STREAMS)
        // A test that drops a thousand callers at once is no attack.
        .max_pending_accept_reset_streams(STREAMS as usize)
        .max_local_error_reset_streams(STREAMS as usize);
    let service = service_fn(move |request| answer(Arc::clone(&org), host, request));
    // How a connection ends is the client's business, or a script's.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    org: Arc<Org>,
    host: usize,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Dropped> {
    let path = request.uri().path();
    if org.facts.control_plane && path.starts_with(control::PREFIX) {
        return control::answer(&org, request).await;
    }
    match path {
        "/services/oauth2/token" => token::answer(org, host, request).await,
        "/services/oauth2/revoke" => token::revoke(&org, host, request).await,
        "/services/oauth2/introspect" => token::introspect(&org, host, request).await,
        _ => api::answer(org, host, request).await,
    }
}
