//! The contract of a token store, on both servers.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{sync::Barrier, task::JoinSet};
use tower_salesforce_auth::store::{MAX_RECORD_BYTES, Revision, Scope, StoreKey, Swap, TokenStore};

use crate::{Ground, applied, create, increment, key, number, stored, told};

#[tokio::test]
async fn a_record_is_absent_then_created_then_swapped() {
    for ground in Ground::shared().iter() {
        let (store, key) = (ground.store(), key("absent, created, swapped"));
        assert_eq!(store.load(&key).await.unwrap(), None);
        let first = create(&store, &key, b"one").await;
        assert_eq!(
            (stored(&store, &key).await.revision, stored(&store, &key).await.bytes),
            (first, b"one".to_vec())
        );
        let second = applied(store.compare_and_swap(&key, Some(first), b"two").await);
        assert!(second > first);
        for expected in [None, Some(first)] {
            let conflict = store.compare_and_swap(&key, expected, b"three").await.unwrap();
            assert_eq!(conflict, Swap::Conflict(Some(stored(&store, &key).await)));
        }
        assert_eq!(stored(&ground.store(), &key).await.bytes, b"two", "another handle sees it");
    }
}

#[tokio::test]
async fn a_swap_of_an_absent_record_conflicts_and_writes_nothing() {
    for ground in Ground::shared().iter() {
        let (store, key) = (ground.store(), key("absent"));
        for revision in [0, 1, 1 << 62, u64::MAX] {
            let swap = store.compare_and_swap(&key, Some(Revision::new(revision)), b"one").await;
            assert_eq!(swap.unwrap(), Swap::Conflict(None));
        }
        assert_eq!(store.load(&key).await.unwrap(), None);
    }
}

#[tokio::test]
async fn keys_do_not_see_each_other() {
    for ground in Ground::shared().iter() {
        let (store, key) = (ground.store(), key("keys"));
        create(&store, &key, b"acme").await;
        let other = StoreKey::new("keys", "jwt_bearer");
        assert_eq!(store.load(&other).await.unwrap(), None);
        create(&store, &other, b"other").await;
        assert_eq!(stored(&store, &key).await.bytes, b"acme");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f085_of_many_creators_exactly_one_applies() {
    const CREATORS: u32 = 64;
    for ground in Ground::shared().iter() {
        let stores = [ground.store(), ground.store(), ground.store()];
        let start = Arc::new(Barrier::new(CREATORS as usize));
        let mut tasks = JoinSet::new();
        for creator in 0..CREATORS {
            let (store, start) = (stores[creator as usize % 3].clone(), Arc::clone(&start));
            tasks.spawn(async move {
                start.wait().await;
                (creator, store.compare_and_swap(&key("creators"), None, &creator.to_be_bytes()).await)
            });
        }
        let (mut winners, mut conflicts) = (Vec::new(), Vec::new());
        for (creator, swap) in tasks.join_all().await {
            match swap.unwrap() {
                Swap::Applied(revision) => winners.push((creator, revision)),
                Swap::Conflict(found) => conflicts.push(found.unwrap()),
            }
        }
        let [(winner, revision)] = winners[..] else { panic!("{} creators applied", winners.len()) };
        assert_eq!(conflicts.len() as u32, CREATORS - 1);
        assert!(
            conflicts.iter().all(|found| found.revision == revision && found.bytes == winner.to_be_bytes())
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f085_chains_of_swaps_over_three_handles_lose_no_update() {
    for ground in Ground::shared().iter() {
        chains_lose_no_update(ground, "chains").await;
    }
}

/// Many tasks over three handles count up, and what they were told forms one chain.
pub(crate) async fn chains_lose_no_update(ground: &Ground, test: &'static str) {
    const TASKS: usize = 9;
    const SWAPS: usize = 20;
    let stores = [ground.store(), ground.store(), ground.store()];
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let store = stores[task % 3].clone();
        tasks.spawn(async move {
            let mut links = Vec::new();
            for _ in 0..SWAPS {
                links.push(increment(&store, &key(test)).await);
            }
            links
        });
    }
    let links: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(number(&stored(&stores[0], &key(test)).await), (TASKS * SWAPS) as u64);
    // No revision was given twice, and none was replaced twice.
    let given: HashSet<_> = links.iter().map(|(_, revision)| *revision).collect();
    let next: HashMap<_, _> = links.iter().copied().collect();
    assert_eq!((given.len(), next.len()), (TASKS * SWAPS, TASKS * SWAPS));
    let (mut end, mut length) = (None, 0);
    while let Some(revision) = next.get(&end) {
        (end, length) = (Some(*revision), length + 1);
    }
    assert_eq!((end, length), (Some(stored(&stores[1], &key(test)).await.revision), TASKS * SWAPS));
}

#[tokio::test]
async fn f073_records_that_vanish_are_absent_and_their_revisions_do_not_come_again() {
    for ground in Ground::fresh() {
        let (store, key) = (ground.store(), key("removed"));
        let mut seen = HashSet::new();
        for round in 0..5 {
            let first = create(&store, &key, b"one").await;
            let second = applied(store.compare_and_swap(&key, Some(first), b"two").await);
            assert!(seen.insert(first) && seen.insert(second), "round {round}");
            ground.remove_records();
            assert_eq!(store.load(&key).await.unwrap(), None);
            assert_eq!(
                store.compare_and_swap(&key, Some(second), b"three").await.unwrap(),
                Swap::Conflict(None)
            );
        }
    }
}

#[tokio::test]
async fn a_record_is_any_bytes_up_to_64_kib() {
    for ground in Ground::shared().iter() {
        let (store, key) = (ground.store(), key("bytes"));
        let mut revision = create(&store, &key, b"").await;
        assert_eq!(stored(&store, &key).await.bytes, b"");
        let bytes: Vec<u8> = (0..MAX_RECORD_BYTES).map(|at| (at ^ (at >> 8)) as u8).collect();
        for record in [&[0][..], &[0xff, 0, 0x80, b'\r', b'\n', b'\'', b'\\'], &bytes] {
            revision = applied(store.compare_and_swap(&key, Some(revision), record).await);
            assert!(stored(&store, &key).await.bytes == record);
        }
        let error =
            store.compare_and_swap(&key, Some(revision), &[8; MAX_RECORD_BYTES + 1]).await.unwrap_err();
        assert!(!error.may_have_applied());
        assert!(told(&error).contains("65537 bytes"), "{}", told(&error));
        assert!(stored(&store, &key).await.bytes == bytes);
    }
}

#[tokio::test]
async fn a_swap_dropped_at_any_poll_leaves_the_old_record_or_the_new_one() {
    for ground in Ground::shared().iter() {
        let (store, key) = (ground.store(), key("dropped"));
        let mut current = create(&store, &key, b"0").await;
        for polls in 0_usize.. {
            let record = format!("{polls}");
            let finished = {
                let mut swap = pin!(store.compare_and_swap(&key, Some(current), record.as_bytes()));
                let mut left = polls;
                std::future::poll_fn(|context| match left.checked_sub(1) {
                    None => Poll::Ready(false),
                    Some(fewer) => {
                        left = fewer;
                        swap.as_mut().poll(context).map(|swap| applied(swap) > current)
                    }
                })
                .await
            };
            let Swap::Conflict(Some(found)) = store.compare_and_swap(&key, None, b"").await.unwrap() else {
                panic!()
            };
            assert!(found.revision == current || found.bytes == record.as_bytes(), "{polls} polls");
            current = found.revision;
            if finished {
                assert!(polls >= 2, "the request went to the server");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_connection_goes_on_being_made_for_those_who_come_later() {
    for ground in Ground::shared().iter() {
        let (store, key) = (ground.store(), key("connecting"));
        let mut load = Box::pin(store.load(&key));
        assert!(load.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(load);
        assert_eq!(store.load(&key).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_waiter_is_told_of_a_change() {
    for ground in Ground::shared().iter() {
        let (store, other, key) = (ground.store(), ground.store(), key("hint"));
        let first = create(&store, &key, b"one").await;
        let (waiting, silent) = (store.clone(), StoreKey::new("another", "refresh_token"));
        let waiter = tokio::spawn({
            let key = key.clone();
            async move { waiting.changed(&key).await }
        });
        let mut never = pin!(store.changed(&silent));
        assert!(never.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let mut revision = first;
        while !waiter.is_finished() {
            // Hints may be lost: the waiter may not be there yet.
            revision = applied(other.compare_and_swap(&key, Some(revision), b"two").await);
            tokio::task::yield_now().await;
        }
        // A change between a read and the wait is not missed.
        let found = stored(&store, &key).await;
        applied(other.compare_and_swap(&key, Some(found.revision), b"three").await);
        store.load(&key).await.unwrap();
        tokio::time::timeout(Duration::from_secs(30), store.changed(&key)).await.unwrap();
        assert!(never.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
}

#[test]
fn outside_a_runtime_a_store_fails_instead_of_panicking() {
    for url in ["redis://127.0.0.1", "postgres://u:p@127.0.0.1/x"] {
        let (store, key) = (crate::Store::at(url), key("runtime"));
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(Err(error)) = pin!(store.load(&key)).poll(&mut context) else { panic!("no error") };
        assert!(told(&error).contains("runtime"));
        let Poll::Ready(Err(error)) = pin!(store.compare_and_swap(&key, None, b"")).poll(&mut context) else {
            panic!("no error")
        };
        assert!(!error.may_have_applied());
    }
}

#[tokio::test]
async fn s12_what_is_printed_shows_nothing_of_a_record_or_a_password() {
    for ground in Ground::shared().iter() {
        let (store, key) = (ground.store(), key("printed"));
        create(&store, &key, b"canary").await;
        let conflict = store.compare_and_swap(&key, None, b"canary").await.unwrap();
        let printed = format!("{store:?} {conflict:?} {:?}", store.load(&key).await);
        assert!(printed.contains("127.0.0.1"), "{printed}");
        assert!(!printed.contains("canary") && !printed.contains("99, 97"), "{printed}");
    }
}

#[tokio::test]
async fn they_are_durable_and_shared_by_a_cluster() {
    for ground in Ground::shared().iter() {
        let store = crate::Store::connect(&ground.url()).await.unwrap();
        let capabilities = store.capabilities();
        assert_eq!((capabilities.scope, capabilities.durable), (Scope::Cluster, true), "{store:?}");
    }
}
