//! A real `PgBouncer` in front of one database.

use std::{
    env, fs,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

use super::{database::Database, installation::Installation, installed, skipped, template::RunFolder};
use crate::support::process::{ended, free_address, signal, spawn, until};

/// How often a start is tried when somebody else took the port first.
const ATTEMPTS: u32 = 20;
const MISSING: &str =
    "found no pgbouncer: install PgBouncer (on Debian: apt-get install pgbouncer), or run tests/run as root";

/// A pooler; it is stopped, and its folder removed, when it is dropped.
pub(crate) struct PgBouncer {
    address: SocketAddr,
    child: Child,
    _folder: RunFolder,
}

impl PgBouncer {
    /// Starts a pooler in front of a database, which its owner may use. `mode` is such as `transaction`. Without `PgBouncer` on
    /// the machine it returns `None`, and the test returns.
    pub(crate) fn before(database: &Database, mode: &str) -> Option<Self> {
        let Some(program) = program() else { return skipped(MISSING) };
        let installation = installed()?;
        let started = (0..ATTEMPTS).find_map(|_| Self::start(installation, &program, database, mode));
        Some(started.expect("a port is free"))
    }

    fn start(installation: &Installation, program: &Path, database: &Database, mode: &str) -> Option<Self> {
        let (folder, address) = (RunFolder::empty(installation), free_address());
        fs::write(folder.path().join("users"), format!("\"{}\" \"\"\n", database.name())).unwrap();
        fs::write(folder.path().join("settings"), settings(database, address, mode)).unwrap();
        let mut pooler = installation.command(program);
        pooler.current_dir(folder.path()).arg("settings");
        pooler.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = spawn(pooler).unwrap();
        let mut answers = false;
        until(|| {
            answers = TcpStream::connect(address).is_ok();
            answers || child.try_wait().unwrap().is_some()
        });
        // If it has ended, another process has the port.
        let runs = answers && child.try_wait().unwrap().is_none();
        runs.then_some(Self { address, child, _folder: folder })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        signal("TERM", &[self.child.id()]);
        if ended(&mut self.child).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn settings(database: &Database, address: SocketAddr, mode: &str) -> String {
    let (server, name) = (database.address(), database.name());
    format!(
        "[databases]\n{name} = host={} port={}\n[pgbouncer]\nlisten_addr = {}\nlisten_port = {}\nunix_socket_dir =\n\
         auth_type = trust\nauth_file = users\nignore_startup_parameters = options\npool_mode = {mode}\nlogfile = log\n",
        server.ip(),
        server.port(),
        address.ip(),
        address.port(),
    )
}

/// Debian keeps it in a folder that is not in the `PATH` of every user.
fn program() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join("pgbouncer")).find(|program| program.is_file())
}
