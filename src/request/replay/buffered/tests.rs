//! Every chunking and every switch point of small bodies, by enumeration.

use std::{
    cell::RefCell,
    collections::VecDeque,
    marker::PhantomPinned,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    thread,
};

use bytes::{Bytes, buf::Chain};
use http::{Extensions, HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use tokio_test::task::spawn;

use super::{Buffered, BufferedBody, BufferedKept, Cap, TakenOver};
use crate::{
    BoxError, NotResendable,
    request::replay::{Kept, Replay},
};

#[derive(Clone, Debug)]
enum Step {
    Data(Bytes),
    Trailers,
    Fails,
    Panics,
    /// Pending once.
    Waits,
}

/// A body that is neither `Unpin` nor `Clone` nor `Sync`, and whose data is not `Bytes`.
struct Scripted {
    steps: RefCell<VecDeque<Step>>,
    /// Whether it promises its length.
    exact: bool,
    _pinned: PhantomPinned,
}

impl Scripted {
    fn new(steps: &[Step], exact: bool) -> Self {
        Self { steps: RefCell::new(steps.iter().cloned().collect()), exact, _pinned: PhantomPinned }
    }
}

impl Body for Scripted {
    type Data = Chain<Bytes, Bytes>;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, BoxError>>> {
        use bytes::Buf as _;

        let step = self.steps.borrow_mut().pop_front();
        Poll::Ready(match step {
            Some(Step::Waits) => return Poll::Pending,
            Some(Step::Data(mut data)) => {
                let first = data.split_to(data.len() / 2);
                Some(Ok(Frame::data(first.chain(data))))
            }
            Some(Step::Trailers) => Some(Ok(Frame::trailers(trailers()))),
            Some(Step::Fails) => Some(Err("the body broke".into())),
            Some(Step::Panics) => panic!("the body has a bug"),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.exact && self.steps.borrow().is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.exact { SizeHint::with_exact(length(&*self.steps.borrow())) } else { SizeHint::new() }
    }
}

fn length<'a>(steps: impl IntoIterator<Item = &'a Step>) -> u64 {
    steps.into_iter().map(|step| if let Step::Data(data) = step { data.len() as u64 } else { 0 }).sum()
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([("x-checksum".parse().unwrap(), HeaderValue::from_static("7"))])
}

type Copy = BufferedBody<Scripted>;

fn keep(body: Scripted, cap: usize) -> (Copy, BufferedKept<Scripted>) {
    let (first, kept) = Buffered::new(cap).keep(body, &mut Extensions::new());
    (first, kept.unwrap())
}

/// What came out of a body.
#[derive(Debug, Default, PartialEq)]
struct Got {
    data: Vec<u8>,
    trailers: Option<HeaderMap>,
    end: Option<End>,
}

#[derive(Debug, PartialEq)]
enum End {
    Whole,
    TakenOver,
    Failed(String),
}

/// One poll; whether anything came.
fn step(body: &mut Copy, got: &mut Got) -> bool {
    let before = body.size_hint();
    let was_end = body.is_end_stream();
    let Poll::Ready(next) = Pin::new(&mut *body).poll_frame(&mut Context::from_waker(Waker::noop())) else {
        assert!(!was_end, "the end is ready");
        return false;
    };
    match next {
        None => got.end = Some(End::Whole),
        Some(Ok(frame)) => {
            assert!(!was_end, "nothing comes after the end");
            if let Some(data) = frame.data_ref() {
                if let Some(exact) = before.exact() {
                    assert_eq!(body.size_hint().exact(), Some(exact - data.len() as u64));
                }
                got.data.extend_from_slice(data);
            } else {
                got.trailers = frame.into_trailers().ok();
            }
        }
        Some(Err(error)) if error.is::<TakenOver>() => got.end = Some(End::TakenOver),
        Some(Err(error)) => got.end = Some(End::Failed(error.to_string())),
    }
    true
}

/// Polls until the end, or until it waits for ever.
fn drain(body: &mut Copy) -> Got {
    let mut got = Got::default();
    let mut waited = 0;
    while got.end.is_none() && waited < 10 {
        waited = if step(body, &mut got) { 0 } else { waited + 1 };
    }
    got
}

fn whole(steps: &[Step]) -> Got {
    let mut got = Got { end: Some(End::Whole), ..Got::default() };
    for step in steps {
        match step {
            Step::Data(data) => got.data.extend_from_slice(data),
            Step::Trailers => got.trailers = Some(trailers()),
            Step::Fails => {
                got.end = Some(End::Failed("the body broke".into()));
                break;
            }
            Step::Waits | Step::Panics => {}
        }
    }
    got
}

/// All bodies of up to four frames: empty, of one byte, and too large to be copied, with and without waiting before a
/// frame, with each of the ends.
fn bodies() -> Vec<Vec<Step>> {
    let mut bodies = vec![vec![]];
    let mut longest = bodies.clone();
    let mut next = 0_u8;
    for _ in 0..4 {
        let mut longer = Vec::new();
        for body in &longest {
            for size in [0, 1, 1500] {
                for waits in [false, true] {
                    let mut body = body.clone();
                    if waits {
                        body.push(Step::Waits);
                    }
                    next = next.wrapping_add(1);
                    body.push(Step::Data(Bytes::from(vec![next; size])));
                    longer.push(body);
                }
            }
        }
        bodies.extend(longer.iter().cloned());
        longest = longer;
    }
    let with = |end: &[Step]| bodies.iter().map(|body| [body.as_slice(), end].concat()).collect::<Vec<_>>();
    [with(&[]), with(&[Step::Trailers]), with(&[Step::Waits, Step::Fails])].concat()
}

#[test]
fn f154_f156_at_any_switch_point_of_any_chunking_the_second_copy_is_the_whole_body() {
    let mut cases = 0_u32;
    for steps in bodies() {
        let expected = whole(&steps);
        for exact in [false, true] {
            for switch in 0..=steps.len() + 1 {
                for early_drop in [false, true] {
                    let (mut first, mut kept) = keep(Scripted::new(&steps, exact), usize::MAX);
                    let promised = first.size_hint();
                    let mut got = Got::default();
                    for _ in 0..switch {
                        step(&mut first, &mut got);
                    }
                    let failed = matches!(got.end, Some(End::Failed(_)));
                    let first_ended = got.end.is_some() || first.is_end_stream();
                    assert_eq!(kept.hold().err(), failed.then_some(NotResendable::BodyFailed));
                    let second = kept.into_body();
                    if failed {
                        assert_eq!(second.err(), Some(NotResendable::BodyFailed));
                        continue;
                    }
                    assert!(expected.data.starts_with(&got.data));
                    let mut second = second.unwrap();
                    if early_drop {
                        drop(first);
                    } else {
                        let end = if first_ended { End::Whole } else { End::TakenOver };
                        assert_eq!(drain(&mut first), Got { end: Some(end), ..Got::default() });
                    }
                    assert_eq!(second.size_hint().exact(), promised.exact());
                    assert_eq!(drain(&mut second), expected, "{steps:?} at {switch}");
                    cases += 1;
                }
            }
        }
    }
    assert!(cases > 50_000, "{cases}");
}

/// hyper asks, and then does not poll for the end: an end that were taken back would cost it the connection.
#[test]
fn f156_a_first_copy_that_said_that_it_has_ended_is_not_taken_over() {
    for steps in [vec![], vec![Step::Data(Bytes::from_static(b"ab"))], vec![Step::Trailers]] {
        let (mut first, mut kept) = keep(Scripted::new(&steps, true), 100);
        let mut got = Got::default();
        for _ in &steps {
            step(&mut first, &mut got);
        }
        assert!(first.is_end_stream() && got.end.is_none());
        kept.hold().unwrap();
        assert!(first.is_end_stream());
        let mut waiting = spawn(first);
        assert!(matches!(waiting.enter(|cx, body| body.poll_frame(cx)), Poll::Ready(None)));
        let mut second = kept.into_body().unwrap();
        let mut first = waiting.into_inner();
        assert!(first.is_end_stream());
        assert_eq!(first.size_hint().exact(), Some(0));
        assert_eq!(drain(&mut first), Got { end: Some(End::Whole), ..Got::default() });
        assert_eq!(drain(&mut second), whole(&steps));
    }
}

#[test]
fn f153_a_body_is_given_up_exactly_when_more_than_the_cap_was_sent() {
    for steps in bodies().iter().filter(|steps| !matches!(steps.last(), Some(Step::Fails | Step::Trailers))) {
        for cap in [0, 1, 2, 1499, 1500, 1501, 3000] {
            for switch in 0..=steps.len() {
                let (mut first, mut kept) = keep(Scripted::new(steps, true), cap);
                let mut got = Got::default();
                for _ in 0..switch {
                    step(&mut first, &mut got);
                }
                let over = got.data.len() > cap;
                assert_eq!(kept.hold().err(), over.then_some(NotResendable::BodyOverCap { cap }));
                match kept.into_body() {
                    Ok(mut second) => {
                        assert!(!over);
                        assert_eq!(drain(&mut second), whole(steps), "also what is beyond the cap");
                    }
                    Err(reason) => {
                        assert_eq!(reason, NotResendable::BodyOverCap { cap });
                        let rest = drain(&mut first);
                        assert_eq!([got.data, rest.data].concat(), whole(steps).data, "the first goes on");
                    }
                }
            }
        }
    }
}

#[test]
fn the_first_copy_has_the_callers_pieces_and_copies_none_of_them() {
    let large = Bytes::from(vec![b'x'; 5000]);
    let body = http_body_util::Full::new(large.clone());
    let (mut first, kept) = Buffered::default().keep(body, &mut Extensions::new());
    let Poll::Ready(Some(Ok(frame))) = spawn(()).enter(|cx, _| Pin::new(&mut first).poll_frame(cx)) else {
        panic!("a full body is ready")
    };
    let sent = frame.into_data().unwrap();
    let mut second = kept.unwrap().into_body().unwrap();
    let Poll::Ready(Some(Ok(frame))) = spawn(()).enter(|cx, _| Pin::new(&mut second).poll_frame(cx)) else {
        panic!("so is its copy")
    };
    let again = frame.into_data().unwrap();
    assert_eq!((sent.as_ptr(), again.as_ptr(), again.len()), (large.as_ptr(), large.as_ptr(), large.len()));
}

#[test]
fn what_is_remembered_is_given_up_with_the_need_for_it() {
    let large = Bytes::from(vec![b'x'; 5000]);
    let full = || http_body_util::Full::new(large.clone());
    for (cap, over) in [(4999, true), (5000, false)] {
        let (first, kept) = Buffered::new(cap).keep(full(), &mut Extensions::new());
        let mut first = spawn(first);
        assert!(first.enter(|cx, body| body.poll_frame(cx)).is_ready());
        assert_eq!(large.is_unique(), over, "over the cap");
        drop(kept);
        assert!(large.is_unique(), "answered otherwise");
    }
}

#[test]
fn f156_the_waiting_first_copy_is_woken_to_its_end_when_it_is_taken_over() {
    let (first, kept) = keep(Scripted::new(&[Step::Waits, Step::Waits], false), 10);
    let mut first = spawn(first);
    assert!(first.enter(|cx, body| body.poll_frame(cx)).is_pending());
    assert!(!first.is_woken());
    let _second = kept.into_body().unwrap();
    assert!(first.is_woken());
    let Poll::Ready(Some(Err(error))) = first.enter(|cx, body| body.poll_frame(cx)) else { panic!("ended") };
    assert!(error.is::<TakenOver>());
}

#[test]
fn a_held_first_copy_waits_and_goes_on_when_there_is_no_second() {
    let steps = [Step::Data(Bytes::from_static(b"a")), Step::Data(Bytes::from_static(b"b"))];
    let (first, mut kept) = keep(Scripted::new(&steps, true), 10);
    let mut first = spawn(first);
    assert!(first.enter(|cx, body| body.poll_frame(cx)).is_ready());
    kept.hold().unwrap();
    assert!(first.enter(|cx, body| body.poll_frame(cx)).is_pending());
    drop(kept);
    assert!(first.is_woken());
    assert_eq!(drain(&mut first.into_inner()).data, b"b");
}

#[test]
fn f171_a_first_copy_that_waits_for_its_body_is_not_woken_for_nothing() {
    let (first, kept) = keep(Scripted::new(&[Step::Waits], false), 10);
    let mut first = spawn(first);
    assert!(first.enter(|cx, body| body.poll_frame(cx)).is_pending());
    drop(kept);
    assert!(!first.is_woken());
}

#[test]
fn a_body_that_panics_is_not_polled_again_and_does_not_seem_whole() {
    let (mut first, mut kept) = keep(Scripted::new(&[Step::Panics], false), 10);
    let mut got = Got::default();
    assert!(catch_unwind(AssertUnwindSafe(|| step(&mut first, &mut got))).is_err());
    assert_eq!(kept.hold(), Err(NotResendable::BodyFailed));
    assert!(matches!(drain(&mut first).end, Some(End::Failed(_))));
}

#[test]
fn a_request_has_a_cap_of_its_own_which_is_taken_out() {
    let mut extensions = Extensions::new();
    extensions.insert(Cap(1));
    let steps = [Step::Data(Bytes::from_static(b"ab"))];
    let (mut first, kept) = Buffered::default().keep(Scripted::new(&steps, true), &mut extensions);
    assert!(extensions.get::<Cap>().is_none());
    assert_eq!(drain(&mut first), whole(&steps));
    assert_eq!(kept.unwrap().into_body().err(), Some(NotResendable::BodyOverCap { cap: 1 }));
}

#[test]
fn the_default_is_an_empty_body_and_one_mebibyte() {
    let mut empty = Copy::default();
    assert!(empty.is_end_stream());
    assert_eq!((empty.size_hint().exact(), drain(&mut empty).end), (Some(0), Some(End::Whole)));
    assert_eq!(Buffered::default().cap(), 1 << 20);
}

#[test]
fn f185_debug_shows_no_byte_of_a_body() {
    let (first, kept) = keep(Scripted::new(&[Step::Data(Bytes::from_static(b"canary"))], true), 10);
    let debug = format!("{first:?} {kept:?}");
    let debug = format!("{debug} {:?}", kept.into_body().unwrap());
    assert!(!debug.contains("canary"), "{debug}");
}

/// Numbers that a body counts up to.
struct Count(u32);

impl Body for Count {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(next) = self.0.checked_sub(1) else { return Poll::Ready(None) };
        self.0 = next;
        Poll::Ready(Some(Ok(Frame::data(Bytes::copy_from_slice(&next.to_be_bytes())))))
    }
}

#[test]
fn f156_a_copy_that_is_polled_on_another_thread_is_taken_over_without_loss() {
    const NUMBERS: u32 = 500;
    let expected: Vec<u8> = (0..NUMBERS).rev().flat_map(u32::to_be_bytes).collect();
    let read = |mut body: BufferedBody<Count>, sent: &std::sync::atomic::AtomicUsize| {
        let mut data = Vec::new();
        loop {
            match Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Some(Ok(frame))) => data.extend_from_slice(frame.data_ref().unwrap()),
                Poll::Ready(Some(Err(_))) => return (data, false),
                Poll::Ready(None) => return (data, true),
                Poll::Pending => thread::yield_now(),
            }
            sent.store(data.len(), std::sync::atomic::Ordering::SeqCst);
        }
    };
    for round in 0..300 {
        let (first, kept) = Buffered::default().keep(Count(NUMBERS), &mut Extensions::new());
        let sent = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let sender = thread::spawn({
            let sent = Arc::clone(&sent);
            move || read(first, &sent)
        });
        while sent.load(std::sync::atomic::Ordering::SeqCst) < (round * 4) % expected.len() {
            thread::yield_now();
        }
        let mut kept = kept.unwrap();
        kept.hold().unwrap();
        let (second, ended) = read(kept.into_body().unwrap(), &Arc::default());
        assert!(ended && second == expected);
        let (first, ended) = sender.join().unwrap();
        // Taken over between its last byte and its end, it has all bytes and yet the error.
        assert!(expected.starts_with(&first) && (!ended || first.len() == expected.len()));
    }
}
