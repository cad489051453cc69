//! Early refusals over real connections: HTTP/1.1 and HTTP/2.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header::CONTENT_LENGTH};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use sha2::{Digest as _, Sha256};
use tokio::{net::TcpListener, sync::mpsc};
use tower::{Layer, ServiceExt};
use tower_salesforce_auth::{
    Diagnosis, NotResendable, Outcome, SalesforceAuthLayer, Session, grant,
    replay::{Buffered, BufferedBody},
    store::MemoryStore,
    testing::{ApiAnswer, FakeOrg},
};

use crate::{
    stream::{Read, Stream, stream},
    support::{EXPIRED, Org, json, text},
};

const CHUNK: usize = 64 * 1024;

type Salesforce =
    tower_salesforce_auth::SalesforceAuth<Client<HttpConnector, BufferedBody<Stream>>, Buffered>;

fn client(session: Session, http2: bool, replay: Buffered) -> Salesforce {
    let client = Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
    SalesforceAuthLayer::new(session).replay(replay).layer(client)
}

fn session(org: &FakeOrg) -> Session {
    let client = grant::Client::confidential(org.client_id(), org.client_secret());
    let grant =
        grant::RefreshToken::new(client, grant::LoginHost::my_domain(org.url()), org.issue_refresh_token());
    Session::builder("acme", grant).store(MemoryStore::volatile()).allow_loopback().build().unwrap()
}

fn post(target: &str, body: Stream) -> Request<Stream> {
    Request::post(target).body(body).unwrap()
}

fn chunk(n: u8) -> Bytes {
    (0..CHUNK).map(|at| (at as u8).wrapping_mul(31).wrapping_add(n)).collect()
}

#[tokio::test]
async fn f156_the_digest_of_a_taken_over_upload_is_that_of_the_whole() {
    for http2 in [false, true] {
        for answer in [ApiAnswer::EarlyDeadSession, ApiAnswer::MidwayDeadSession(2 * CHUNK as u64)] {
            let org = FakeOrg::start().await.unwrap();
            let session = session(&org);
            session.access_token().await.unwrap();
            org.expire_sessions();
            org.answer_api_requests(answer.next(1));
            let before = org.counters();
            let gate = org.hold_token_requests();
            let service = client(session, http2, Buffered::default());

            let (feed, body) = stream();
            let mut sha256 = Sha256::new();
            for n in 0..4 {
                feed.data(chunk(n));
                sha256.update(chunk(n));
            }
            let call = tokio::spawn(service.oneshot(post("/services/apexrest/echo", body)));
            gate.arrived(1).await; // refused, with the upload under way
            for n in 4..16 {
                feed.data(chunk(n));
                sha256.update(chunk(n));
            }
            gate.release();
            drop(feed);
            let response = call.await.unwrap().unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            let echo: serde_json::Value = serde_json::from_str(&text(response).await).unwrap();
            assert_eq!(echo["length"], 16 * CHUNK);
            let digest: String = sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(echo["sha256"], digest);
            let after = org.counters();
            assert_eq!(after.requests - before.requests, 2);
            assert_eq!(after.token_requests - before.token_requests, 1);
        }
    }
}

#[tokio::test]
async fn f153_an_upload_above_the_cap_is_handed_back_and_the_next_one_is_sent() {
    for http2 in [false, true] {
        let org = FakeOrg::start().await.unwrap();
        let session = session(&org);
        session.access_token().await.unwrap();
        org.expire_sessions();
        org.answer_api_requests(ApiAnswer::MidwayDeadSession(3 * CHUNK as u64).next(1));
        let cap = 2 * CHUNK;
        let service = client(session, http2, Buffered::new(cap));
        let (feed, body) = stream();
        (0..4).for_each(|n| feed.data(chunk(n)));
        let response = service.clone().oneshot(post("/services/apexrest/echo", body)).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let outcome = Diagnosis::of(&response).unwrap().outcome();
        assert!(
            matches!(outcome, Outcome::NotResendable(NotResendable::BodyOverCap { cap: told }) if *told == cap),
            "{outcome}"
        );
        drop(feed);
        let (_, body) = stream();
        let next = service.oneshot(post("/services/apexrest/echo", body)).await.unwrap();
        assert_eq!(next.status(), StatusCode::OK);
    }
}

/// A server that refuses the first request before it has read its body and never closes anything: what ends, the
/// client has ended. Reports what it read of each body, when that has ended.
struct Server {
    url: String,
    heads: mpsc::UnboundedReceiver<HeaderMap>,
    reads: mpsc::UnboundedReceiver<Read>,
    connections: Arc<AtomicUsize>,
}

/// When the first request is refused.
#[derive(Clone, Copy, PartialEq)]
enum Refusal {
    Early,
    Late,
}

impl Server {
    async fn start(refusal: Refusal) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (heads_out, heads) = mpsc::unbounded_channel();
        let (reads_out, reads) = mpsc::unbounded_channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let (accepted, requests) = (Arc::clone(&connections), Arc::new(AtomicUsize::new(0)));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                accepted.fetch_add(1, SeqCst);
                let (heads, reads, requests) = (heads_out.clone(), reads_out.clone(), Arc::clone(&requests));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (heads, reads) = (heads.clone(), reads.clone());
                    let refused = requests.fetch_add(1, SeqCst) == 0;
                    async move {
                        let (head, mut body) = request.into_parts();
                        let _ = heads.send(head.headers);
                        let reading = tokio::spawn(async move {
                            let mut read = Read::default();
                            read.frames(&mut body, usize::MAX).await;
                            let _ = reads.send(read);
                        });
                        if !refused || refusal == Refusal::Late {
                            let _ = reading.await;
                        }
                        let answer = if refused { json(401, EXPIRED.into()) } else { json(200, "{}".into()) };
                        Ok::<Response<Full<Bytes>>, Infallible>(answer)
                    }
                });
                tokio::spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { url, heads, reads, connections }
    }

    /// A client whose session is at hand, and ends at this server.
    async fn client(&self, http2: bool) -> Salesforce {
        let org = Org::new();
        org.move_to(&self.url);
        let session = org.builder().allow_loopback().build().unwrap();
        session.access_token().await.unwrap();
        client(session, http2, Buffered::default())
    }
}

#[tokio::test]
async fn f156_the_first_connection_is_released_while_the_upload_still_runs() {
    for http2 in [false, true] {
        let mut server = Server::start(Refusal::Early).await;
        let service = server.client(http2).await;
        let (feed, body) = stream();
        feed.data("first ");
        let call = tokio::spawn(service.oneshot(post("/upload", body)));

        // The server would go on reading for ever: the client has closed the connection, or reset the stream.
        let first = server.reads.recv().await.unwrap();
        assert!(first.error.is_some(), "given up");
        assert!(b"first ".starts_with(&first.data));

        feed.data("second");
        let trailers = HeaderMap::from_iter([("x-checksum".parse().unwrap(), HeaderValue::from_static("7"))]);
        feed.trailers(trailers.clone());
        drop(feed);
        assert_eq!(call.await.unwrap().unwrap().status(), StatusCode::OK);
        let second = server.reads.recv().await.unwrap();
        assert!(second.is_whole("first second"), "{second:?}");
        if http2 {
            assert_eq!(second.trailers, Some(trailers));
        }
        assert_eq!(server.connections.load(SeqCst), if http2 { 1 } else { 2 });
    }
}

#[tokio::test]
async fn f155_both_sends_are_framed_alike() {
    for http2 in [false, true] {
        for exact in [false, true] {
            let mut server = Server::start(Refusal::Late).await;
            let service = server.client(http2).await;
            let body = if exact {
                Full::new(chunk(0)).map_err(|never| match never {}).boxed_unsync()
            } else {
                let (feed, body) = stream();
                feed.data(chunk(0));
                body
            };
            assert_eq!(service.oneshot(post("/upload", body)).await.unwrap().status(), StatusCode::OK);
            for _ in 0..2 {
                assert!(server.reads.recv().await.unwrap().is_whole(chunk(0)));
                let head = server.heads.recv().await.unwrap();
                let length = head.get(CONTENT_LENGTH).map(|length| length.to_str().unwrap().to_owned());
                assert_eq!(length, exact.then(|| CHUNK.to_string()));
                assert_eq!(head.contains_key("transfer-encoding"), !exact && !http2);
            }
            assert_eq!(server.connections.load(SeqCst), 1, "sent in full: its connection is used again");
        }
    }
}
