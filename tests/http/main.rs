//! The layer over real sockets: HTTP/1.1 and HTTP/2, plain and TLS, and what peers do to connections. No test waits for
//! a clock; where order matters a gate decides it. Where time is the point it is paused, and then no socket is open.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

#[path = "../support/mod.rs"]
mod support;

mod frames;
mod net;
mod refusal_bodies;
mod resend_http1;
mod resend_http2;
mod reuse;
mod versions;
mod wire;
