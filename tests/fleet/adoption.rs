//! How soon a waiting process has what another one has stored. The promise is a time, so time is measured here.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;
use tower_salesforce_auth::{Session, testing::FakeOrg};

use crate::{session, stores::Place};

/// A poll is a second after the one before at most.
const BY_POLLING: Duration = Duration::from_secs(1);
const BY_HINT: Duration = Duration::from_millis(100);

/// What the poll itself may take: a read, and the answer's way to the waiter, on a machine that does more than this.
const A_READ: Duration = Duration::from_millis(250);

/// So many reads until the pauses between two have grown to a second: 50, 100, 200, 400 and 800 ms come before.
const READS_TO_SLOWEST: usize = 7;

/// Two sessions on one store.
struct Pair {
    org: FakeOrg,
    holder: Session,
    waiter: Session,
    loads: tokio::sync::watch::Receiver<usize>,
}

impl Pair {
    async fn on(place: &Place, hears: bool) -> Self {
        let org = FakeOrg::start().await.unwrap();
        let seed = org.issue_refresh_token();
        let (watched, loads) = place.watched(hears).await;
        let holder = session(&org, &seed, place.open().await, 1.0);
        let waiter = session(&org, &seed, watched, 1.0);
        holder.access_token().await.unwrap();
        waiter.access_token().await.unwrap();
        Self { org, holder, waiter, loads }
    }

    /// From the commit of the one session's refresh until the other one has its token.
    async fn adopts_within(&mut self, reads: usize) -> Duration {
        let requests = self.org.counters().token_requests;
        let gate = self.org.hold_token_requests();
        let holder = self.holder.clone();
        let holds = tokio::spawn(async move { holder.refresh().await });
        gate.arrived(1).await;
        let before = *self.loads.borrow();
        let waiter = self.waiter.clone();
        let waits = tokio::spawn(async move { (waiter.refresh().await, Instant::now()) });
        self.loads.wait_for(|loads| *loads >= before + reads).await.unwrap();
        gate.release();
        let stored = holds.await.unwrap().unwrap();
        let committed = Instant::now();
        let (adopted, at) = waits.await.unwrap();
        assert_eq!(adopted.unwrap().expose(), stored.expose());
        assert_eq!(self.org.counters().token_requests, requests + 1);
        at.saturating_duration_since(committed)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f060_a_waiter_has_the_token_a_second_after_the_commit_by_polling_alone() {
    let places = Place::all().await;
    join_all(places.iter().map(|place| async {
        let took = Pair::on(place, false).await.adopts_within(READS_TO_SLOWEST).await;
        println!("{} by polling: {took:?}", place.name());
        assert!(took <= BY_POLLING + A_READ, "{}: {took:?}", place.name());
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f060_a_waiter_has_the_token_a_tenth_of_a_second_after_the_commit_with_a_hint() {
    let places = Place::all().await;
    // Files give no hint.
    for place in places.iter().filter(|place| !matches!(place, Place::File(_))) {
        let mut pair = Pair::on(place, true).await;
        let mut took = Vec::new();
        for _ in 0..5 {
            took.push(pair.adopts_within(READS_TO_SLOWEST - 2).await);
        }
        println!("{} with hints: {took:?}", place.name());
        took.sort();
        // The one in the middle: a machine that stands still once says nothing of hints.
        assert!(took[2] <= BY_HINT, "{}: {took:?}", place.name());
    }
}
