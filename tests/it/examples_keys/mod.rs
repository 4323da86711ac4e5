//! The command line of keys, as an operator runs it.

mod alerts;
mod commands;
mod copy;
mod exits;
mod import;
mod json;
mod passwords;
mod pipes;
mod readme;
mod tables;
mod usage;

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::Mutex,
};

use serde_json::Value;

use crate::support::{folder::Folder, server::example};

/// A folder with a database and a file of peppers.
struct Cli {
    folder: Folder,
    database: String,
    /// All that was printed on standard error.
    said: Mutex<String>,
}

struct Told {
    code: i32,
    out: String,
    err: String,
}

impl Cli {
    fn new(name: &str) -> Self {
        let cli = Self::bare(name);
        cli.ok(&["migrate"]);
        cli
    }

    /// Without tables.
    fn bare(name: &str) -> Self {
        let folder = Folder::new(name);
        let database = format!("sqlite:{}", folder.path().join("keys.db").display());
        let cli = Self { folder, database, said: Mutex::default() };
        cli.write_peppers("peppers.txt", &[1]);
        cli
    }

    /// Writes a file of these versions, the current one first.
    fn write_peppers(&self, name: &str, versions: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
        for version in versions {
            writeln!(file, "{version}:{}", format!("{version:02x}").repeat(32)).unwrap();
        }
        path
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(example("keys"));
        let peppers = self.folder.path().join("peppers.txt");
        command.env("KEYS_DATABASE", &self.database).env("KEYS_SECRETS", peppers).env("USER", "olga").args(words);
        // Neither the machine nor its user has a password, or a width of the terminal.
        command.env("HOME", self.folder.path()).stdin(Stdio::null());
        for name in ["PGPASSWORD", "PGPASSFILE", "COLUMNS"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, words: &[&str]) -> Told {
        self.told(self.command(words).output().unwrap())
    }

    fn told(&self, output: Output) -> Told {
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        self.said.lock().unwrap().push_str(&err);
        Told { code: output.status.code().unwrap(), out, err }
    }

    /// Standard output of a command that succeeds.
    fn ok(&self, words: &[&str]) -> String {
        let told = self.run(words);
        assert_eq!(told.code, 0, "{words:?}: {}{}", told.out, told.err);
        told.out
    }

    /// The same as JSON lines.
    fn json(&self, words: &[&str]) -> Vec<Value> {
        lines(&self.ok(&[words, &["--json"]].concat()))
    }

    /// Creates a key and returns its id and the key itself.
    fn create(&self, words: &[&str]) -> (String, String) {
        let issued = self.json(&[&["create", "--account", "acme", "--name", "ci"], words].concat()).remove(0);
        (issued["key"]["id"].as_str().unwrap().to_owned(), issued["secret"].as_str().unwrap().to_owned())
    }

    /// Fails if a secret, or its random part, was printed on standard error.
    fn assert_unsaid(&self, secret: &str) {
        let said = self.said.lock().unwrap();
        assert!(!said.contains(&secret[8..30]), "standard error shows a key");
    }
}

fn lines(text: &str) -> Vec<Value> {
    let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(line).collect()
}
