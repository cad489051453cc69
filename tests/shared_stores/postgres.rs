//! What only a Postgres server does.

use std::{
    io::{BufRead, BufReader, Write},
    pin::pin,
    process::{Child, ChildStdin, Stdio},
    task::{Context, Waker},
    time::Duration,
};

use tokio::task::JoinSet;
use tower_salesforce_auth::store::{
    MAX_RECORD_BYTES, PostgresConfig, PostgresStore, StoreErrorKind, Swap, TokenStore,
};

use crate::{
    Ground, applied,
    contract::chains_lose_no_update,
    create,
    ground::create_table,
    increment, key,
    servers::{Certificates, Postgres},
    stored, told,
};

fn config(url: &str) -> PostgresConfig {
    PostgresConfig::from_url(url).unwrap()
}

fn store(server: &Postgres) -> PostgresStore {
    PostgresStore::new(config(&server.url())).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f075_under_every_default_isolation_level_a_swap_that_comes_second_is_a_conflict() {
    let Some(server) = Postgres::start() else { return };
    create_table(&server);
    let ground = Ground::Postgres(server);
    let Ground::Postgres(server) = &ground else { return };
    for (level, test) in [("repeatable read", "repeatable read"), ("serializable", "serializable")] {
        server.sql(&format!("ALTER ROLE owner SET default_transaction_isolation = '{level}'"));
        chains_lose_no_update(&ground, test).await;
        let errors = server.sql("SELECT xact_rollback > 0 FROM pg_stat_database WHERE datname = 'postgres'");
        assert_eq!(errors, "t", "nothing was ever overtaken: {level} was not in force");
    }
}

#[tokio::test]
async fn f074_an_applied_swap_outlives_a_crash_though_commits_are_asynchronous_by_default() {
    let settings = ["synchronous_commit=off", "wal_writer_delay=10s", "autovacuum=off"];
    let Some(mut server) = Postgres::start_with(&settings) else { return };
    create_table(&server);
    let key = key("crash");
    let mut last = create(&store(&server), &key, b"0").await;
    for round in 1..=3 {
        let store = store(&server);
        last = applied(store.compare_and_swap(&key, Some(last), &[round]).await);
        server.kill();
        server.start_again();
        assert_eq!(stored(&store, &key).await.bytes, [round]);
    }
}

#[tokio::test]
async fn f076_f077_f078_no_transaction_and_no_lock_is_left_behind() {
    let Some(server) = Postgres::start_with(&["idle_in_transaction_session_timeout=1ms"]) else { return };
    create_table(&server);
    let (store, key) = (store(&server), key("left behind"));
    for _ in 0..5 {
        increment(&store, &key).await;
        assert_eq!(
            server.sql(
                "SELECT count(*), min(state), count(*) FILTER (WHERE state LIKE 'idle in%')
                 FROM pg_stat_activity WHERE application_name = 'tower-salesforce-auth'"
            ),
            "1|idle|0"
        );
        assert_eq!(server.sql("SELECT count(*) FROM pg_locks WHERE locktype IN ('advisory', 'tuple')"), "0");
        assert_eq!(server.sql("SELECT count(*) FROM pg_prepared_statements"), "0");
    }
}

#[tokio::test]
async fn an_error_that_does_not_know_what_became_of_a_write_is_ambiguous() {
    let Some(server) = Postgres::start() else { return };
    create_table(&server);
    for (code, is_known) in [("40003", false), ("08006", false), ("23514", true)] {
        server.sql(&format!(
            "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql
             AS $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}'; END $$;
             CREATE OR REPLACE TRIGGER fails BEFORE INSERT ON tower_salesforce_auth
             FOR EACH ROW EXECUTE FUNCTION fail()"
        ));
        let error = store(&server).compare_and_swap(&key(code), None, b"one").await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert_eq!(error.may_have_applied(), !is_known, "{code}: {}", told(&error));
    }
}

#[tokio::test]
async fn f076_a_lock_that_somebody_else_holds_is_waited_for_no_longer_than_the_limit() {
    let Some(server) = Postgres::start() else { return };
    create_table(&server);
    let (store, key) = (store(&server), key("locked"));
    let first = create(&store, &key, b"one").await;
    let holder = Holder::start(&server);

    let swap = tokio::spawn({
        let (store, key) = (store.clone(), key.clone());
        async move { store.compare_and_swap(&key, Some(first), b"two").await }
    });
    // Whoever cancels what the server has not begun cancels nothing.
    while server.sql(WAITING) == "0" && !swap.is_finished() {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    let error = swap.await.unwrap().unwrap_err();
    tokio::time::resume();
    assert_eq!((error.kind(), error.may_have_applied()), (StoreErrorKind::Unavailable, true));
    assert_eq!(stored(&store, &key).await.revision, first, "reading needs no lock");
    // The server is told, so that the write does not come when the lock is free.
    let told = async {
        while server.sql(WAITING) != "0" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), told).await.expect("nobody told the server");
    holder.roll_back();
    assert_eq!(stored(&store, &key).await.bytes, b"one");
    applied(store.compare_and_swap(&key, Some(first), b"three").await);
}

#[tokio::test]
async fn f076_a_read_that_is_late_behind_the_commit_of_another_session_leaves_it_alone() {
    let Some(server) = Postgres::start() else { return };
    create_table(&server);
    let (store, one, other) = (store(&server), key("one"), key("other"));
    let first = create(&store, &one, b"one").await;
    let holder = Holder::start(&server);
    let swap = tokio::spawn({
        let (store, one) = (store.clone(), one.clone());
        async move { store.compare_and_swap(&one, Some(first), b"two").await }
    });
    while server.sql(WAITING) == "0" && !swap.is_finished() {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    let error = store.load(&other).await.unwrap_err();
    tokio::time::resume();
    assert_eq!((error.kind(), error.may_have_applied()), (StoreErrorKind::Unavailable, false));
    for _ in 0..3 {
        assert_eq!(store.load(&other).await.unwrap(), None, "over another connection");
    }
    assert_eq!(server.sql(WAITING), "1");
    holder.roll_back();
    applied(swap.await.unwrap());
    assert_eq!(stored(&store, &one).await.bytes, b"two");
}

#[tokio::test]
async fn f076_a_conflict_that_is_late_to_read_behind_the_commit_of_another_session_leaves_it_alone() {
    let Some(server) = Postgres::start() else { return };
    create_table(&server);
    let (store, one, other) = (store(&server), key("one"), key("other"));
    let (first, stale) = (create(&store, &one, b"one").await, create(&store, &other, b"one").await);
    applied(store.compare_and_swap(&other, Some(stale), b"two").await);
    let holder = Holder::start(&server);
    let mut second = pin!(store.compare_and_swap(&other, Some(stale), b"three"));
    assert!(second.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    // Its answer is not looked at before the other session's swap is on the same connection, a second later.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(1)).await;
    let swap = tokio::spawn({
        let (store, one) = (store.clone(), one.clone());
        async move { store.compare_and_swap(&one, Some(first), b"two").await }
    });
    while server.sql(WAITING) == "0" && !swap.is_finished() {
        tokio::task::yield_now().await;
    }
    let error = second.await.unwrap_err();
    tokio::time::resume();
    for _ in 0..3 {
        assert_eq!(stored(&store, &other).await.bytes, b"two", "over another connection");
    }
    assert_eq!(server.sql(WAITING), "1");
    holder.roll_back();
    applied(swap.await.unwrap());
    assert_eq!((error.kind(), error.may_have_applied()), (StoreErrorKind::Unavailable, false));
}

const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";

/// Somebody who holds locks on all rows.
struct Holder {
    psql: Child,
    orders: ChildStdin,
}

impl Holder {
    fn start(server: &Postgres) -> Self {
        let mut psql = server.psql().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut orders = psql.stdin.take().unwrap();
        orders.write_all(b"BEGIN; SELECT revision FROM tower_salesforce_auth FOR UPDATE;\n").unwrap();
        BufReader::new(psql.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
        Self { psql, orders }
    }

    fn roll_back(mut self) {
        drop(self.orders);
        self.psql.wait().unwrap();
    }
}

#[tokio::test]
async fn a_session_that_the_server_ends_during_a_swap_leaves_its_outcome_unknown() {
    let Some(server) = Postgres::start() else { return };
    create_table(&server);
    let (store, key) = (store(&server), key("ended"));
    let first = create(&store, &key, b"one").await;
    let holder = Holder::start(&server);
    let swap = tokio::spawn({
        let (store, key) = (store.clone(), key.clone());
        async move { store.compare_and_swap(&key, Some(first), b"two").await }
    });
    let ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE application_name = 'tower-salesforce-auth' AND wait_event_type = 'Lock'";
    while server.sql(ended) == "0" && !swap.is_finished() {
        tokio::task::yield_now().await;
    }
    let error = swap.await.unwrap().unwrap_err();
    // It might have waited for a standby, with the commit done.
    assert!(error.may_have_applied() && told(&error).contains("57P01"), "{}", told(&error));
    holder.roll_back();
    assert_eq!(stored(&store, &key).await.revision, first);
}

#[tokio::test]
async fn f076_a_server_without_a_free_connection_is_unavailable() {
    let Some(server) =
        Postgres::start_with(&["max_connections=4", "superuser_reserved_connections=0", "max_wal_senders=0"])
    else {
        return;
    };
    create_table(&server);
    let others: Vec<_> = (0..4).map(|_| store(&server)).collect();
    for other in &others {
        other.load(&key("clients")).await.unwrap();
    }
    let store = store(&server);
    for error in [
        store.load(&key("clients")).await.unwrap_err(),
        store.compare_and_swap(&key("clients"), None, b"one").await.unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.may_have_applied()), (StoreErrorKind::Unavailable, false));
        assert!(told(&error).contains("53300"), "{}", told(&error));
    }
}

#[tokio::test]
async fn f079_a_server_that_takes_no_writes_is_refused_for_reads_too() {
    let Some(server) = Postgres::start() else { return };
    create_table(&server);
    let (old, key) = (store(&server), key("read-only"));
    let first = create(&old, &key, b"one").await;
    server.sql("ALTER SYSTEM SET default_transaction_read_only = on");
    server.sql("SELECT pg_reload_conf()");
    // The server tells its sessions in its own time.
    let error = loop {
        match old.compare_and_swap(&key, Some(first), b"two").await {
            Err(error) => break error,
            Ok(swap) => assert!(swap != Swap::Conflict(None)),
        }
    };
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (StoreErrorKind::Unavailable, false),
        "{}",
        told(&error)
    );
    assert!(told(&error).contains("25006"), "{}", told(&error));
    for error in
        [old.load(&key).await.unwrap_err(), PostgresStore::connect(config(&server.url())).await.unwrap_err()]
    {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert!(told(&error).contains("does not allow writes"), "{}", told(&error));
    }
}

#[tokio::test]
async fn f079_a_user_without_the_permissions_is_told_which_and_writes_nothing() {
    let Some(server) = Postgres::start() else { return };
    server.sql("CREATE ROLE app LOGIN PASSWORD 'canary'");
    let store = store_as(&server, "app:canary");
    let error = store.create_schema().await.unwrap_err();
    assert!(!error.may_have_applied() && told(&error).contains("42501"), "{}", told(&error));
    create_table(&server);
    store.create_schema().await.unwrap();
    let key = key("permission");
    for error in [
        store.load(&key).await.unwrap_err(),
        store.compare_and_swap(&key, None, b"canary").await.unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.may_have_applied()), (StoreErrorKind::Unavailable, false));
        assert!(told(&error).contains("42501") && !format!("{error:?}").contains("canary"), "{error:?}");
    }
    server.sql("GRANT SELECT, INSERT, UPDATE ON tower_salesforce_auth TO app");
    let first = create(&store, &key, b"one").await;
    applied(store.compare_and_swap(&key, Some(first), b"two").await);
}

fn store_as(server: &Postgres, login: &str) -> PostgresStore {
    let url = format!("postgres://{login}@127.0.0.1:{}/postgres", server.port());
    PostgresStore::new(config(&url)).unwrap()
}

#[tokio::test]
async fn s29_f189_a_wrong_password_is_told_without_it() {
    let Some(server) = Postgres::start() else { return };
    for login in ["owner:canary", "canary:canary", "owner"] {
        let error = store_as(&server, login).load(&key("password")).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        let text = format!("{error:?}");
        assert!(text.contains("password") && !text.contains("canary"), "{text}");
    }
}

#[tokio::test]
async fn f189_a_row_that_the_server_repeats_in_its_error_is_not_shown() {
    let Some(server) = Postgres::start() else { return };
    create_table(&server);
    let (store, key) = (store(&server), key("row"));
    server.sql("ALTER TABLE tower_salesforce_auth ADD CHECK (length(record) < 3)");
    let error = store.compare_and_swap(&key, None, b"canary").await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_applied()), (StoreErrorKind::Unavailable, false));
    let text = format!("{error:?}");
    assert!(text.contains("23514"), "{text}");
    // In hexadecimal digits, as the server would write it.
    assert!(
        !text.contains("canary") && !text.contains("63616e617279") && !text.contains(key.as_str()),
        "{text}"
    );
}

#[tokio::test]
async fn f070_a_row_or_a_table_that_is_something_else_is_an_error() {
    let Some(server) = Postgres::start() else { return };
    let (store, key) = (store(&server), key("foreign"));
    let error = store.load(&key).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(told(&error).contains("create_schema"), "{}", told(&error));
    server.sql("CREATE TABLE tower_salesforce_auth (key text PRIMARY KEY, revision bigint, record bytea)");
    server.sql(&format!("INSERT INTO tower_salesforce_auth VALUES ('{key}', NULL, NULL)"));
    for error in
        [store.load(&key).await.unwrap_err(), store.compare_and_swap(&key, None, b"one").await.unwrap_err()]
    {
        assert_eq!((error.kind(), error.may_have_applied()), (StoreErrorKind::Corrupt, false));
    }
    server.sql("ALTER TABLE tower_salesforce_auth ALTER revision TYPE text");
    assert_eq!(store.load(&key).await.unwrap_err().kind(), StoreErrorKind::Corrupt);
    let error = store.compare_and_swap(&key, None, b"one").await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_applied()), (StoreErrorKind::Corrupt, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn any_number_of_processes_may_create_the_table_at_once() {
    let Some(server) = Postgres::start() else { return };
    for round in 0..3 {
        let mut tasks = JoinSet::new();
        for _ in 0..8 {
            let config = config(&server.url()).table(&format!("public.Tokens_{round}")).unwrap();
            let store = PostgresStore::new(config).unwrap();
            tasks.spawn(async move {
                store.create_schema().await.map_err(|error| told(&error)).unwrap();
                store.create_schema().await.unwrap();
                increment(&store, &key("schema")).await;
            });
        }
        tasks.join_all().await;
        let counted = server.sql(&format!("SELECT encode(record, 'hex') FROM public.\"Tokens_{round}\""));
        assert_eq!(counted, "0000000000000008");
    }
}

#[tokio::test]
async fn tls_is_used_and_the_certificate_and_the_name_are_checked() {
    let (trusted, other) = (Certificates::make(), Certificates::make());
    let Some(server) = Postgres::start_with_tls(&trusted) else { return };
    create_table(&server);
    let config =
        |host: &str, mode: &str| config(&format!("{}?sslmode={mode}", server.url_at(host, server.port())));
    let is_encrypted = || {
        server.sql(
            "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
             WHERE application_name = 'tower-salesforce-auth'",
        )
    };
    for mode in ["require", "verify-full"] {
        let trusting = config("localhost", mode).root_certificates(trusted.authority.as_bytes()).unwrap();
        let store = PostgresStore::connect(trusting).await.unwrap();
        create(&store, &key(mode), &[7; MAX_RECORD_BYTES]).await;
        assert_eq!(is_encrypted(), "t");
        drop(store);
        while !is_encrypted().is_empty() {
            tokio::task::yield_now().await;
        }
    }
    for (refused, why) in [
        (config("localhost", "require"), "certificate"),
        (
            config("localhost", "require").root_certificates(other.authority.as_bytes()).unwrap(),
            "certificate",
        ),
        (config("127.0.0.1", "require").root_certificates(trusted.authority.as_bytes()).unwrap(), "name"),
    ] {
        let error = PostgresStore::connect(refused).await.unwrap_err();
        assert!(told(&error).contains(why), "{}", told(&error));
    }
    let _plain = PostgresStore::connect(config("localhost", "disable")).await.unwrap();
    assert_eq!(is_encrypted(), "f");
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_wanted() {
    let Some(server) = Postgres::start() else { return };
    let error =
        PostgresStore::connect(config(&format!("{}?sslmode=require", server.url()))).await.unwrap_err();
    assert!(told(&error).contains("TLS"), "{}", told(&error));
    let socket = server.socket_dir().display().to_string().replace('/', "%2F");
    let by_socket = config(&server.url_at(&socket, server.port()));
    PostgresStore::connect(by_socket).await.unwrap();
}

#[tokio::test]
async fn the_primary_is_found_among_several_hosts() {
    let Some(standby) = Postgres::start_with(&["default_transaction_read_only=on"]) else { return };
    let Some(primary) = Postgres::start() else { return };
    create_table(&primary);
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", standby.port(), primary.port());
    let url = primary.url().replace(&format!("127.0.0.1:{}", primary.port()), &hosts);
    let store = PostgresStore::connect(config(&url)).await.unwrap();
    create(&store, &key("primary"), b"one").await;
    assert_eq!(primary.sql("SELECT count(*) FROM tower_salesforce_auth"), "1");
}
