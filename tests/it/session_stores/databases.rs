//! The stores of the crate pass all checks, and what only a database has.

use tower_auth::{
    session::{
        CutOff, SessionEnd, TokenFacts,
        signing::{SigningKeyStore as _, StoredSigningKey},
    },
    testing::conformance,
    token::Algorithm,
};

use super::*;

#[tokio::test]
async fn the_store_in_memory_passes_all_checks() {
    conformance::check_sessions(async || MemoryKeyStore::new()).await;
    conformance::check_sessions_of_keys(async || MemoryKeyStore::new()).await;
}

#[tokio::test]
async fn the_store_in_sqlite_passes_all_checks() {
    let files = Files::new("sqlite-sessions");
    conformance::check_sessions(async || files.fresh().await).await;
    conformance::check_sessions_of_keys(async || files.fresh().await).await;
    conformance::check_signing_keys(async || files.fresh().await).await;
}

#[tokio::test]
async fn the_store_in_postgres_passes_all_checks() {
    let databases = Databases::default();
    if databases.fresh().await.is_none() {
        return;
    }
    conformance::check_sessions(async || databases.fresh().await.unwrap()).await;
    conformance::check_sessions_of_keys(async || databases.fresh().await.unwrap()).await;
    conformance::check_signing_keys(async || databases.fresh().await.unwrap()).await;
}

/// A later version may end sessions for another reason.
async fn an_unknown_end(store: &impl SessionStore, update: impl Fn(&str)) {
    store.create(&session("one", 0)).await.unwrap();
    assert!(store.end("one", at(5), SessionEnd::LoggedOut).await.unwrap());
    for reason in ["'moved_to_mars'", "NULL"] {
        update(&format!("sessions SET ended_because = {reason}"));
        assert_eq!(store.find("one").await.unwrap().unwrap().ended(), Some((at(5), SessionEnd::Revoked)));
        assert!(!store.rotate(&session("one", 1)).await.unwrap());
        assert!(!store.end("one", at(6), SessionEnd::Reused).await.unwrap());
    }
    update("sessions SET granted = '[]'");
    let error = store.find("one").await.unwrap_err().to_string();
    assert!(error.contains("the stored session \"one\" cannot be read: a stored grant has no subject"), "{error}");
}

#[tokio::test]
async fn a_session_that_ended_for_an_unknown_reason_has_ended() {
    let folder = Folder::new("sqlite-sessions-end");
    let store = sqlite(&folder, "keys.db").await;
    let connection = rusqlite::Connection::open(folder.path().join("keys.db")).unwrap();
    an_unknown_end(&store, |text| assert_eq!(connection.execute(&format!("UPDATE {text}"), []).unwrap(), 1)).await;
    let databases = Databases::default();
    let Some(store) = databases.fresh().await else { return };
    let url = databases.0.lock().unwrap()[0].url();
    an_unknown_end(&store, |text| postgres::execute(&url, &format!("UPDATE tower_auth.{text}")).unwrap()).await;
}

fn signing_key(id: &str) -> StoredSigningKey {
    StoredSigningKey::new(id, Algorithm::Es256, "{}", vec![1], at(0))
}

/// Every change is on disk when it is answered, also where the default of the server is not to wait for the disk.
#[tokio::test]
async fn a_server_that_is_killed_has_lost_no_change() {
    let Some(mut server) = postgres::private(&["synchronous_commit=off", "wal_writer_delay=10s"]) else { return };
    let database = server.database();
    let pool = database.pool(1);
    let store = PostgresKeyStore::from_pool(pool.clone());
    store.migrate().await.unwrap();
    let mut facts = TokenFacts::default();
    (facts.subject, facts.session, facts.token) = ("alice", Some("one"), Some("token"));
    for step in 0..9 {
        match step {
            0 => store.create(&session("one", 0)).await.unwrap(),
            1 => assert!(store.rotate(&session("one", 1)).await.unwrap()),
            2 => assert!(store.end("one", at(1), SessionEnd::Reused).await.unwrap()),
            3 => store.deny("token", at(9)).await.unwrap(),
            4 => store.cut_off(&CutOff::subject("alice"), at(3)).await.unwrap(),
            5 => store.cut_off(&CutOff::Everyone, at(4)).await.unwrap(),
            6 => assert!(store.add_signing_key(signing_key("kid-1")).await.unwrap()),
            7 => store.reseal_signing_key("kid-1", vec![9]).await.unwrap(),
            _ => {
                assert!(store.add_signing_key(signing_key("kid-2").after("kid-1")).await.unwrap());
                store.remove_signing_key("kid-1").await.unwrap();
            }
        }
        let client = pool.get().await.unwrap();
        let setting: String = client.query_one("SHOW synchronous_commit", &[]).await.unwrap().get(0);
        assert_eq!(setting, "off", "the setting has ended with the statement");
        drop(client);
        server.kill();
        server.start();
        let found = store.find("one").await.unwrap().expect("it was created");
        let known = store.look(&facts).await.unwrap();
        assert_eq!(found.generation(), u32::from(step >= 1));
        assert_eq!(known.session.unwrap().has_ended, step >= 2);
        assert_eq!(known.is_denied, step >= 3);
        let sealed: Vec<_> = store.signing_keys().await.unwrap().into_iter().map(|key| key.sealed).collect();
        let expected: &[&[u8]] = match step {
            ..=5 => &[],
            7 => &[&[9]],
            _ => &[&[1]],
        };
        assert_eq!(sealed, expected, "after step {step}");
        let cut_offs = [(4, Some(at(3))), (5, Some(at(4)))];
        assert_eq!(known.cut_off, cut_offs.iter().rfind(|(from, _)| step >= *from).and_then(|(_, time)| *time));
    }
}
