//! The whole conformance kit on both kinds of server, and on sealed records on them.

use std::{env, process::Command, sync::Arc};

use tower_salesforce_auth::{
    store::{KeyRing, Sealed, SealingKey, StoreKey, TokenStore},
    testing::store_conformance,
};

use crate::{
    ground::{Ground, Store, create_table},
    servers::{Postgres, Redis},
};

/// Where a second process finds the server.
const URL: &str = "CONFORMANCE_TEST_URL";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_keeps_the_contract_for_any_number_of_processes() {
    let server = || Redis::start().map(Ground::Redis);
    run("conformance::redis_keeps_the_contract_for_any_number_of_processes", server, |store| store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_keeps_the_contract_for_any_number_of_processes() {
    let server = || Postgres::start().inspect(create_table).map(Ground::Postgres);
    run("conformance::postgres_keeps_the_contract_for_any_number_of_processes", server, |store| store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sealed_records_keep_the_contract_on_redis() {
    let server = || Redis::start().map(Ground::Redis);
    let keys = || KeyRing::new(SealingKey::new([7; 32]));
    run("conformance::sealed_records_keep_the_contract_on_redis", server, |store| Sealed::new(store, keys()))
        .await;
}

/// Runs the kit, in a second process (which finds its server by the environment) or as the first one.
async fn run<S: TokenStore + std::fmt::Debug>(
    test: &'static str,
    start: impl Fn() -> Option<Ground>,
    wrap: impl Fn(Store) -> S,
) {
    if let Ok(url) = env::var(URL) {
        // The first process reports.
        drop(
            store_conformance(async || wrap(Store::at(&url))).second_process(|| this_test(test, &url)).await,
        );
        return;
    }
    let Some(ground) = start().map(Arc::new) else { return };
    let (url, removing) = (ground.url(), Arc::clone(&ground));
    store_conformance(async || wrap(Store::at(&url)))
        .removing(move |key| {
            remove(&removing, &key);
            async {}
        })
        .second_process(|| this_test(test, &url))
        .printing(|store| format!("{store:?}"))
        .await
        .assert_passed();
}

fn remove(ground: &Ground, key: &StoreKey) {
    match ground {
        Ground::Redis(server) => server.command(&[
            "EVAL",
            "for _, name in ipairs(redis.call('KEYS', '*' .. ARGV[1] .. '*')) do redis.call('DEL', name) end",
            "0",
            key.as_str(),
        ]),
        Ground::Postgres(server) => {
            server.sql(&format!("DELETE FROM tower_salesforce_auth WHERE key = '{key}'"))
        }
    };
}

fn this_test(test: &str, url: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test]).env(URL, url);
    command
}
