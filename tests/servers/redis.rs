//! A private Redis.

use std::{path::PathBuf, process::Command};

use tempfile::TempDir;

use super::program::{self, Running};

/// A Redis server that ends with this value.
#[derive(Debug)]
pub struct Redis {
    program: PathBuf,
    arguments: Vec<String>,
    port: u16,
    dir: TempDir,
    running: Option<Running>,
}

impl Redis {
    /// Starts a server that keeps nothing on the disk; `None` if Redis is not installed.
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// Starts a server with further arguments, such as `["--appendonly", "yes"]`.
    pub fn start_with(arguments: &[&str]) -> Option<Self> {
        let program = program::find("redis-server", "redis-server")?;
        let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        for _ in 0..5 {
            let mut server = Self {
                program: program.clone(),
                arguments: arguments.clone(),
                port: program::free_port(),
                dir: TempDir::new().unwrap(),
                running: None,
            };
            if server.try_start() {
                return Some(server);
            }
        }
        panic!("redis-server does not start");
    }

    fn try_start(&mut self) -> bool {
        let mut command = Command::new(&self.program);
        // Without a port of its own if the arguments name one for TLS.
        let port = if self.arguments.iter().any(|argument| argument == "--tls-port") { 0 } else { self.port };
        command.args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string(), "--dir"]);
        command.arg(self.dir.path()).arg("--unixsocket").arg(self.socket());
        command
            .args(self.arguments.iter().map(|argument| argument.replace("{port}", &self.port.to_string())));
        // Not by a signal that can be ignored: below a background job of a shell QUIT is.
        self.running = Running::start(command, "eady to accept connections", "KILL");
        self.running.is_some()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    /// Ends the server without a chance to save anything.
    pub fn kill(&mut self) {
        self.running.take().unwrap().end();
    }

    /// Starts it again, on the same port.
    pub fn start_again(&mut self) {
        assert!(self.try_start(), "redis-server does not start again");
    }

    /// Sends a command; what `redis-cli` prints.
    pub fn command(&self, words: &[&str]) -> String {
        program::run(Command::new("redis-cli").arg("-s").arg(self.socket()).args(words))
    }
}
