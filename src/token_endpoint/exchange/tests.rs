use std::{
    error::Error as StdError,
    io,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll},
};

use http::{HeaderMap, Method, Response, StatusCode, header};
use http_body::{Body, Frame};

use super::*;
use crate::{
    BoxError, clock,
    grant::LoginHost,
    token_endpoint::in_memory::{Reply, at, endpoint},
};

const FORM: &[(&str, &str)] = &[
    ("grant_type", "refresh_token"),
    ("client_id", "3MVG9"),
    ("client_secret", "secret canary&"),
    ("refresh_token", "5Aep!canary"),
];

/// An endpoint over a transport that answers with whatever `answer` yields.
fn over<B, F>(answer: impl Fn() -> F + Clone + Send + 'static) -> TokenEndpoint
where
    F: Future<Output = Result<Response<B>, BoxError>> + Send + 'static,
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    let service = tower::service_fn(move |_: Request<Full<Bytes>>| answer());
    at(LoginHost::Production, Transport::new(service))
}

fn shows_a_canary(error: &TokenError) -> bool {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!("{error} {error:?}");
        source = error.source();
    }
    text.contains("canary")
}

/// Frames made on demand, counted.
struct Frames<F> {
    next: F,
    polled: Arc<AtomicUsize>,
}

impl<F: FnMut(usize) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> + Unpin> Body for Frames<F> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let n = self.polled.fetch_add(1, Ordering::Relaxed);
        let frame = (self.next)(n);
        if frame.is_pending() {
            // A byte a second.
            let (sleep, waker) = (tokio::time::sleep(Duration::from_secs(1)), cx.waker().clone());
            tokio::spawn(async move {
                sleep.await;
                waker.wake();
            });
        }
        frame
    }
}

/// An endpoint whose answer's `n`th frame is `next(n)`, with the count of its polls.
fn framed(
    status: StatusCode,
    next: impl FnMut(usize) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> + Clone + Unpin + Send + 'static,
) -> (TokenEndpoint, Arc<AtomicUsize>) {
    let polled = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&polled);
    let endpoint = over(move || {
        let body = Frames { next: next.clone(), polled: Arc::clone(&counter) };
        std::future::ready(Ok(Response::builder().status(status).body(body).unwrap()))
    });
    (endpoint, polled)
}

fn data(bytes: impl Into<Bytes>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
    Poll::Ready(Some(Ok(Frame::data(bytes.into()))))
}

#[tokio::test]
async fn f118_a_request_is_a_post_with_everything_in_the_form() {
    let (endpoint, requests) = endpoint(Reply::ok(r#"{"access_token":"00Dxx!new"}"#));
    let answer = endpoint.exchange(FORM).await.unwrap();
    assert_eq!(answer.access_token().expose(), "00Dxx!new");
    let requests = requests.lock().unwrap();
    assert_eq!(requests.len(), 1);
    let request = &requests[0];
    assert_eq!(request.method, Method::POST);
    assert_eq!(request.uri, *endpoint.token_url());
    assert_eq!(request.uri.to_string(), "https://login.salesforce.com/services/oauth2/token");
    assert_eq!(
        request.body,
        "grant_type=refresh_token&client_id=3MVG9&client_secret=secret+canary%26&refresh_token=5Aep%21canary"
    );
    assert_eq!(request.headers[header::CONTENT_TYPE], "application/x-www-form-urlencoded");
    assert_eq!(request.headers[header::ACCEPT], "application/json");
    // F106: no Accept-Encoding. S32: no Authorization.
    assert_eq!(request.headers.len(), 2);
}

#[tokio::test]
async fn f110_a_redirect_is_not_followed() {
    let (endpoint, requests) = endpoint(
        Reply::new(StatusCode::TEMPORARY_REDIRECT, "")
            .header(header::LOCATION, "https://evil.example/?canary"),
    );
    let error = endpoint.exchange(FORM).await.unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::OutcomeUnknown);
    assert!(!shows_a_canary(&error));
    assert_eq!(requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn f103_a_page_with_status_200_leaves_the_outcome_unknown() {
    let (endpoint, _) = endpoint(Reply::ok("<html>canary").header(header::CONTENT_TYPE, "text/html"));
    let error = endpoint.exchange(FORM).await.unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::OutcomeUnknown);
    assert_eq!(error.reason(), Some(TokenErrorReason::NotTokenEndpoint));
    assert_eq!(error.description(), Some("HTTP 200 with content type text/html"));
    assert!(!shows_a_canary(&error));
}

#[tokio::test]
async fn f106_a_compressed_answer_is_refused_and_an_uncompressed_one_is_not() {
    let body = r#"{"access_token":"00Dxx!new"}"#;
    let (gzip, _) = endpoint(Reply::ok(body).header(header::CONTENT_ENCODING, "gzip"));
    assert_eq!(gzip.exchange(FORM).await.unwrap_err().kind(), TokenErrorKind::OutcomeUnknown);
    let (twice, _) = endpoint(
        Reply::ok(body).header(header::CONTENT_ENCODING, "identity").header(header::CONTENT_ENCODING, "br"),
    );
    assert_eq!(twice.exchange(FORM).await.unwrap_err().kind(), TokenErrorKind::OutcomeUnknown);
    let (identity, _) = endpoint(Reply::ok(body).header(header::CONTENT_ENCODING, "Identity"));
    assert!(identity.exchange(FORM).await.is_ok());
}

#[tokio::test]
async fn f185_a_refusal_that_repeats_the_secrets_does_not_show_them() {
    let echo = r#"{"error":"5Aep!canary","error_description":"secret canary& 5Aep!canary 00Dxx!canary"}"#;
    let (endpoint, _) = endpoint(Reply::refused(echo));
    let error = endpoint.exchange(FORM).await.unwrap_err();
    assert_eq!(error.description(), Some("*** *** 00Dxx!***"));
    assert!(!shows_a_canary(&error));
}

#[tokio::test]
async fn f104_reading_stops_at_the_limit() {
    // 10 MB in pieces of 1 KiB.
    let (endpoint, polled) =
        framed(StatusCode::OK, |n| if n < 10_240 { data(vec![b' '; 1_024]) } else { Poll::Ready(None) });
    let error = endpoint.exchange(FORM).await.unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::OutcomeUnknown);
    assert_eq!(polled.load(Ordering::Relaxed), 65); // 64 fill the buffer, one more is too much
}

#[tokio::test]
async fn f104_one_huge_frame_is_not_copied() {
    let (endpoint, polled) = framed(StatusCode::OK, |_| data(vec![b' '; 10 << 20]));
    assert_eq!(endpoint.exchange(FORM).await.unwrap_err().kind(), TokenErrorKind::OutcomeUnknown);
    assert_eq!(polled.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn f104_an_endless_stream_of_empty_frames_ends() {
    for frame in [|| Frame::data(Bytes::new()), || Frame::trailers(HeaderMap::new())] {
        let (endpoint, polled) = framed(StatusCode::OK, move |_| Poll::Ready(Some(Ok(frame()))));
        assert_eq!(endpoint.exchange(FORM).await.unwrap_err().kind(), TokenErrorKind::OutcomeUnknown);
        assert_eq!(polled.load(Ordering::Relaxed), BODY_LIMIT + 1);
    }
}

#[tokio::test]
async fn an_answer_of_exactly_the_limit_is_read() {
    let mut body = br#"{"access_token":"00Dxx!new"}"#.to_vec();
    body.resize(BODY_LIMIT, b' ');
    assert!(endpoint(Reply::ok(body.clone())).0.exchange(FORM).await.is_ok());
    body.push(b' ');
    assert!(endpoint(Reply::ok(body)).0.exchange(FORM).await.is_err());
}

#[tokio::test]
async fn a_huge_refusal_keeps_its_status() {
    let (endpoint, _) = endpoint(Reply::new(StatusCode::TOO_MANY_REQUESTS, vec![b'x'; 1 << 20]));
    assert_eq!(endpoint.exchange(FORM).await.unwrap_err().kind(), TokenErrorKind::Transient);
}

#[tokio::test(start_paused = true)]
async fn f105_an_answer_that_never_comes_ends_after_ten_seconds() {
    let endpoint = over(std::future::pending::<Result<Response<Full<Bytes>>, BoxError>>);
    let begun = clock::now();
    let error = endpoint.exchange(FORM).await.unwrap_err();
    assert_eq!(begun.elapsed(), LIMIT);
    assert_eq!(error.kind(), TokenErrorKind::OutcomeUnknown);
}

#[tokio::test(start_paused = true)]
async fn f105_a_trickling_answer_has_one_deadline_for_all_of_it() {
    let (endpoint, polled) =
        framed(StatusCode::OK, |n| if n.is_multiple_of(2) { Poll::Pending } else { data(" ") });
    let begun = clock::now();
    let error = endpoint.exchange(FORM).await.unwrap_err();
    assert_eq!(begun.elapsed(), LIMIT);
    assert_eq!(error.kind(), TokenErrorKind::OutcomeUnknown);
    assert!((10..=22).contains(&polled.load(Ordering::Relaxed)));
}

#[tokio::test(start_paused = true)]
async fn f024_a_refresh_token_that_came_through_before_the_answer_broke_off_is_kept() {
    const PART: &str = r#"{"refresh_token":"5Aepnew","access_token":"00Dxx!"#;
    let (late, _) = framed(StatusCode::OK, |n| if n == 0 { data(PART) } else { Poll::Pending });
    let (broken, _) = framed(StatusCode::OK, |n| match n {
        0 => data(PART),
        _ => Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::ConnectionReset).into()))),
    });
    for endpoint in [late, broken] {
        let error = endpoint.exchange(FORM).await.unwrap_err();
        assert_eq!(error.kind(), TokenErrorKind::Rejected);
        assert_eq!(error.kept().unwrap().expose(), "5Aepnew");
    }
}

#[tokio::test]
async fn f024_an_answer_that_broke_off_leaves_the_outcome_unknown_at_any_status() {
    for status in [200, 400, 503] {
        let (endpoint, _) = framed(StatusCode::from_u16(status).unwrap(), |n| match n {
            0 => data(r#"{"error":"invalid_grant","#),
            _ => Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::ConnectionReset).into()))),
        });
        let error = endpoint.exchange(FORM).await.unwrap_err();
        assert_eq!(error.kind(), TokenErrorKind::OutcomeUnknown, "{status}");
        assert!(error.source().is_some());
    }
}

#[tokio::test]
async fn the_servers_time_comes_with_a_refusal() {
    let reply = Reply::refused(r#"{"error":"invalid_grant"}"#);
    let (endpoint, _) = endpoint(reply.header(DATE, "Sun, 06 Nov 1994 08:49:37 GMT"));
    let error = endpoint.exchange(FORM).await.unwrap_err();
    assert_eq!(error.server_time(), Some(Duration::from_secs(784_111_777)));
}

#[test]
fn exchanges_can_be_spawned() {
    fn is_send<T: Send>(_: T) {}
    let (endpoint, _) = endpoint(Reply::ok(""));
    is_send(endpoint.exchange(FORM));
}
