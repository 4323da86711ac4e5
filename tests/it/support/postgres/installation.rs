//! The programs of `PostgreSQL`, and the user that runs them.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// `PostgreSQL` refuses to run as root.
const USER: &str = "postgres";
const INSTALL: &str =
    "install PostgreSQL 13 or later (on Debian: apt-get install postgresql), or run tests/run as root";

/// Whether a missing server is a failure: in CI, and where `TOWER_AUTH_SERVERS=required` is set.
pub(crate) fn servers_required(variable: impl Fn(&str) -> Option<String>) -> bool {
    let ci = variable("CI").is_some_and(|ci| !matches!(ci.as_str(), "" | "false"));
    ci || variable("TOWER_AUTH_SERVERS").is_some_and(|servers| servers == "required")
}

#[derive(Debug)]
pub(crate) struct Installation {
    programs: PathBuf,
    /// Such as `15.18`.
    pub(super) version: String,
    /// Whether the programs must run as another user.
    root: bool,
    /// For data folders. The server's user can enter it.
    pub(super) folder: PathBuf,
}

impl Installation {
    /// # Errors
    /// What is missing on this machine, and how to install it.
    pub(super) fn find() -> Result<Self, String> {
        Self::find_in(&env::var_os("PATH").unwrap_or_default(), Path::new("/usr/lib/postgresql"))
    }

    /// Searches `PATH`, and then the folder in which Debian keeps one folder a version.
    pub(crate) fn find_in(path: &OsStr, versions: &Path) -> Result<Self, String> {
        let programs = programs(path, versions).ok_or_else(|| format!("found no postgres and initdb: {INSTALL}"))?;
        let version = text(Command::new(programs.join("postgres")).arg("--version"))?;
        // `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`
        let version = version.split_whitespace().nth(2).unwrap_or("unknown").to_owned();
        let root = text(Command::new("id").arg("-u"))?.trim() == "0";
        let mut found = Self { programs, version, root, folder: PathBuf::new() };
        if root {
            text(Command::new("id").args(["-u", USER]))
                .map_err(|error| format!("root cannot run PostgreSQL, and there is no user {USER} ({error})"))?;
        }
        // A folder of the user root, such as `/root/tower-auth/target`, is closed to the user of the server.
        let folders = [PathBuf::from(env!("CARGO_TARGET_TMPDIR")), env::temp_dir()];
        found.folder = folders.into_iter().find(|folder| found.enters(folder)).ok_or_else(|| {
            format!("the user {USER} can use neither the target folder nor TMPDIR: set TMPDIR to a folder such as /tmp")
        })?;
        Ok(found)
    }

    fn enters(&self, folder: &Path) -> bool {
        let mut test = self.command(Path::new("test"));
        test.current_dir("/").arg("-x").arg(folder);
        text(&mut test).is_ok()
    }

    /// A program of `PostgreSQL`, as the user that may run it. It ends with this process.
    pub(super) fn program(&self, name: &str) -> Command {
        self.command(&self.programs.join(name))
    }

    /// Any program, as the same user. It ends with this process.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        if self.root {
            command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]);
        }
        // A fast shutdown. SIGKILL would leave a megabyte in /dev/shm every time, and Docker gives 64 in all.
        command.args(["--pdeathsig", "INT"]).arg(program);
        // Error texts of the server are compared.
        command.env("LC_ALL", "C");
        command
    }

    /// Gives a folder to the server's user.
    pub(super) fn give(&self, folder: &Path) {
        if self.root {
            text(Command::new("chown").args(["-R", &format!("{USER}:{USER}")]).arg(folder)).unwrap();
        }
    }
}

/// The folder of the newest `postgres` that has an `initdb` next to it.
fn programs(path: &OsStr, versions: &Path) -> Option<PathBuf> {
    // A link in `PATH` leads to the folder of all programs.
    let linked = env::split_paths(path).filter_map(|folder| folder.join("postgres").canonicalize().ok());
    let linked = linked.filter_map(|program| program.parent().map(Path::to_owned));
    let mut installed: Vec<_> = fs::read_dir(versions).into_iter().flatten().flatten().collect();
    installed.sort_by_key(|entry| entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    let installed = installed.into_iter().rev().map(|entry| entry.path().join("bin"));
    let complete = |folder: &PathBuf| ["postgres", "initdb"].iter().all(|name| folder.join(name).is_file());
    linked.chain(installed).find(complete)
}

/// Runs a command to its end and returns what it printed.
///
/// # Errors
/// The command, and what it printed on standard error.
pub(super) fn text(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    let Output { status, stdout, stderr } = output;
    if !status.success() {
        return Err(format!("{command:?}: {status}: {}", String::from_utf8_lossy(&stderr)));
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}
