//! What a refresh pays for the place where its tokens live: `cargo bench --bench stores`.
//!
//! For each store: a `load`, a `swap` that applies, and a whole `refresh` (the record read, the claim written, a token
//! request that is answered at once in memory, the new tokens written), with a record as sessions write it.
//!
//! The servers are private ones on loopback, and durable as those of a fleet have to be: Redis with its log written at
//! each command, Postgres with its defaults, files with theirs. So `swap` is mostly the disk below the directory for
//! temporary files; `load` is a round trip. Where the programs are missing their part is skipped, which is said; with
//! `CI=true` it is an error.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)] // a panic here is a broken bench
#![allow(clippy::disallowed_methods, reason = "the clock of a bench is the real one")]

mod rig;
#[cfg(unix)]
#[path = "../tests/servers/mod.rs"]
mod servers;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use rig::org::{Org, Tokens};
#[cfg(unix)]
use rig::results::Run;
use tokio::runtime::Runtime;
use tower_salesforce_auth::store::{
    FileStore, KeyRing, MemoryStore, PostgresConfig, PostgresStore, RedisConfig, RedisStore, Revision,
    Sealed, SealingKey, StoreKey, Swap, TokenStore,
};

fn stores(criterion: &mut Criterion) {
    #[cfg(unix)]
    let run = Run::begin("stores");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _inside = runtime.enter();
    let dir = tempfile::TempDir::new().unwrap();
    let files = FileStore::open(dir.path().join("tokens")).unwrap();
    let sealed_files = FileStore::open(dir.path().join("sealed")).unwrap();
    let keys = KeyRing::new(SealingKey::new([7; 32]));
    measure(criterion, &runtime, "memory", MemoryStore::volatile());
    measure(criterion, &runtime, "file", files);
    measure(criterion, &runtime, "file_sealed", Sealed::new(sealed_files, keys));
    // Without the servers it is no run for the report.
    #[cfg(unix)]
    if measure_servers(criterion, &runtime) {
        run.end();
    }
}

/// Whether both were there.
#[cfg(unix)]
fn measure_servers(criterion: &mut Criterion, runtime: &Runtime) -> bool {
    let redis = servers::Redis::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    if let Some(server) = &redis {
        let config = RedisConfig::from_url(&server.url()).unwrap();
        let store = runtime.block_on(RedisStore::connect(config)).unwrap();
        measure(criterion, runtime, "redis", store);
    }
    let postgres = servers::Postgres::start();
    if let Some(server) = &postgres {
        server.sql(
            "CREATE TABLE tower_salesforce_auth (key text PRIMARY KEY, revision bigint NOT NULL, record bytea NOT NULL)",
        );
        let config = PostgresConfig::from_url(&server.url()).unwrap();
        let store = runtime.block_on(PostgresStore::connect(config)).unwrap();
        measure(criterion, runtime, "postgres", store);
    }
    redis.is_some() && postgres.is_some()
}

fn measure(criterion: &mut Criterion, runtime: &Runtime, name: &str, store: impl TokenStore) {
    let store = Arc::new(store);
    let org = Org::new(Tokens::Granted, Duration::ZERO);
    let session = runtime.block_on(org.session(Arc::clone(&store)));
    let record = runtime.block_on(async {
        let key = StoreKey::new("bench", "refresh_token");
        store.load(&key).await.unwrap().expect("the session's record").bytes
    });
    let key = StoreKey::new("swapped", "refresh_token");
    let revision = Arc::new(Mutex::new(None));

    let mut group = criterion.benchmark_group(format!("stores/{name}"));
    group
        .sampling_mode(SamplingMode::Flat)
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2));
    group.bench_function("swap", |bencher| {
        bencher.iter_custom(|iterations| {
            let (store, key, record) = (Arc::clone(&store), key.clone(), record.clone());
            let revision = Arc::clone(&revision);
            on_a_worker(runtime, async move {
                let mut at: Option<Revision> = *revision.lock().unwrap();
                let begun = Instant::now();
                for _ in 0..iterations {
                    match store.compare_and_swap(&key, at, &record).await.unwrap() {
                        Swap::Applied(applied) => at = Some(applied),
                        Swap::Conflict(found) => unreachable!("nobody else writes: {found:?}"),
                    }
                }
                let elapsed = begun.elapsed();
                *revision.lock().unwrap() = at;
                elapsed
            })
        });
    });
    group.bench_function("load", |bencher| {
        bencher.iter_custom(|iterations| {
            let (store, key) = (Arc::clone(&store), StoreKey::new("bench", "refresh_token"));
            on_a_worker(runtime, async move {
                let begun = Instant::now();
                for _ in 0..iterations {
                    assert!(store.load(&key).await.unwrap().is_some());
                }
                begun.elapsed()
            })
        });
    });
    group.bench_function("refresh", |bencher| {
        bencher.iter_custom(|iterations| {
            let (session, org) = (session.clone(), org.clone());
            on_a_worker(runtime, async move {
                let before = org.token_requests();
                let begun = Instant::now();
                for _ in 0..iterations {
                    session.refresh().await.unwrap();
                }
                let elapsed = begun.elapsed();
                assert_eq!((org.token_requests() - before) as u64, iterations);
                elapsed
            })
        });
    });
    group.finish();
    runtime.block_on(session.close(Duration::from_secs(5))).unwrap();
}

/// Where an application's tasks are, and not on the thread that starts the runtime.
fn on_a_worker(runtime: &Runtime, work: impl Future<Output = Duration> + Send + 'static) -> Duration {
    runtime.block_on(runtime.spawn(work)).unwrap()
}

criterion_group!(benches, stores);
criterion_main!(benches);
