//! A private Postgres.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::{
    Certificates,
    program::{self, Running},
};

/// To be looked for in whatever is printed.
pub const PASSWORD: &str = "canary-of-the-owner";

/// A Postgres server that ends with this value. Its superuser is `owner`, and all users need a password.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    settings: Vec<String>,
    port: u16,
    dir: TempDir,
    /// Postgres refuses to run as root: then another user and group.
    user: Option<(u32, u32)>,
    running: Option<Running>,
}

impl Postgres {
    /// Starts a server; `None` if Postgres is not installed.
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// Starts a server with settings, such as `["synchronous_commit=off"]`.
    pub fn start_with(settings: &[&str]) -> Option<Self> {
        Self::create(settings, None)
    }

    /// Starts a server that takes connections with TLS and without.
    pub fn start_with_tls(certificates: &Certificates) -> Option<Self> {
        Self::create(&["ssl=on"], Some(certificates))
    }

    fn create(settings: &[&str], certificates: Option<&Certificates>) -> Option<Self> {
        // In `PATH` may be a link to it, without its siblings.
        let initdb = program::find("initdb", "postgresql")?.canonicalize().unwrap();
        let programs = initdb.parent().unwrap().to_owned();
        let mut server = Self {
            programs,
            settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
            port: 0,
            dir: TempDir::new().unwrap(),
            user: is_root().then(user_for_postgres),
            running: None,
        };
        program::give(server.dir.path(), server.user);
        let password = server.dir.path().join("password");
        fs::write(&password, PASSWORD).unwrap();
        program::give(&password, server.user);
        let mut initdb = server.program("initdb");
        initdb.args(["-N", "-A", "scram-sha-256", "-U", "owner", "-E", "UTF8", "--locale=C", "--pwfile"]);
        program::run(initdb.arg(password).arg("-D").arg(server.data()));
        if let Some(certificates) = certificates {
            for (name, text) in [("server.crt", &certificates.certificate), ("server.key", &certificates.key)]
            {
                let path = server.data().join(name);
                fs::write(&path, text).unwrap();
                fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
                program::give(&path, server.user);
            }
        }
        for _ in 0..5 {
            server.port = program::free_port();
            if server.try_start() {
                return Some(server);
            }
        }
        panic!("postgres does not start");
    }

    fn try_start(&mut self) -> bool {
        let mut command = self.program("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string(), "-k"]).arg(self.dir.path());
        command.args(["-c", "listen_addresses=127.0.0.1"]);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        self.running = Running::start(command, "ready to accept connections", "QUIT");
        self.running.is_some()
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(self.dir.path());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory of the Unix socket.
    pub fn socket_dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn url(&self) -> String {
        self.url_at("127.0.0.1", self.port)
    }

    /// The owner's URL by another name or way.
    pub fn url_at(&self, host: &str, port: u16) -> String {
        format!("postgres://owner:{PASSWORD}@{host}:{port}/postgres")
    }

    /// Ends the server at once, without a checkpoint and without flushing anything.
    pub fn kill(&mut self) {
        self.running.take().unwrap().end();
    }

    /// Starts it again, on the same port.
    pub fn start_again(&mut self) {
        assert!(self.try_start(), "postgres does not start again");
    }

    /// Runs SQL as the owner; what `psql` prints.
    pub fn sql(&self, statement: &str) -> String {
        program::run(self.psql().args(["-c", statement]))
    }

    /// A `psql` of the owner that prints values only.
    pub fn psql(&self) -> Command {
        let mut command = Command::new(self.programs.join("psql"));
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", &self.url()]);
        command
    }
}

fn is_root() -> bool {
    program::run(Command::new("id").arg("-u")) == "0"
}

fn user_for_postgres() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let id_of = |name: &str| {
        let user = users.lines().find(|user| user.starts_with(&format!("{name}:")))?;
        let mut ids = user.split(':').skip(2).map(|id| id.parse().unwrap());
        Some((ids.next().unwrap(), ids.next().unwrap()))
    };
    id_of("postgres")
        .or_else(|| id_of("nobody"))
        .expect("a user to run Postgres as, which refuses to run as root")
}
