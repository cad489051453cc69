//! `testing::FakeOrg`, as a client on the wire sees it: every behaviour over HTTP/1.1 and over HTTP/2.

// Helpers of tests are no tests to clippy.
#![allow(clippy::unwrap_used)]

mod client;
mod conditions;
mod control;
mod data;
mod faults;
mod gates;
mod hosts;
mod lifecycle;
mod sessions;
mod tokens;
