//! What the bodies of a request and of an answer pay for the layer: `cargo bench --bench body`.
//!
//! Bodies of 64 KiB, 1 MiB and 64 MiB in frames of 16 KiB. Nobody looks into a frame, so that all time is overhead of
//! the request and of its frames, and the throughput is that of handing frames on: compare it to `bare`, the same
//! without the layer, and not to a network.
//!
//! - `body/request`: read to its end by the service below. `cloned` is sent with `replay::Cloned`, `buffered` with
//!   `replay::Buffered` and a cap above the body's size, `over_cap` with a cap of half of it.
//! - `body/answer`: read to its end by the caller. `plain` is an answer that is no refusal, `peeked` one whose beginning
//!   is read by the layer (400), found to be none, and handed on with the rest.
//!
//! Before all that it is asserted that a body that is no refusal's is polled exactly as without the layer, and that its
//! frames are the very same memory.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)] // a panic here is a broken bench

mod rig;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use criterion::{
    BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use futures_util::{FutureExt, future::BoxFuture};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty};
use rig::{results::Run, session};
use tower::{Layer, Service, ServiceExt};
use tower_salesforce_auth::{BoxError, SalesforceAuthLayer, replay};

const FRAME: usize = 16 * 1024;

const SIZES: [(&str, usize); 3] = [("64KiB", 64 * 1024), ("1MiB", 1024 * 1024), ("64MiB", 64 * 1024 * 1024)];

/// A body of as many frames.
#[derive(Clone, Debug)]
struct Frames {
    frame: Bytes,
    left: usize,
    polls: Option<Arc<AtomicUsize>>,
}

impl Frames {
    fn of(size: usize) -> Self {
        // As a JSON text begins: what looks at it reads on.
        let mut frame = vec![b' '; FRAME];
        frame[0] = b'[';
        Self { frame: frame.into(), left: size / FRAME, polls: None }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(polls) = &self.polls {
            polls.fetch_add(1, SeqCst);
        }
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        Poll::Ready(Some(Ok(Frame::data(self.frame.clone()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact((self.left * FRAME) as u64)
    }
}

/// Reads the body of a request to its end, then answers 200.
#[derive(Clone, Copy, Debug)]
struct Reader;

impl<B> Service<Request<B>> for Reader
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError> + Send,
{
    type Response = Response<Empty<Bytes>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Box::pin(async move {
            drain(request.into_body()).await.map_err(Into::into)?;
            Ok(Response::new(Empty::new()))
        })
    }
}

/// Answers with a body of frames.
#[derive(Clone, Debug)]
struct Writer {
    status: StatusCode,
    body: Frames,
}

impl Service<Request<Empty<Bytes>>> for Writer {
    type Response = Response<Frames>;
    type Error = BoxError;
    type Future = Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Empty<Bytes>>) -> Self::Future {
        let mut response = Response::new(self.body.clone());
        *response.status_mut() = self.status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        ready(Ok(response))
    }
}

async fn drain<B: Body<Data = Bytes> + Unpin>(mut body: B) -> Result<usize, B::Error> {
    let mut frames = 0;
    while let Some(frame) = body.frame().await {
        black_box(frame?);
        frames += 1;
    }
    Ok(frames)
}

fn bodies(criterion: &mut Criterion) {
    let run = Run::begin("body");
    a_body_that_is_no_refusals_is_left_alone();
    let auth = SalesforceAuthLayer::new(session());
    for (name, size) in SIZES {
        let mut group = criterion.benchmark_group("body/request");
        time(&mut group, size);
        let mut request = |case: &str, service: &mut dyn FnMut(Request<Frames>)| {
            group.bench_function(format!("{case}/{name}"), |bencher| {
                bencher.iter_batched(
                    || Request::post("/services/data/v65.0/jobs/ingest").body(Frames::of(size)).unwrap(),
                    &mut *service,
                    BatchSize::SmallInput,
                );
            });
        };
        request("bare", &mut sender(Reader));
        request("cloned", &mut sender(auth.clone().layer(Reader)));
        request("buffered", &mut sender(auth.clone().replay(replay::Buffered::new(size)).layer(Reader)));
        request("over_cap", &mut sender(auth.clone().replay(replay::Buffered::new(size / 2)).layer(Reader)));
        group.finish();

        let mut group = criterion.benchmark_group("body/answer");
        time(&mut group, size);
        let good = Writer { status: StatusCode::OK, body: Frames::of(size) };
        let bad = Writer { status: StatusCode::BAD_REQUEST, ..good.clone() };
        let mut answer = |case: &str, service: &mut dyn FnMut() -> usize| {
            assert_eq!(service(), size / FRAME);
            group.bench_function(format!("{case}/{name}"), |bencher| bencher.iter(&mut *service));
        };
        answer("bare", &mut receiver(good.clone()));
        answer("plain", &mut receiver(auth.layer(good)));
        answer("peeked", &mut receiver(auth.layer(bad)));
        group.finish();
    }
    run.end();
}

fn time(group: &mut BenchmarkGroup<'_, WallTime>, size: usize) {
    group
        .throughput(Throughput::Bytes(size as u64))
        .sample_size(50)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500));
}

fn sender<S>(mut service: S) -> impl FnMut(Request<Frames>)
where
    S: Service<Request<Frames>, Error = BoxError>,
{
    move |request| {
        let answered = async { service.ready().await?.call(request).await };
        black_box(answered.now_or_never().expect("answered at once").unwrap());
    }
}

fn receiver<S, B>(mut service: S) -> impl FnMut() -> usize
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = BoxError>,
    B: Body<Data = Bytes, Error = Infallible> + Unpin,
{
    move || {
        let read = async {
            let response = service.ready().await?.call(get()).await?;
            let Ok(frames) = drain(response.into_body()).await;
            Ok::<_, BoxError>(frames)
        };
        read.now_or_never().expect("read at once").unwrap()
    }
}

fn get() -> Request<Empty<Bytes>> {
    Request::get("/services/data/v65.0/limits").body(Empty::new()).unwrap()
}

/// No poll before the caller's own, one poll for each of the caller's, and no byte in another place.
fn a_body_that_is_no_refusals_is_left_alone() {
    let polls = Arc::new(AtomicUsize::new(0));
    let body = Frames { polls: Some(Arc::clone(&polls)), ..Frames::of(4 * FRAME) };
    let memory = body.frame.as_ptr();
    let mut service = SalesforceAuthLayer::new(session()).layer(Writer { status: StatusCode::OK, body });
    let response = service.call(get()).now_or_never().expect("answered at once").unwrap();
    assert_eq!(polls.load(SeqCst), 0);
    let mut body = response.into_body();
    for asked in 1..=5 {
        let frame = body.frame().now_or_never().expect("ready at once");
        assert_eq!(polls.load(SeqCst), asked);
        let data = frame.map(|frame| frame.unwrap().into_data().unwrap());
        assert_eq!(data.map(|data| (data.as_ptr(), data.len())), (asked < 5).then_some((memory, FRAME)));
    }
}

criterion_group!(benches, bodies);
criterion_main!(benches);
