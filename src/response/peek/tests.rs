use std::{
    collections::VecDeque,
    convert::Infallible,
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Waker,
};

use bytes::{Buf, Bytes, buf::Chain};
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full};
use tokio::{
    runtime::Builder,
    time::{Instant, Sleep},
};

use super::*;

type Data = Chain<Bytes, Bytes>;

/// What a test body does when it is polled.
#[derive(Clone, Debug)]
enum Step {
    Data(Bytes),
    /// One frame in two pieces.
    Pieces(Bytes, Bytes),
    Trailers,
    Error,
    Wait(Duration),
    Never,
}

fn data(text: impl Into<Bytes>) -> Step {
    Step::Data(text.into())
}

/// A body that follows steps, counts its polls, and does not bear to be polled after its end.
struct Steps {
    steps: VecDeque<Step>,
    wait: Option<Pin<Box<Sleep>>>,
    hint: SizeHint,
    polls: Arc<AtomicUsize>,
    ended: bool,
}

impl Steps {
    fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let steps = steps.into_iter().collect();
        Self { steps, wait: None, hint: SizeHint::new(), polls: Arc::default(), ended: false }
    }

    fn exactly(mut self, bytes: u64) -> Self {
        self.hint = SizeHint::with_exact(bytes);
        self
    }
}

impl Body for Steps {
    type Data = Data;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Data>, Self::Error>>> {
        assert!(!self.ended, "polled after its end");
        self.polls.fetch_add(1, SeqCst);
        loop {
            if let Some(wait) = &mut self.wait {
                std::task::ready!(wait.as_mut().poll(cx));
                self.wait = None;
            }
            let (front, back) = match self.steps.pop_front() {
                None => {
                    self.ended = true;
                    return Poll::Ready(None);
                }
                Some(Step::Data(data)) => (data, Bytes::new()),
                Some(Step::Pieces(front, back)) => (front, back),
                Some(Step::Trailers) => {
                    let trailers = HeaderMap::from_iter([(http::header::ETAG, "t".parse().unwrap())]);
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Some(Step::Error) => return Poll::Ready(Some(Err("reset"))),
                Some(Step::Wait(wait)) => {
                    self.wait = Some(Box::pin(tokio::time::sleep(wait)));
                    continue;
                }
                Some(Step::Never) => {
                    self.steps.push_front(Step::Never);
                    return Poll::Pending;
                }
            };
            let length = (front.len() + back.len()) as u64;
            if let Some(exact) = self.hint.exact() {
                self.hint = SizeHint::with_exact(exact - length);
            }
            return Poll::Ready(Some(Ok(Frame::data(front.chain(back)))));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.hint.exact() == Some(0) && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

/// What a caller sees of a body, frame by frame, with the hint and the end-of-stream flag before each.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Data(Vec<u8>),
    Trailers,
    Error,
    End,
}

async fn watch<B>(body: B) -> Vec<(Seen, (u64, Option<u64>))>
where
    B: Body<Error = &'static str>,
{
    let mut body = pin!(body);
    let mut all = Vec::new();
    loop {
        let hint = (body.size_hint().lower(), body.size_hint().upper());
        let ended = body.is_end_stream();
        let seen = match body.frame().await {
            None => Seen::End,
            Some(Err(_)) => Seen::Error,
            Some(Ok(frame)) => match frame.into_data() {
                Ok(mut data) => Seen::Data(data.copy_to_bytes(data.remaining()).to_vec()),
                Err(_) => Seen::Trailers,
            },
        };
        assert!(!ended || seen == Seen::End, "{seen:?} came after the end");
        let last = matches!(seen, Seen::End | Seen::Error);
        all.push((seen, hint));
        if last {
            return all;
        }
    }
}

async fn peek<B: Body>(body: B) -> (Vec<u8>, PeekBody<B>) {
    let mut peek = Peek::new(body);
    poll_fn(|cx| peek.poll(cx, None)).await
}

/// Peeks and checks that the caller sees what it would have seen without.
async fn peek_unnoticed(make: impl Fn() -> Steps) -> Vec<u8> {
    let (seen, body) = peek(make()).await;
    assert_eq!(watch(body).await, watch(make()).await);
    seen
}

const REFUSAL: &[u8] = br#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#;

#[tokio::test(start_paused = true)]
async fn f151_every_split_of_a_body_is_seen_whole_and_handed_on_frame_by_frame() {
    for first in 0..=REFUSAL.len() {
        for second in first..=REFUSAL.len() {
            let (a, b, c) = (&REFUSAL[..first], &REFUSAL[first..second], &REFUSAL[second..]);
            let make = || Steps::new([data(a), data(b), data(c)]).exactly(REFUSAL.len() as u64);
            assert_eq!(peek_unnoticed(make).await, REFUSAL);
            let make = || {
                Steps::new([
                    Step::Pieces(Bytes::from_static(a), Bytes::from_static(b)),
                    data(c),
                    Step::Trailers,
                ])
            };
            assert_eq!(peek_unnoticed(make).await, REFUSAL);
        }
    }
    let make = || Steps::new(REFUSAL.iter().map(|byte| data(vec![*byte])));
    assert_eq!(peek_unnoticed(make).await, REFUSAL);
}

#[tokio::test(start_paused = true)]
async fn f151_trailers_come_in_their_place() {
    let make = || Steps::new([data(REFUSAL), Step::Trailers]);
    assert_eq!(peek_unnoticed(make).await, REFUSAL);
    let make = || Steps::new([Step::Trailers]).exactly(0);
    assert_eq!(peek_unnoticed(make).await, b"");
}

#[tokio::test(start_paused = true)]
async fn f151_an_unknown_length_stays_unknown() {
    let (_, body) = peek(Steps::new([data(REFUSAL)])).await;
    assert_eq!((body.size_hint().lower(), body.size_hint().upper()), (0, None));
    assert!(!body.is_end_stream());
}

#[tokio::test(start_paused = true)]
async fn an_error_midway_ends_the_look_and_reaches_the_caller_after_the_data() {
    let make = || Steps::new([data(&REFUSAL[..20]), Step::Error, data("never asked for")]);
    assert_eq!(peek_unnoticed(make).await, &REFUSAL[..20]);
    let make = || Steps::new([Step::Error]);
    assert_eq!(peek_unnoticed(make).await, b"");
}

#[tokio::test(start_paused = true)]
async fn f139_the_look_ends_at_its_cap_and_the_rest_streams_on() {
    for (length, frame) in [
        (PEEK_BYTES - 1, PEEK_BYTES),
        (PEEK_BYTES, PEEK_BYTES),
        (PEEK_BYTES + 1, PEEK_BYTES),
        (PEEK_BYTES + 1, 2 * PEEK_BYTES),
        (PEEK_BYTES + 1, 1000),
        (3 * PEEK_BYTES, 1000),
        (3 * PEEK_BYTES, 3 * PEEK_BYTES),
    ] {
        let bytes: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
        let make =
            || Steps::new(bytes.chunks(frame).map(|chunk| data(chunk.to_vec()))).exactly(length as u64);
        assert_eq!(
            peek_unnoticed(make).await,
            bytes[..length.min(PEEK_BYTES)],
            "{length} in frames of {frame}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn f139_nothing_is_read_beyond_the_cap() {
    let endless = std::iter::repeat_n(data(vec![b'x'; 1024]), 100);
    let body = Steps::new(endless);
    let polls = Arc::clone(&body.polls);
    let (seen, _body) = peek(body).await;
    assert_eq!((seen.len(), polls.load(SeqCst)), (PEEK_BYTES, 16));
}

#[tokio::test(start_paused = true)]
async fn f139_a_body_that_never_ends_is_left_after_a_second_and_goes_on() {
    let began = Instant::now();
    let (seen, body) = peek(Steps::new([data("abc"), Step::Never])).await;
    assert_eq!((seen.as_slice(), began.elapsed()), (&b"abc"[..], PEEK_TIME));
    let mut body = pin!(body);
    assert!(body.frame().await.unwrap().unwrap().is_data());
    assert!(
        tokio::time::timeout(Duration::from_secs(3600), body.frame()).await.is_err(),
        "still waiting, as the inner body"
    );
}

fn poll_once<B: Body>(peek: &mut Peek<B>, runtime: Option<&Handle>) -> Poll<(Vec<u8>, PeekBody<B>)> {
    peek.poll(&mut Context::from_waker(Waker::noop()), runtime)
}

#[test]
fn f014_a_look_outside_of_any_runtime_takes_its_time_from_the_one_it_was_given() {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let mut peek = Peek::new(Steps::new([data("abc"), Step::Never]));
    assert!(poll_once(&mut peek, Some(runtime.handle())).is_pending());
    runtime.block_on(async { tokio::time::sleep(PEEK_TIME).await });
    let Poll::Ready((seen, _)) = poll_once(&mut peek, None) else { panic!("its time is over") };
    assert_eq!(seen, b"abc");
}

#[test]
fn f012_a_look_outlives_its_runtime() {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let handle = runtime.handle().clone();
    let mut peek = Peek::new(Steps::new([data("abc"), Step::Never]));
    assert!(poll_once(&mut peek, Some(&handle)).is_pending());
    drop(runtime);
    assert!(poll_once(&mut peek, Some(&handle)).is_ready());
    // Nor does one that begins only then panic.
    assert!(poll_once(&mut Peek::new(Steps::new([Step::Never])), Some(&handle)).is_ready());
}

#[test]
fn a_look_without_timers_ends_where_the_body_keeps_it_waiting() {
    let without_timers = Builder::new_current_thread().build().unwrap();
    for runtime in [None, Some(without_timers.handle())] {
        let mut peek = Peek::new(Steps::new([data("abc"), Step::Never, data("def")]));
        let Poll::Ready((seen, _)) = poll_once(&mut peek, runtime) else { panic!("it waits for ever") };
        assert_eq!(seen, b"abc");
    }
}

#[tokio::test(start_paused = true)]
async fn f139_a_trickling_body_gets_one_second_in_all() {
    let trickle = || (0..100).flat_map(|_| [Step::Wait(Duration::from_millis(300)), data("x")]);
    let began = Instant::now();
    let (seen, body) = peek(Steps::new(trickle())).await;
    assert_eq!((seen.as_slice(), began.elapsed()), (&b"xxx"[..], PEEK_TIME));
    assert_eq!(watch(body).await.len(), 101);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_empty_frames_is_left_too() {
    let body = Steps::new(std::iter::repeat_n(data(""), 5 * PEEK_FRAMES));
    let polls = Arc::clone(&body.polls);
    let (_, body) = peek(body).await;
    assert_eq!(polls.load(SeqCst), PEEK_FRAMES);
    assert_eq!(watch(body).await.len(), 5 * PEEK_FRAMES + 1);
}

/// Two pieces, of which only the first can be seen in place: the default of `Buf::chunks_vectored`.
struct Hidden(Data);

impl Buf for Hidden {
    fn remaining(&self) -> usize {
        self.0.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.0.chunk()
    }

    fn advance(&mut self, cnt: usize) {
        self.0.advance(cnt);
    }
}

#[test]
fn nothing_is_seen_behind_bytes_that_cannot_be_reached() {
    let mut seen = Vec::new();
    let hidden = Hidden(Bytes::from_static(b"abc").chain(Bytes::from_static(b"def")));
    assert!(!view(&hidden, &mut seen));
    assert_eq!((seen.as_slice(), hidden.remaining()), (&b"abc"[..], 6));
}

#[tokio::test(start_paused = true)]
async fn f152_an_empty_body_is_its_own_end() {
    let (seen, body) = peek(Empty::<Bytes>::new()).await;
    assert!(seen.is_empty() && body.is_end_stream());
    assert!(body.collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn f161_a_plain_body_is_the_inner_body_itself() {
    let body = Steps::new([data("abc"), Step::Trailers]).exactly(3);
    let polls = Arc::clone(&body.polls);
    let body = PeekBody::plain(body);
    assert_eq!((polls.load(SeqCst), body.size_hint().exact()), (0, Some(3)));
    assert_eq!(watch(body).await, watch(Steps::new([data("abc"), Step::Trailers]).exactly(3)).await);
    assert_eq!(polls.load(SeqCst), 3);
}

#[test]
fn a_body_with_a_default_has_one_here_too() {
    let body = PeekBody::<Full<Bytes>>::default();
    assert!(body.is_end_stream());
    assert_eq!(format!("{body:?}"), "PeekBody { peeked_frames: 0, .. }");
    fn assert_infallible<B: Body<Data = Bytes, Error = Infallible>>(_: &B) {}
    assert_infallible(&body);
}
