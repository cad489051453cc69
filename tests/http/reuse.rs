//! What a refusal costs: a small one no connection, a large one its own.

use std::{
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tower::ServiceExt;

use crate::{
    net::{AnswerBody, BOTH, Server, Version, answer, over, whole},
    support::{EXPIRED, Org, get, text},
};

/// A body without a length, in as many frames as there are pieces.
fn pieces(pieces: Vec<Bytes>) -> AnswerBody {
    StreamBody::new(stream::iter(pieces.into_iter().map(|piece| Ok(Frame::data(piece))))).boxed_unsync()
}

/// Refuses the second request with such a body, and counts what it costs.
async fn connections(version: Version, refusal: fn() -> AnswerBody) -> (usize, usize) {
    let org = Org::new();
    let requests = Arc::new(AtomicUsize::new(0));
    let server = Server::start({
        let requests = Arc::clone(&requests);
        move |_| {
            let refused = requests.fetch_add(1, SeqCst) == 1;
            ready(if refused { answer(401, refusal()) } else { answer(200, whole("{}")) })
        }
    })
    .await;
    let salesforce = over(&org, &server.url, version.client()).await;
    for _ in 0..4 {
        let response = salesforce.clone().oneshot(get("/r")).await.unwrap();
        assert_eq!((response.status().as_u16(), text(response).await.as_str()), (200, "{}"));
    }
    assert_eq!(org.token_requests(), 2);
    (server.connections(), requests.load(SeqCst))
}

#[tokio::test]
async fn f158_a_small_refusal_costs_no_connection() {
    let refusals: [fn() -> AnswerBody; 4] = [
        || whole(EXPIRED),
        || pieces(EXPIRED.as_bytes().chunks(7).map(Bytes::from_static).collect()),
        || whole(""),
        || pieces(Vec::new()),
    ];
    for version in BOTH {
        for refusal in refusals {
            assert_eq!(connections(version, refusal).await, (1, 5), "{version:?}");
        }
    }
}

#[tokio::test]
async fn f158_a_refusal_beyond_the_peek_is_not_drained_and_costs_its_connection() {
    let large = || {
        let filler = Bytes::from(vec![b' '; 64 << 10]);
        pieces([Bytes::from_static(EXPIRED.as_bytes())].into_iter().chain(vec![filler; 64]).collect())
    };
    assert_eq!(connections(Version::Http1, large).await, (2, 5));
    assert_eq!(connections(Version::Http2, large).await, (1, 5), "only its stream");
}
