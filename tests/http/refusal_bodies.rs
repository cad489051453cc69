//! Refusals whose bodies are slow, endless or cut short.

use std::{
    convert::Infallible,
    future::ready,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_salesforce_auth::{Diagnosis, Outcome, SalesforceAuthLayer, replay::Never};

use crate::{
    net::{AnswerBody, BOTH, Server, Version, answer, over, signal, whole},
    support::{EXPIRED, Org, get, text},
};

const CHUNK: usize = 8 << 10;

/// A refusal, then spaces for ever, as fast as they are taken; counts them, and tells when it is dropped.
struct Endless {
    said: bool,
    taken: Arc<AtomicUsize>,
    dropped: Arc<Notify>,
}

impl Endless {
    fn body(taken: &Arc<AtomicUsize>, dropped: &Arc<Notify>) -> AnswerBody {
        let (taken, dropped) = (Arc::clone(taken), Arc::clone(dropped));
        Self { said: false, taken, dropped }.map_err(|never: Infallible| match never {}).boxed_unsync()
    }
}

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = if std::mem::replace(&mut self.said, true) {
            Bytes::from(vec![b' '; CHUNK])
        } else {
            Bytes::from_static(EXPIRED.as_bytes())
        };
        self.taken.fetch_add(data.len(), SeqCst);
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.dropped.notify_one();
    }
}

/// A server whose second answer is an endless refusal.
async fn endless_second() -> (Server, Arc<AtomicUsize>, Arc<Notify>) {
    let (taken, dropped) = (Arc::<AtomicUsize>::default(), Arc::<Notify>::default());
    let requests = Arc::new(AtomicUsize::new(0));
    let server = Server::start({
        let (taken, dropped) = (Arc::clone(&taken), Arc::clone(&dropped));
        move |_| {
            let refused = requests.fetch_add(1, SeqCst) == 1;
            ready(if refused {
                answer(401, Endless::body(&taken, &dropped))
            } else {
                answer(200, whole("{}"))
            })
        }
    })
    .await;
    (server, taken, dropped)
}

#[tokio::test]
async fn f139_an_endless_refusal_is_looked_at_and_let_go() {
    for version in BOTH {
        let org = Org::new();
        let (server, taken, dropped) = endless_second().await;
        let salesforce = over(&org, &server.url, version.client()).await;
        salesforce.clone().oneshot(get("/warm")).await.unwrap();
        let response = salesforce.clone().oneshot(get("/r")).await.unwrap();
        assert_eq!((response.status().as_u16(), text(response).await.as_str()), (200, "{}"));
        dropped.notified().await; // the server is told, although the body never ends
        assert_eq!(
            (org.token_requests(), server.connections()),
            (2, if version == Version::Http1 { 2 } else { 1 })
        );
        if version == Version::Http2 {
            // Nothing is hidden in the buffers of the sockets: a window is granted, and little more is asked for.
            let taken = taken.load(SeqCst);
            assert!(taken <= 2 * 65_535 + 2 * CHUNK, "{taken} bytes for a look at 16 KiB");
        }
    }
}

#[tokio::test]
async fn f151_an_endless_refusal_that_is_not_resent_is_handed_over_from_its_first_byte() {
    const READ: usize = 1 << 20;
    for version in BOTH {
        let org = Org::new();
        let (server, _, dropped) = endless_second().await;
        org.move_to(&server.url);
        let session = org.builder().allow_loopback().build().unwrap();
        let salesforce = SalesforceAuthLayer::new(session).replay(Never).layer(version.client());
        salesforce.clone().oneshot(get("/warm")).await.unwrap();
        let response = salesforce.clone().oneshot(get("/r")).await.unwrap();
        assert!(matches!(Diagnosis::of(&response).unwrap().outcome(), Outcome::NotResendable(_)));
        let mut body = response.into_body();
        assert!(!body.is_end_stream());
        let mut seen = Vec::new();
        while seen.len() < READ {
            seen.extend_from_slice(&body.frame().await.unwrap().unwrap().into_data().unwrap());
        }
        assert!(seen.starts_with(EXPIRED.as_bytes()), "{version:?}");
        assert!(seen[EXPIRED.len()..].iter().all(|byte| *byte == b' '), "{version:?}");
        drop(body);
        dropped.notified().await;
    }
}

/// Half a refusal and its other half, an end that no length announced, and what is behind it.
#[tokio::test]
async fn f151_a_refusal_that_is_not_resent_keeps_its_trailers_and_its_lack_of_a_length() {
    for version in BOTH {
        let org = Org::new();
        let requests = Arc::new(AtomicUsize::new(0));
        let server = Server::start(move |_| {
            let refused = requests.fetch_add(1, SeqCst) == 1;
            if !refused {
                return ready(answer(200, whole("{}")));
            }
            let (first, second) = EXPIRED.split_at(EXPIRED.len() / 2);
            let data = [first, second].map(|half| Frame::data(Bytes::from_static(half.as_bytes())));
            let trailers = Frame::trailers(
                [("x-checksum".parse().unwrap(), "7".parse().unwrap())].into_iter().collect(),
            );
            let frames = data.into_iter().chain([trailers]).map(Ok);
            let mut refusal = answer(401, StreamBody::new(stream::iter(frames)).boxed_unsync());
            // HTTP/1.1 sends those alone that are announced.
            refusal.headers_mut().insert("trailer", "x-checksum".parse().unwrap());
            ready(refusal)
        })
        .await;
        org.move_to(&server.url);
        let session = org.builder().allow_loopback().build().unwrap();
        let salesforce = SalesforceAuthLayer::new(session).replay(Never).layer(version.client());
        salesforce.clone().oneshot(get("/warm")).await.unwrap();
        let mut asked = get("/r");
        asked.headers_mut().insert("te", "trailers".parse().unwrap());
        let response = salesforce.clone().oneshot(asked).await.unwrap();
        assert!(matches!(Diagnosis::of(&response).unwrap().outcome(), Outcome::NotResendable(_)));
        assert!(!response.headers().contains_key("content-length"));
        assert_eq!((response.body().size_hint().exact(), response.body().is_end_stream()), (None, false));
        let body = response.into_body().collect().await.unwrap();
        assert_eq!(body.trailers().unwrap()["x-checksum"], "7", "{version:?}");
        assert_eq!(body.to_bytes(), EXPIRED);
        assert_eq!(org.token_requests(), 2);
    }
}

/// It has the head of another answer, and no body: neither is there anything to be read, nor is it waited for.
#[tokio::test]
async fn f152_a_refusal_without_a_body_is_judged_by_its_head_and_leaves_the_connection() {
    for version in BOTH {
        for method in [Method::HEAD, Method::GET] {
            let org = Org::new();
            let seen = Arc::<std::sync::Mutex<Vec<Method>>>::default();
            let server = Server::start({
                let seen = Arc::clone(&seen);
                move |request| {
                    let mut seen = seen.lock().unwrap();
                    seen.push(request.method().clone());
                    let head = request.method() == Method::HEAD;
                    let mut answer = answer(if seen.len() == 2 { 401 } else { 200 }, whole(""));
                    answer.headers_mut().insert("www-authenticate", "Token".parse().unwrap());
                    if head {
                        answer.headers_mut().insert("content-length", "75".parse().unwrap());
                    }
                    ready(answer)
                }
            })
            .await;
            let salesforce = over(&org, &server.url, version.client()).await;
            salesforce.clone().oneshot(get("/warm")).await.unwrap();
            let mut asked = get("/r");
            *asked.method_mut() = method.clone();
            let response = salesforce.clone().oneshot(asked).await.unwrap();
            assert_eq!(response.status(), 200, "{version:?} {method}");
            assert_eq!(*seen.lock().unwrap(), [Method::GET, method.clone(), method]);
            assert_eq!((org.token_requests(), server.connections()), (2, 1), "{version:?}");
        }
    }
}

#[tokio::test]
async fn f139_a_refusal_that_comes_in_two_halves_is_read_to_its_end() {
    for version in BOTH {
        let org = Org::new();
        let (first, second) = EXPIRED.split_at(EXPIRED.len() / 2);
        let (send, halves) = mpsc::unbounded_channel::<&'static str>();
        let halves = Arc::new(std::sync::Mutex::new(Some(halves)));
        let started = Arc::new(Notify::new());
        let requests = Arc::new(AtomicUsize::new(0));
        let server = Server::start({
            let started = Arc::clone(&started);
            move |_| {
                let refused = requests.fetch_add(1, SeqCst) == 1;
                let halves = if refused { halves.lock().unwrap().take() } else { None };
                let Some(halves) = halves else { return ready(answer(200, whole("{}"))) };
                started.notify_one();
                let body = StreamBody::new(stream::unfold(halves, async |mut halves| {
                    let half = halves.recv().await?;
                    Some((Ok(Frame::data(Bytes::from_static(half.as_bytes()))), halves))
                }));
                ready(answer(401, body.boxed_unsync()))
            }
        })
        .await;
        let salesforce = over(&org, &server.url, version.client()).await;
        salesforce.clone().oneshot(get("/warm")).await.unwrap();
        let mut call = tokio::spawn(salesforce.clone().oneshot(get("/r")));
        signal(&started, &mut call).await;
        send.send(first).unwrap();
        tokio::task::yield_now().await;
        assert!(!call.is_finished());
        send.send(second).unwrap();
        drop(send);
        assert_eq!(call.await.unwrap().unwrap().status(), 200);
        assert_eq!((org.token_requests(), server.connections()), (2, 1), "{version:?}");
    }
}

// === In memory, where time can be paused ===

type Stream = UnsyncBoxBody<Bytes, Infallible>;

/// Refuses the first request with `refusal`, and accepts the others.
fn refusing_once(
    refusal: fn() -> Stream,
) -> impl Service<Request<Full<Bytes>>, Response = Response<Stream>, Error = Infallible, Future: Send> + Clone
{
    let requests = Arc::new(AtomicUsize::new(0));
    service_fn(move |_| {
        let refused = requests.fetch_add(1, SeqCst) == 0;
        let mut response = Response::new(if refused { refusal() } else { Full::default().boxed_unsync() });
        if refused {
            *response.status_mut() = http::StatusCode::UNAUTHORIZED;
        }
        ready(Ok(response))
    })
}

/// Yields `pieces`, one every 100 ms, then nothing for ever.
fn trickle(pieces: &'static [&'static str]) -> Stream {
    let trickle = stream::unfold(pieces.iter(), async |mut pieces| match pieces.next() {
        Some(piece) => {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Some((Ok(Frame::data(Bytes::from_static(piece.as_bytes()))), pieces))
        }
        None => std::future::pending().await,
    });
    StreamBody::new(trickle).boxed_unsync()
}

#[tokio::test(start_paused = true)]
async fn f139_a_refusal_that_falls_silent_costs_a_second_and_is_judged_by_what_came() {
    let refusals: [fn() -> Stream; 3] = [
        || trickle(&[EXPIRED]),
        || {
            trickle(&[
                "[{\"message\":\"Session expired or invalid\",",
                "\"errorCode\":\"INVALID_SESSION_ID\"}]",
            ])
        },
        || trickle(&[]),
    ];
    for refusal in refusals {
        let org = Org::new();
        let session = org.session();
        session.access_token().await.unwrap();
        let salesforce = SalesforceAuthLayer::new(session).layer(refusing_once(refusal));
        let begun = Instant::now();
        assert_eq!(salesforce.oneshot(get("/r")).await.unwrap().status(), 200);
        assert_eq!((begun.elapsed(), org.token_requests()), (Duration::from_secs(1), 2));
    }
}

#[tokio::test(start_paused = true)]
async fn f161_the_head_of_an_accepted_answer_waits_for_no_byte_of_its_body() {
    let org = Org::new();
    let session = org.session();
    session.access_token().await.unwrap();
    let silent =
        service_fn(|_: Request<Full<Bytes>>| ready(Ok::<_, Infallible>(Response::new(trickle(&["{}"])))));
    let begun = Instant::now();
    let response = SalesforceAuthLayer::new(session).layer(silent).oneshot(get("/r")).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let mut body = response.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "{}");
    assert_eq!(begun.elapsed(), Duration::from_millis(100));
}
