//! What is written is read back, value for value.

use std::time::Duration;

use serde_json::json;
use tower_auth::{
    Quota, Restrictions,
    limit::Limits,
    registry::{AuditFilter, AuditRow, Change, Holder, KeyAction, KeyInfo, KeyRow, RegistryStore as _},
};

use super::{Tables, at, change, create, entry, find, key};

/// A key with a value in every column.
fn full(id: &str) -> KeyInfo {
    let odd = "ünï \u{1F511} \"quoted\" \\ {a,b} NULL 'x' \u{202e} \n";
    let record = tower_auth::KeyRecord::new(id, "Acme {\"GmbH\"}, NULL")
        .subject(odd)
        .hint("ak_…1234")
        .organizations(["org \"1\"", "{}", "", "NULL"])
        .scopes(["read", "a,b", "\\"])
        .roles(["ädmin"])
        .plan("pro")
        .limits(Limits::new([Quota::per_minute(7)]).unwrap())
        .environment("live")
        .restrictions(restrictions())
        .first_id("key_0")
        .not_before(at(-86_400))
        .expires_at(at(9_000_000_000))
        .last_used_at(at(1_000));
    let metadata = json!({
        "z": 1, "a": [1.0, 1e16, 1.5e300, -0.0, 18_446_744_073_709_551_615_u64, null, "\u{0}"], "ü": {"b": 1, "a": 2}
    });
    KeyInfo::of(record)
        .named(odd)
        .created(at(1_000), odd)
        .living(Some(Duration::from_micros(3_600_000_001)))
        .between(Some("key_p".to_owned()), Some("key_s".to_owned()))
        .noted(metadata.as_object().unwrap().clone())
        .flags(false, true)
        .revoked(at(2_000))
        .deleted(at(3_000))
}

/// With members of a later version, whose text is kept: `jsonb` would write `100` for `1e2`, and sort.
fn restrictions() -> Restrictions {
    let text = r#"{"networks":["192.0.2.0/24"],"zones":{"b": 1e2,  "a":1.50},"b":[ 1 ]}"#;
    Restrictions::from_json(text).unwrap()
}

#[tokio::test]
async fn every_column_of_a_key_comes_back_as_it_was() {
    let Some(tables) = Tables::new().await else { return };
    let written = entry(full("key_1"), 1);
    change(&tables.store, vec![create(full("key_1"), 1), create(key("key_2", "acme"), 2)]).await.unwrap();
    let read = tables.store.get("key_1").await.unwrap().unwrap();
    assert_eq!(KeyRow::of(&read), KeyRow::of(&written));
    assert_eq!(read.key().metadata(), written.key().metadata());
    assert_eq!(read.key().record().current_restrictions(), &restrictions());
    // A guard is told the same.
    let told = find(&tables.store, 1).await.unwrap();
    assert_eq!(told, read.key().record().clone().pepper(Some(2)));
    // An update writes the same columns.
    change(&tables.store, vec![Change::Update(entry(full("key_2"), 2))]).await.unwrap();
    let updated = KeyRow::of(&tables.store.get("key_2").await.unwrap().unwrap());
    let kept = KeyRow::of(&entry(key("key_2", "acme"), 2));
    let mut wanted = KeyRow::of(&entry(full("key_2"), 2));
    (wanted.created_at, wanted.created_by, wanted.last_used_at) = (kept.created_at, kept.created_by, kept.last_used_at);
    assert_eq!(updated, wanted);
}

#[tokio::test]
async fn times_are_exact_before_1970_too() {
    let Some(tables) = Tables::new().await else { return };
    let times = [-2_208_988_800, -1, 0, 946_684_799, 946_684_800, 4_102_444_800, 253_402_300_799];
    for (number, seconds) in (1..).zip(times) {
        let (id, time) = (format!("key_{number}"), at(seconds));
        let record = key(&id, "acme").record().clone().expires_at(time).not_before(time);
        let key = KeyInfo::of(record).created(at(1_000), "alice");
        change(&tables.store, vec![create(key, number)]).await.unwrap();
        let read = tables.store.get(&id).await.unwrap().unwrap();
        assert_eq!((read.key().expires_at(), read.key().not_before()), (Some(time), Some(time)));
    }
    // As the server itself reads them.
    let client = tables.pool.get().await.unwrap();
    let shown = "SELECT to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') FROM tower_auth.keys \
                 ORDER BY seq LIMIT 2";
    let shown: Vec<String> = client.query(shown, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(shown, ["1899-12-31 23:59:59.999993", "1969-12-31 23:59:58.999993"]);
}

#[tokio::test]
async fn an_audit_row_comes_back_as_it_was() {
    let Some(tables) = Tables::new().await else { return };
    let mut rows = Vec::new();
    for (seconds, address) in [(1, "192.0.2.7"), (-5, "2001:db8::1"), (9, "::ffff:192.0.2.7")] {
        let mut row = AuditRow::new(at(seconds), "alïce", KeyAction::Changed);
        row.key = Some("key_1".to_owned());
        row.account = Some("acme".to_owned());
        row.organization = Some("org_1".to_owned());
        row.address = Some(address.parse().unwrap());
        row.request_id = Some("req-1".to_owned());
        row.before = json!({"z": 1e16, "a": "\u{0}"}).as_object().unwrap().clone();
        row.after = json!({"b": [null]}).as_object().unwrap().clone();
        rows.push(row);
    }
    rows.push(AuditRow::new(at(2), "", KeyAction::from("of a later version".to_owned())));
    change(&tables.store, rows.iter().cloned().map(Change::Audit).collect()).await.unwrap();
    assert_eq!(tables.store.audit(&AuditFilter::all()).await.unwrap().items, rows);
}

#[tokio::test]
async fn a_name_that_postgresql_cannot_store_is_refused_as_input_and_found_nowhere() {
    let Some(tables) = Tables::new().await else { return };
    let error = change(&tables.store, vec![create(key("key_1", "a\0b"), 1)]).await.unwrap_err();
    assert!(error.to_string().contains("U+0000"), "{error}");
    assert_eq!(tower_auth::Rejection::from(error).status().as_u16(), 422);
    assert!(tables.store.get("a\0b").await.unwrap().is_none());
    let account = tower_auth::registry::KeyFilter::account("a\0b");
    assert!(tables.store.list(&account).await.unwrap().items.is_empty());
    assert!(tables.store.audit(&AuditFilter::account("a\0b")).await.unwrap().items.is_empty());
    assert!(tables.store.suspended(&[Holder::account("a\0b")]).await.unwrap().is_empty());
    let nobody = tables.store.transact(
        vec!["a\0b".to_owned()],
        Box::new(|entries| {
            assert!(entries.is_empty());
            Ok(Vec::new())
        }),
    );
    assert!(nobody.await.unwrap().is_empty());
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named() {
    let Some(tables) = Tables::new().await else { return };
    change(&tables.store, vec![create(key("key_1", "acme"), 1)]).await.unwrap();
    tables.execute("UPDATE tower_auth.keys SET restrictions = '7'");
    let (found, got) = (
        tower_auth::KeyStore::find(&tables.store, &super::digests(1)).await.unwrap_err().to_string(),
        tables.store.get("key_1").await.unwrap_err().to_string(),
    );
    for error in [found, got] {
        assert!(error.contains("the stored key \"key_1\" cannot be read"), "{error}");
    }
}
