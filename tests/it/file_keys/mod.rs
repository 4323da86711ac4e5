//! Keys and plans in a file.

mod errors;
mod fields;
mod permissions;
mod reload;
mod watch;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::SystemTime,
};

use tower_auth::{FileKeyStore, KeyFormat, KeyRecord, KeyScheme, KeyStatus, KeyStore as _, Peppers};

/// Two keys, and what a file holds of them.
const ONE: &str = "the-first-key-of-these-tests";
const TWO: &str = "the-second-key-of-these-tests";

fn scheme() -> KeyScheme {
    KeyScheme::new(KeyFormat::opaque(20), Peppers::new(1, [7; 32]).unwrap())
}

fn digest(scheme: &KeyScheme, key: &str) -> String {
    scheme.digests(key.as_bytes()).unwrap().iter().next().unwrap().to_hex()
}

/// The table of a key with these lines.
fn table(id: &str, key: &str, lines: &str) -> String {
    format!("[keys.{id}]\ndigest = \"{}\"\naccount = \"acme\"\n{lines}\n", digest(&scheme(), key))
}

/// A folder with a key file, which goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tower-auth-keys-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn with(text: &str) -> Self {
        let folder = Self::new();
        folder.write(text);
        folder
    }

    fn file(&self) -> PathBuf {
        self.0.join("keys.toml")
    }

    /// Writes the file in place.
    fn write(&self, text: &str) {
        self.write_as("keys.toml", text);
    }

    fn write_as(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        mode(&path, 0o600);
        path
    }

    fn open(&self) -> FileKeyStore {
        FileKeyStore::open(self.file()).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(unix)]
fn mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
fn mode(_: &Path, _: u32) {}

async fn find(keys: &FileKeyStore, key: &str) -> Option<KeyRecord> {
    keys.find(&scheme().digests(key.as_bytes()).unwrap()).await.unwrap()
}

/// Whether the store knows a key as active.
async fn knows(keys: &FileKeyStore, key: &str) -> bool {
    find(keys, key).await.is_some_and(|record| record.status(SystemTime::now()) == KeyStatus::Active)
}
