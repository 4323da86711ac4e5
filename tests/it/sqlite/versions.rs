//! Whether anything has changed: each commit of another connection or process is seen by the next call.

use std::{
    collections::HashMap,
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, SystemTime},
};

use rusqlite::Connection;
use tower_auth::{
    SqliteKeyStore,
    cache::Versioned as _,
    registry::{Holder, RegistryStore as _},
    sqlite::MIGRATIONS,
};

use super::{Folder, child};
use crate::support::process::{ended, spawn, until};

const FILE: &str = "TOWER_AUTH_SQLITE_VERSION";
const ROUNDS: usize = 2_000;

/// Waits until the connection that looks is open.
fn known(store: &SqliteKeyStore) -> u64 {
    let mut version = None;
    until(|| {
        version = store.version();
        version.is_some()
    });
    version.unwrap()
}

/// A change of one key. To wait for the disk would make the rounds slow.
fn change(connection: &Connection) {
    connection.execute_batch("PRAGMA synchronous = OFF; UPDATE keys SET paused = 1 - paused").unwrap();
}

/// Not a test of its own: the other process changes the file once for each line that it reads, and answers afterwards.
#[test]
fn the_other_process() {
    let Some(file) = env::var_os(FILE) else { return };
    let connection = Connection::open(Path::new(&file)).unwrap();
    let mut out = std::io::stdout();
    for line in std::io::stdin().lines() {
        line.unwrap();
        change(&connection);
        writeln!(out, "\nchanged").and_then(|()| out.flush()).unwrap();
    }
}

#[tokio::test]
async fn a_change_of_another_process_is_seen_by_the_next_call() {
    let folder = Folder::new();
    let office = folder.office().await;
    office.create("key_1").await;
    let mut command = child("sqlite::versions::the_other_process", FILE, &folder.file());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = spawn(command).unwrap();
    let mut orders = process.stdin.take().unwrap();
    let mut answers = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut before = known(&office.store);
    for round in 0..ROUNDS {
        writeln!(orders, "change").unwrap();
        assert!(answers.any(|line| line.unwrap() == "changed"));
        let now = office.store.version().unwrap();
        assert_ne!(now, before, "in round {round}");
        assert_eq!(office.store.version(), Some(now), "nothing has changed since");
        before = now;
    }
    drop(orders);
    assert!(ended(&mut process).unwrap().success());
}

#[tokio::test]
async fn a_change_of_another_connection_is_seen_by_the_next_call() {
    let folder = Folder::new();
    let office = folder.office().await;
    office.create("key_1").await;
    let (other, mut before) = (folder.connection(), known(&office.store));
    for round in 0..ROUNDS {
        change(&other);
        let now = office.store.version().unwrap();
        assert_ne!(now, before, "in round {round}");
        other.execute("UPDATE keys SET last_used_at = ?1", [i64::try_from(round).unwrap()]).unwrap();
        assert_eq!(office.store.version(), Some(now), "a last use is no change");
        before = now;
    }
}

/// What a thread has seen before a change began is not returned to any thread after the change.
#[tokio::test]
async fn several_threads_see_each_change() {
    let folder = Folder::new();
    let office = folder.office().await;
    office.create("key_1").await;
    known(&office.store);
    let (begun, committed) = (AtomicU64::new(0), AtomicU64::new(0));
    let total = u64::try_from(ROUNDS).unwrap();
    let look = || {
        // The number of changes that had begun when a version was returned first.
        let mut seen: HashMap<u64, u64> = HashMap::new();
        while committed.load(Ordering::SeqCst) < total {
            let before = committed.load(Ordering::SeqCst);
            let Some(version) = office.store.version() else { continue };
            let first = *seen.entry(version).or_insert_with(|| begun.load(Ordering::SeqCst));
            assert!(before <= first, "a version from before change {first} after change {before}");
        }
        seen.len()
    };
    let seen: Vec<usize> = thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(look)).collect();
        let other = folder.connection();
        other.busy_timeout(Duration::from_secs(5)).unwrap();
        for _ in 0..total {
            begun.fetch_add(1, Ordering::SeqCst);
            change(&other);
            committed.fetch_add(1, Ordering::SeqCst);
        }
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(seen.iter().any(|seen| *seen > 1), "{seen:?}");
}

#[tokio::test]
async fn changes_of_the_store_itself_are_seen() {
    let folder = Folder::new();
    let office = folder.office().await;
    let mut last = known(&office.store);
    let mut differs = |what: &str| {
        let now = office.store.version().unwrap();
        assert_ne!(std::mem::replace(&mut last, now), now, "{what}");
    };
    let (keys, admin, key) = (&office.keys, &office.admin, office.create("key_1").await);
    differs("create");
    keys.pause(admin, "key_1").await.unwrap();
    differs("pause");
    keys.rotate(admin, "key_1", Duration::from_secs(60)).await.unwrap();
    differs("rotate");
    keys.suspend(admin, Holder::account("acme")).await.unwrap();
    differs("suspend");
    keys.reinstate(admin, Holder::account("acme")).await.unwrap();
    differs("reinstate");
    keys.revoke(admin, "key_1").await.unwrap();
    differs("revoke");
    assert_eq!(office.state(&key).await.unwrap(), "Revoked");
    let used = tower_auth::registry::Change::Used(vec![("key_1".into(), SystemTime::now())]);
    office.store.transact(vec![], Box::new(|_| Ok(vec![used]))).await.unwrap();
    assert_eq!(office.store.version(), Some(last), "a last use is no change");
}

#[tokio::test]
async fn without_the_table_nothing_is_known() {
    let folder = Folder::new();
    let store = folder.open();
    folder.connection().execute_batch(MIGRATIONS[0]).unwrap();
    assert_eq!(store.version(), None);
    thread::sleep(Duration::from_millis(50));
    assert_eq!(store.version(), None);
    store.migrate().await.unwrap();
    known(&store);
}

#[tokio::test]
async fn it_waits_neither_for_a_writer_nor_for_a_checkpoint() {
    let folder = Folder::new();
    let office = folder.office().await;
    office.create("key_1").await;
    let (other, before) = (folder.connection(), known(&office.store));
    other.execute_batch("BEGIN EXCLUSIVE; UPDATE keys SET paused = 1").unwrap();
    assert_eq!(office.store.version(), Some(before), "it is not committed");
    other.execute_batch("COMMIT").unwrap();
    let changed = office.store.version().unwrap();
    assert_ne!(changed, before);
    for mode in ["PASSIVE", "RESTART", "TRUNCATE"] {
        let busy: i64 = other.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get(0)).unwrap();
        assert_eq!((busy, office.store.version()), (0, Some(changed)), "{mode}");
    }
    // The first commit to the log that is empty again.
    change(&other);
    assert_ne!(office.store.version(), Some(changed));
}

#[tokio::test]
async fn a_file_that_is_replaced_has_the_version_of_the_new_one() {
    let folder = Folder::new();
    let office = folder.office().await;
    office.create("key_1").await;
    let copy = folder.0.join("copy.db");
    let path = copy.to_str().unwrap();
    folder.connection().execute("VACUUM INTO ?1", [path]).unwrap();
    let old = known(&office.store);
    change(&folder.connection());
    let changed = office.store.version().unwrap();
    // The other way to change the same state.
    change(&Connection::open(&copy).unwrap());
    for name in ["keys.db-wal", "keys.db-shm"] {
        drop(fs::remove_file(folder.0.join(name)));
    }
    fs::rename(&copy, folder.file()).unwrap();
    assert_eq!(office.store.version(), None, "the first call finds another file");
    let new = known(&office.store);
    assert!(![old, changed].contains(&new));
    change(&folder.connection());
    assert_ne!(office.store.version().unwrap(), new);
}

#[tokio::test]
async fn a_file_that_was_removed_has_no_version() {
    let folder = Folder::new();
    let office = folder.office().await;
    let before = known(&office.store);
    let away = folder.0.join("away.db");
    fs::rename(folder.file(), &away).unwrap();
    for _ in 0..3 {
        assert_eq!(office.store.version(), None);
        thread::sleep(Duration::from_millis(20));
    }
    assert!(!folder.file().exists(), "a look creates no file");
    fs::rename(&away, folder.file()).unwrap();
    assert_eq!(known(&office.store), before);
}

/// As `.restore` does: what is in the copy, its version too, becomes one commit to the open file.
#[tokio::test]
async fn a_backup_that_is_restored_in_place_is_a_change() {
    let folder = Folder::new();
    let office = folder.office().await;
    office.create("key_1").await;
    let copy = folder.0.join("copy.db");
    folder.connection().execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    let old = known(&office.store);
    change(&folder.connection());
    let changed = office.store.version().unwrap();
    let restore = |connection: &Connection| {
        let text = "DELETE FROM keys; INSERT INTO keys SELECT * FROM copy.keys; \
                    UPDATE changes SET version = (SELECT version FROM copy.changes)";
        connection.execute("ATTACH ?1 AS copy", [copy.to_str().unwrap()]).unwrap();
        connection.execute_batch(&format!("BEGIN IMMEDIATE; {text}; COMMIT; DETACH copy")).unwrap();
    };
    restore(&folder.connection());
    assert_eq!(office.store.version(), Some(old), "the same number for the same keys");
    change(&folder.connection());
    assert!(![old, changed].contains(&office.store.version().unwrap()));
}
