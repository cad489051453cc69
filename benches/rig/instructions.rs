//! Exact instruction counts: the binary runs itself again below callgrind, once with some rounds of a case and once
//! with twice as many. The difference is what the rounds cost; everything else cancels.

use std::{
    collections::BTreeMap,
    env,
    process::{Command, Stdio},
    thread,
};

const ROUNDS: &str = "BENCH_INSTRUCTIONS_ROUNDS";
const CASE: &str = "BENCH_INSTRUCTIONS_CASE";

/// Enough that what happens only now and then is spread, and so what is not the same in two processes (a directory's
/// random name, say); few enough that callgrind is done in two seconds.
const FEW: usize = 2_000;

/// In the binary that runs below callgrind: its case and how many rounds of it to run.
pub fn job() -> Option<(String, usize)> {
    Some((env::var(CASE).ok()?, env::var(ROUNDS).ok()?.parse().unwrap()))
}

pub fn valgrind_is_there() -> bool {
    Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Instructions of one round of each case. Two at a time: the cores do not share what is counted.
pub fn of_all(cases: &[String]) -> BTreeMap<String, u64> {
    let (first, second) = cases.split_at(cases.len() / 2);
    thread::scope(|scope| {
        let of_half =
            |half: &'_ [String]| half.iter().map(|case| (case.clone(), of(case))).collect::<Vec<_>>();
        let halves = [first, second].map(|half| scope.spawn(move || of_half(half)));
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    })
}

fn of(case: &str) -> u64 {
    (collected(case, 2 * FEW) - collected(case, FEW) + FEW as u64 / 2) / FEW as u64
}

fn collected(case: &str, rounds: usize) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe().unwrap())
        .env_clear() // what a user's environment holds is copied and looked through by libraries
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        // A heap that comes to its end now and then takes another way through the allocator.
        .env("GLIBC_TUNABLES", "glibc.malloc.top_pad=1048576")
        .env(CASE, case)
        .env(ROUNDS, rounds.to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{case}: {said}");
    let count = said.lines().find_map(|line| line.split_once("Collected :")).map(|(_, count)| count.trim());
    count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{case}: no count in {said}"))
}
