//! The second process: the same program once more, told by its environment to work for the first.
//!
//! It says on its standard output what it has done, and works until its standard input ends, so that it never outlives
//! the first.

use std::{
    env,
    io::{self, BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use super::{
    cases::races::{check_sum, sum},
    ground::{Ground, Handle, Keys, Put, Seen, number, record},
    report::Property,
};
use crate::store::TokenStore;

const ROLE: &str = "STORE_CONFORMANCE_ROLE";
const RUN: &str = "STORE_CONFORMANCE_RUN";

/// Begins what the second process says, among whatever else its program prints.
const SAYS: &str = "store-conformance:";

/// A program that does not begin within this time does something else.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the second process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Adds one to a counter, and says at the end how often.
    Count,
    /// Swaps, and says each time which number was applied.
    Write,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Write => "write",
        }
    }

    /// The role of this process and the name of the run, if this is a second process.
    pub(super) fn of_this_process() -> Option<(Self, String)> {
        let (role, run) = (env::var(ROLE).ok()?, env::var(RUN).ok()?);
        [Self::Count, Self::Write].into_iter().find(|known| known.name() == role).map(|role| (role, run))
    }

    pub(super) fn property(self) -> Property {
        match self {
            Self::Count => TWO_PROCESSES,
            Self::Write => SURVIVES_A_KILL,
        }
    }

    /// What the second process does on `handle` until its standard input ends.
    pub(super) async fn play<S: TokenStore>(self, handle: Handle<S>, run: String) -> Result<(), Seen> {
        let key = Keys::of_run(&run).named(self.name());
        let told_to_end = input_ends();
        say("ready");
        let (mut done, mut unknown) = (0_u64, 0_u64);
        while !told_to_end.load(Ordering::SeqCst) {
            match self {
                Self::Count => unknown += u64::from(!handle.add_one(&key).await?),
                Self::Write => {
                    handle.replace(&key, &record(done + 1)).await?;
                    say(&format!("applied {}", done + 1));
                }
            }
            done += 1;
        }
        say(&format!("counted {done} {unknown}"));
        Ok(())
    }
}

fn say(what: &str) {
    // Not `println!`, which a test harness keeps for itself. A first process that is gone hears nothing any more.
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "\n{SAYS} {what}").and_then(|()| out.flush());
}

fn input_ends() -> Arc<AtomicBool> {
    let ended = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&ended);
    std::thread::spawn(move || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        seen.store(true, Ordering::SeqCst);
    });
    ended
}

/// A second process, seen from the first. It is killed when this is dropped.
struct Second {
    child: Child,
    input: Option<ChildStdin>,
    heard: mpsc::UnboundedReceiver<String>,
}

impl Second {
    fn start(mut command: Command, role: Role, run: &str) -> Result<Self, Seen> {
        let mut child = command
            .env(ROLE, role.name())
            .env(RUN, run)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the second process could not be started: {error}"))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (says, heard) = mpsc::unbounded_channel();
        let second = Self { child, input, heard };
        if let Some(output) = output {
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _ = says.send(line);
                }
            });
        }
        Ok(second)
    }

    /// The next thing it says of itself; whatever else it printed before is returned when it ends without a word.
    async fn says(&mut self) -> Result<String, Seen> {
        let mut printed = String::new();
        loop {
            match tokio::time::timeout(PATIENCE, self.heard.recv()).await {
                Ok(Some(line)) => match line.split_once(SAYS) {
                    Some((_, what)) => return Ok(what.trim().to_owned()),
                    None => printed = printed + "\n" + &line,
                },
                Ok(None) => return Err(format!("the second process ended; it printed:{printed}")),
                Err(_) => return Err(format!("the second process hangs; it printed:{printed}")),
            }
        }
    }

    async fn says_ready(&mut self) -> Result<(), Seen> {
        match self.says().await? {
            what if what == "ready" => Ok(()),
            what => Err(format!("the second process began with {what:?}")),
        }
    }

    /// Has it end by itself; how often it counted, and how often it does not know.
    async fn counted(mut self) -> Result<(u64, u64), Seen> {
        self.input = None;
        let said = self.says().await?;
        let mut words = said.strip_prefix("counted ").into_iter().flat_map(str::split_whitespace);
        let mut next = || words.next().and_then(|word| word.parse().ok());
        next().zip(next()).ok_or_else(|| format!("the second process ended with {said:?}"))
    }

    fn kill(&mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

pub(super) const TWO_PROCESSES: Property = Property {
    name: "two_processes",
    advice: "what makes a swap one step must hold for every process: a lock in this one's memory is none for the others. \
             If the second process did not begin: its command must run this same call, on the same store",
};

/// Two processes that add to one counter at the same time.
pub(super) async fn two_processes<S: TokenStore>(
    ground: Arc<Ground<S>>,
    command: Command,
    run: String,
) -> Result<(), Seen> {
    const ADDITIONS: u64 = 60;
    let (handle, key) = (ground.handle(0), Keys::of_run(&run).named(Role::Count.name()));
    handle.must_put(&key, None, &record(0)).await?;
    let mut second = Second::start(command, Role::Count, &run)?;
    second.says_ready().await?;
    let mut unknown = 0;
    for _ in 0..ADDITIONS {
        unknown += u64::from(!handle.add_one(&key).await?);
    }
    let (counted, unknown_too) = second.counted().await?;
    check_sum(sum(&handle, &key).await?, ADDITIONS + counted, unknown + unknown_too)
}

pub(super) const SURVIVES_A_KILL: Property = Property {
    name: "survives_a_kill",
    advice: "answer `Applied` when the write is where it survives the process, not when it is on its way there; or do not \
             declare `durable`",
};

/// How a case asks for a handle that is made when the second process is dead.
pub(super) struct Reopening<S> {
    pub(super) killed: oneshot::Sender<()>,
    pub(super) opened: oneshot::Receiver<Handle<S>>,
}

/// A process that is killed while it writes leaves what it said was applied.
pub(super) async fn survives_a_kill<S: TokenStore>(
    ground: Arc<Ground<S>>,
    reopening: Reopening<S>,
    command: Command,
    run: String,
) -> Result<(), Seen> {
    const WRITES: u64 = 12;
    let key = Keys::of_run(&run).named(Role::Write.name());
    let Put::Applied(_) = ground.handle(0).put(&key, None, &record(0)).await? else {
        return Err("the record could not be created".to_owned());
    };
    let mut second = Second::start(command, Role::Write, &run)?;
    second.says_ready().await?;
    let mut applied = 0;
    while applied < WRITES {
        let said = second.says().await?;
        applied = said
            .strip_prefix("applied ")
            .and_then(|number| number.parse().ok())
            .ok_or_else(|| format!("the second process said {said:?}"))?;
    }
    second.kill().map_err(|error| format!("the second process could not be killed: {error}"))?;
    let _ = reopening.killed.send(());
    let opened = reopening.opened.await.map_err(|error| error.to_string())?;
    for handle in [opened, ground.handle(0)] {
        if number(&handle.stored(&key).await?)? < applied {
            return Err("a record that had been applied is gone with the process that wrote it".to_owned());
        }
    }
    Ok(())
}
