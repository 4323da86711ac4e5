use std::time::Duration;

use serde_json::{Map, Value, json};

use super::trial::{HOUR, Trial, new};
use crate::{
    KeyRecord, KeyStatus, KeyStore, NewKey, Quota, Restrictions,
    limit::Limits,
    registry::{Change, KeyRow, KeyUpdate, RegistryStore},
};

/// Names that a table, a query or JSON could stumble over.
const ODD: [&str; 4] = ["it's \"quoted\"", "back\\slash {brace, comma} NULL", "größe 鍵 🔑", " %_' OR 1=1 -- "];

pub(super) async fn every_field_comes_back<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    for odd in ODD {
        let issued = it.create(full(odd)).await;
        let stored = it.store.get(issued.key.id()).await.expect("the store answers").expect("it is there");
        assert_eq!(*stored.key(), issued.key, "{}: {odd}", it.name);
        assert_eq!(stored.pepper(), Some(1));
        let listed = it.store.list(&crate::registry::KeyFilter::account(odd)).await.expect("the store answers");
        assert_eq!(listed.items, std::slice::from_ref(&stored), "{}: {odd}", it.name);
        let found = it.find(&issued.secret).await.expect("found");
        assert_eq!(found.principal(), issued.key.principal());
        assert_eq!(found.current_restrictions(), issued.key.record().current_restrictions());
        assert_eq!(found.current_environment(), Some("test"));
        assert_eq!(found.status(it.now()), KeyStatus::NotYetValid(it.now() + HOUR));
    }
}

fn full(odd: &str) -> NewKey {
    let restrictions = Restrictions::new()
        .networks(["192.0.2.0/24", "2001:db8::/32"])
        .and_then(|some| some.origins(["https://app.example.com"]))
        .expect("the restrictions are right")
        .idle_after(24 * HOUR);
    let quotas = [Quota::per_minute(10).burst(3), Quota::new(7, Duration::from_millis(1)).named("tiny")];
    NewKey::named(odd)
        .id(format!("id {odd}"))
        .account(odd)
        .subject(format!("subject {odd}"))
        .organizations([odd, "", "org,2", "org_1"])
        .scopes(["read", "größe", "{x}", "a\"b"])
        .roles([odd, "admin"])
        .plan(odd)
        .limits(Limits::new(quotas).expect("the limits are right"))
        .restrictions(restrictions)
        .environment("test")
        .metadata(notes(odd))
        .not_before(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_405_200))
        .expires_in(30 * 24 * HOUR)
}

fn notes(odd: &str) -> Map<String, Value> {
    let notes = json!({ odd: odd, "n": 9_007_199_254_740_993_u64, "f": 0.1, "deep": { "list": [null, true, [], {}] } });
    notes.as_object().cloned().unwrap_or_default()
}

pub(super) async fn an_update_changes_what_it_names<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let issued = it.create(full("acme")).await;
    let (admin, id) = (&it.admin, issued.key.id());
    let change = KeyUpdate::new().name("website").scopes(["write"]).plan("premium").expires_at(None);
    let changed = it.keys.update(admin, id, change).await.expect("updated");
    assert_eq!(it.keys.get(admin, id).await.expect("it is there"), changed);
    assert_eq!((changed.name(), changed.principal().scopes()), ("website", &["write".to_owned()][..]));
    assert_eq!((changed.principal().plan(), changed.expires_at()), (Some("premium"), None));
    assert_eq!(changed.metadata(), issued.key.metadata());
    assert_eq!(changed.created_at(), issued.key.created_at());
    let clear = KeyUpdate::new().limits(None).restrictions(Restrictions::new()).metadata(Map::new());
    let cleared = it.keys.update(admin, id, clear).await.expect("updated");
    let found = it.find(&issued.secret).await.expect("found");
    assert!(found.current_restrictions().is_empty() && found.principal().limits().is_none());
    assert_eq!(it.keys.get(admin, id).await.expect("it is there"), cleared);
    assert!(cleared.metadata().is_empty());
}

pub(super) async fn restrictions_of_a_newer_version_are_kept<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let newer = r#"{"countries":["CH", {"a":1.50}],"networks":["192.0.2.7/32"]}"#;
    let newer = Restrictions::from_json(newer).expect("a JSON object");
    let issued = it.create(new().restrictions(newer)).await;
    it.keys.pause(&it.admin, issued.key.id()).await.expect("paused");
    let found = it.find(&issued.secret).await.expect("found");
    let unknown: Vec<&str> = found.current_restrictions().unknown_members().collect();
    assert_eq!(unknown, ["countries"], "{}: a restriction that is lost admits", it.name);
}

pub(super) async fn limits_of_a_newer_version_are_kept<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let newer = r#"[{"name":"decade",  "events":1e2,"calendar":"decade","rest":[1.50,{"a":"größe"}]},"later"]"#;
    let unknown_zone = r#"[{"events":5,"calendar":"day","time_zone":"Mars/Olympus_Mons","name":"sol"}]"#;
    for stored in [newer, unknown_zone] {
        let secret = it.mint();
        let record = KeyRecord::new(format!("key_{}", stored.len()), "acme");
        let record = record.limits_from_json(stored).expect("JSON");
        let key = it.keys.import(&it.admin, "ci", &secret, record).await.expect("imported");
        it.keys.pause(&it.admin, key.id()).await.expect("paused");
        let found = it.find(&secret).await.expect("found");
        assert_eq!(found.unread_limits(), Some(stored), "{}: a limit that is lost admits", it.name);
        assert!(found.principal().limits().is_none());
        let entry = it.store.get(key.id()).await.expect("the store answers").expect("it is there");
        assert_eq!(KeyRow::of(&entry).limits.as_deref(), Some(stored), "{}", it.name);
    }
}

pub(super) async fn calendar_limits_come_back<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let quotas = [Quota::per_calendar_month(u32::MAX), Quota::per_calendar_day(7).named("daily"), Quota::per_minute(5)];
    let limits = Limits::new(quotas).expect("the limits are right");
    let issued = it.create(new().limits(limits.clone())).await;
    let found = it.find(&issued.secret).await.expect("found");
    assert_eq!(found.principal().limits(), Some(&limits), "{}", it.name);
}

pub(super) async fn a_use_is_noted_and_never_goes_back<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let issued = it.create(new().restrictions(Restrictions::new().idle_after(HOUR))).await;
    let id = issued.key.id().to_owned();
    assert_eq!(it.keys.get(&it.admin, &id).await.expect("it is there").last_used_at(), None);
    let used = it.now() + HOUR / 2;
    let use_at = |at| vec![Change::Used(vec![("key_of_nobody".to_owned(), at), (id.clone(), at)])];
    for at in [used, it.now() + HOUR / 4] {
        let changes = use_at(at);
        it.store.transact(Vec::new(), Box::new(|_| Ok(changes))).await.expect("noted");
    }
    it.keys.pause(&it.admin, &id).await.expect("a change leaves the use alone");
    it.keys.resume(&it.admin, &id).await.expect("a change leaves the use alone");
    assert_eq!(it.keys.get(&it.admin, &id).await.expect("it is there").last_used_at(), Some(used));
    it.hand.advance(HOUR + HOUR / 2);
    it.assert_status(&issued.secret, KeyStatus::Expired(used + HOUR)).await;
}
