//! Which changes the tables announce, and which not.

use std::time::{Duration, SystemTime};

use tower_auth::{
    KeyRegistry, NewKey, PostgresKeyStore,
    cache::Changed,
    limit::{
        BucketKey, CalendarUnit,
        budget::{BudgetPeriod, BudgetStore as _, BudgetTake},
    },
    registry::{Change, Forget, Holder, RegistryStore as _, Tombstone},
    session::{CutOff, Outdated, SessionEnd, SessionRow, SessionStore},
};

use super::{Tables, admin, at, change, create, digests, entry, forget, key, listening::Listening, scheme};

const NEW: Changed<'_> = Changed::NewKey;
const ALL: Changed<'_> = Changed::Everything;

async fn both() -> Option<(Tables, Listening)> {
    let tables = Tables::new().await?;
    let listening = Listening::to(&tables.store, &tables.database.url()).await.unwrap();
    Some((tables, listening))
}

/// A session of this subject that is live by the clock of the server.
fn session(id: &str, subject: &str) -> SessionRow {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let later = now + Duration::from_secs(3600);
    let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap();
    let mut row = SessionRow::default();
    (row.id, row.subject, row.replaced, row.digest) = (id.to_owned(), subject.to_owned(), "[]".to_owned(), vec![1; 32]);
    row.grant = format!(r#"{{"subject":"{subject}","account":"acme"}}"#);
    row.account = Some("acme".to_owned());
    (row.created_at, row.used_at, row.expires_at, row.ends_at) =
        (micros(now), micros(now), micros(later), micros(later));
    row
}

async fn begin(store: &PostgresKeyStore, row: SessionRow) {
    SessionStore::create(store, &row.into_session().unwrap()).await.unwrap();
}

#[tokio::test]
async fn changes_of_keys_are_announced_and_uses_are_not() {
    let Some((tables, mut heard)) = both().await else { return };
    let store = &tables.store;
    change(store, vec![create(key("key_1", "acme"), 1)]).await.unwrap();
    heard.exactly(&[NEW]).await;
    change(store, vec![Change::Used(vec![("key_1".to_owned(), at(9_000))])]).await.unwrap();
    heard.exactly(&[]).await;
    change(store, vec![Change::Update(entry(key("key_1", "acme"), 1))]).await.unwrap();
    heard.exactly(&[]).await;
    change(store, vec![Change::Update(entry(key("key_1", "acme").named("web"), 1))]).await.unwrap();
    heard.exactly(&[Changed::Key("key_1")]).await;
    // The key has another digest now, which was one of no key.
    change(store, vec![Change::Update(entry(key("key_1", "acme").named("web"), 2))]).await.unwrap();
    heard.exactly(&[NEW, Changed::Key("key_1")]).await;
    let (_, digest) = digests(9).versions().next().map(|(pepper, digest)| (pepper, *digest)).unwrap();
    change(store, vec![Change::Bury(Tombstone::new(digest, None))]).await.unwrap();
    heard.exactly(&[]).await;
    change(store, vec![Change::Remove { id: "key_1".to_owned() }]).await.unwrap();
    heard.exactly(&[Changed::Key("key_1")]).await;
    // Nothing of a transaction that is lost.
    change(store, vec![create(key("key_2", "acme"), 1), create(key("key_2", "acme"), 3)]).await.unwrap_err();
    heard.exactly(&[]).await;
}

#[tokio::test]
async fn every_change_of_a_registry_is_announced() {
    let Some((tables, mut heard)) = both().await else { return };
    let (keys, admin) = (KeyRegistry::new(scheme(), tables.store.clone()), admin());
    let first = keys.create(&admin, NewKey::named("ci").account("acme")).await.unwrap().key;
    heard.exactly(&[NEW]).await;
    let second = keys.rotate(&admin, first.id(), Duration::ZERO).await.unwrap().key;
    heard.exactly(&[NEW, Changed::Key(first.id())]).await;
    // A call that is repeated may return before the listeners are told of the first one.
    for _ in 0..2 {
        keys.revoke(&admin, second.id()).await.unwrap();
        heard.exactly(&[Changed::Key(second.id())]).await;
    }
    for holder in [Holder::account("acme"), Holder::organization("acme")] {
        let changed = if holder.kind() == "account" { Changed::Account("acme") } else { Changed::Organization("acme") };
        keys.suspend(&admin, holder.clone()).await.unwrap();
        heard.exactly(&[changed]).await;
        keys.suspend(&admin, holder.clone()).await.unwrap();
        heard.exactly(&[ALL]).await;
        keys.reinstate(&admin, holder).await.unwrap();
        heard.exactly(&[changed]).await;
    }
    begin(&tables.store, session("one", "alice")).await;
    keys.erase_account(&admin, "acme").await.unwrap();
    heard.exactly(&[Changed::Key(first.id()), Changed::Key(second.id()), Changed::Session("one")]).await;
    forget(&tables.store, Forget::Audit { before: at(9_999_999_999) }, 10).await;
    forget(&tables.store, Forget::Addresses { before: at(9_999_999_999) }, 10).await;
    heard.exactly(&[]).await;
}

#[tokio::test]
async fn ends_of_sessions_are_announced_and_refreshes_are_not() {
    let Some((tables, mut heard)) = both().await else { return };
    let store = &tables.store;
    for id in ["one", "two", "three"] {
        begin(store, session(id, "alice")).await;
    }
    let mut next = session("one", "alice");
    next.generation = 1;
    assert!(SessionStore::rotate(store, &next.into_session().unwrap()).await.unwrap());
    heard.exactly(&[]).await;
    assert!(store.end("one", at(1), SessionEnd::LoggedOut).await.unwrap());
    heard.exactly(&[Changed::Session("one")]).await;
    assert!(!store.end("one", at(2), SessionEnd::LoggedOut).await.unwrap());
    heard.exactly(&[]).await;
    store.cut_off(&CutOff::subject("alice"), at(1)).await.unwrap();
    heard.exactly(&[Changed::Session("two"), Changed::Session("three"), Changed::Subject("alice")]).await;
    store.cut_off(&CutOff::Everyone, at(1)).await.unwrap();
    heard.exactly(&[ALL]).await;
    for until in [at(1), at(2)] {
        store.deny("token", until).await.unwrap();
        heard.exactly(&[Changed::Token("token")]).await;
    }
    // What is removed by the upkeep has been announced, or its tokens have expired.
    let (mut old, far) = (session("old", "bob"), at(9_999_999_999));
    (old.created_at, old.used_at, old.expires_at, old.ends_at) = (1, 1, 2, 2);
    begin(store, old).await;
    assert_eq!(SessionStore::forget(store, &Outdated::new(far, at(0)), 9).await.unwrap(), 5);
    heard.exactly(&[]).await;
}

#[tokio::test]
async fn what_is_written_for_each_request_announces_nothing() {
    let Some((tables, mut heard)) = both().await else { return };
    let june = BudgetPeriod::new(BucketKey::new(["acme"]), CalendarUnit::Month, "UTC", 202_606);
    tables.store.take(&june, BudgetTake::new(10, 3)).await.unwrap();
    begin(&tables.store, session("one", "alice")).await;
    tables.execute(
        "INSERT INTO tower_auth.usage_hours (kind, id, start, outcome, count) VALUES ('key', 'key_1', now(), 'ok', 1); \
         INSERT INTO tower_auth.usage_last (key, at) VALUES ('key_1', now()); \
         INSERT INTO tower_auth.usage_refusals (key, at, outcome, status) VALUES ('key_1', now(), 'expired', 401)",
    );
    heard.exactly(&[]).await;
    // No other table has a trigger.
    let client = tables.pool.get().await.unwrap();
    let tables_of = "SELECT string_agg(DISTINCT c.relname, ' ' ORDER BY c.relname) FROM pg_trigger t \
                     JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal";
    let named: String = client.query_one(tables_of, &[]).await.unwrap().get(0);
    assert_eq!(named, "denied_tokens holders keys session_cut_offs sessions");
}

#[tokio::test]
async fn changes_by_hand_are_announced() {
    let Some((tables, mut heard)) = both().await else { return };
    change(&tables.store, vec![create(key("key_1", "acme"), 1), create(key("key_2", "acme"), 2)]).await.unwrap();
    begin(&tables.store, session("one", "alice")).await;
    heard.exactly(&[NEW]).await;
    let (one, two) = (Changed::Key("key_1"), Changed::Key("key_2"));
    for (statement, announced) in [
        ("UPDATE keys SET last_used_at = now()", &[][..]),
        ("UPDATE keys SET name = name", &[]),
        ("UPDATE keys SET paused = true WHERE id = 'key_1'", &[one]),
        ("UPDATE keys SET last_used_at = now(), metadata = '{}' WHERE id = 'key_1'", &[one]),
        ("UPDATE keys SET revoked_at = now()", &[one, two]),
        ("UPDATE keys SET id = 'key_3' WHERE id = 'key_2'", &[ALL]),
        ("DELETE FROM keys WHERE id = 'key_1'", &[one]),
        ("COPY keys FROM PROGRAM 'true'", &[NEW]),
        ("TRUNCATE keys", &[ALL]),
        ("INSERT INTO holders VALUES ('account', 'acme', now())", &[Changed::Account("acme")]),
        ("UPDATE holders SET kind = 'organization'", &[ALL]),
        ("DELETE FROM holders", &[Changed::Organization("acme")]),
        ("TRUNCATE holders", &[ALL]),
        ("UPDATE sessions SET used_at = now(), generation = 7", &[]),
        ("UPDATE sessions SET ended_at = now()", &[Changed::Session("one")]),
        ("UPDATE sessions SET ended_at = NULL", &[Changed::Session("one")]),
        ("DELETE FROM sessions", &[Changed::Session("one")]),
        ("TRUNCATE sessions", &[ALL]),
        ("INSERT INTO denied_tokens VALUES ('token', now() + interval '1 hour')", &[Changed::Token("token")]),
        ("DELETE FROM denied_tokens", &[Changed::Token("token")]),
        ("TRUNCATE denied_tokens", &[ALL]),
        ("INSERT INTO session_cut_offs VALUES ('subject', 'alice', now())", &[Changed::Subject("alice")]),
        ("UPDATE session_cut_offs SET at = now()", &[Changed::Subject("alice")]),
        ("DELETE FROM session_cut_offs", &[Changed::Subject("alice")]),
        ("INSERT INTO session_cut_offs VALUES ('everyone', '', now())", &[ALL]),
        ("TRUNCATE session_cut_offs", &[ALL]),
        // As logical replication writes.
        (
            "SET session_replication_role = replica; DELETE FROM keys; INSERT INTO holders VALUES ('account', 'a', now())",
            &[Changed::Account("a")],
        ),
    ] {
        tables.execute(&format!("SET search_path = tower_auth; {statement}"));
        heard.exactly_after(statement, announced).await;
    }
}

#[tokio::test]
async fn much_at_once_is_announced_once() {
    let Some((tables, mut heard)) = both().await else { return };
    let columns = "digest, id, name, hint, account, subject, organizations, scopes, roles, active, paused, created_at, created_by";
    tables.execute(&format!(
        "INSERT INTO tower_auth.keys ({columns}) SELECT sha256(n::text::bytea), 'key_' || n, '', '', 'acme', '', '{{}}', \
         '{{}}', '{{}}', true, false, now(), 'alice' FROM generate_series(1, 100000) AS n",
    ));
    heard.exactly(&[NEW]).await;
    tables.execute("UPDATE tower_auth.keys SET last_used_at = now()");
    heard.exactly(&[]).await;
    // A digest under another pepper for each key: one announcement for each mark at the most.
    tables.execute("UPDATE tower_auth.keys SET digest = sha256(digest)");
    let marks = heard.drain().await.len();
    assert!((30_000..=65_537).contains(&marks), "{marks}");
}

#[tokio::test]
async fn another_schema_announces_too() {
    let Some((tables, mut heard)) = both().await else { return };
    let other = tables.store.clone().schema("O'ther \"$$\"").unwrap();
    other.migrate().await.unwrap();
    change(&other, vec![create(key("key_1", "acme"), 1)]).await.unwrap();
    heard.exactly(&[NEW]).await;
    assert!(other.get("key_1").await.unwrap().is_some());
}
