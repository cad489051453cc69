//! What the compiler says to somebody who puts a stack together wrongly. Our own words in it must appear, and the
//! right ones first.

use std::{env, process::Command};

/// The compiler whose words are kept next to the cases in `tests/ui`. Others word and wrap their errors differently from
/// release to release, which says nothing about this crate: they skip the comparison, so that neither the oldest
/// supported compiler nor the next one fails for it. After a change: `TRYBUILD=overwrite cargo test --test ui`.
const RUSTC: &str = "rustc 1.95.";

#[test]
fn a_stack_that_does_not_fit_is_told_why() {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().expect("a compiler").stdout;
    let version = String::from_utf8_lossy(&version).into_owned();
    if !version.starts_with(RUSTC) {
        eprintln!("skipped: the texts are those of {RUSTC}x, this is {version}");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
