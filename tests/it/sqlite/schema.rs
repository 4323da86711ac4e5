use std::{path::Path, thread};

use rusqlite::Connection;
use tower_auth::{SqliteKeyStore, sqlite::MIGRATIONS};

use super::{Folder, Office};

/// Waits for a future without any runtime.
fn wait<T>(future: impl Future<Output = T>) -> T {
    use std::task::{Context, Poll, Wake, Waker};
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(std::sync::Arc::new(Unpark(thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

fn versions(connection: &Connection) -> Vec<i64> {
    let mut statement = connection.prepare("SELECT version FROM schema_version ORDER BY version").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn all_versions() -> Vec<i64> {
    (1..).take(MIGRATIONS.len()).collect()
}

#[test]
fn a_schema_is_made_from_nothing_once_and_only_when_asked() {
    let folder = Folder::new();
    let store = folder.open();
    let missing = wait(store.check_schema()).unwrap_err().to_string();
    assert!(
        missing.contains("has no schema, and version 2 is needed; help: call SqliteKeyStore::migrate"),
        "{missing}"
    );
    for _ in 0..2 {
        wait(store.migrate()).unwrap();
        wait(store.check_schema()).unwrap();
        assert_eq!(versions(&folder.connection()), all_versions());
    }
}

#[test]
fn several_starters_migrate_at_once() {
    let folder = Folder::new();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let store = folder.open();
                wait(store.migrate()).unwrap();
                wait(store.check_schema()).unwrap();
            });
        }
    });
    assert_eq!(versions(&folder.connection()), all_versions());
}

#[test]
fn every_older_version_is_moved_forward() {
    for old in 0..=MIGRATIONS.len() {
        let folder = Folder::new();
        // As an administrator does it with a tool of their own.
        let connection = folder.connection();
        MIGRATIONS[..old].iter().for_each(|text| connection.execute_batch(text).unwrap());
        let store = folder.open();
        assert_eq!(wait(store.check_schema()).is_ok(), old == MIGRATIONS.len());
        wait(store.migrate()).unwrap();
        wait(store.check_schema()).unwrap();
        assert_eq!(versions(&connection), all_versions());
    }
}

#[tokio::test]
async fn a_newer_schema_is_used_if_it_allows_it() {
    let folder = Folder::new();
    let office = folder.office().await;
    let key = office.create("key_1").await;
    let connection = folder.connection();
    connection.execute("INSERT INTO schema_version VALUES (1000, 1, 0)", []).unwrap();
    connection.execute_batch("ALTER TABLE keys ADD COLUMN colour TEXT; UPDATE keys SET colour = 'red'").unwrap();
    office.store.migrate().await.unwrap();
    office.store.check_schema().await.unwrap();
    office.keys.pause(&office.admin, "key_1").await.unwrap();
    assert_eq!(office.state(&key).await.unwrap(), "Paused");
    let colour: String = connection.query_row("SELECT colour FROM keys", [], |row| row.get(0)).unwrap();
    assert_eq!(colour, "red", "a column that this version does not know is kept");

    connection.execute("UPDATE schema_version SET compatible_with = 999 WHERE version = 1000", []).unwrap();
    for result in [office.store.migrate().await, office.store.check_schema().await] {
        let error = result.unwrap_err().to_string();
        assert!(error.contains("has version 1000, which needs a program that knows version 999"), "{error}");
    }
    assert_eq!(versions(&connection).len(), MIGRATIONS.len() + 1);
}

#[tokio::test]
async fn without_a_schema_every_call_says_what_is_missing() {
    let folder = Folder::new();
    let office = Office::of(folder.open());
    let secret = super::scheme().generate().unwrap();
    let errors = [
        office.find(&secret).await.unwrap_err().to_string(),
        office.keys.get(&office.admin, "key_1").await.unwrap_err().to_string(),
        office.keys.revoke(&office.admin, "key_1").await.unwrap_err().to_string(),
    ];
    for error in errors {
        assert!(error.contains("(call SqliteKeyStore::migrate)"), "{error}");
    }
    office.store.migrate().await.unwrap();
    assert!(office.find(&secret).await.unwrap().is_none());
}

#[test]
fn a_file_of_another_program_is_not_touched() {
    let folder = Folder::new();
    folder.connection().execute_batch("CREATE TABLE keys (mine TEXT)").unwrap();
    let error = wait(folder.open().migrate()).unwrap_err().to_string();
    assert!(error.contains("table keys already exists"), "{error}");
    let tables: i64 =
        folder.connection().query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1, "the migration was rolled back");
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let store = folder.open();
    wait(store.migrate()).unwrap();
    let modes: Vec<_> = std::fs::read_dir(&folder.0)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().permissions().mode() & 0o777)
        .collect();
    assert_eq!(modes, [0o600; 3], "the file, its log and the index of its log");
}

#[test]
fn a_path_that_cannot_be_used_is_reported_at_the_start() {
    let folder = Folder::new();
    std::fs::write(folder.file(), "this is no database, and it is long enough to be read as one".repeat(50)).unwrap();
    let (missing, ours) = (folder.0.join("none/keys.db"), folder.0.clone());
    for (path, why) in [
        (folder.file().as_path(), "file is not a database"),
        (&missing, "its folder does not exist; help: create the folder"),
        (&ours, "open the file"),
        (Path::new(""), "empty path"),
    ] {
        let error = SqliteKeyStore::open(path).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        assert!(error.contains("; help: "), "{error}");
    }
    assert!(!folder.0.join("none").exists());
}

#[test]
fn names_that_sqlite_gives_a_meaning_are_plain_files() {
    let folder = Folder::new();
    for name in ["file:keys.db?mode=memory", ":memory:"] {
        wait(SqliteKeyStore::open(folder.0.join(name)).unwrap().migrate()).unwrap();
        assert!(folder.0.join(name).is_file(), "{name}");
    }
}
