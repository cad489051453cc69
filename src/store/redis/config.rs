//! Where the server is and what its user accepts.

use std::{fmt, path::PathBuf};

use ::redis::{ConnectionAddr, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo};
use zeroize::Zeroizing;

use crate::store::{StoreError, remote::Roots};

const KEY_PREFIX: &str = "tower-salesforce-auth:";

/// How a [`RedisStore`](super::RedisStore) reaches its server. `Debug` shows neither user nor password.
#[derive(Clone)]
pub struct RedisConfig {
    pub(super) address: Address,
    /// User, password, database and version of the protocol.
    pub(super) greeting: RedisConnectionInfo,
    pub(super) roots: Roots,
    pub(super) key_prefix: String,
    pub(super) accepts_eviction: bool,
    pub(super) accepts_loss: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Address {
    Tcp { host: String, port: u16, tls: bool },
    Unix(PathBuf),
}

impl RedisConfig {
    /// Takes `rediss://user:password@host:port/database` (TLS), `redis://…` (no TLS), or
    /// `redis+unix:///path/to/socket?user=…&pass=…&db=…`; `valkey` in the place of `redis` as well.
    ///
    /// All but the host may be left out. Special characters in user and password are percent-encoded. Over `redis://`
    /// passwords and records are readable on the network; that is for loopback and for networks that are private.
    ///
    /// # Errors
    ///
    /// If the URL is not of this form, or asks not to check the server's certificate. The error repeats nothing of it.
    pub fn from_url(url: &str) -> Result<Self, StoreError> {
        // The driver's own TLS is left out: it would choose roots and cryptography by itself.
        let (tls, url) = match url.split_once("://") {
            Some(("rediss" | "valkeys", rest)) => (true, Zeroizing::new(format!("redis://{rest}"))),
            _ => (false, Zeroizing::new(url.to_owned())),
        };
        if url.contains('#') {
            return Err(StoreError::unavailable(
                "the URL of the Redis server has a fragment: certificates are always checked, and a `#` in a password \
                 is written `%23`",
            ));
        }
        // The driver's words may repeat a part of a password that it took for something else (F189).
        let info = url.as_str().into_connection_info().map_err(|_| {
            StoreError::unavailable(
                "the URL of the Redis server must look like `rediss://user:password@host:port/database`, with special \
                 characters percent-encoded",
            )
        })?;
        let address = match info.addr() {
            ConnectionAddr::Tcp(host, port) => Address::Tcp { host: host.clone(), port: *port, tls },
            ConnectionAddr::Unix(path) => Address::Unix(path.clone()),
            _ => return Err(StoreError::unavailable("the URL of the Redis server has an unknown scheme")),
        };
        Ok(Self {
            address,
            // RESP3 lets the connection that swaps receive the hints too.
            greeting: info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3),
            roots: Roots::default(),
            key_prefix: KEY_PREFIX.to_owned(),
            accepts_eviction: false,
            accepts_loss: false,
        })
    }

    /// What all keys and the channel for hints begin with; `tower-salesforce-auth:` unless told otherwise.
    #[must_use]
    pub fn key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.key_prefix = prefix.into();
        self
    }

    /// Trusts servers whose certificates lead to one of those in `pem`, and no others. Without it, those that Mozilla
    /// trusts are trusted.
    ///
    /// # Errors
    ///
    /// If `pem` holds no certificate, or one that cannot be read.
    pub fn root_certificates(mut self, pem: &[u8]) -> Result<Self, StoreError> {
        self.roots = Roots::from_pem(pem)?;
        Ok(self)
    }

    /// Uses the server although its `maxmemory-policy` lets it drop any key when memory runs short. A dropped record
    /// is a connection that must be authorised again, if no process has it in memory.
    #[must_use]
    pub fn accept_eviction(mut self) -> Self {
        self.accepts_eviction = true;
        self
    }

    /// Accepts that a crash or a fail-over of the server may lose what it has confirmed (with `appendfsync everysec`
    /// the last two seconds): a grant whose refresh token rotates may then use this store.
    #[must_use]
    pub fn accept_loss(mut self) -> Self {
        self.accepts_loss = true;
        self
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("address", &self.address)
            .field("database", &self.greeting.db())
            .field("key_prefix", &self.key_prefix)
            .field("accepts_eviction", &self.accepts_eviction)
            .field("accepts_loss", &self.accepts_loss)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_say_where_and_whether_encrypted() {
        for (url, shown) in [
            ("redis://cache", r#"Tcp { host: "cache", port: 6379, tls: false }"#),
            ("rediss://u:p%23@cache:1/3", r#"Tcp { host: "cache", port: 1, tls: true }"#),
            ("valkeys://[::1]:2", r#"Tcp { host: "::1", port: 2, tls: true }"#),
            ("redis+unix:///run/redis.sock?db=2", r#"Unix("/run/redis.sock")"#),
        ] {
            assert_eq!(format!("{:?}", RedisConfig::from_url(url).unwrap().address), shown);
        }
    }

    #[test]
    fn s29_f189_neither_a_config_nor_an_error_about_one_shows_a_secret() {
        let config = RedisConfig::from_url("rediss://canary:canary@cache/7").unwrap();
        assert!(!format!("{config:?}").contains("canary"), "{config:?}");
        for url in [
            "canary",
            "http://u:canary@cache",
            "redis://u:canary@cache/canary",
            "redis://u:can/ary@cache:canary",
            "redis://u:p@:canary",
            "REDISS://u:canary@cache",
        ] {
            let error = RedisConfig::from_url(url).unwrap_err();
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }

    #[test]
    fn s34_no_url_turns_the_checks_of_certificates_off() {
        assert!(RedisConfig::from_url("rediss://cache/#insecure").is_err());
    }
}
