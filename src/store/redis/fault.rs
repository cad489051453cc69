//! What the server's errors mean.
//!
//! Its words stay behind: an error about an unknown command repeats the arguments, be they a password or a record
//! (F189). The code, which comes first, says enough.

use ::redis::{ErrorKind, RedisError};

use crate::store::{StoreError, remote::Failed};

/// Of a load that failed.
pub(super) fn of_load(error: &RedisError) -> Failed {
    of(error, StoreError::unavailable)
}

/// Of a swap that failed. What the server refuses in words that are known it has not done (see `script`); without an
/// answer, and with one that a proxy may have given, nobody knows.
pub(super) fn of_swap(error: &RedisError) -> Failed {
    of(error, StoreError::ambiguous)
}

fn of(error: &RedisError, unfinished: fn(crate::BoxError) -> StoreError) -> Failed {
    let Some(code) = code_of(error) else {
        return Failed {
            error: unfinished("the connection to the Redis server broke".into()),
            hang_up: true,
        };
    };
    let detail = error.detail().unwrap_or_default();
    let error = match code {
        "WRONGTYPE" => StoreError::corrupt("the key holds something that is not a hash"),
        code if is_definite(code, detail) => StoreError::unavailable(explained(code, detail)),
        code => unfinished(explained(code, detail).into()),
    };
    // The name may lead to another server by now.
    Failed { error, hang_up: matches!(code, "READONLY" | "MASTERDOWN") }
}

/// The code; of a script that ran into an error, that error's. Redis 6 wraps it up: `ERR Error running script (…):
/// @user_script:1: @user_script: 1: -READONLY You can't write against a read only replica.`
fn code_of(error: &RedisError) -> Option<&str> {
    let code = error.code()?;
    let within = error.detail().filter(|_| code == "ERR").and_then(|detail| {
        let (_, places) = detail.split_once("@user_script")?;
        let mut words = places.split(": ").filter_map(|part| part.trim_start_matches('-').split(' ').next());
        words.find(|word| is_code(word))
    });
    Some(within.unwrap_or(code))
}

/// Whether it is Redis that says so, before it runs a script or out of one that has written nothing.
fn is_definite(code: &str, detail: &str) -> bool {
    match code {
        "READONLY" | "MASTERDOWN" | "NOREPLICAS" | "MOVED" | "ASK" | "TRYAGAIN" | "CROSSSLOT"
        | "CLUSTERDOWN" | "LOADING" | "OOM" | "MISCONF" | "BUSY" | "NOAUTH" | "WRONGPASS" | "DENIED"
        | "NOPERM" | "NOPROTO" => true,
        // Proxies say it too, when they have lost the server.
        "ERR" => [
            "user_script",
            "unknown command",
            "max number of clients",
            "can't run this command",
            "can't access",
        ]
        .iter()
        .any(|known| detail.contains(known)),
        _ => false,
    }
}

/// Of a connection that could not be made.
pub(super) fn of_greeting(error: &RedisError) -> StoreError {
    StoreError::unavailable(match (error.code(), error.kind()) {
        (Some(code), _) => explained(code, error.detail().unwrap_or_default()),
        (None, ErrorKind::AuthenticationFailed) => explained("WRONGPASS", ""),
        (None, ErrorKind::RESP3NotSupported) => {
            "the server does not know RESP3: Redis 6 or later, or Valkey, is needed".to_owned()
        }
        (None, _) => {
            "the server closed the connection, or is no Redis server; if it wants TLS, use `rediss://`"
                .to_owned()
        }
    })
}

fn explained(code: &str, detail: &str) -> String {
    let meaning = match code {
        "READONLY" => "it is a replica: name the primary",
        "MASTERDOWN" | "NOREPLICAS" => "it has lost touch with its replicas or its primary",
        "MOVED" | "ASK" | "TRYAGAIN" | "CROSSSLOT" | "CLUSTERDOWN" => {
            "it is a node of a Redis Cluster, which this store does not follow: name a server that is not clustered"
        }
        "LOADING" => "it is still loading its data",
        "OOM" => "its memory is full",
        "MISCONF" => "it cannot write to its disk, and takes no writes",
        "BUSY" => "it is busy with another script",
        "NOAUTH" => "it wants a password",
        "WRONGPASS" => "it knows no such user and password",
        "DENIED" => "it is in protected mode and takes no connections from other hosts",
        "NOPERM" => PERMISSIONS,
        // How Redis 7.0 says NOPERM inside a script.
        "ERR" if detail.contains("can't run this command") || detail.contains("can't access") => PERMISSIONS,
        "ERR" if detail.contains("max number of clients") => "it has too many clients",
        _ => "its log may say more",
    };
    format!("the Redis server refused with {}: {meaning}", shown(code))
}

const PERMISSIONS: &str = "the user lacks a permission: it needs the commands EVAL, PERSIST, EXISTS, HMGET, HSET, \
                           PUBLISH and SUBSCRIBE, and INFO and CONFIG GET for the checks, on the store's keys and \
                           channel";

/// The code, if it looks like one.
fn shown(code: &str) -> &str {
    if is_code(code) { code } else { "an error" }
}

fn is_code(word: &str) -> bool {
    (1..=20).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use ::redis::make_extension_error;

    use super::*;
    use crate::store::StoreErrorKind;

    #[test]
    fn f079_every_refusal_that_is_known_applied_nothing() {
        for code in [
            "READONLY",
            "MOVED",
            "ASK",
            "TRYAGAIN",
            "CROSSSLOT",
            "CLUSTERDOWN",
            "MASTERDOWN",
            "LOADING",
            "OOM",
            "NOPERM",
            "NOAUTH",
            "MISCONF",
            "NOREPLICAS",
            "BUSY",
        ] {
            let failed = of_swap(&make_extension_error(code.to_owned(), None));
            assert_eq!(failed.error.kind(), StoreErrorKind::Unavailable, "{code}");
            assert!(!failed.error.may_have_applied(), "{code}");
            assert!(format!("{:?}", failed.error).contains(code), "{code}");
            assert_eq!(failed.hang_up, matches!(code, "READONLY" | "MASTERDOWN"), "{code}");
        }
    }

    #[test]
    fn f079_an_answer_that_may_be_a_proxys_leaves_a_swap_unknown_and_a_load_undone() {
        for (code, detail, may_have_applied) in [
            ("ERR", "upstream failure", true),
            ("ERR", "Proxy error: timed out", true),
            ("SOMETHINGNEW", "", true),
            ("ERR", "unknown command 'EVAL', with args beginning with: ", false),
            ("ERR", "max number of clients reached", false),
            (
                "ERR",
                "The user executing the script can't run this command or subcommand script: f_0a, on @user_script:1.",
                false,
            ),
        ] {
            let error = make_extension_error(code.to_owned(), Some(detail.to_owned()));
            assert_eq!(of_swap(&error).error.may_have_applied(), may_have_applied, "{code} {detail}");
            assert!(!of_load(&error).error.may_have_applied());
            assert_eq!(of_load(&error).error.kind(), StoreErrorKind::Unavailable);
        }
    }

    #[test]
    fn f079_what_a_script_ran_into_is_known_by_its_own_code() {
        for (detail, kind, hang_up) in [
            ("-READONLY You can't write against a read only replica.", StoreErrorKind::Unavailable, true),
            ("WRONGTYPE Operation against a key holding another kind", StoreErrorKind::Corrupt, false),
            ("-OOM command not allowed when used memory > 'maxmemory'.", StoreErrorKind::Unavailable, false),
        ] {
            let detail =
                format!("Error running script (call to f_0a): @user_script:1: @user_script: 1: {detail}");
            let failed = of_load(&make_extension_error("ERR".to_owned(), Some(detail)));
            assert_eq!((failed.error.kind(), failed.hang_up), (kind, hang_up));
        }
    }

    #[test]
    fn f189_the_words_of_the_server_are_not_repeated() {
        let detail = "unknown command 'EVAL', with args beginning with: 'canary'".to_owned();
        for code in ["ERR", "canary"] {
            let error = make_extension_error(code.to_owned(), Some(detail.clone()));
            for error in [of_swap(&error).error, of_load(&error).error, of_greeting(&error)] {
                assert!(!format!("{error:?}").contains("canary"), "{error:?}");
            }
        }
    }

    #[test]
    fn a_connection_that_breaks_leaves_a_swap_unknown_and_a_load_undone() {
        let broken = RedisError::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        assert!(of_swap(&broken).error.may_have_applied() && of_swap(&broken).hang_up);
        assert!(!of_load(&broken).error.may_have_applied() && of_load(&broken).hang_up);
    }
}
