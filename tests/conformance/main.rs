//! `testing::store_conformance`: the stores that ship pass, and each way to be wrong fails the case that is about it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic here is a failed test

mod broken;
mod flawed;
#[path = "../../examples/custom_store/journal.rs"]
mod journal;
mod passing;
mod processes;
mod rig;
