//! What only a Redis server does.

use tower_salesforce_auth::store::{
    MAX_RECORD_BYTES, RedisConfig, RedisStore, StoreErrorKind, StoreKey, Swap, TokenStore,
};

use crate::{
    applied, create, key,
    servers::{Certificates, Redis},
    stored, told,
};

fn config(server: &Redis) -> RedisConfig {
    RedisConfig::from_url(&server.url()).unwrap()
}

fn store(server: &Redis) -> RedisStore {
    RedisStore::new(config(server)).unwrap()
}

fn record_key(key: &StoreKey) -> String {
    format!("tower-salesforce-auth:{{{key}}}")
}

#[tokio::test]
async fn f073_a_server_that_may_evict_records_is_refused_unless_that_is_accepted() {
    let Some(server) = Redis::start() else { return };
    let key = key("evicted");
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random"] {
        server.command(&["CONFIG", "SET", "maxmemory-policy", policy]);
        let error = RedisStore::connect(config(&server)).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unsafe, "{policy}");
        assert!(told(&error).contains("noeviction"), "{}", told(&error));
        let lazy = store(&server);
        assert_eq!(lazy.load(&key).await.unwrap_err().kind(), StoreErrorKind::Unsafe);
        let error = lazy.compare_and_swap(&key, None, b"one").await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_applied()), (StoreErrorKind::Unsafe, false));
        RedisStore::connect(config(&server).accept_eviction()).await.unwrap();
    }
    for policy in ["noeviction", "volatile-lru", "volatile-ttl"] {
        server.command(&["CONFIG", "SET", "maxmemory-policy", policy]);
        RedisStore::connect(config(&server)).await.unwrap();
    }
}

#[tokio::test]
async fn f073_a_record_does_not_expire_and_a_time_to_live_is_taken_away() {
    let Some(server) = Redis::start() else { return };
    let (store, key) = (store(&server), key("expires"));
    let first = create(&store, &key, b"one").await;
    let ttl = || server.command(&["TTL", &record_key(&key)]);
    assert_eq!(ttl(), "-1");
    server.command(&["EXPIRE", &record_key(&key), "1000"]);
    stored(&store, &key).await;
    assert_eq!(ttl(), "-1");
    server.command(&["EXPIRE", &record_key(&key), "1000"]);
    applied(store.compare_and_swap(&key, Some(first), b"two").await);
    assert_eq!(ttl(), "-1");
}

#[tokio::test]
async fn f074_it_is_durable_only_if_every_write_is_synced_and_no_replica_can_take_over() {
    let Some(server) = Redis::start() else { return };
    let capabilities = async |config: RedisConfig| RedisStore::connect(config).await.unwrap().capabilities();
    let durable = async || capabilities(config(&server)).await.durable;
    assert!(!durable().await, "it keeps nothing");
    server.command(&["CONFIG", "SET", "appendonly", "yes"]);
    assert!(!durable().await, "it syncs every second");
    server.command(&["CONFIG", "SET", "appendfsync", "always"]);
    assert!(durable().await);
    assert!(!store(&server).capabilities().durable, "nothing is known before the first connection");

    let port = server.port().to_string();
    let Some(replica) = Redis::start_with(&["--replicaof", "127.0.0.1", &port]) else { return };
    while !replica.command(&["INFO", "replication"]).contains("master_link_status:up") {}
    assert!(!durable().await, "a replica may take over");
    let accepted = capabilities(config(&server).accept_loss()).await;
    assert_eq!((accepted.durable, accepted.loss_accepted), (false, true));
}

#[tokio::test]
async fn f069_f079_a_replica_is_refused_for_reads_too_and_left_as_soon_as_it_is_one() {
    let Some(server) = Redis::start() else { return };
    let Some(other) = Redis::start() else { return };
    let (store, key) = (store(&server), key("replica"));
    let first = create(&store, &key, b"one").await;
    server.command(&["REPLICAOF", "127.0.0.1", &other.port().to_string()]);
    let error = store.compare_and_swap(&key, Some(first), b"two").await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_applied()), (StoreErrorKind::Unavailable, false));
    assert!(told(&error).contains("READONLY"), "{}", told(&error));
    let error = store.compare_and_swap(&key, None, b"two").await.unwrap_err();
    assert!(told(&error).contains("READONLY"), "a conflict would show what may be old: {}", told(&error));
    let error = store.load(&key).await.unwrap_err();
    assert!(told(&error).contains("READONLY"), "{}", told(&error));

    server.command(&["REPLICAOF", "NO", "ONE"]);
    store.load(&key).await.unwrap();
}

#[tokio::test]
async fn f079_a_full_memory_still_reads_and_swaps_as_a_whole_or_not_at_all() {
    let Some(server) = Redis::start() else { return };
    let (store, key) = (store(&server), key("full"));
    let mut last = (create(&store, &key, b"one").await, vec![1]);
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    last.1 = stored(&store, &key).await.bytes;
    for record in [b"two".to_vec(), vec![7; MAX_RECORD_BYTES], b"three".to_vec()] {
        // Versions differ in whether a script that has begun may go on.
        match store.compare_and_swap(&key, Some(last.0), &record).await {
            Ok(swap) => last = (applied(Ok(swap)), record),
            Err(error) => {
                assert!(!error.may_have_applied() && told(&error).contains("OOM"), "{}", told(&error));
            }
        }
        let found = stored(&store, &key).await;
        assert!((found.revision, found.bytes) == last);
    }
}

#[tokio::test]
async fn f079_a_node_of_a_cluster_without_slots_is_unavailable() {
    let Some(server) = Redis::start_with(&["--cluster-enabled", "yes"]) else { return };
    let (store, key) = (store(&server), key("cluster"));
    for error in
        [store.load(&key).await.unwrap_err(), store.compare_and_swap(&key, None, b"one").await.unwrap_err()]
    {
        assert_eq!((error.kind(), error.may_have_applied()), (StoreErrorKind::Unavailable, false));
        assert!(told(&error).contains("CLUSTERDOWN"), "{}", told(&error));
    }
}

#[tokio::test]
async fn f079_a_user_without_the_permissions_is_told_which_and_writes_nothing() {
    let Some(server) = Redis::start() else { return };
    let key = key("permission");
    let store_of = |name: &str, rules: &[&str]| {
        server.command(
            &[&["ACL", "SETUSER", name, "on", ">canary", "~tower-salesforce-auth:*"], rules].concat(),
        );
        let url = format!("redis://{name}:canary@127.0.0.1:{}", server.port());
        RedisStore::new(RedisConfig::from_url(&url).unwrap()).unwrap()
    };
    let reader = store_of("reader", &["+eval", "+persist", "+exists", "+hmget"]);
    assert_eq!(reader.load(&key).await.unwrap(), None);
    let error = reader.compare_and_swap(&key, None, b"canary").await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_applied()), (StoreErrorKind::Unavailable, false));
    assert!(told(&error).contains("HSET") && !format!("{error:?}").contains("canary"), "{error:?}");
    let nobody = store_of("nobody", &[]);
    let error = nobody.load(&key).await.unwrap_err();
    assert!(told(&error).contains("NOPERM"), "{}", told(&error));

    // A hint that may not be published does not undo the swap that it is about.
    let silent = store_of("silent", &["+eval", "+persist", "+exists", "+hmget", "+hset"]);
    let first = create(&silent, &key, b"one").await;
    assert_eq!(stored(&silent, &key).await.revision, first);
    assert!(!silent.capabilities().durable, "what cannot be seen is not promised");

    let documented = store_of(
        "documented",
        &[
            "&tower-salesforce-auth:*",
            "+eval",
            "+persist",
            "+exists",
            "+hmget",
            "+hset",
            "+publish",
            "+subscribe",
            "+info",
            "+config|get",
        ],
    );
    applied(documented.compare_and_swap(&key, Some(first), b"two").await);
    let told = tokio::spawn({
        let (documented, key) = (documented.clone(), key.clone());
        async move { documented.changed(&key).await }
    });
    while !told.is_finished() {
        let found = stored(&documented, &key).await;
        applied(documented.compare_and_swap(&key, Some(found.revision), b"three").await);
    }
}

#[tokio::test]
async fn s29_f189_a_wrong_password_is_told_without_it() {
    let Some(server) = Redis::start_with(&["--requirepass", "secret", "--protected-mode", "no"]) else {
        return;
    };
    for login in [":canary@", "canary:canary@", ""] {
        let url = format!("redis://{login}127.0.0.1:{}", server.port());
        let error = RedisStore::connect(RedisConfig::from_url(&url).unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        let text = format!("{error:?}");
        assert!(text.contains("password") && !text.contains("canary"), "{text}");
    }
    let url = format!("redis://:secret@127.0.0.1:{}", server.port());
    let store = RedisStore::connect(RedisConfig::from_url(&url).unwrap()).await.unwrap();
    create(&store, &key("password"), b"one").await;
}

#[tokio::test]
async fn f070_what_something_else_wrote_is_corrupt_and_never_overwritten() {
    let Some(server) = Redis::start() else { return };
    let (store, key) = (store(&server), key("foreign"));
    let name = record_key(&key);
    for foreign in [
        &["SET", &name, "canary"][..],
        &["HSET", &name, "field", "canary"],
        &["HSET", &name, "record", "canary"],
        &["HSET", &name, "revision", "7"],
        &["HSET", &name, "revision", "canary", "record", "canary"],
        &["HSET", &name, "revision", "", "record", "canary"],
        &["HSET", &name, "revision", "18446744073709551616", "record", "canary"],
    ] {
        server.command(&["DEL", &name]);
        server.command(foreign);
        let before = server.command(&["DUMP", &name]);
        let loaded = store.load(&key).await.unwrap_err();
        let swapped = store.compare_and_swap(&key, None, b"one").await.unwrap_err();
        for error in [loaded, swapped] {
            assert_eq!(
                (error.kind(), error.may_have_applied()),
                (StoreErrorKind::Corrupt, false),
                "{foreign:?}"
            );
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
        assert_eq!(server.command(&["DUMP", &name]), before);
    }
}

#[tokio::test]
async fn revisions_are_compared_to_the_last_digit() {
    let Some(server) = Redis::start() else { return };
    let (store, key) = (store(&server), key("digits"));
    // Lua's numbers cannot tell these apart.
    server.command(&["HSET", &record_key(&key), "revision", "9007199254740993", "record", "one"]);
    let revision = stored(&store, &key).await.revision;
    let neighbour = tower_salesforce_auth::store::Revision::new(revision.get() - 1);
    assert!(matches!(
        store.compare_and_swap(&key, Some(neighbour), b"two").await,
        Ok(Swap::Conflict(Some(_)))
    ));
    applied(store.compare_and_swap(&key, Some(revision), b"two").await);
}

#[tokio::test]
async fn databases_prefixes_and_sockets_are_those_of_the_config() {
    let Some(server) = Redis::start() else { return };
    let key = key("places");
    let url = format!("redis+unix://{}?db=3", server.socket().display());
    let socket = RedisStore::new(RedisConfig::from_url(&url).unwrap()).unwrap();
    create(&socket, &key, b"three").await;
    assert_eq!(store(&server).load(&key).await.unwrap(), None);
    let three = RedisStore::new(RedisConfig::from_url(&format!("{}/3", server.url())).unwrap()).unwrap();
    assert_eq!(stored(&three, &key).await.bytes, b"three");
    let prefixed = RedisStore::new(config(&server).key_prefix("app:")).unwrap();
    create(&prefixed, &key, b"app").await;
    assert_eq!(server.command(&["KEYS", "*"]), format!("app:{{{key}}}"));
}

#[tokio::test]
async fn tls_is_used_and_the_certificate_and_the_name_are_checked() {
    let (trusted, other) = (Certificates::make(), Certificates::make());
    let files = tempfile::TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (certificate, private) = (file("crt", &trusted.certificate), file("key", &trusted.key));
    let arguments = [
        "--tls-port",
        "{port}",
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &private,
        "--tls-auth-clients",
        "no",
    ];
    let Some(server) = Redis::start_with(&arguments) else { return };
    let config = |scheme: &str, host: &str| {
        RedisConfig::from_url(&format!("{scheme}://{host}:{}", server.port())).unwrap()
    };
    let trusting = config("rediss", "localhost").root_certificates(trusted.authority.as_bytes()).unwrap();
    let store = RedisStore::connect(trusting).await.unwrap();
    create(&store, &key("tls"), &[7; MAX_RECORD_BYTES]).await;
    for (refused, why) in [
        (config("rediss", "localhost"), "certificate"),
        (config("rediss", "localhost").root_certificates(other.authority.as_bytes()).unwrap(), "certificate"),
        (config("rediss", "127.0.0.1").root_certificates(trusted.authority.as_bytes()).unwrap(), "name"),
        (config("redis", "localhost"), "rediss"),
    ] {
        let error = RedisStore::connect(refused).await.unwrap_err();
        assert!(told(&error).contains(why), "{}", told(&error));
    }
    assert!(config("rediss", "localhost").root_certificates(b"no certificate").is_err());
}
