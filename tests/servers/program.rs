//! A server program: found, started, awaited, ended.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// Far more than a loaded machine needs to start a server.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks in `PATH` and where Debian hides the programs of Postgres.
pub fn find(name: &str, package: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut versions: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path().join("bin"))
        .collect();
    versions.sort();
    let found = env::split_paths(&path)
        .chain(versions.into_iter().rev())
        .map(|dir| dir.join(name))
        .find(|program| program.is_file());
    if found.is_none() {
        let missing = format!("no program `{name}`: on Debian `apt-get install {package}`");
        // On one's own machine that is a pity, where changes are judged it is a hole.
        assert!(env::var_os("CI").is_none_or(|ci| ci != "true"), "{missing}");
        // Not by a macro, whose words a test that passes keeps to itself.
        let _ = writeln!(std::io::stderr(), "\n*** SKIPPED: {missing} ***\n");
    }
    found
}

/// A port of loopback that is free now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server that runs. It ends with this value, and also if this process is killed.
#[derive(Debug)]
pub struct Running {
    server: Child,
    /// What it is ended by: with nothing saved, and nothing left behind.
    signal: &'static str,
    /// Ends the server when its input ends, as that of a killed process does.
    watch: Child,
}

impl Running {
    /// Starts `command` and waits until it says `ready`; `None` if it ends before that, a port having been taken.
    pub fn start(mut command: Command, ready: &'static str, signal: &'static str) -> Option<Self> {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, told) = mpsc::channel();
        let outputs: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for output in outputs {
            let tell = tell.clone();
            // Reads to the end, since a server whose pipe is full stands still.
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _ = tell.send(line);
                }
            });
        }
        drop(tell);
        let mut said = String::new();
        loop {
            match told.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(ready) => return Some(Self::watched(child, signal)),
                Ok(line) => said = format!("{said}{line}\n"),
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    child.wait().unwrap();
                    eprintln!("{command:?} ended:\n{said}");
                    return None;
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let _ = child.kill();
                    panic!("{command:?} is not ready:\n{said}");
                }
            }
        }
    }

    fn watched(server: Child, signal: &'static str) -> Self {
        let mut watch = Command::new("sh");
        watch.args(["-c", "read -r _; kill -s \"$2\" \"$1\"", "sh", &server.id().to_string(), signal]);
        let watch = watch.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { server, signal, watch }
    }

    /// Sends the signal and waits for the end.
    pub fn end(self) {
        drop(self);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // First, lest it ends whoever gets the server's number next.
        let _ = self.watch.kill();
        let _ = self.watch.wait();
        if matches!(self.server.try_wait(), Ok(None)) {
            let _ = Command::new("kill").args(["-s", self.signal, &self.server.id().to_string()]).status();
            let _ = self.server.wait();
        }
    }
}

/// Runs a command to its end; what it prints.
pub fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(output.status.success(), "{command:?}: {said} {}", String::from_utf8_lossy(&output.stderr));
    said
}

/// Gives a file or directory to the user that the server runs as.
#[cfg(unix)]
pub fn give(path: &Path, user: Option<(u32, u32)>) {
    if let Some((user, group)) = user {
        std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
    }
}
