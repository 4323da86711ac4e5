use super::trial::{HOUR, Trial, new};
use crate::{KeyRecord, KeyStore, RegistryError, registry::RegistryStore};

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
