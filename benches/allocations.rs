//! How many allocations a request costs, exactly: `cargo bench --bench allocations`.
//!
//! All figures are over the service below alone, called alike. A gate as the instructions are: `-- --check` compares
//! with `benches/allocations.toml`, `-- --write` writes that file. Apart from the instructions, since an allocator that
//! counts costs some.
//!
//! What is kept for the resend of a usual request is one piece of memory. The body of a record is the caller's bytes:
//! the first clone of such bytes makes them countable, which is the second.
//!
//! `refused` is what a request of a crowd takes that is refused, waits for the one refresh and is sent once more, over
//! two requests made and sent by hand. All of it is given back at about the same moment, by whichever thread gets to
//! it; that is what a crowd waits for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a panic here is a broken bench

#[path = "rig/recorded.rs"]
mod recorded;
mod rig;

use std::{process::ExitCode, time::Duration};

use futures_util::future::join_all;
use http::header;
use recorded::{ALLOCATIONS, Counts};
use rig::{
    Rounds, Shape,
    contenders::Case,
    org::{Org, Tokens},
    results::Run,
};
use tower::{Layer, ServiceExt};
use tower_salesforce_auth::{SalesforceAuthLayer, store::MemoryStore};

const ROUNDS: usize = 100;

fn main() -> ExitCode {
    let mut run = Run::begin("allocations");
    let over_bare =
        |case: Case| (case.name(), over(of_one(&mut case.checked()), of_one(&mut case.bare().checked())));
    let mut counted: Counts = Case::all().filter(|case| case.contender != "bare").map(over_bare).collect();
    let (refused, by_hand): (Rounds, Rounds) = (Box::new(refused_and_recovered), Box::new(sent_twice));
    counted.insert("refused".to_owned(), over(of_one(&mut { refused }), of_one(&mut { by_hand })));
    println!("{:<44} {:>12}", "over the service below", "allocations");
    for (case, count) in &counted {
        println!("{case:<44} {count:>12}");
        run.figure(case, "allocations", *count as f64);
    }
    run.end();
    ALLOCATIONS.gate(&counted, Vec::new())
}

fn over(count: u64, base: u64) -> u64 {
    count.checked_sub(base).expect("what stands above a service takes nothing off it")
}

/// Of one round; what is set up once cancels.
fn of_one(rounds: &mut Rounds) -> u64 {
    rounds(1);
    let mut count = |number| allocation_counter::measure(|| rounds(number)).count_total;
    let all = count(2 * ROUNDS) - count(ROUNDS);
    // Rounded, since what grows as a crowd does allocates now and then.
    (all + ROUNDS as u64 / 2) / ROUNDS as u64
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
        assert_eq!((org.token_requests(), org.api_calls()), (1, 2 * requests));
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
        let alive = org.authorization();
        let sends = (0..requests).map(|_| async {
            assert_eq!(send(dead.clone()).await.unwrap().status(), 401);
            send(alive.clone()).await.unwrap()
        });
        let answers = join_all(sends).await;
        assert!(answers.into_iter().all(|answer| answer.status() == 200));
        assert_eq!(org.api_calls(), 2 * requests);
    });
}

fn block_on(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}
