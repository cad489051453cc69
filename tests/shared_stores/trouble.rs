//! Servers that go away, hang, or are reached by a bad line.

use std::{
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use tower_salesforce_auth::store::{StoreErrorKind, Swap, TokenStore};

use crate::{
    Ground, Store, applied, create, key,
    servers::{Proxy, Traffic},
    stored, told,
};

#[tokio::test]
async fn a_swap_whose_answer_is_lost_may_have_applied_and_is_sent_once() {
    for ground in Ground::shared().iter() {
        let key = key("answer lost");
        let proxy = Proxy::start(ground.port()).await;
        let store = Store::at(&ground.url_at(proxy.port()));
        let first = create(&store, &key, b"one").await;
        assert_eq!(proxy.connections(), 1);

        proxy.set(Traffic::LosesAnswers);
        let error = store.compare_and_swap(&key, Some(first), b"two").await.unwrap_err();
        assert_eq!(
            (error.kind(), error.may_have_applied()),
            (StoreErrorKind::Unavailable, true),
            "{}",
            told(&error)
        );
        assert_eq!(proxy.connections(), 1, "no second try");

        proxy.set(Traffic::Flows);
        let found = stored(&store, &key).await;
        assert_eq!((found.bytes.as_slice(), proxy.connections()), (&b"two"[..], 2));
        assert_eq!(
            store.compare_and_swap(&key, Some(first), b"two").await.unwrap(),
            Swap::Conflict(Some(found))
        );
    }
}

#[tokio::test]
async fn a_creation_whose_request_is_lost_may_have_applied_for_all_that_is_known() {
    for ground in Ground::shared().iter() {
        let key = key("request lost");
        let proxy = Proxy::start(ground.port()).await;
        let store = Store::connect(&ground.url_at(proxy.port())).await.unwrap();
        proxy.set(Traffic::LosesRequests);
        let error = store.compare_and_swap(&key, None, b"one").await.unwrap_err();
        assert!(error.may_have_applied(), "{}", told(&error));
        proxy.set(Traffic::Flows);
        assert_eq!((store.load(&key).await.unwrap(), proxy.connections()), (None, 2));
    }
}

#[tokio::test]
async fn a_load_whose_answer_is_lost_is_sent_once_more() {
    for ground in Ground::shared().iter() {
        let key = key("load lost");
        let proxy = Proxy::start(ground.port()).await;
        let store = Store::connect(&ground.url_at(proxy.port())).await.unwrap();
        create(&store, &key, b"one").await;
        proxy.set(Traffic::LosesAnswers);
        let error = store.load(&key).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.may_have_applied()),
            (StoreErrorKind::Unavailable, false),
            "{}",
            told(&error)
        );
        assert_eq!(proxy.connections(), 2, "one more try, over a new connection");
    }
}

#[tokio::test]
async fn f068_a_server_that_hangs_is_given_up_within_the_librarys_limits() {
    for ground in Ground::shared().iter() {
        let key = key("hangs");
        let proxy = Proxy::start(ground.port()).await;
        let store = Store::connect(&ground.url_at(proxy.port())).await.unwrap();
        let first = create(&store, &key, b"one").await;
        proxy.set(Traffic::HoldsAnswers);

        // From here on the clock jumps to whatever is waited for.
        tokio::time::pause();
        let swap =
            tokio::time::timeout(Duration::from_secs(2), store.compare_and_swap(&key, Some(first), b"two"));
        let error = swap.await.unwrap().unwrap_err();
        assert!(error.may_have_applied(), "{}", told(&error));
        let error =
            tokio::time::timeout(Duration::from_secs(1), store.load(&key)).await.unwrap().unwrap_err();
        assert_eq!(
            (error.kind(), error.may_have_applied()),
            (StoreErrorKind::Unavailable, false),
            "{}",
            told(&error)
        );
        let swap = store.compare_and_swap(&key, Some(first), b"two");
        let error = tokio::time::timeout(Duration::from_secs(2), swap).await.unwrap().unwrap_err();
        assert!(!error.may_have_applied(), "no connection, nothing sent: {}", told(&error));
        tokio::time::resume();

        proxy.set(Traffic::Flows);
        let connections = proxy.connections();
        assert!(connections >= 2, "the silent connection was given up");
        let found = stored(&store, &key).await;
        applied(store.compare_and_swap(&key, Some(found.revision), b"three").await);
        assert!(proxy.connections() <= connections + 1);
    }
}

#[tokio::test]
async fn f068_what_a_server_answers_after_a_read_was_given_up_is_nobody_elses_answer() {
    for ground in Ground::shared().iter() {
        let (late, next) = (key("late"), key("next"));
        let proxy = Proxy::start(ground.port()).await;
        let store = Store::connect(&ground.url_at(proxy.port())).await.unwrap();
        create(&store, &late, b"late").await;
        create(&store, &next, b"next").await;
        proxy.set(Traffic::HoldsAnswers);
        tokio::time::pause();
        for _ in 0..3 {
            let error = store.load(&late).await.unwrap_err();
            assert!(!error.may_have_applied(), "{}", told(&error));
        }
        tokio::time::resume();
        proxy.set(Traffic::Flows);
        for _ in 0..3 {
            assert_eq!(stored(&store, &next).await.bytes, b"next");
            assert_eq!(stored(&store, &late).await.bytes, b"late");
        }
        assert_eq!(proxy.connections(), 1);
    }
}

#[tokio::test]
async fn a_connection_that_was_idle_for_long_is_not_trusted() {
    for ground in Ground::shared().iter() {
        let key = key("idle");
        let proxy = Proxy::start(ground.port()).await;
        let store = Store::connect(&ground.url_at(proxy.port())).await.unwrap();
        for (idle, connections) in [(59, 1), (61, 2), (0, 2)] {
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(idle)).await;
            tokio::time::resume();
            assert_eq!(store.load(&key).await.unwrap(), None);
            assert_eq!(proxy.connections(), connections, "after {idle} s");
        }
    }
}

#[tokio::test]
async fn records_outlive_the_server_and_so_does_the_store() {
    for mut ground in Ground::fresh() {
        let (store, key) = (ground.store(), key("restart"));
        let first = create(&store, &key, b"one").await;
        ground.kill();
        for _ in 0..2 {
            let error = store.load(&key).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Unavailable);
            let error = store.compare_and_swap(&key, Some(first), b"two").await.unwrap_err();
            assert!(!error.may_have_applied(), "nothing was sent: {}", told(&error));
        }
        ground.start_again();
        assert_eq!(stored(&store, &key).await.revision, first);
        applied(store.compare_and_swap(&key, Some(first), b"two").await);
    }
}

#[tokio::test]
async fn a_swap_right_after_a_restart_is_sent_over_a_new_connection() {
    for mut ground in Ground::fresh() {
        let (store, key) = (ground.store(), key("restart"));
        let first = create(&store, &key, b"one").await;
        ground.kill();
        ground.start_again();
        // The end of the old connection has arrived, but the task that reads it may not have run.
        tokio::time::sleep(Duration::from_millis(1)).await;
        applied(store.compare_and_swap(&key, Some(first), b"two").await);
    }
}

#[tokio::test]
async fn f060_hints_go_on_after_a_restart_and_a_lost_one_is_found_by_reading() {
    for mut ground in Ground::fresh() {
        let (store, other, key) = (ground.store(), ground.store(), key("hints"));
        let first = create(&store, &key, b"one").await;
        let mut waiter = Box::pin(store.changed(&key));
        // The echo of the store's own swap may come first.
        let _ = tokio::time::timeout(Duration::from_millis(50), waiter.as_mut()).await;
        ground.kill();
        ground.start_again();
        let second = applied(other.compare_and_swap(&key, Some(first), b"two").await);
        assert_eq!(stored(&store, &key).await.revision, second, "reading needs no hint");

        let mut waiter = pin!(store.changed(&key));
        assert!(waiter.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        applied(other.compare_and_swap(&key, Some(second), b"three").await);
        tokio::time::timeout(Duration::from_secs(30), waiter).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    // Nobody listens on the discard port; the other addresses name no host.
    for url in
        ["redis://u:canary@127.0.0.1:9", "postgres://u:canary@127.0.0.1:9/x", "redis://u:canary@host.invalid"]
    {
        let (store, key) = (Store::at(url), key("nowhere"));
        for error in [
            store.load(&key).await.unwrap_err(),
            store.compare_and_swap(&key, None, b"canary").await.unwrap_err(),
            Store::connect(url).await.unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.may_have_applied()), (StoreErrorKind::Unavailable, false));
            assert!(!format!("{error:?} {}", told(&error)).contains("canary"), "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_server_of_another_kind_is_unavailable() {
    let grounds = Ground::shared();
    let [redis, postgres] = grounds.as_slice() else { return };
    for url in [
        format!("redis://127.0.0.1:{}", postgres.port()),
        format!("postgres://u:canary@127.0.0.1:{}/x", redis.port()),
        format!("rediss://localhost:{}", redis.port()),
    ] {
        let error = Store::connect(&url).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}
