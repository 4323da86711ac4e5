//! One server: its processes, its folder and its port.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Stdio},
};

use super::{
    database::Database,
    installation::{Installation, text},
    template::RunFolder,
};
use crate::support::process::{ended, free_address, running, signal, spawn, until};

/// How often a start is tried when somebody else took the port first.
const ATTEMPTS: u32 = 20;

/// A server; it is stopped, and its folder removed, when it is dropped.
pub(crate) struct Server {
    installation: &'static Installation,
    folder: RunFolder,
    address: SocketAddr,
    settings: Vec<String>,
    child: Option<Child>,
}

impl Server {
    pub(super) fn new(installation: &'static Installation, settings: &[&str]) -> Self {
        Self::over(installation, RunFolder::with_data(installation), settings)
    }

    /// A server that repeats what this one does, and only reads.
    pub(crate) fn replica(&self) -> Self {
        let folder = RunFolder::empty(self.installation);
        let mut copy = self.installation.program("pg_basebackup");
        copy.current_dir(folder.path()).args([
            "--pgdata=data",
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
        ]);
        text(copy.arg(format!("--dbname={}", self.url()))).unwrap();
        Self::over(self.installation, folder, &[])
    }

    fn over(installation: &'static Installation, folder: RunFolder, settings: &[&str]) -> Self {
        // What a killed server had in /dev/shm would stay there.
        let common = ["dynamic_shared_memory_type=mmap", "shared_buffers=16MB", "timezone=UTC"];
        let settings = common.iter().chain(settings).map(ToString::to_string).collect();
        let mut server = Self { installation, folder, address: free_address(), settings, child: None };
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

    /// The URL of the database `postgres`, as the superuser.
    pub(crate) fn url(&self) -> String {
        super::database::url("postgres", "postgres", self.address)
    }

    /// A new, empty database. It ends with the server.
    pub(crate) fn database(&self) -> Database {
        Database::new(self, false)
    }

    /// The files of the server, in which a test may search for secrets.
    pub(crate) fn data_folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What the server wrote to its log since it was made.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Starts the server again, with the same data and on the same port.
    pub(crate) fn start(&mut self) {
        assert!(self.child.is_none(), "the server is running");
        // Another process may have the port for a moment.
        assert!(until(|| self.starts()), "the port is taken: {}", self.log());
    }

    /// Starts the server and waits until it answers. Returns `false` if the port is taken.
    fn starts(&mut self) -> bool {
        let logged = self.log().len();
        let mut child = self.spawn();
        let mut status = None;
        let finished = until(|| {
            status = child.try_wait().unwrap();
            status.is_some() || self.is_ready(child.id())
        });
        let log = self.log().split_off(logged);
        match status {
            None if finished => self.child = Some(child),
            Some(_) if log.contains("Address already in use") => return false,
            _ => panic!("postgres does not start ({status:?}): {log}"),
        }
        true
    }

    fn spawn(&self) -> Child {
        let log = File::options().append(true).create(true).open(self.log_file()).unwrap();
        let mut postgres = self.installation.program("postgres");
        postgres.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        postgres.arg("-D").arg(self.data_folder()).args(["-p", &self.address.port().to_string()]);
        // The children of the server show the name of the cluster, and so the name of the folder.
        let name = format!("cluster_name={}", self.folder.name());
        let own = ["listen_addresses=127.0.0.1", "unix_socket_directories=", &name];
        for setting in own.into_iter().chain(self.settings.iter().map(String::as_str)) {
            postgres.args(["-c", setting]);
        }
        spawn(postgres).unwrap()
    }

    /// Whether this process wrote to its lock file that it takes connections. A connection proves less: another server
    /// may have taken the port.
    fn is_ready(&self, id: u32) -> bool {
        let lock = fs::read_to_string(self.data_folder().join("postmaster.pid")).unwrap_or_default();
        let mut lines = lock.lines();
        lines.next() == Some(&id.to_string()) && lines.next_back().is_some_and(|status| status.trim() == "ready")
    }

    /// Stops the server as an administrator does: connections are closed, and all data is written.
    pub(crate) fn stop(&mut self) {
        self.thaw();
        let mut child = self.child.take().expect("the server is running");
        signal("INT", &[child.id()]);
        assert!(ended(&mut child).is_some(), "postgres does not stop: {}", self.log());
    }

    /// Ends all processes of the server at once, as a crash does.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("the server is running");
        // A stopped server starts no process that the list would miss.
        signal("STOP", &[child.id()]);
        self.signal_all("KILL");
        ended(&mut child).expect("a killed process ends");
        // A new server refuses to start as long as a process of the old one lives.
        assert!(until(|| self.processes().is_empty()), "processes of the server are left");
    }

    /// Stops the clock of the server: it accepts connections and answers nothing, until [`Server::thaw`].
    pub(crate) fn freeze(&self) {
        signal("STOP", &[self.child.as_ref().expect("the server is running").id()]);
        self.signal_all("STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal_all("CONT");
    }

    fn signal_all(&self, name: &str) {
        let processes = self.processes();
        if !processes.is_empty() {
            // One that ended in the meantime makes `kill` fail, after it has reached the others.
            signal(name, &processes);
        }
    }

    fn processes(&self) -> Vec<u32> {
        running("postgres", self.folder.name())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        self.thaw();
        signal("INT", &[child.id()]);
        if ended(&mut child).is_none() {
            self.signal_all("KILL");
            let _ = child.wait();
        }
    }
}
