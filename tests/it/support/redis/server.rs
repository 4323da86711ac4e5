//! One server: its process, its folder and its port.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::Path,
    process::{self, Child, Command, Stdio},
    sync::Once,
};

use redis::{FromRedisValue, RedisResult};

use crate::support::{
    folder::Folder,
    process::{ended, free_address, signal, spawn, until},
};

/// How often a start is tried when somebody else took the port first.
const ATTEMPTS: u32 = 20;

/// What a server and a sentinel write to their logs when they are ready.
const READY: [&str; 2] = ["Ready to accept connections", "Sentinel ID is"];

/// The first part of the name of a folder; the process id of the tests follows.
const RUN: &str = "redis-run";

/// A server. It is killed, and its folder removed, when it is dropped; the kernel kills it when the
/// process of the tests ends.
pub(crate) struct Server {
    folder: Folder,
    address: SocketAddr,
    settings: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// A server that keeps nothing on disk.
    pub(super) fn start(settings: &[&str]) -> Self {
        Self::new(&[&["--save", "", "--appendonly", "no"], settings].concat())
    }

    pub(super) fn start_sentinel(file: &Path) -> Self {
        // Where there is a file, it stands before all settings.
        Self::new(&[file.to_str().unwrap(), "--sentinel"])
    }

    fn new(settings: &[&str]) -> Self {
        static SWEPT: Once = Once::new();
        SWEPT.call_once(sweep);
        let settings = settings.iter().map(ToString::to_string).collect();
        let mut server = Self { folder: Folder::new(RUN), address: free_address(), settings, child: None };
        for _ in 0..ATTEMPTS {
            if server.starts() {
                return server;
            }
            server.address = free_address();
        }
        panic!("no port is free: {}", server.log());
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Runs a command over a new connection, without a login.
    pub(crate) fn ask<T: FromRedisValue>(&self, command: &[&str]) -> T {
        self.try_ask(command).unwrap()
    }

    /// The same while the server may close connections: a sentinel makes it do so when it gives it another role.
    pub(crate) fn try_ask<T: FromRedisValue>(&self, command: &[&str]) -> RedisResult<T> {
        let (name, arguments) = command.split_first().expect("a command");
        let mut connection = redis::Client::open(self.url())?.get_connection()?;
        redis::cmd(name).arg(arguments).query(&mut connection)
    }

    /// Starts the server again: empty, and on the same port.
    pub(crate) fn restart(&mut self) {
        assert!(self.child.is_none(), "the server is running");
        // Another process may have the port for a moment.
        assert!(until(|| self.starts()), "the port is taken: {}", self.log());
    }

    /// Ends the server at once, as a crash does. Everything is lost.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("the server is running");
        signal("KILL", &[child.id()]);
        ended(&mut child).expect("a killed process ends");
    }

    /// Stops the clock of the server: it accepts connections and answers nothing, until [`Server::thaw`].
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        assert!(signal(name, &[self.child.as_ref().expect("the server is running").id()]));
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Starts the server and waits until it answers. Returns `false` if the port is taken.
    fn starts(&mut self) -> bool {
        let logged = self.log().len();
        let mut child = self.spawn();
        let mut status = None;
        let finished = until(|| {
            status = child.try_wait().unwrap();
            // A connection proves less: another server may have taken the port.
            status.is_some() || READY.iter().any(|line| self.log()[logged..].contains(line))
        });
        let log = self.log().split_off(logged);
        match status {
            None if finished => self.child = Some(child),
            Some(_) if log.contains("Address already in use") => return false,
            _ => panic!("redis-server does not start ({status:?}): {log}"),
        }
        true
    }

    fn spawn(&self) -> Child {
        let log = File::options().append(true).create(true).open(self.folder.path().join("log")).unwrap();
        let mut redis = Command::new("setpriv");
        redis.args(["--pdeathsig", "KILL", "redis-server"]).args(&self.settings);
        redis.args(["--bind", "127.0.0.1", "--port", &self.address.port().to_string()]);
        redis.arg("--dir").arg(self.folder.path());
        redis.stdin(Stdio::null()).stdout(log).stderr(Stdio::null());
        spawn(redis).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Removes what test binaries left that are no longer running: the folders of shared servers.
fn sweep() {
    for entry in fs::read_dir(env!("CARGO_TARGET_TMPDIR")).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(run) = name.to_str().and_then(|name| name.strip_prefix(RUN)?.strip_prefix('-')) else { continue };
        let owner = run.split('-').next().unwrap_or_default();
        // This process has made none yet. In containers, its number is often that of an earlier one.
        if owner == process::id().to_string() || !Path::new("/proc").join(owner).exists() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
