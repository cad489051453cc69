//! What a second thread costs: `cargo bench --bench threads`.
//!
//! One thread sends requests, then two at once, each over a service of one session: with a handle of its own for all of
//! them (`long_lived`), or with a clone of one shared handle for each (`cloned`, how most users of Tower call). Beside
//! the layer: the service below alone (`bare`), one token for ever (`limit`), and the same below `tower::retry` with a
//! policy that keeps a clone of each request (`retry`).
//!
//! The figure is the ratio of the last table, a request's time on two threads over that on one: 1.00 is perfect, and
//! `bare` shows what this machine makes of two threads that have nothing in common. Shared reference counts are what
//! drives it up. Requests are made in lots outside of the measured time; a lot begins on all threads at once, so that
//! they are in the service at the same time and nowhere else.
//!
//! Two threads need two cores: the table says how much of a core each thread had, and far below 1.00 the ratios are
//! those of a busy machine.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)] // a panic here is a broken bench
#![allow(clippy::disallowed_methods, reason = "the clock of a bench is the real one")]

mod rig;

use std::{
    hint,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, Scope},
    time::{Duration, Instant},
};

use criterion::{
    BenchmarkGroup, Criterion, SamplingMode, criterion_group, criterion_main, measurement::WallTime,
};
use http::Request;
use rig::{
    Bare, Body, Limit, Once, Shape, call,
    medians::Medians,
    results::{Figure, write},
    session,
};
use rustix::time::{ClockId, clock_gettime};
use tower::{Layer, Service, retry::Retry};
use tower_salesforce_auth::SalesforceAuthLayer;

/// Few enough to stay in the cache, enough that the start of a lot is nothing beside it.
const LOT: u64 = 256;

const HANDLES: [&str; 2] = ["long_lived", "cloned"];

fn threads(criterion: &mut Criterion) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    if cores < 2 {
        eprintln!("*** SKIPPED: threads: there is one core, and two threads on it say nothing ***");
        return;
    }
    let mut group = criterion.benchmark_group("threads");
    group
        .sampling_mode(SamplingMode::Flat)
        .sample_size(30)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(1200));
    let mut report = Report::default();
    report.contender(&mut group, "bare", Bare);
    report.contender(&mut group, "limit", Limit::new(Bare));
    report.contender(&mut group, "ours", SalesforceAuthLayer::new(session()).layer(Bare));
    report.contender(&mut group, "retry", Retry::new(Once, Limit::new(Bare)));
    group.finish();
    report.print();
}

#[derive(Default)]
struct Report {
    times: Medians,
    /// The contenders, and the least share of a core that a thread of theirs had.
    contenders: Vec<(&'static str, [f64; 2])>,
}

impl Report {
    fn contender<S>(&mut self, group: &mut BenchmarkGroup<'_, WallTime>, name: &'static str, service: S)
    where
        S: Service<Request<Body>> + Clone + Send + Sync,
        S::Error: std::fmt::Debug,
    {
        let mut shares = [1.0_f64; 2];
        for (handle, share) in HANDLES.iter().zip(&mut shares) {
            for count in [1, 2] {
                let case = format!("{name}/{handle}/{count}");
                thread::scope(|scope| {
                    let mut crew = if *handle == "cloned" {
                        Crew::hire(scope, count, || {
                            let service = &service;
                            move |request| call(&mut service.clone(), request)
                        })
                    } else {
                        Crew::hire(scope, count, || {
                            let mut service = service.clone();
                            move |request| call(&mut service, request)
                        })
                    };
                    group.bench_function(&case, |bencher| {
                        bencher.iter_custom(|iterations| {
                            self.times.note(&case, iterations, crew.send(iterations))
                        });
                    });
                    if let Some(had) = crew.share() {
                        *share = share.min(had);
                    }
                });
            }
        }
        self.contenders.push((name, shares));
    }

    fn print(&self) {
        let mut figures = Vec::new();
        println!("{:<20} {:>12} {:>12} {:>8} {:>8}", "threads", "one", "two", "ratio", "core");
        for (name, shares) in &self.contenders {
            for (handle, share) in HANDLES.iter().zip(shares) {
                let case = format!("{name}/{handle}");
                let (one, two) = (format!("{case}/1"), format!("{case}/2"));
                let (Some(one), Some(two)) = (self.times.of(&one), self.times.of(&two)) else { continue };
                let (one, two) = (one * 1e9, two * 1e9);
                println!("{case:<20} {one:>9.1} ns {two:>9.1} ns {:>8.2} {share:>8.2}", two / one);
                figures.push(Figure::new("threads", case, "two threads / one", two / one));
            }
        }
        write("threads", &figures);
    }
}

/// Threads that stay for all samples of a case.
struct Crew {
    orders: Vec<mpsc::Sender<u64>>,
    done: mpsc::Receiver<Share>,
    total: Share,
}

/// What a thread measured.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    elapsed: Duration,
    on_core: Duration,
}

impl Crew {
    /// Starts `count` threads, each with what `sender` makes.
    fn hire<'scope, 'env: 'scope, F>(
        scope: &'scope Scope<'scope, 'env>,
        count: usize,
        sender: impl Fn() -> F,
    ) -> Self
    where
        F: FnMut(Request<Body>) + Send + 'scope,
    {
        let (tell, done) = mpsc::channel();
        let start = Arc::new(Start { arrived: AtomicUsize::new(0), count });
        let orders = (0..count)
            .map(|_| {
                let (order, orders) = mpsc::channel();
                let (tell, start, mut send) = (tell.clone(), Arc::clone(&start), sender());
                scope.spawn(move || {
                    for iterations in orders {
                        let _ = tell.send(work(iterations, &start, &mut send));
                    }
                });
                order
            })
            .collect();
        Self { orders, done, total: Share::default() }
    }

    /// Each thread sends as many requests; the mean time that it took one of them.
    fn send(&mut self, iterations: u64) -> Duration {
        for order in &self.orders {
            order.send(iterations).unwrap();
        }
        let mut elapsed = Duration::ZERO;
        for _ in &self.orders {
            let share = self.done.recv().unwrap();
            elapsed += share.elapsed;
            self.total.elapsed += share.elapsed;
            self.total.on_core += share.on_core;
        }
        elapsed / u32::try_from(self.orders.len()).unwrap()
    }

    /// How much of a core a thread had; `None` if it did nothing.
    fn share(&self) -> Option<f64> {
        (!self.total.elapsed.is_zero())
            .then(|| self.total.on_core.as_secs_f64() / self.total.elapsed.as_secs_f64())
    }
}

fn work(iterations: u64, start: &Start, send: &mut impl FnMut(Request<Body>)) -> Share {
    let mut share = Share::default();
    let mut left = iterations;
    while left > 0 {
        let lot: Vec<_> = (0..left.min(LOT)).map(|_| Shape::Typical.request()).collect();
        left -= lot.len() as u64;
        start.wait();
        let (on_core, begun) = (thread_time(), Instant::now());
        for request in lot {
            send(request);
        }
        share.elapsed += begun.elapsed();
        share.on_core += thread_time() - on_core;
    }
    share
}

/// Where threads wait for each other without sleep, which would take longer than what they then do.
struct Start {
    arrived: AtomicUsize,
    count: usize,
}

impl Start {
    fn wait(&self) {
        let round = self.arrived.fetch_add(1, Ordering::AcqRel) / self.count + 1;
        let mut spins = 0_u32;
        while self.arrived.load(Ordering::Acquire) < round * self.count {
            spins += 1;
            // The other one may be waiting for this core.
            if spins.is_multiple_of(1 << 12) { thread::yield_now() } else { hint::spin_loop() }
        }
    }
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs().try_into().unwrap_or(0))
}

criterion_group!(benches, threads);
criterion_main!(benches);
