//! Request bodies that are streams: remembered, sent once more, given up.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

#[path = "../support/mod.rs"]
mod support;

mod in_memory;
mod sockets;
mod stream;
