//! HTTP/1.1 peers that close, or close one direction, around the resend.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};
use tower::ServiceExt;
use tower_salesforce_auth::AuthError;

use crate::{
    net::{Counting, Server, Version, over, signal},
    support::{EXPIRED, Org, get},
};

/// Reads a request without a body; `false` once the client has closed its side.
async fn request(stream: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return false,
        }
    }
    true
}

async fn answer(stream: &mut TcpStream, status: &str, length: usize, body: &str) {
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    // In one piece, so that it cannot be overtaken by what follows.
    stream.write_all((head + body).as_bytes()).await.unwrap();
}

/// What is done with the second send.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Close,
    /// RST instead of FIN.
    Abort,
    /// The server's direction is closed, the client's stays open.
    HalfClose,
    /// The answer breaks off within its head.
    HalfAHead,
    Garbage,
}

async fn serve(mut stream: TcpStream, fault: Fault, requests: Arc<AtomicUsize>) {
    while request(&mut stream).await {
        match requests.fetch_add(1, SeqCst) {
            1 => answer(&mut stream, "401 Unauthorized", EXPIRED.len(), EXPIRED).await,
            2 => {
                match fault {
                    Fault::Close => return,
                    Fault::Abort => return stream.set_zero_linger().unwrap(),
                    Fault::HalfClose => stream.shutdown().await.unwrap(),
                    Fault::HalfAHead => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").await.unwrap(),
                    Fault::Garbage => stream.write_all(b"\0\0\0\x01garbage\r\n\r\n").await.unwrap(),
                }
                if !matches!(fault, Fault::HalfClose) {
                    return;
                }
            }
            _ => answer(&mut stream, "200 OK", 2, "{}").await,
        }
    }
}

#[tokio::test]
async fn f160_a_connection_that_ends_during_the_resend_is_the_clients_error_and_there_is_no_third_send() {
    for fault in [Fault::Close, Fault::Abort, Fault::HalfClose, Fault::HalfAHead, Fault::Garbage] {
        let org = Org::new();
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        let server = Server::accepting(move |stream| serve(stream, fault, Arc::clone(&counted))).await;
        let salesforce = over(&org, &server.url, Counting::new(Version::Http1.client())).await;
        salesforce.clone().oneshot(get("/warm")).await.unwrap();

        let error = salesforce.clone().oneshot(get("/r")).await.unwrap_err();
        assert!(error.is::<hyper_util::client::legacy::Error>(), "{fault:?}: {error}");
        assert!(AuthError::find(&*error).is_none(), "{fault:?}");
        assert_eq!((salesforce.get_ref().sends(), requests.load(SeqCst)), (3, 3), "{fault:?}");
        assert_eq!(salesforce.clone().oneshot(get("/r")).await.unwrap().status(), 200, "{fault:?}");
        assert_eq!((server.connections(), org.token_requests()), (2, 2), "{fault:?}");
    }
}

/// A refusal after which the server closes its direction without having said so, and what it looks like.
async fn half_closed_after_the_refusal(length: usize, body: &'static str) {
    let org = Org::new();
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let gone = Arc::new(Notify::new());
    let left = Arc::clone(&gone);
    let server = Server::accepting(move |mut stream| {
        let (requests, left) = (Arc::clone(&counted), Arc::clone(&left));
        async move {
            while request(&mut stream).await {
                if requests.fetch_add(1, SeqCst) == 1 {
                    answer(&mut stream, "401 Unauthorized", length, body).await;
                    stream.shutdown().await.unwrap();
                    assert!(!request(&mut stream).await, "nothing more comes on a half-closed connection");
                    left.notify_one();
                } else {
                    answer(&mut stream, "200 OK", 2, "{}").await;
                }
            }
        }
    })
    .await;
    let salesforce = over(&org, &server.url, Counting::new(Version::Http1.client())).await;
    salesforce.clone().oneshot(get("/warm")).await.unwrap();

    let gate = org.hold_tokens();
    let mut call = tokio::spawn(salesforce.clone().oneshot(get("/r")));
    signal(&gone, &mut call).await; // the client has noticed, before it is told to go on
    gate.add_permits(1);
    assert_eq!(call.await.unwrap().unwrap().status(), 200);
    assert_eq!((salesforce.get_ref().sends(), requests.load(SeqCst)), (3, 3));
    assert_eq!((server.connections(), org.token_requests()), (2, 2));
}

#[tokio::test]
async fn f140_a_connection_that_is_half_closed_behind_a_refusal_is_not_used_for_the_resend() {
    half_closed_after_the_refusal(EXPIRED.len(), EXPIRED).await;
}

#[tokio::test]
async fn f139_a_refusal_that_is_cut_short_is_judged_by_what_came() {
    half_closed_after_the_refusal(1_000, EXPIRED).await;
    half_closed_after_the_refusal(1_000, "").await;
}
