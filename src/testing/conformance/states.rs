use std::time::Duration;

use super::trial::{HOUR, TICK, Trial, new};
use crate::{
    KeyStatus, KeyStore, RegistryError, Secret,
    registry::{Holder, KeyUpdate, RegistryStore},
};

pub(super) async fn a_new_key_is_found_and_an_unknown_one_is_not<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let issued = it.create(new()).await;
    let found = it.find(&issued.secret).await.expect("a key is found as soon as it was created");
    assert_eq!((found.id(), found.status(it.now())), (issued.key.id(), KeyStatus::Active));
    assert_eq!(found.principal().scopes(), ["read"]);
    let never = Secret::new(super::trial::scheme(&[]).generate().expect("random bytes").expose());
    assert_eq!(it.find(&never).await, None);
    assert!(it.store.get("key_of_nobody").await.expect("the store answers").is_none());
}

pub(super) async fn each_state_holds_for_the_next_look_up<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let issued = it.create(new()).await;
    let (keys, admin, id, secret) = (&it.keys, &it.admin, issued.key.id(), &issued.secret);
    for _ in 0..2 {
        keys.pause(admin, id).await.expect("paused, and again");
        it.assert_status(secret, KeyStatus::Paused).await;
    }
    let key = keys.deactivate(admin, id).await.expect("deactivated");
    assert_eq!((key.is_active(), key.is_paused()), (false, true));
    it.assert_status(secret, KeyStatus::Deactivated).await;
    keys.activate(admin, id).await.expect("activated");
    it.assert_status(secret, KeyStatus::Paused).await;
    keys.resume(admin, id).await.expect("resumed");
    it.assert_status(secret, KeyStatus::Active).await;
    assert!(!keys.get(admin, id).await.expect("it is there").is_paused());
}

pub(super) async fn a_revoked_key_stays_revoked<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let issued = it.create(new()).await;
    let (keys, admin, id) = (&it.keys, &it.admin, issued.key.id());
    keys.revoke(admin, id).await.expect("revoked");
    it.assert_status(&issued.secret, KeyStatus::Revoked).await;
    it.hand.advance(HOUR);
    let again = keys.revoke(admin, id).await.expect("again is no error");
    assert_eq!(again.revoked_at(), Some(it.now() - HOUR), "the first time counts");
    for refused in [
        keys.resume(admin, id).await.map(drop),
        keys.activate(admin, id).await.map(drop),
        keys.update(admin, id, KeyUpdate::new().name("other")).await.map(drop),
        keys.rotate(admin, id, HOUR).await.map(drop),
        keys.replace(admin, id).await.map(drop),
    ] {
        assert_eq!(refused, Err(RegistryError::Revoked));
    }
    it.assert_status(&issued.secret, KeyStatus::Revoked).await;
    keys.delete(admin, id).await.expect("deleted");
    it.assert_status(&issued.secret, KeyStatus::Revoked).await;
    assert!(keys.get(admin, id).await.expect("it is still there").is_deleted());
}

pub(super) async fn times_are_kept_to_the_microsecond<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let micro = Duration::from_micros(1);
    let (start, end) = (it.now() + 3 * micro, it.now() + HOUR + 7 * micro);
    let issued = it.create(new().not_before(start).expires_at(end)).await;
    let found = it.find(&issued.secret).await.expect("found");
    for (now, status) in [
        (start - micro, KeyStatus::NotYetValid(start)),
        (start, KeyStatus::Active),
        (end - micro, KeyStatus::Active),
        (end, KeyStatus::Expired(end)),
    ] {
        assert_eq!(found.status(now), status);
    }
    // Older than the epoch of a computer, and later than 32 bits can count.
    let old = std::time::SystemTime::UNIX_EPOCH - HOUR;
    let late = it.now() + 3000 * 365 * 24 * HOUR;
    let issued = it.create(new().not_before(old).expires_at(late)).await;
    let key = it.keys.get(&it.admin, issued.key.id()).await.expect("it is there");
    assert_eq!((key.not_before(), key.expires_at()), (Some(old), Some(late)));
    it.assert_status(&issued.secret, KeyStatus::Active).await;
}

pub(super) async fn the_first_reason_of_the_list_counts<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let issued = it.create(new().expires_in(HOUR)).await;
    let (keys, admin, id, secret) = (&it.keys, &it.admin, issued.key.id(), &issued.secret);
    let end = it.now() + HOUR;
    it.hand.advance(HOUR.saturating_sub(TICK));
    it.assert_status(secret, KeyStatus::Active).await;
    it.hand.advance(TICK);
    it.assert_status(secret, KeyStatus::Expired(end)).await;
    keys.pause(admin, id).await.expect("paused");
    it.assert_status(secret, KeyStatus::Paused).await;
    keys.deactivate(admin, id).await.expect("deactivated");
    it.assert_status(secret, KeyStatus::Deactivated).await;
    keys.suspend(admin, Holder::account("acme")).await.expect("suspended");
    it.assert_status(secret, KeyStatus::AccountSuspended).await;
    keys.suspend(admin, Holder::organization("org_1")).await.expect("suspended");
    it.assert_status(secret, KeyStatus::OrganizationSuspended).await;
    keys.revoke(admin, id).await.expect("revoked");
    it.assert_status(secret, KeyStatus::Revoked).await;
}
