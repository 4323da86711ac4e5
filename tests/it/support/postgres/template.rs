//! Data folders. `initdb` takes seconds, so it runs once for each target folder, and every server gets a copy.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::{
        Mutex, Once,
        atomic::{AtomicU32, Ordering},
    },
};

use super::installation::{Installation, text};
use crate::support::process::{running, signal};

/// A folder of one server; it is removed with this value, or by a later run of the tests.
pub(super) struct RunFolder(PathBuf);

const RUN: &str = "postgres-run-";

impl RunFolder {
    /// A folder with a data folder, `data`, as `initdb` leaves it.
    pub(super) fn with_data(installation: &Installation) -> Self {
        let folder = Self::empty(installation);
        let data = folder.0.join("data");
        copy(&template(installation), &data);
        installation.give(&data);
        folder
    }

    pub(super) fn empty(installation: &Installation) -> Self {
        static SWEPT: Once = Once::new();
        SWEPT.call_once(|| {
            sweep(&installation.folder);
            sweep(target());
        });
        let folder = Self(installation.folder.join(fresh_name()));
        fs::create_dir(&folder.0).unwrap();
        installation.give(&folder.0);
        folder
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// No other folder has this name, and every process of the server shows it.
    pub(super) fn name(&self) -> &str {
        self.0.file_name().and_then(|name| name.to_str()).unwrap()
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

fn fresh_name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    // All digits: the name of no folder is the start of another one.
    format!("{RUN}{}-{:05}", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// The template of this version. Another test binary may make it at the same time: the first `rename` wins.
fn template(installation: &Installation) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap();
    let place = target().join(format!("postgres-template-{}", installation.version));
    if !place.is_dir() {
        let folder = RunFolder::empty(installation);
        initdb(installation, folder.path());
        // `rename` needs both in one file system.
        let copied = RunFolder(target().join(fresh_name()));
        copy(&folder.path().join("data"), copied.path());
        let renamed = fs::rename(copied.path(), &place);
        assert!(renamed.is_ok() || place.is_dir(), "{renamed:?}");
    }
    place
}

fn initdb(installation: &Installation, folder: &Path) {
    let mut initdb = installation.program("initdb");
    initdb.current_dir(folder).args(["--pgdata=data", "--username=postgres", "--auth=trust", "--encoding=UTF8"]);
    text(initdb.args(["--locale=C", "--no-sync", "--no-instructions"])).unwrap();
}

fn copy(from: &Path, to: &Path) {
    text(Command::new("cp").arg("-a").args([from, to])).unwrap();
}

/// Removes what test binaries left that are no longer running. They cannot do it: the shared server ends after them.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(run) = name.to_str().and_then(|name| name.strip_prefix(RUN)) else { continue };
        let owner = run.split('-').next().unwrap_or_default();
        // This process has made none yet. In containers, its number is often that of an earlier one.
        if owner == process::id().to_string() || !Path::new("/proc").join(owner).exists() {
            // Only a server that was frozen when its test binary was killed is still there.
            let left = running("postgres", &format!("{RUN}{run}"));
            if !left.is_empty() {
                signal("KILL", &left);
            }
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
