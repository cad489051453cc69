//! Where the server is and which table is used.

use std::fmt;

use tokio_postgres::{
    Config,
    config::{Host, LoadBalanceHosts, SslMode, TargetSessionAttrs},
};
use zeroize::Zeroizing;

use super::statements::Statements;
use crate::store::{
    StoreError,
    remote::{ADDRESS_PATIENCE, Roots},
};

const TABLE: &str = "tower_salesforce_auth";

/// How a [`PostgresStore`](super::PostgresStore) reaches its server. `Debug` shows neither user nor password.
#[derive(Clone)]
pub struct PostgresConfig {
    pub(super) driver: Config,
    pub(super) roots: Roots,
    pub(super) statements: Statements,
}

impl PostgresConfig {
    /// Takes `postgres://user:password@host:port/database?sslmode=…`, with several `host:port` separated by commas if
    /// the primary moves among them, or the text `host=… user=… password=…`.
    ///
    /// `sslmode=require` and `sslmode=verify-full` encrypt and check the server's certificate and name; `disable` does
    /// not encrypt. With `prefer`, or none, Unix sockets and loopback are not encrypted and all else is as with
    /// `require`: a server that offers no TLS is refused. Files named in the URL (`sslrootcert`, `sslcert`, `passfile`)
    /// are not known: see [`root_certificates`](Self::root_certificates). Special characters are percent-encoded.
    ///
    /// Hosts are tried in random order, each address for `connect_timeout`, 1.5 s unless the URL says otherwise.
    ///
    /// # Errors
    ///
    /// If the URL is not of this form. The error repeats nothing of it.
    pub fn from_url(url: &str) -> Result<Self, StoreError> {
        // The driver does not know the name, and all that is encrypted here is verified.
        let url = Zeroizing::new(url.replace("sslmode=verify-full", "sslmode=require"));
        // The driver's words may repeat a part of a password that it took for something else (F189).
        let mut driver: Config = url.parse().map_err(|_| {
            StoreError::unavailable(
                "the URL of the Postgres server must look like \
                 `postgres://user:password@host:port/database?sslmode=verify-full`, with special characters \
                 percent-encoded and no options that name files",
            )
        })?;
        if driver.get_hosts().is_empty() && driver.get_hostaddrs().is_empty() {
            return Err(StoreError::unavailable("the URL of the Postgres server names no host"));
        }
        if driver.get_ssl_mode() == SslMode::Prefer {
            driver.ssl_mode(if is_local(&driver) { SslMode::Disable } else { SslMode::Require });
        }
        if driver.get_application_name().is_none() {
            driver.application_name(env!("CARGO_PKG_NAME"));
        }
        // A standby may be behind, in reads too (F069); among several hosts the primary is sought.
        driver.target_session_attrs(TargetSessionAttrs::ReadWrite);
        if driver.get_connect_timeout().is_none() {
            driver.connect_timeout(ADDRESS_PATIENCE);
        }
        // In another order each time, or one that takes connections and says nothing would hide those after it for ever.
        driver.load_balance_hosts(LoadBalanceHosts::Random);
        Ok(Self { driver, roots: Roots::default(), statements: Statements::new(TABLE)? })
    }

    /// The table, `name` or `schema.name`; `tower_salesforce_auth` unless told otherwise. The names are taken as they
    /// are written, large letters included.
    ///
    /// # Errors
    ///
    /// If a name is not made of 1 to 63 letters, digits and `_`, or begins with a digit.
    pub fn table(mut self, name: &str) -> Result<Self, StoreError> {
        self.statements = Statements::new(name)?;
        Ok(self)
    }

    /// Trusts servers whose certificates lead to one of those in `pem`, and no others. Without it, those that Mozilla
    /// trusts are trusted; hosted databases often have roots of their own.
    ///
    /// # Errors
    ///
    /// If `pem` holds no certificate, or one that cannot be read.
    pub fn root_certificates(mut self, pem: &[u8]) -> Result<Self, StoreError> {
        self.roots = Roots::from_pem(pem)?;
        Ok(self)
    }
}

/// Whether nothing leaves this host.
fn is_local(driver: &Config) -> bool {
    let is_local = |host: &Host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    let addresses = driver.get_hostaddrs();
    if addresses.is_empty() {
        driver.get_hosts().iter().all(is_local)
    } else {
        addresses.iter().all(|ip| ip.is_loopback())
    }
}

impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("hosts", &self.driver.get_hosts())
            .field("ports", &self.driver.get_ports())
            .field("database", &self.driver.get_dbname())
            .field("tls", &(self.driver.get_ssl_mode() == SslMode::Require))
            .field("table", &self.statements.table)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn whatever_leaves_the_host_is_encrypted_unless_told_otherwise() {
        for (url, encrypted) in [
            ("postgres://db/x", true),
            ("postgres://db/x?sslmode=prefer", true),
            ("postgres://db/x?sslmode=disable", false),
            ("postgres://localhost/x", false),
            ("postgres://127.0.0.1:1,[::1]:2/x", false),
            ("postgres://localhost,db/x", true),
            ("postgres://localhost/x?hostaddr=192.0.2.1", true),
            ("postgres://localhost/x?sslmode=require", true),
            ("postgres://localhost/x?sslmode=verify-full", true),
            ("host=/run/postgresql dbname=x", false),
        ] {
            let config = PostgresConfig::from_url(url).unwrap();
            assert_eq!(config.driver.get_ssl_mode() == SslMode::Require, encrypted, "{url}");
        }
    }

    #[test]
    fn f068_a_host_that_is_silent_hides_no_other() {
        let driver = |url| PostgresConfig::from_url(url).unwrap().driver;
        let config = driver("postgres://db1,db2,db3/x");
        assert_eq!(config.get_load_balance_hosts(), LoadBalanceHosts::Random);
        assert_eq!(config.get_connect_timeout(), Some(&ADDRESS_PATIENCE));
        let own = driver("postgres://db/x?connect_timeout=3");
        assert_eq!(own.get_connect_timeout(), Some(&Duration::from_secs(3)));
    }

    #[test]
    fn s29_f189_neither_a_config_nor_an_error_about_one_shows_a_secret() {
        let config = PostgresConfig::from_url("postgres://canary:canary@db/x").unwrap();
        assert!(!format!("{config:?}").contains("canary"), "{config:?}");
        for url in [
            "canary",
            "postgres://u:p@db/x?canary=1",
            "postgres://u:p@db/x?sslmode=canary",
            "password=canary",
        ] {
            let error = PostgresConfig::from_url(url).unwrap_err();
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }
}
