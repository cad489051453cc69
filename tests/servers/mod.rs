//! Redis and Postgres servers of one's own: private, on loopback, in a directory that goes away with them, and ended by
//! their process id.
//!
//! The programs are Debian's `redis-server`, `redis-tools` and `postgresql`. Where they are missing, `start` says so and
//! returns `None`; with `CI=true` in the environment it fails instead.
// Each test binary uses its own part; a panic here is a failed test.
#![allow(dead_code, unused_imports, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod certificates;
mod postgres;
mod program;
mod proxy;
mod redis;

pub use self::{
    certificates::Certificates,
    postgres::Postgres,
    proxy::{Proxy, Traffic},
    redis::Redis,
};
