//! The contract of a token store.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{sync::Barrier, task::JoinSet};
use tower_salesforce_auth::store::{MAX_RECORD_BYTES, Scope, StoreErrorKind, StoreKey, Swap, TokenStore};

use crate::{Ground, applied, create, increment, key, number, stored, told};

#[tokio::test]
async fn a_record_is_absent_then_created_then_swapped() {
    let ground = Ground::new();
    let store = ground.open();
    assert_eq!(store.load(&key()).await.unwrap(), None);
    let first = create(&store, b"one").await;
    assert_eq!((stored(&store).await.revision, stored(&store).await.bytes), (first, b"one".to_vec()));
    let second = applied(store.compare_and_swap(&key(), Some(first), b"two").await);
    assert!(second > first);
    let conflict = store.compare_and_swap(&key(), Some(first), b"three").await.unwrap();
    assert_eq!(conflict, Swap::Conflict(Some(stored(&store).await)));
    assert_eq!(stored(&ground.open()).await.bytes, b"two", "a store opened later sees it");
}

#[tokio::test]
async fn a_swap_of_an_absent_record_conflicts_and_writes_nothing() {
    let (ground, other) = (Ground::new(), Ground::new());
    let foreign = create(&other.open(), b"elsewhere").await;
    let store = ground.open();
    assert_eq!(store.compare_and_swap(&key(), Some(foreign), b"one").await.unwrap(), Swap::Conflict(None));
    assert_eq!(store.load(&key()).await.unwrap(), None);
}

#[tokio::test]
async fn keys_do_not_see_each_other() {
    let ground = Ground::new();
    let store = ground.open();
    create(&store, b"acme").await;
    let other = StoreKey::new("acme", "jwt_bearer");
    assert_eq!(store.load(&other).await.unwrap(), None);
    applied(store.compare_and_swap(&other, None, b"other").await);
    assert_eq!(stored(&store).await.bytes, b"acme");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_creators_exactly_one_applies() {
    const CREATORS: u32 = 64;
    let ground = Ground::new();
    let stores = [ground.open(), ground.open()];
    let start = Arc::new(Barrier::new(CREATORS as usize));
    let mut tasks = JoinSet::new();
    for creator in 0..CREATORS {
        let (store, start) = (stores[creator as usize % 2].clone(), Arc::clone(&start));
        tasks.spawn(async move {
            start.wait().await;
            (creator, store.compare_and_swap(&key(), None, &creator.to_be_bytes()).await)
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
    assert!(conflicts.iter().all(|found| found.revision == revision && found.bytes == winner.to_be_bytes()));
    assert_eq!(ground.temporary_files(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn chains_of_swaps_over_two_handles_lose_no_update() {
    const TASKS: usize = 6;
    const SWAPS: usize = 20;
    let ground = Ground::new();
    let stores = [ground.open(), ground.open()];
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let store = stores[task % 2].clone();
        tasks.spawn(async move {
            let mut links = Vec::new();
            for _ in 0..SWAPS {
                links.push(increment(&store).await);
            }
            links
        });
    }
    let links: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(number(&stored(&stores[0]).await), (TASKS * SWAPS) as u64);
    // All applied swaps form one chain: no revision was given twice, and none was replaced twice.
    let given: HashSet<_> = links.iter().map(|(_, revision)| *revision).collect();
    let next: HashMap<_, _> = links.iter().copied().collect();
    assert_eq!((given.len(), next.len()), (TASKS * SWAPS, TASKS * SWAPS));
    let (mut end, mut length) = (None, 0);
    while let Some(revision) = next.get(&end) {
        (end, length) = (Some(*revision), length + 1);
    }
    assert_eq!((end, length), (Some(stored(&stores[1]).await.revision), TASKS * SWAPS));
}

#[tokio::test]
async fn revisions_do_not_repeat_after_the_record_was_removed() {
    let ground = Ground::new();
    let store = ground.open();
    let mut seen = HashSet::new();
    for round in 0..20 {
        let first = create(&store, b"one").await;
        let second = applied(store.compare_and_swap(&key(), Some(first), b"two").await);
        assert!(seen.insert(first) && seen.insert(second), "round {round}");
        fs::remove_file(ground.file("record")).unwrap();
        if round % 2 == 0 {
            fs::remove_file(ground.file("lock")).unwrap();
        }
    }
}

#[tokio::test]
async fn a_record_has_at_most_64_kib() {
    let ground = Ground::new();
    let store = ground.open();
    let first = create(&store, &[7; MAX_RECORD_BYTES]).await;
    let error = store.compare_and_swap(&key(), Some(first), &[8; MAX_RECORD_BYTES + 1]).await.unwrap_err();
    assert!(!error.may_have_applied());
    assert!(told(&error).contains("65537 bytes"), "{}", told(&error));
    assert_eq!(stored(&store).await.bytes, [7; MAX_RECORD_BYTES]);
}

#[tokio::test]
async fn s25_a_record_altered_at_any_offset_is_corrupt_and_never_overwritten() {
    let ground = Ground::new();
    let store = ground.open();
    let revision = create(&store, b"canary").await;
    let whole = fs::read(ground.file("record")).unwrap();
    for offset in 0..whole.len() {
        let mut altered = whole.clone();
        altered[offset] ^= 0x55;
        fs::write(ground.file("record"), &altered).unwrap();
        let error = store.load(&key()).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "byte {offset}");
        assert!(!format!("{error:?} {}", told(&error)).contains("canary"));
        for expected in [None, Some(revision)] {
            let error = store.compare_and_swap(&key(), expected, b"new").await.unwrap_err();
            assert_eq!(
                (error.kind(), error.may_have_applied()),
                (StoreErrorKind::Corrupt, false),
                "byte {offset}"
            );
        }
        assert_eq!(fs::read(ground.file("record")).unwrap(), altered);
    }
    for len in [0, 1, whole.len() - 1] {
        fs::write(ground.file("record"), &whole[..len]).unwrap();
        assert_eq!(store.load(&key()).await.unwrap_err().kind(), StoreErrorKind::Corrupt, "{len} bytes");
    }
}

#[tokio::test]
async fn f028_left_over_temporary_files_are_removed_on_open_unless_a_writer_lives() {
    let ground = Ground::new();
    let store = ground.open();
    create(&store, b"one").await;
    let (left_over, foreign) = (ground.file("0123456789abcdef.tmp"), ground.dir().join("notes.txt"));
    fs::write(&left_over, b"half").unwrap();
    fs::write(&foreign, b"mine").unwrap();

    let lock = File::open(ground.file("lock")).unwrap();
    lock.lock().unwrap();
    ground.open();
    assert!(left_over.exists(), "its writer may still be at work");

    lock.unlock().unwrap();
    ground.open();
    assert!(!left_over.exists());
    assert!(foreign.exists());
    assert_eq!(stored(&store).await.bytes, b"one");
}

#[tokio::test(start_paused = true)]
async fn f084_a_lock_that_stays_taken_is_an_error_before_the_librarys_own_limit() {
    let ground = Ground::new();
    let store = ground.open();
    create(&store, b"one").await;
    let lock = File::open(ground.file("lock")).unwrap();
    lock.lock().unwrap();

    let started = tokio::time::Instant::now();
    let error = store.compare_and_swap(&key(), None, b"two").await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_applied()), (StoreErrorKind::Unavailable, false));
    assert!((Duration::from_millis(1500)..Duration::from_secs(2)).contains(&started.elapsed()));
    assert_eq!(stored(&store).await.bytes, b"one", "reading needs no lock");

    lock.unlock().unwrap();
    let Swap::Conflict(Some(_)) = store.compare_and_swap(&key(), None, b"two").await.unwrap() else {
        panic!()
    };
}

#[tokio::test(start_paused = true)]
async fn a_swap_dropped_while_it_waits_for_the_lock_writes_nothing() {
    let ground = Ground::new();
    let store = ground.open();
    let first = create(&store, b"one").await;
    let lock = File::open(ground.file("lock")).unwrap();
    lock.lock().unwrap();
    let (limit, key) = (Duration::from_millis(100), key());
    let waiting = store.compare_and_swap(&key, Some(first), b"two");
    assert!(tokio::time::timeout(limit, waiting).await.is_err());
    lock.unlock().unwrap();
    assert_eq!(
        applied(store.compare_and_swap(&key, Some(first), b"three").await),
        stored(&store).await.revision
    );
}

#[tokio::test]
async fn a_swap_dropped_at_any_poll_leaves_the_old_record_or_the_new_one() {
    let ground = Ground::new();
    let (store, key) = (ground.open(), key());
    let mut current = create(&store, b"0").await;
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
        // Whoever comes next waits for a swap that goes on alone, and knows afterwards which of the two it is.
        let before = stored(&store).await.revision;
        let Swap::Conflict(Some(found)) = store.compare_and_swap(&key, None, b"").await.unwrap() else {
            panic!()
        };
        assert!(found.revision == current || found.bytes == record.as_bytes(), "{polls} polls");
        assert!(found.revision >= before);
        current = found.revision;
        if finished {
            assert!(polls >= 2, "the work left the executor");
            return;
        }
    }
}

#[test]
fn outside_a_runtime_the_store_fails_instead_of_panicking() {
    let ground = Ground::new();
    let (store, key) = (ground.open(), key());
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(Err(error)) = pin!(store.load(&key)).poll(&mut context) else { panic!("no error") };
    assert!(told(&error).contains("runtime"));
    let Poll::Ready(Err(error)) = pin!(store.compare_and_swap(&key, None, b"")).poll(&mut context) else {
        panic!("no error")
    };
    assert!(!error.may_have_applied());
}

#[tokio::test]
async fn s12_what_is_printed_shows_nothing_of_a_record() {
    let ground = Ground::new();
    let store = ground.open();
    create(&store, b"canary").await;
    let conflict = store.compare_and_swap(&key(), None, b"canary").await.unwrap();
    let printed = format!("{store:?} {conflict:?} {:?}", store.load(&key()).await);
    assert!(
        printed.contains("tokens") && !printed.contains("canary") && !printed.contains("99, 97"),
        "{printed}"
    );
}

#[test]
fn it_is_durable_and_shared_by_the_processes_of_one_host() {
    let capabilities = Ground::new().open().capabilities();
    assert_eq!((capabilities.scope, capabilities.durable), (Scope::Host, true));
}
