//! What fails, what is said about it, and that the store recovers when the cause is gone.

use std::time::Duration;

use tower_auth::{RegistryError, sqlite::SqliteOptions};

use super::{Folder, Office, scheme};

#[tokio::test]
async fn a_locked_file_delays_changes_and_no_lookup() {
    let folder = Folder::new();
    folder.open().migrate().await.unwrap();
    let patience = Duration::from_millis(30);
    let office = Office::of(SqliteOptions::new().busy_timeout(patience).open(folder.file()).unwrap());
    let key = office.create("key_1").await;
    let other = folder.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..2 {
        let error = office.keys.revoke(&office.admin, "key_1").await.unwrap_err();
        let RegistryError::Store(text) = &error else { panic!("{error}") };
        assert_eq!(
            &**text,
            "SQLite could not begin a transaction: database is locked (another connection has locked the file for \
             longer than the busy timeout)"
        );
        assert_eq!(office.state(&key).await.unwrap(), "Active");
    }
    other.execute_batch("COMMIT").unwrap();
    office.keys.revoke(&office.admin, "key_1").await.unwrap();
    assert_eq!(office.state(&key).await.unwrap(), "Revoked");
}

#[tokio::test]
async fn a_change_waits_for_another_process_that_writes() {
    let folder = Folder::new();
    let office = folder.office().await;
    let key = office.create("key_1").await;
    let other = folder.connection();
    other.execute_batch("BEGIN IMMEDIATE; UPDATE keys SET paused = 1").unwrap();
    let revoking = office.keys.revoke(&office.admin, "key_1");
    let committing = async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        other.execute_batch("COMMIT").unwrap();
    };
    let (revoked, ()) = tokio::join!(revoking, committing);
    assert!(revoked.unwrap().is_paused(), "the change of the other process is not lost");
    assert_eq!(office.state(&key).await.unwrap(), "Revoked");
}

#[tokio::test]
async fn a_wrong_schema_is_an_error_until_it_is_right_again() {
    let folder = Folder::new();
    let office = folder.office().await;
    let key = office.create("key_1").await;
    let other = folder.connection();
    other.execute_batch("ALTER TABLE keys RENAME TO moved").unwrap();
    other.execute_batch("ALTER TABLE audit RENAME TO moved_audit").unwrap();
    let error = office.keys.revoke(&office.admin, "key_1").await.unwrap_err().to_string();
    assert!(error.contains("read a key: no such table: keys") && error.contains("SqliteKeyStore::migrate"), "{error}");
    other.execute_batch("ALTER TABLE moved RENAME TO keys").unwrap();
    let error = office.keys.revoke(&office.admin, "key_1").await.unwrap_err().to_string();
    assert!(error.contains("write the audit log: no such table: audit"), "{error}");
    assert_eq!(office.state(&key).await.unwrap(), "Active", "nothing is done without its audit row");
    other.execute_batch("ALTER TABLE moved_audit RENAME TO audit").unwrap();
    office.keys.revoke(&office.admin, "key_1").await.unwrap();
    assert_eq!(office.state(&key).await.unwrap(), "Revoked");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_an_error_of_that_key() {
    let folder = Folder::new();
    let office = folder.office().await;
    let (broken, whole) = (office.create("key_1").await, office.create("key_2").await);
    let other = folder.connection();
    for wrong in ["scopes = 'no list'", "scopes = '[]', limits = 'no JSON'", "limits = NULL, pepper = -1"] {
        other.execute_batch(&format!("UPDATE keys SET {wrong} WHERE id = 'key_1'")).unwrap();
        assert!(office.find(&broken).await.is_err(), "{wrong}");
        assert!(matches!(office.keys.get(&office.admin, "key_1").await, Err(RegistryError::Store(_))), "{wrong}");
        assert_eq!(office.state(&whole).await.unwrap(), "Active");
    }
    other.execute_batch("UPDATE keys SET pepper = 2 WHERE id = 'key_1'").unwrap();
    assert_eq!(office.state(&broken).await.unwrap(), "Active");
}

#[tokio::test]
async fn a_file_that_was_taken_away_is_not_made_anew_by_a_lookup() {
    let folder = Folder::new();
    let office = folder.office().await;
    let key = office.create("key_1").await;
    drop(office.store.clone());
    // A new store whose threads have no connection yet.
    let office = folder.office().await;
    let away = folder.0.join("away");
    std::fs::create_dir(&away).unwrap();
    for name in ["keys.db", "keys.db-wal", "keys.db-shm"] {
        drop(std::fs::rename(folder.0.join(name), away.join(name)));
    }
    let error = office.find(&key).await.unwrap_err().to_string();
    assert!(error.contains("open the file") && error.contains("does not exist"), "{error}");
    assert!(!folder.file().exists());
    for name in ["keys.db", "keys.db-wal", "keys.db-shm"] {
        drop(std::fs::rename(away.join(name), folder.0.join(name)));
    }
    assert_eq!(office.state(&key).await.unwrap(), "Active");
}

#[tokio::test]
async fn errors_show_no_digest_and_no_key() {
    let folder = Folder::new();
    let office = Office::of(folder.open());
    let key = scheme().generate().unwrap();
    let digests = scheme().digests(key.expose().as_bytes()).unwrap();
    let new = tower_auth::NewKey::named("ci").account("acme");
    for text in [
        format!("{:?}", office.find(&key).await.unwrap_err()),
        format!("{:?}", office.keys.create(&office.admin, new).await.unwrap_err()),
        format!("{:?}", office.store),
    ] {
        assert!(!text.contains(&key.expose()[3..20]), "{text}");
        assert!(digests.iter().all(|digest| !text.contains(&digest.to_hex()[..16])), "{text}");
    }
}
