//! What a crowd pays when its session has expired: `cargo bench --bench herd`.
//!
//! So many requests at once are refused, one of them refreshes, which takes 50 ms, and all are sent once more
//! (`refresh`); or the refresh fails, and each caller gets its refusal back with a diagnosis (`failure`). Both count
//! the token requests: one. Beside them the `floor`: as many tasks that wait 50 ms and then send, knowing all along
//! what the others have to find out.
//!
//! The figure is the ratio to the floor. Tasks run on two threads; what is above 1.00 at 10,000 is the time that two
//! cores need for 10,000 refusals, which a crowd of 100 does not feel.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)] // a panic here is a broken bench
#![allow(clippy::disallowed_methods, reason = "the clock of a bench is the real one")]

mod rig;

use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use http::{StatusCode, header};
use rig::{
    Shape,
    medians::Medians,
    org::{Org, Tokens},
    results::Run,
};
use tokio::runtime::Runtime;
use tower::{Layer, ServiceExt};
use tower_salesforce_auth::{Diagnosis, SalesforceAuthLayer, store::MemoryStore};

const REFRESH: Duration = Duration::from_millis(50);

const CROWDS: [usize; 3] = [1, 100, 10_000];

const OURS: [(&str, Tokens); 2] = [("refresh", Tokens::Granted), ("failure", Tokens::Refused)];

fn herd(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (run, times) = (Run::begin("herd"), Medians::default());
    for crowd in CROWDS {
        let mut group = criterion.benchmark_group("herd");
        group
            .sampling_mode(SamplingMode::Flat)
            .sample_size(10)
            .warm_up_time(Duration::from_millis(200))
            .measurement_time(Duration::from_secs(3));
        let floor = format!("floor/{crowd}");
        group.bench_function(&floor, |bencher| {
            bencher.iter_custom(|iterations| {
                let elapsed = (0..iterations).map(|_| wait_and_send(&runtime, crowd)).sum();
                times.note(&floor, iterations, elapsed)
            });
        });
        for (name, tokens) in OURS {
            let case = format!("{name}/{crowd}");
            group.bench_function(&case, |bencher| {
                bencher.iter_custom(|iterations| {
                    let elapsed =
                        (0..iterations).map(|_| meet_an_expired_session(&runtime, crowd, tokens)).sum();
                    times.note(&case, iterations, elapsed)
                });
            });
        }
        group.finish();
    }
    print(&times, run);
}

fn print(times: &Medians, mut run: Run) {
    println!("{:<16} {:>12} {:>12} {:>8}", "herd", "floor", "ours", "ratio");
    for crowd in CROWDS {
        for (name, _) in OURS {
            let (case, floor) = (format!("{name}/{crowd}"), format!("floor/{crowd}"));
            let (Some(ours), Some(floor)) = (times.of(&case), times.of(&floor)) else { continue };
            println!("{case:<16} {:>9.2} ms {:>9.2} ms {:>8.2}", floor * 1e3, ours * 1e3, ours / floor);
            run.figure(case, "ours / floor", ours / floor);
        }
    }
    run.end();
}

/// Tasks that need no session.
fn wait_and_send(runtime: &Runtime, crowd: usize) -> Duration {
    let org = Org::new(Tokens::Granted, REFRESH);
    let herd = async move {
        let begun = Instant::now();
        let tasks: Vec<_> = (0..crowd)
            .map(|_| {
                let api = org.api();
                let mut request = Shape::Typical.request();
                request.headers_mut().insert(header::AUTHORIZATION, org.authorization());
                tokio::spawn(async move {
                    tokio::time::sleep(REFRESH).await;
                    api.oneshot(request).await.unwrap()
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap().status(), StatusCode::OK);
        }
        begun.elapsed()
    };
    // On a worker, as the tasks are: the thread that starts all this is one too many for two cores.
    runtime.block_on(runtime.spawn(herd)).unwrap()
}

fn meet_an_expired_session(runtime: &Runtime, crowd: usize, tokens: Tokens) -> Duration {
    let org = Org::new(tokens, REFRESH);
    let expected = if tokens == Tokens::Granted { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
    let herd = async move {
        let session = org.session(MemoryStore::volatile()).await;
        let service = SalesforceAuthLayer::new(session).layer(org.api());
        let before = service.clone().oneshot(Shape::Typical.request()).await.unwrap();
        assert_eq!((before.status(), org.token_requests()), (StatusCode::OK, 0));
        org.expire();
        let begun = Instant::now();
        let tasks: Vec<_> = (0..crowd)
            .map(|_| {
                let (service, request) = (service.clone(), Shape::Typical.request());
                tokio::spawn(async move { service.oneshot(request).await.unwrap() })
            })
            .collect();
        for task in tasks {
            let answer = task.await.unwrap();
            assert_eq!(answer.status(), expected);
            assert_eq!(Diagnosis::of(&answer).is_some(), tokens == Tokens::Refused);
        }
        let elapsed = begun.elapsed();
        assert_eq!(org.token_requests(), 1);
        elapsed
    };
    runtime.block_on(runtime.spawn(herd)).unwrap()
}

criterion_group!(benches, herd);
criterion_main!(benches);
