//! Several processes on one server.
//!
//! A child process is this test binary again, told by its environment to run the `child_…` test below; in the parent's
//! own run that does nothing.

use std::{
    env,
    io::{self, BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
};

use crate::{Ground, Store, increment, key, number, stored};

const URL: &str = "SHARED_STORES_TEST_URL";
const CHILDREN: u64 = 3;
const INCREMENTS: u64 = 60;

fn child(ground: &Ground) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "processes::child_increments_when_told", "--nocapture"])
        .env(URL, ground.url())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn several_processes_count_every_increment() {
    for ground in Ground::shared().iter() {
        let mut children: Vec<_> = (0..CHILDREN).map(|_| child(ground)).collect();
        for child in &mut children {
            let mut said = BufReader::new(child.stdout.as_mut().unwrap()).lines().map_while(Result::ok);
            assert!(said.any(|line| line.ends_with("ready")), "the child ended early");
        }
        for child in &mut children {
            child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        }
        for mut child in children {
            io::copy(&mut child.stdout.take().unwrap(), &mut io::sink()).unwrap();
            assert!(child.wait().unwrap().success());
        }
        assert_eq!(number(&stored(&ground.store(), &key("processes")).await), CHILDREN * INCREMENTS);
    }
}

#[tokio::test]
async fn child_increments_when_told() {
    let Ok(url) = env::var(URL) else { return };
    let store = Store::at(&url);
    println!("ready");
    io::stdin().read_line(&mut String::new()).unwrap();
    for _ in 0..INCREMENTS {
        increment(&store, &key("processes")).await;
    }
}
