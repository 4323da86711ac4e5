use super::trial::{HOUR, TICK, Trial, new};
use crate::{
    KeyRecord, KeyStore, NewKey, RegistryError,
    registry::{Actor, AuditFilter, RegistryStore},
};

pub(super) async fn a_purged_key_can_never_come_back<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let (keys, admin) = (&it.keys, &it.admin);
    let (gone, kept) = (it.create(new()).await, it.create(new()).await);
    keys.delete(admin, gone.key.id()).await.expect("deleted");
    keys.revoke(admin, kept.key.id()).await.expect("revoked");
    assert_eq!(keys.purge(admin, it.now()).await.expect("purged"), 0, "it was not deleted before now");
    it.hand.advance(HOUR);
    assert_eq!(keys.purge(admin, it.now()).await.expect("purged"), 1, "what was only revoked stays");
    assert_eq!(keys.get(admin, gone.key.id()).await.map(drop), Err(RegistryError::NotFound));
    assert_eq!(it.find(&gone.secret).await, None);
    for scheme in [&[1][..], &[2, 1]] {
        let registry = it.registry(&super::trial::scheme(scheme));
        let again = registry.import(admin, "again", &gone.secret, KeyRecord::new("again", "acme")).await.map(drop);
        assert_eq!(again, Err(RegistryError::Revoked), "{}: revoked is terminal", it.name);
    }
    // Its id may be used again.
    it.create(new().id(gone.key.id())).await;
}

pub(super) async fn an_erased_account_leaves_no_name<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let (keys, admin) = (&it.keys, &it.admin);
    let person = Actor::named("petra@example.com").address([192, 0, 2, 7]).request_id("req_petra");
    let new_key = || NewKey::named("petra's laptop").account("petra").scopes(["read"]);
    let (one, two) = (
        it.noted(keys.create(&person, new_key()).await.expect("created")),
        it.noted(keys.create(&person, new_key()).await.expect("created")),
    );
    keys.pause(&person, one.key.id()).await.expect("paused");
    let other = it.create(new()).await;
    it.hand.advance(TICK);
    keys.erase_account(admin, "petra").await.expect("erased");
    for gone in [&one, &two] {
        assert_eq!(it.find(&gone.secret).await, None);
        let again = keys.import(admin, "again", &gone.secret, KeyRecord::new("again", "acme")).await.map(drop);
        assert_eq!(again, Err(RegistryError::Revoked));
    }
    assert!(it.find(&other.secret).await.is_some(), "{}: another account was touched", it.name);
    let rows = keys.audit(admin, &AuditFilter::all()).await.expect("the store answers").items;
    let text = rows.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(!text.contains("petra") && !text.contains("192.0.2.7"), "{}: {text}", it.name);
    let actions: Vec<&str> = rows.iter().map(|row| row.action.as_str()).collect();
    assert_eq!(actions, ["created", "created", "paused", "created", "erased"], "what was done stays");
    assert_eq!(rows[2].key.as_deref(), Some(one.key.id()));
}
