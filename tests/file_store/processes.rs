//! Several processes on one directory, and processes that end badly.
//!
//! A child process is this test binary again, told by its environment to run one of the `child_…` tests below; in the
//! parent's own run those do nothing.

use std::{
    env,
    io::{self, BufRead, BufReader, Read, Write},
    process::{Child, Command, Stdio},
};

use tower_salesforce_auth::store::{FileStore, MAX_RECORD_BYTES, StoreErrorKind, TokenStore};

use crate::{Ground, applied, create, increment, key, number, stored, told};

const DIRECTORY: &str = "FILE_STORE_TEST_DIRECTORY";
const INCREMENTS: u64 = 60;

/// The store that the parent names; `None` in the parent's own run.
fn store_of_child() -> Option<FileStore> {
    env::var_os(DIRECTORY).map(|dir| FileStore::open(dir).unwrap())
}

fn child(mut program: Command, ground: &Ground, test: &str) -> Child {
    program
        .args(["--exact", &format!("processes::{test}"), "--nocapture"])
        .env(DIRECTORY, ground.dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn this_binary() -> Command {
    Command::new(env::current_exe().unwrap())
}

/// Reads what a child says until a line ends with `word` (the test harness may have begun that line).
fn wait_for(said: &mut impl BufRead, word: &str) {
    let heard = said.lines().map_while(Result::ok).any(|line| line.ends_with(word));
    assert!(heard, "the child ended before it said `{word}`");
}

#[tokio::test]
async fn two_processes_count_every_increment() {
    let ground = Ground::new();
    let store = ground.open();
    let mut children: Vec<_> =
        (0..2).map(|_| child(this_binary(), &ground, "child_increments_when_told")).collect();
    for child in &mut children {
        wait_for(&mut BufReader::new(child.stdout.as_mut().unwrap()), "ready");
    }
    for child in &mut children {
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }
    for mut child in children {
        io::copy(&mut child.stdout.take().unwrap(), &mut io::sink()).unwrap();
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(number(&stored(&store).await), 2 * INCREMENTS);
    assert_eq!(ground.temporary_files(), 0);
}

#[tokio::test]
async fn child_increments_when_told() {
    let Some(store) = store_of_child() else { return };
    println!("ready");
    io::stdin().read_line(&mut String::new()).unwrap();
    for _ in 0..INCREMENTS {
        increment(&store).await;
    }
}

#[tokio::test]
async fn f028_a_writer_killed_at_any_time_leaves_a_whole_record_at_least_as_new_as_it_said() {
    let ground = Ground::new();
    create(&ground.open(), &[0; MAX_RECORD_BYTES]).await;
    for round in 1..=6 {
        let mut writer = child(this_binary(), &ground, "child_writes_for_ever");
        let mut said = BufReader::new(writer.stdout.take().unwrap());
        let mut newest = 0;
        for line in said.by_ref().lines().map_while(Result::ok) {
            let Some(applied) = line.rsplit_once("applied ").and_then(|(_, count)| count.parse().ok()) else {
                continue;
            };
            newest = applied;
            if newest % (round * 3) == 0 {
                break;
            }
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        assert!(newest > 0, "the child wrote nothing");

        let store = ground.open();
        assert_eq!(ground.temporary_files(), 0);
        let found = stored(&store).await;
        assert_eq!(found.bytes.len(), MAX_RECORD_BYTES);
        assert!(found.bytes.iter().all(|byte| *byte == found.bytes[0]), "one write, not parts of two");
        // The next write may have been applied, and its message lost with the process; messages may wait in the pipe.
        let unread =
            said.lines().map_while(Result::ok).filter(|line| line.contains("applied ")).count() as u64;
        let ahead = u64::from(found.bytes[0].wrapping_sub(newest as u8));
        assert!((unread..=unread + 1).contains(&ahead), "{ahead} ahead of what was said, {unread} unread");
    }
}

#[tokio::test]
async fn child_writes_for_ever() {
    let Some(store) = store_of_child() else { return };
    let mut revision = stored(&store).await.revision;
    for count in 1_u64.. {
        revision =
            applied(store.compare_and_swap(&key(), Some(revision), &[count as u8; MAX_RECORD_BYTES]).await);
        println!("applied {count}");
    }
}

/// `RLIMIT_FSIZE` stands in for a full disk: the write stops half-way in the same manner.
#[cfg(unix)]
#[tokio::test]
async fn f033_a_write_that_does_not_fit_applies_nothing_and_leaves_nothing() {
    let ground = Ground::new();
    let store = ground.open();
    let mut program = Command::new("sh");
    program.args(["-c", r#"trap "" XFSZ; ulimit -f 1; exec "$0" "$@""#]).arg(env::current_exe().unwrap());
    let child = child(program, &ground, "child_writes_more_than_fits");
    assert!(child.wait_with_output().unwrap().status.success());
    assert_eq!(stored(&store).await.bytes, b"fits as well");
    assert_eq!(ground.temporary_files(), 0);
}

#[cfg(unix)]
#[tokio::test]
async fn child_writes_more_than_fits() {
    let Some(store) = store_of_child() else { return };
    let first = create(&store, b"fits").await;
    for _ in 0..3 {
        let error = store.compare_and_swap(&key(), Some(first), &[7; 8 * 1024]).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_applied()), (StoreErrorKind::Unavailable, false));
        assert!(told(&error).contains("cannot write"), "{}", told(&error));
        assert_eq!(stored(&store).await.bytes, b"fits");
    }
    applied(store.compare_and_swap(&key(), Some(first), b"fits as well").await);
}
