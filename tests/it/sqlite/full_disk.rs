//! A full disk and a read-only one: a small file system in memory, which only a process in a namespace of its own sees.

use std::{
    env, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use tower_auth::{NewKey, RegistryError, SqliteKeyStore, registry::KeyFilter};

use super::{Folder, Office, child};
use crate::support::postgres::servers_required;

const MOUNTED: &str = "TOWER_AUTH_SQLITE_MOUNTED";

/// Not a test of its own: what is done on the small file system.
#[tokio::test]
async fn on_the_small_file_system() {
    let Some(folder) = env::var_os(MOUNTED).map(PathBuf::from) else { return };
    let office = Office::of(SqliteKeyStore::open(folder.join("keys.db")).unwrap());
    office.store.migrate().await.unwrap();
    let key = office.create("key_1").await;

    let filler = folder.join("filler");
    assert!(fs::write(&filler, vec![0; 64 << 20]).is_err(), "the disk is large");
    let new = || NewKey::named("ci").account("acme").scopes(vec!["a-long-scope".repeat(15); 90]);
    let mut created = 0_usize;
    // Some room is left in the last block of the log.
    let error = loop {
        match office.keys.create(&office.admin, new()).await {
            Ok(_) => created += 1,
            Err(error) => break error,
        }
    };
    let RegistryError::Store(text) = &error else { panic!("{error}") };
    assert!(text.contains("database or disk is full (the disk is full)"), "{text}");
    assert_eq!(office.state(&key).await.unwrap(), "Active", "lookups go on");
    assert_eq!(office.keys.list(&office.admin, &KeyFilter::all()).await.unwrap().items.len(), 1 + created);
    fs::remove_file(filler).unwrap();
    office.keys.create(&office.admin, new()).await.unwrap();
    office.keys.revoke(&office.admin, "key_1").await.unwrap();
    assert_eq!(office.state(&key).await.unwrap(), "Revoked");

    drop(office);
    assert!(crate::support::process::until(|| !folder.join("keys.db-wal").exists()));
    mount(&["-o", "remount,ro"], &folder);
    let error = SqliteKeyStore::open(folder.join("keys.db")).unwrap_err().to_string();
    assert!(error.contains("the file is read-only, or its file system is"), "{error}");
    assert!(SqliteKeyStore::open(folder.join("new.db")).unwrap_err().to_string().contains("may write to"));
    mount(&["-o", "remount,rw"], &folder);
    let office = Office::of(SqliteKeyStore::open(folder.join("keys.db")).unwrap());
    assert_eq!(office.state(&key).await.unwrap(), "Revoked");
    println!("the small file system has passed");
}

fn mount(arguments: &[&str], folder: &Path) {
    let status = Command::new("mount").args(arguments).arg(folder).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_full_disk_and_a_read_only_one_are_survived() {
    let folder = Folder::new();
    let root = fs::read_to_string("/proc/self/status").is_ok_and(|status| status.contains("Uid:\t0\t"));
    let namespace = if root { vec!["-m"] } else { vec!["-m", "-r"] };
    let mounting = r#"mount -t tmpfs -o size=1m none "$1" || exit 77; shift; exec "$@""#;
    let test = child("sqlite::full_disk::on_the_small_file_system", MOUNTED, &folder.0);
    let output = Command::new("unshare")
        .args(namespace)
        .args(["sh", "-c", mounting, "sh"])
        .arg(&folder.0)
        .arg(test.get_program())
        .args(test.get_args())
        .env(MOUNTED, &folder.0)
        .output();
    let told = output.as_ref().map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let ran = told.contains("running 1 test");
    if !ran {
        let missing = format!("this system lets the tests mount no file system: {output:?}");
        assert!(!servers_required(|name| env::var(name).ok()), "{missing}");
        // `println!` is shown only for a test that fails.
        drop(io::stderr().write_all(format!("\nSKIPPED: a full disk and a read-only one: {missing}\n").as_bytes()));
        return;
    }
    assert!(told.contains("the small file system has passed"), "{output:?}");
}
