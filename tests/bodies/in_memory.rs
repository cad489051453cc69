//! Early refusals without a socket, in paused time.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::Full;
use tokio::task::JoinHandle;
use tower::{Layer, Service, ServiceExt};
use tower_salesforce_auth::{
    BoxError, Diagnosis, NotResendable, Outcome, PeekBody, SalesforceAuthLayer,
    replay::{Buffered, BufferedBody, Cap, TakenOver},
};

use crate::{
    stream::{Read, Stream, stream},
    support::{self, BoxFuture, EXPIRED, Org, Token, text},
};

/// How one request is answered.
#[derive(Clone, Copy)]
enum Answer {
    /// Refused after so many frames; the rest is read while the answer is under way, and later.
    Early(usize),
    Accepted,
}

/// An API that answers by a script, then accepts.
#[derive(Clone, Default)]
struct Api {
    script: Arc<Mutex<VecDeque<Answer>>>,
    /// What is read of each request's body.
    reads: Arc<Mutex<Vec<JoinHandle<Read>>>>,
}

impl Api {
    fn new(script: impl IntoIterator<Item = Answer>) -> Self {
        let api = Self::default();
        api.script.lock().unwrap().extend(script);
        api
    }

    fn sends(&self) -> usize {
        self.reads.lock().unwrap().len()
    }

    /// What came of the body of the `n`th send, once its reader has ended.
    async fn read(&self, n: usize) -> Read {
        let reader =
            std::mem::replace(&mut self.reads.lock().unwrap()[n], tokio::spawn(async { Read::default() }));
        reader.await.unwrap()
    }

    /// Whether the body of the `n`th send was read to its end.
    fn has_ended(&self, n: usize) -> bool {
        self.reads.lock().unwrap()[n].is_finished()
    }
}

impl Service<Request<BufferedBody<Stream>>> for Api {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = BoxFuture<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<BufferedBody<Stream>>) -> Self::Future {
        let answer = self.script.lock().unwrap().pop_front().unwrap_or(Answer::Accepted);
        assert!(request.extensions().get::<Cap>().is_none(), "taken out");
        let mut body = request.into_body();
        let (done, answered) = tokio::sync::oneshot::channel();
        self.reads.lock().unwrap().push(tokio::spawn(async move {
            let mut read = Read::default();
            if let Answer::Early(frames) = answer {
                read.frames(&mut body, frames).await;
                let _ = done.send(Ok(support::json(401, EXPIRED.into())));
                read.frames(&mut body, usize::MAX).await;
            } else {
                read.frames(&mut body, usize::MAX).await;
                let failed = read.error.as_ref().map(ToString::to_string);
                let _ = done.send(
                    failed.map_or_else(|| Ok(support::json(200, "{}".into())), |error| Err(error.into())),
                );
            }
            read
        }));
        Box::pin(async move { answered.await? })
    }
}

fn upload(body: Stream) -> Request<Stream> {
    Request::post("/upload").body(body).unwrap()
}

/// A service whose session is at hand, so that uploads are sent at once.
async fn warm(
    org: &Org,
    api: &Api,
    replay: Buffered,
) -> tower_salesforce_auth::SalesforceAuth<Api, Buffered> {
    let session = org.session();
    session.access_token().await.unwrap();
    org.expire();
    SalesforceAuthLayer::new(session).replay(replay).layer(api.clone())
}

/// Lets everything that can run do so.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn not_resent(response: &Response<PeekBody<Full<Bytes>>>) -> NotResendable {
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    match Diagnosis::of(response).unwrap().outcome() {
        Outcome::NotResendable(reason) => *reason,
        outcome => panic!("{outcome}"),
    }
}

#[tokio::test(start_paused = true)]
async fn f156_the_resend_takes_an_upload_over_that_still_runs() {
    for replay in [Buffered::default(), Buffered::new(4)] {
        let org = Org::new();
        let api = Api::new([Answer::Early(2)]);
        let service = warm(&org, &api, replay).await;
        let gate = org.hold_tokens();
        let (feed, body) = stream();
        feed.data("ab");
        feed.data("cd");
        let call = tokio::spawn(service.oneshot(upload(body)));
        while org.token_requests() < 2 {
            tokio::task::yield_now().await;
        }

        // Held while the session refreshes: a cap of four bytes is not exceeded by what comes meanwhile.
        feed.data("ef");
        settle().await;
        gate.add_permits(1);
        while !api.has_ended(0) {
            tokio::task::yield_now().await;
        }
        let first = api.read(0).await;
        assert_eq!(first.data, b"abcd");
        assert!(
            first.error.is_some_and(|error| error.is::<TakenOver>()),
            "released before the upload is done"
        );

        feed.data("gh");
        drop(feed);
        assert_eq!(call.await.unwrap().unwrap().status(), StatusCode::OK);
        assert!(api.read(1).await.is_whole("abcdefgh"));
        assert_eq!((api.sends(), org.token_requests()), (2, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn f153_above_the_cap_the_caller_is_told_why_and_the_next_request_works() {
    let org = Org::new();
    let api = Api::new([Answer::Early(2)]);
    let service = warm(&org, &api, Buffered::new(3)).await;
    let (feed, body) = stream();
    feed.data("ab");
    feed.data("cd");
    let response = service.clone().oneshot(upload(body)).await.unwrap();
    assert_eq!(not_resent(&response), NotResendable::BodyOverCap { cap: 3 });
    assert!(Diagnosis::of(&response).unwrap().to_string().contains("more than 3 bytes"));
    assert_eq!(text(response).await, EXPIRED);

    feed.data("ef");
    drop(feed);
    assert!(api.read(0).await.is_whole("abcdef"), "the upload is the inner service's affair again");
    let (_, body) = stream();
    assert_eq!(service.oneshot(upload(body)).await.unwrap().status(), StatusCode::OK);
    assert_eq!((api.sends(), org.token_requests()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_cap_of_the_request_goes_before_that_of_the_layer() {
    for (layer, request, resent) in [(3, 4, true), (4, 3, false)] {
        let org = Org::new();
        let api = Api::new([Answer::Early(usize::MAX)]);
        let service = warm(&org, &api, Buffered::new(layer)).await;
        let (feed, body) = stream();
        feed.data("abcd");
        drop(feed);
        let mut upload = upload(body);
        upload.extensions_mut().insert(Cap(request));
        let response = service.oneshot(upload).await.unwrap();
        if resent {
            assert_eq!(response.status(), StatusCode::OK);
            assert!(api.read(1).await.is_whole("abcd"));
        } else {
            assert_eq!(not_resent(&response), NotResendable::BodyOverCap { cap: request });
        }
        assert!(api.read(0).await.is_whole("abcd"), "sent in full: not taken over");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_goes_to_the_caller_lets_the_upload_go_on() {
    let org = Org::new();
    let api = Api::new([Answer::Early(1)]);
    let service = warm(&org, &api, Buffered::default()).await;
    org.script([Token::Answer(400, r#"{"error":"invalid_grant","error_description":"inactive user"}"#)]);
    let (feed, body) = stream();
    feed.data("ab");
    let response = service.oneshot(upload(body)).await.unwrap();
    assert!(matches!(Diagnosis::of(&response).unwrap().outcome(), Outcome::RefreshFailed(_)));
    feed.data("cd");
    drop(feed);
    assert!(api.read(0).await.is_whole("abcd"));
    assert_eq!(api.sends(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_while_the_session_recovers_lets_the_upload_go_on() {
    let org = Org::new();
    let api = Api::new([Answer::Early(1)]);
    let service = warm(&org, &api, Buffered::default()).await;
    let _gate = org.hold_tokens();
    let (feed, body) = stream();
    feed.data("ab");
    let call = tokio::spawn(service.oneshot(upload(body)));
    while org.token_requests() < 2 {
        tokio::task::yield_now().await;
    }
    feed.data("cd");
    drop(feed);
    settle().await;
    assert!(!api.has_ended(0), "held");
    call.abort();
    assert!(api.read(0).await.is_whole("abcd"));
}

#[tokio::test(start_paused = true)]
async fn f160_a_body_that_fails_is_an_error_of_the_send_that_met_it() {
    // Before any answer: a transport error, no refresh, no second send.
    let (org, api) = (Org::new(), Api::default());
    let service = warm(&org, &api, Buffered::default()).await;
    let (feed, body) = stream();
    feed.data("ab");
    feed.fail("the file broke");
    let error = service.oneshot(upload(body)).await.unwrap_err();
    assert_eq!((error.to_string().as_str(), api.sends(), org.token_requests()), ("the file broke", 1, 1));

    // On the first send, behind an early refusal: nothing is left to be sent.
    let (org, api) = (Org::new(), Api::new([Answer::Early(2)]));
    let service = warm(&org, &api, Buffered::default()).await;
    let (feed, body) = stream();
    feed.data("ab");
    feed.fail("the file broke");
    let response = service.oneshot(upload(body)).await.unwrap();
    assert_eq!(not_resent(&response), NotResendable::BodyFailed);
    assert_eq!(api.sends(), 1);

    // On the second send, behind what is remembered.
    let (org, api) = (Org::new(), Api::new([Answer::Early(1)]));
    let service = warm(&org, &api, Buffered::default()).await;
    let (feed, body) = stream();
    feed.data("ab");
    let call = tokio::spawn(service.oneshot(upload(body)));
    while api.sends() < 2 {
        tokio::task::yield_now().await;
    }
    feed.fail("the file broke");
    assert_eq!(call.await.unwrap().unwrap_err().to_string(), "the file broke");
    let (first, second) = (api.read(0).await, api.read(1).await);
    assert!(first.error.is_some_and(|error| error.is::<TakenOver>()));
    assert_eq!((second.data.as_slice(), api.sends()), (b"ab".as_slice(), 2));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_remembered_of_a_request_that_will_not_be_sent_again() {
    let org = Org::new();
    let api = Api::default();
    let service = warm(&org, &api, Buffered::default()).await;
    let large = Bytes::from(vec![b'x'; 5000]);
    let (feed, body) = stream();
    feed.data(large.clone());
    let mut upload = upload(body);
    upload.headers_mut().insert(AUTHORIZATION, "Basic abc".parse().unwrap()); // the caller's own
    let call = tokio::spawn(service.oneshot(upload));
    settle().await;
    assert!(large.is_unique(), "sent, and gone");
    drop(feed);
    assert_eq!(call.await.unwrap().unwrap().status(), StatusCode::OK);
}
