//! What a second thread costs: `cargo bench --bench threads`.
//!
//! One thread sends requests, then two at once, each over a service of one session: with a handle of its own for all of
//! them (`long_lived`), or with a clone of one shared handle for each (`cloned`, how most users of Tower call). Beside
//! the layer: the service below alone (`bare`), one token for ever (`limit`), and the same below `tower::retry` with a
//! policy that keeps a clone of each request (`retry`).
//!
//! The figure is a request's time on two threads over that on one: 1.00 is perfect, and `bare` shows what this machine
//! makes of two threads that have nothing in common. Shared reference counts are what drives it up. All take turns of a
//! few milliseconds, one thread and two alike, so that what else the machine does meets all of them. Requests are made
//! in lots outside of the measured time; a lot begins on all threads at once, so that they are in the service at the
//! same time and nowhere else.
//!
//! Two threads need two cores: a turn counts only if each thread had a core to itself for most of it (as far as Unix
//! tells), and a ratio is given only if enough turns count.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a panic here is a broken bench
#![allow(clippy::disallowed_methods, reason = "the clock of a bench is the real one")]

#[path = "rig/processor.rs"]
mod processor;
mod rig;

use std::{
    fmt, hint,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use http::Request;
use rig::{
    Body, Shape, call,
    contenders::{Handle, Visit, visit},
    medians::median,
    results::Run,
};
use tower::Service;

const CONTENDERS: [&str; 4] = ["bare", "limit", "ours", "retry"];

/// Few enough to stay in the cache, enough that the start of a lot is nothing beside it.
const LOT: usize = 256;
/// Lots of a turn.
const LOTS: usize = 12;
const TURNS: usize = 200;

/// How much of a core a thread must have had for its turn to count.
const WHOLE: f64 = 0.95;

fn main() {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    if cores < 2 {
        eprintln!("*** SKIPPED: threads: there is one core, and two threads on it say nothing ***");
        return;
    }
    let turns = if Run::is_whole() { TURNS } else { 3 };
    let mut run = Run::begin("threads");
    let mut pairs: Vec<Pair> =
        CONTENDERS.iter().flat_map(|name| Handle::ALL.map(|handle| Pair::new(name, handle))).collect();
    for _ in 0..turns {
        pairs.iter_mut().for_each(Pair::turn);
    }
    println!("{:<20} {:>12} {:>12} {:>8} {:>12}", "threads", "one", "two", "ratio", "turns");
    for Pair { case, one, two, .. } in pairs {
        let counted = one.len().min(two.len());
        if counted * 4 < turns {
            println!("{case:<20} {:>34} {counted:>12}", "too busy a machine");
            continue;
        }
        let (one, two) = (median(one), median(two));
        println!("{case:<20} {one:>9.1} ns {two:>9.1} ns {:>8.2} {counted:>12}", two / one);
        run.figure(case, "two threads / one", two / one);
    }
    run.end();
}

/// What two threads do, or one of them: a contender with a handle for each.
struct Pair {
    case: String,
    senders: [Sender; 2],
    /// Nanoseconds of a request on one thread and on two, of the turns that count.
    one: Vec<f64>,
    two: Vec<f64>,
}

/// Sends a lot of requests.
type Sender = Box<dyn FnMut(Vec<Request<Body>>) + Send>;

impl Pair {
    fn new(contender: &str, handle: Handle) -> Self {
        let case = format!("{contender}/{}", handle.name());
        Self { case, senders: visit(contender, Senders(handle)), one: Vec::new(), two: Vec::new() }
    }

    fn turn(&mut self) {
        self.one.extend(turn(&mut self.senders[..1]));
        self.two.extend(turn(&mut self.senders));
    }
}

/// Makes two senders over one service.
struct Senders(Handle);

impl Visit for Senders {
    type Output = [Sender; 2];

    fn visit<S>(self, service: S) -> [Sender; 2]
    where
        S: Service<Request<Body>> + Clone + Send + Sync + 'static,
        S::Error: fmt::Debug,
    {
        let shared = Arc::new(service);
        [(); 2].map(|()| -> Sender {
            let shared = Arc::clone(&shared);
            match self.0 {
                Handle::LongLived => {
                    let mut service = S::clone(&shared);
                    Box::new(move |lot| lot.into_iter().for_each(|request| call(&mut service, request)))
                }
                Handle::Cloned => Box::new(move |lot| {
                    lot.into_iter().for_each(|request| call(&mut S::clone(&shared), request));
                }),
            }
        })
    }
}

/// Each on a thread of its own, as many requests; nanoseconds of one of them, if each thread had a core.
fn turn(senders: &mut [Sender]) -> Option<f64> {
    let start = &Start { arrived: AtomicUsize::new(0), count: senders.len() };
    let shares: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = senders.iter_mut().map(|send| scope.spawn(|| work(start, send))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let elapsed: Duration = shares.iter().map(|share| share.elapsed).sum();
    let each = elapsed.as_secs_f64() * 1e9 / (shares.len() * LOTS * LOT) as f64;
    shares.iter().all(|share| share.had_a_core()).then_some(each)
}

/// What a thread measured in one turn.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    elapsed: Duration,
    on_core: Duration,
}

impl Share {
    fn had_a_core(self) -> bool {
        !cfg!(unix) || self.on_core.as_secs_f64() >= WHOLE * self.elapsed.as_secs_f64()
    }
}

fn work(start: &Start, send: &mut Sender) -> Share {
    let lot = || (0..LOT).map(|_| Shape::Typical.request()).collect();
    send(lot()); // a new thread has yet to get memory from the allocator
    let mut share = Share::default();
    for _ in 0..LOTS {
        let lot = lot();
        start.wait();
        let (on_core, begun) = (processor::of_thread(), Instant::now());
        send(lot);
        share.elapsed += begun.elapsed();
        share.on_core += processor::of_thread() - on_core;
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
