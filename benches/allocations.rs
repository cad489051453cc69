//! How many allocations a request costs, exactly: `cargo bench --bench allocations`. Fails if one has changed.
//!
//! All figures are over the service below alone, called alike. Here and not with the instructions, since an allocator
//! that counts costs some.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a panic here is a broken bench

mod rig;

use std::{process::ExitCode, time::Duration};

use futures_util::future::join_all;
use http::header;
use rig::{
    Shape,
    contenders::{CONTENDERS, Case, Handle},
    org::{Org, Tokens},
    results::{Figure, write},
};
use tower::{Layer, ServiceExt};
use tower_salesforce_auth::{SalesforceAuthLayer, store::MemoryStore};

const ROUNDS: usize = 100;

/// What is kept for the resend of a usual request is one piece of memory. The body of a record is the caller's bytes:
/// the first clone of such bytes makes them countable, which is the second.
const EXPECTED: [(Shape, &str, u64); 12] = [
    (Shape::Static, "ours", 1),
    (Shape::Typical, "ours", 1),
    (Shape::Post, "ours", 2),
    (Shape::Static, "ours_never", 0),
    (Shape::Typical, "ours_never", 0),
    (Shape::Post, "ours_never", 0),
    (Shape::ManyHeaders, "ours", 1),
    (Shape::ManyHeaders, "ours_never", 0),
    // What is kept of a body and what wraps it.
    (Shape::Static, "ours_buffered", 3),
    (Shape::Typical, "ours_buffered", 3),
    (Shape::Post, "ours_buffered", 3),
    (Shape::ManyHeaders, "ours_buffered", 3),
];

/// What a request of a crowd takes that is refused, waits for the one refresh and is sent once more, over two requests
/// made and sent by hand. All of it is given back at about the same moment, by whichever thread gets to it; that is
/// what a crowd waits for.
const EXPECTED_WHEN_REFUSED: u64 = 6;

fn main() -> ExitCode {
    println!("{:<44} {:>12}", "over the service below", "allocations");
    let mut figures = Vec::new();
    let mut is_expected = true;
    for shape in Shape::ALL {
        for contender in CONTENDERS {
            for handle in Handle::ALL {
                let case = Case { shape, contender, handle };
                let count = of(case) - of(case.bare());
                println!("{:<44} {count:>12}", case.name());
                figures.push(Figure::new("allocations", case.name(), "allocations", count as f64));
                for (_, _, expected) in EXPECTED.iter().filter(|e| (e.0, e.1) == (shape, contender)) {
                    if count != *expected {
                        eprintln!("{}: {count} allocations, expected {expected}", case.name());
                        is_expected = false;
                    }
                }
            }
        }
    }
    let count = of_a_refusal();
    println!("{:<44} {count:>12}", "refused, sent once more");
    figures.push(Figure::new("allocations", "refused", "allocations", count as f64));
    if count != EXPECTED_WHEN_REFUSED {
        eprintln!("refused: {count} allocations, expected {EXPECTED_WHEN_REFUSED}");
        is_expected = false;
    }
    write("allocations", &figures);
    if is_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Of one round; what is set up for each run cancels.
fn of(case: Case) -> u64 {
    case.run(1); // what is set up once in a process
    let count = |rounds| allocation_counter::measure(|| case.run(rounds)).count_total;
    let all = count(2 * ROUNDS) - count(ROUNDS);
    assert_eq!(all % ROUNDS as u64, 0, "{}: some rounds allocate more than others", case.name());
    all / ROUNDS as u64
}

/// Of one request in a crowd; what the refresh takes cancels.
fn of_a_refusal() -> u64 {
    let of_one = |crowd: fn(usize)| {
        let count = |requests| allocation_counter::measure(|| crowd(requests)).count_total;
        (count(2 * ROUNDS) - count(ROUNDS)) / ROUNDS as u64
    };
    of_one(refused_and_recovered) - of_one(sent_twice)
}

fn refused_and_recovered(requests: usize) {
    block_on(async {
        let org = Org::new(Tokens::Granted, Duration::ZERO);
        let session = org.session(MemoryStore::volatile()).await;
        let service = SalesforceAuthLayer::new(session).layer(org.api());
        org.expire();
        let sends = (0..requests).map(|_| service.clone().oneshot(Shape::Typical.request()));
        let answers = join_all(sends).await;
        assert!(answers.into_iter().all(|answer| answer.unwrap().status() == 200));
        assert_eq!(org.token_requests(), 1);
    });
}

fn sent_twice(requests: usize) {
    block_on(async {
        let org = Org::new(Tokens::Granted, Duration::ZERO);
        let send = |authorization| {
            let mut request = Shape::Typical.request();
            request.headers_mut().insert(header::AUTHORIZATION, authorization);
            org.api().oneshot(request)
        };
        let dead = org.authorization();
        org.expire();
        let sends = (0..requests).map(|_| async {
            assert_eq!(send(dead.clone()).await.unwrap().status(), 401);
            send(org.authorization()).await.unwrap()
        });
        let answers = join_all(sends).await;
        assert!(answers.into_iter().all(|answer| answer.status() == 200));
    });
}

fn block_on(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}
