use super::trial::{HOUR, Trial, new};
use crate::{
    KeyDigest, KeyRecord, KeyStatus, KeyStore, RegistryError,
    registry::{AuditFilter, Change, Entry, KeyFilter, KeyInfo, KeyUpdate, RegistryStore},
};

pub(super) async fn what_is_refused_changes_nothing<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let issued = it.create(new()).await;
    let (keys, admin, id) = (&it.keys, &it.admin, issued.key.id());
    for missing in [
        keys.revoke(admin, "nobody").await.map(drop),
        keys.pause(admin, "nobody").await.map(drop),
        keys.rotate(admin, "nobody", HOUR).await.map(drop),
        keys.get(admin, "nobody").await.map(drop),
    ] {
        assert_eq!(missing, Err(RegistryError::NotFound));
    }
    let past = KeyUpdate::new().name("other").expires_at(Some(it.now()));
    assert!(matches!(keys.update(admin, id, past).await, Err(RegistryError::Invalid { field: "/expires_at", .. })));
    assert_eq!(keys.get(admin, id).await.expect("it is there"), issued.key);
    let rows = keys.audit(admin, &AuditFilter::all()).await.expect("the store answers");
    assert_eq!(rows.items.len(), 1, "only the creation was written");
}

pub(super) async fn no_two_keys_share_an_id_or_a_digest<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let issued = it.create(new().id("mine")).await;
    let again = it.keys.create(&it.admin, new().id("mine")).await.map(drop);
    assert_eq!(again, Err(RegistryError::AlreadyExists), "{}: an id is unique", it.name);
    let twice = it.keys.import(&it.admin, "twice", &issued.secret, KeyRecord::new("other", "evil")).await.map(drop);
    assert_eq!(twice, Err(RegistryError::AlreadyExists), "{}: a key opens one account", it.name);
    // Also under another pepper.
    let newer = it.registry(&super::trial::scheme(&[2, 1]));
    let twice = newer.import(&it.admin, "twice", &issued.secret, KeyRecord::new("other", "evil")).await.map(drop);
    assert_eq!(twice, Err(RegistryError::AlreadyExists), "{}: a key opens one account", it.name);
    let found = it.find(&issued.secret).await.expect("found");
    assert_eq!((found.id(), found.principal().account()), ("mine", Some("acme")));
    assert!(it.store.get("other").await.expect("the store answers").is_none());
}

pub(super) async fn a_transaction_is_all_or_nothing<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let (one, two) = (it.create(new()).await, it.create(new()).await);
    let taken = entry(two.key.id(), 7);
    let fresh = entry("fresh", 8);
    let decide = move |entries: &[Entry]| {
        let revoked = entries.iter().map(|entry| {
            let key = entry.key().clone().revoked(entry.key().created_at());
            Change::Update(Entry::new(key, *entry.digest(), entry.pepper()))
        });
        let create = [fresh, taken].map(|entry| Change::Create { entry, digests: None });
        Ok(revoked.chain(create).collect())
    };
    let failed = it.store.transact(vec![one.key.id().to_owned()], Box::new(decide)).await.map(drop);
    assert_eq!(failed, Err(RegistryError::AlreadyExists));
    it.assert_status(&one.secret, KeyStatus::Active).await;
    assert!(it.store.get("fresh").await.expect("the store answers").is_none(), "{}: half is done", it.name);
    let refused = Box::new(|_: &[Entry]| Err(RegistryError::Expired));
    let refused = it.store.transact(vec![one.key.id().to_owned()], refused).await.map(drop);
    assert_eq!(refused, Err(RegistryError::Expired), "{}: a refusal comes back as it is", it.name);
    let keys = it.store.list(&KeyFilter::all()).await.expect("the store answers");
    assert_eq!(keys.items.len(), 2);
    it.keys.pause(&it.admin, one.key.id()).await.expect("the store works on");
}

fn entry(id: &str, digest: u8) -> Entry {
    Entry::new(KeyInfo::of(KeyRecord::new(id, "acme")), KeyDigest::from_bytes([digest; 32]), None)
}
