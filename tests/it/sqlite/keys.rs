//! What is stored of a key, and what is not.

use std::time::{Duration, SystemTime};

use rusqlite::Connection;
use serde_json::json;
use tower_auth::{
    KeyRecord, NewKey, Quota, RegistryError, Restrictions,
    limit::Limits,
    registry::{Actor, AuditFilter, Change, Entry, Holder, KeyFilter, KeyInfo, KeyRow, RegistryStore as _},
};

use super::{Folder, scheme};

/// A key of which every property is set.
fn full(id: &str, name: &str) -> KeyInfo {
    let time = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_micros(seconds * 1_000_000 + 1);
    let restrictions = r#"{"networks":["192.0.2.0/24"],"origins":["https://a.example"],"idle_after":60,"new":[1]}"#;
    let record = KeyRecord::new(id, name)
        .subject(format!("{name}'s subject"))
        .organizations([name, "second", name])
        .scopes([name, "read"])
        .roles([name])
        .plan(name)
        .limits(Limits::new([Quota::per_minute(7)]).unwrap())
        .hint("ak_…1234")
        .environment("live")
        .restrictions(Restrictions::from_json(restrictions).unwrap())
        .first_id(name)
        .last_used_at(time(500))
        .not_before(time(10))
        .expires_at(time(4_000_000_000));
    let metadata = json!({ name: [1, null, { "ü": name }] });
    KeyInfo::of(record)
        .named(name)
        .created(time(1), name)
        .flags(false, true)
        .between(Some(name.to_owned()), Some("after".to_owned()))
        .living(Some(Duration::from_secs(100)))
        .noted(metadata.as_object().unwrap().clone())
        .deleted(time(3))
        .revoked(time(2))
}

#[tokio::test]
async fn every_property_and_every_text_is_read_back() {
    let folder = Folder::new();
    let office = folder.office().await;
    let names = [
        "plain",
        "Grüße, 東京 🗝️",
        "it's \"quoted\"; -- DROP TABLE keys",
        "\\ % _ ? ?1 :a @b $c",
        "nul\0nul",
        "\n\t\r",
        " ",
    ];
    for (number, name) in names.into_iter().enumerate() {
        let id = format!("{number} {name}");
        let key = scheme().generate().unwrap();
        let digests = scheme().digests(key.expose().as_bytes()).unwrap();
        let entry = Entry::new(full(&id, name), *digests.iter().next().unwrap(), Some(2));
        let entry = KeyRow::of(&entry).into_entry().unwrap();
        let create = Change::Create { entry: entry.clone(), digests: Some(digests) };
        office.store.transact(Vec::new(), Box::new(|_| Ok(vec![create]))).await.unwrap();
        assert_eq!(office.store.get(&id).await.unwrap(), Some(entry.clone()));
        let told = entry.key().record().clone().pepper(Some(2));
        assert_eq!(office.find(&key).await.unwrap().unwrap(), told);
        for filter in [KeyFilter::account(name), KeyFilter::organization(name)] {
            let page = office.store.list(&filter.clone().with_deleted()).await.unwrap();
            assert_eq!(page.items, std::slice::from_ref(&entry), "{name:?}");
            assert!(office.store.list(&filter).await.unwrap().items.is_empty(), "it is deleted");
        }
        // A suspension of the owner concerns the key, one of another organisation does not.
        for (holder, suspended) in [(name, true), ("second", false)] {
            office.keys.suspend(&office.admin, Holder::organization(holder)).await.unwrap();
            let record = office.find(&key).await.unwrap().unwrap();
            assert_eq!(record == told.clone().organization_suspended(true), suspended, "{holder:?}");
            office.keys.reinstate(&office.admin, Holder::organization(holder)).await.unwrap();
        }
    }
    assert_eq!(office.keys.list_all(&office.admin, &KeyFilter::all().with_deleted()).await.unwrap().len(), names.len());
}

#[tokio::test]
async fn a_change_of_organisations_changes_the_lists() {
    let folder = Folder::new();
    let office = folder.office().await;
    let new = NewKey::named("ci").id("key_1").account("acme").organizations(["old", "both"]);
    office.keys.create(&office.admin, new).await.unwrap();
    let entry = office.store.get("key_1").await.unwrap().unwrap();
    let record = entry.key().record().clone().organizations(["both", "new"]);
    let changed = Entry::new(KeyInfo::of(record), *entry.digest(), entry.pepper());
    office.store.transact(vec!["key_1".into()], Box::new(|_| Ok(vec![Change::Update(changed)]))).await.unwrap();
    for (name, count) in [("old", 0), ("both", 1), ("new", 1)] {
        assert_eq!(office.store.list(&KeyFilter::organization(name)).await.unwrap().items.len(), count, "{name}");
    }
    office.store.transact(Vec::new(), Box::new(|_| Ok(vec![Change::Remove { id: "key_1".into() }]))).await.unwrap();
    let left: i64 =
        folder.connection().query_row("SELECT count(*) FROM key_organizations", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_transaction_is_carried_out_as_a_whole_or_not_at_all() {
    let folder = Folder::new();
    let office = folder.office().await;
    let key = office.create("key_1").await;
    let before = (office.keys.audit(&office.admin, &AuditFilter::all()).await.unwrap(), folder_rows(&folder));
    let entry = office.store.get("key_1").await.unwrap().unwrap();
    let missing = Entry::new(KeyInfo::of(KeyRecord::new("none", "acme")), *entry.digest(), None);
    let twice = Change::Create { entry: entry.clone(), digests: None };
    for (last, error) in [(Change::Update(missing), RegistryError::NotFound), (twice, RegistryError::AlreadyExists)] {
        let revoked =
            Change::Update(Entry::new(entry.key().clone().revoked(SystemTime::now()), *entry.digest(), entry.pepper()));
        let suspended = Change::Suspend { holder: Holder::account("acme"), at: SystemTime::now() };
        let changes = vec![revoked, suspended, Change::Remove { id: "nobody".into() }, last];
        let refused = office.store.transact(vec!["key_1".into()], Box::new(|_| Ok(changes))).await.unwrap_err();
        assert_eq!(refused, error);
        assert_eq!(office.state(&key).await.unwrap(), "Active");
    }
    assert_eq!((office.keys.audit(&office.admin, &AuditFilter::all()).await.unwrap(), folder_rows(&folder)), before);
}

fn folder_rows(folder: &Folder) -> (i64, i64) {
    let count = |connection: &Connection, text| connection.query_row(text, [], |row| row.get(0)).unwrap();
    let connection = folder.connection();
    (count(&connection, "SELECT count(*) FROM keys"), count(&connection, "SELECT count(*) FROM holders"))
}

#[tokio::test]
async fn a_secret_and_an_erased_name_are_in_no_file() {
    let folder = Folder::new();
    let office = folder.office().await;
    let actor = Actor::from(&office.admin).address([198, 51, 100, 77]).request_id("request-77");
    let new = |id: &str| NewKey::named("Erika").id(id).account("mustermann").scopes(["secretary"]);
    let mut secrets = Vec::new();
    for id in ["key_1", "key_2"] {
        secrets.push(office.keys.create(&actor, new(id)).await.unwrap().secret);
    }
    secrets.push(office.keys.rotate(&actor, "key_1", Duration::from_secs(9)).await.unwrap().secret);
    for secret in &secrets {
        assert!(office.find(secret).await.unwrap().is_some());
        assert!(!folder.contains(&secret.expose()[3..20]));
    }
    let names = ["Erika", "mustermann", "secretary", "198.51.100.77", "request-77"];
    for name in names {
        assert!(folder.contains(name), "{name}");
    }
    office.keys.erase_account(&office.admin, "mustermann").await.unwrap();
    for name in names {
        assert!(!folder.contains(name), "{name}");
    }
    let rows = office.keys.audit(&office.admin, &AuditFilter::all()).await.unwrap().items;
    assert_eq!((rows.len(), rows[0].actor.as_str(), rows[0].key.as_deref()), (5, "erased", Some("key_1")));
    for secret in &secrets {
        assert!(office.find(secret).await.unwrap().is_none());
        let record = KeyRecord::new("again", "mustermann");
        let refused = office.keys.import(&office.admin, "again", secret, record).await.unwrap_err();
        assert_eq!(refused, RegistryError::Revoked);
    }
}

#[tokio::test]
async fn a_use_never_goes_back_and_needs_no_key() {
    let folder = Folder::new();
    let office = folder.office().await;
    office.create("key_1").await;
    office.create("key_2").await;
    let created = office.store.get("key_1").await.unwrap().unwrap().key().created_at();
    let after = |seconds| created + Duration::from_secs(seconds);
    let used = |uses: &[(&str, SystemTime)]| {
        let uses = uses.iter().map(|(id, at)| ((*id).to_owned(), *at)).collect();
        office.store.transact(Vec::new(), Box::new(|_| Ok(vec![Change::Used(uses)])))
    };
    let last = async |id| office.store.get(id).await.unwrap().unwrap().key().last_used_at();
    used(&[("key_1", created - Duration::from_secs(1))]).await.unwrap();
    assert_eq!(last("key_1").await, None);
    used(&[("key_1", after(2)), ("gone", after(9)), ("key_1", after(5)), ("key_1", after(3))]).await.unwrap();
    used(&[("key_1", after(4)), ("key_2", after(1))]).await.unwrap();
    assert_eq!((last("key_1").await, last("key_2").await), (Some(after(5)), Some(after(1))));
    office.keys.pause(&office.admin, "key_1").await.unwrap();
    assert_eq!(last("key_1").await, Some(after(5)));
}

#[tokio::test]
async fn pages_join_without_a_gap() {
    let folder = Folder::new();
    let office = folder.office().await;
    for number in 0..7 {
        let new =
            NewKey::named("ci").id(format!("key_{number}")).account(["a", "b"][number % 2]).organizations(["org"]);
        office.keys.create(&office.admin, new).await.unwrap();
    }
    office.keys.delete(&office.admin, "key_2").await.unwrap();
    for (filter, expected) in [
        (KeyFilter::all(), vec![0, 1, 3, 4, 5, 6]),
        (KeyFilter::account("a"), vec![0, 4, 6]),
        (KeyFilter::organization("org").with_deleted(), vec![0, 1, 2, 3, 4, 5, 6]),
        (KeyFilter::account("none"), vec![]),
    ] {
        for size in [1, 2, 3, 7, 8] {
            let keys = office.keys.list_all(&office.admin, &filter.clone().limit(size)).await.unwrap();
            let ids: Vec<_> = keys.iter().map(|key| key.id().to_owned()).collect();
            assert_eq!(ids, expected.iter().map(|number| format!("key_{number}")).collect::<Vec<_>>(), "{size}");
        }
    }
    let (mut filter, mut actions) = (AuditFilter::account("a").newest_first().limit(2), Vec::new());
    loop {
        let page = office.keys.audit(&office.admin, &filter).await.unwrap();
        actions.extend(page.items.into_iter().map(|row| row.action.as_str().to_owned()));
        match page.next {
            Some(next) => filter = filter.after(next),
            None => break,
        }
    }
    assert_eq!(actions, ["deleted", "created", "created", "created", "created"]);
}
