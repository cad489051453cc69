//! What one request pays for the layer while its token is alive: `cargo bench --bench hot_path`.
//!
//! Beside the layer, with each way to keep a request for its resend: the service below alone (`bare`), the least that
//! is possible with one token for ever (`limit`), the same below `tower::retry` with a policy that keeps a clone of
//! each request (`retry`), and tower-http's `AddAuthorization` (`add_authorization`: a static token, no base URL, no
//! resend).
//!
//! Criterion measures one after the other, and tells what a change has done to each. The table at the end is of another
//! run, in which all take turns of a fraction of a millisecond, so that what else the machine does meets all alike: of
//! that one the ratios count. Both make the request too. Exact counts: the benches `instructions` and `allocations`.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)] // a panic here is a broken bench
#![allow(clippy::disallowed_methods, reason = "the clock of a bench is the real one")]

mod rig;

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use rig::{
    Shape,
    contenders::{Case, Handle},
    medians::Medians,
    results::Run,
};

/// Far longer than a clock needs and far shorter than what else a machine does.
const REQUESTS: usize = 500;
const TURNS: usize = 400;

fn hot_path(criterion: &mut Criterion) {
    let run = Run::begin("hot_path");
    for shape in Shape::ALL {
        let mut group = criterion.benchmark_group(format!("hot_path/{}", shape.name()));
        group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(1));
        for case in Case::of(shape) {
            let mut rounds = case.checked();
            group.bench_function(format!("{}/{}", case.contender, case.handle.name()), |bencher| {
                bencher.iter_custom(|requests| {
                    let begun = Instant::now();
                    rounds(usize::try_from(requests).unwrap());
                    begun.elapsed()
                });
            });
        }
        group.finish();
    }
    if Run::is_whole() {
        in_turns(run);
    }
}

fn in_turns(mut run: Run) {
    println!("{:<32} {:>12} {:>12}", "ns over the service below", "long-lived", "cloned");
    for shape in Shape::ALL {
        let mut cases: Vec<_> = Case::of(shape).map(|case| (case.name(), case.rounds())).collect();
        let times = Medians::of_turns(&mut cases, TURNS, REQUESTS);
        for case in Case::of(shape).filter(|case| case.contender != "bare") {
            let over = times.ns_over(&case.name(), &case.bare().name()).unwrap();
            match case.handle {
                Handle::LongLived => {
                    print!("{:<32} {over:>12.1}", format!("{}/{}", shape.name(), case.contender));
                }
                Handle::Cloned => println!(" {over:>12.1}"),
            }
            run.figure(case.name(), "ns over bare", over);
        }
    }
    run.end();
}

criterion_group!(benches, hot_path);
criterion_main!(benches);
