use super::trial::{HOUR, Trial, new};
use crate::{
    KeyStatus, KeyStore, NewKey,
    registry::{Holder, RegistryStore},
};

pub(super) async fn a_suspended_holder_stops_all_of_its_keys<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let (keys, admin) = (&it.keys, &it.admin);
    let acme = it.create(new()).await;
    let other = it.create(NewKey::named("b").account("other").organizations(["org_2", "org_1"])).await;
    let account = Holder::account("acme");
    keys.suspend(admin, account.clone()).await.expect("suspended");
    it.assert_status(&acme.secret, KeyStatus::AccountSuspended).await;
    it.assert_status(&other.secret, KeyStatus::Active).await;
    let later = it.create(new()).await;
    it.assert_status(&later.secret, KeyStatus::AccountSuspended).await;
    it.hand.advance(HOUR);
    keys.suspend(admin, account.clone()).await.expect("again is no error");
    assert_eq!(keys.suspended_since(&account).await.expect("the store answers"), Some(it.now() - HOUR));
    assert_eq!(keys.suspended_since(&Holder::organization("acme")).await.expect("the store answers"), None);
    keys.reinstate(admin, account.clone()).await.expect("reinstated");
    keys.reinstate(admin, account).await.expect("again is no error");
    it.assert_status(&acme.secret, KeyStatus::Active).await;
    // An organisation owns the keys whose first organisation it is.
    keys.suspend(admin, Holder::organization("org_1")).await.expect("suspended");
    it.assert_status(&acme.secret, KeyStatus::OrganizationSuspended).await;
    it.assert_status(&other.secret, KeyStatus::Active).await;
    keys.reinstate(admin, Holder::organization("org_1")).await.expect("reinstated");
    assert_eq!(keys.revoke_all(admin, "acme").await.expect("revoked"), 2);
    assert_eq!(keys.revoke_all(admin, "acme").await.expect("again is no error"), 0);
    it.assert_status(&later.secret, KeyStatus::Revoked).await;
    it.assert_status(&other.secret, KeyStatus::Active).await;
}
