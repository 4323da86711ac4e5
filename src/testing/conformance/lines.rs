use std::time::Duration;

use super::trial::{HOUR, TICK, Trial, new};
use crate::{KeyStatus, KeyStore, RegistryError, registry::RegistryStore};

pub(super) async fn a_rotated_key_ends_with_the_overlap<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let old = it.create(new().expires_in(48 * HOUR)).await;
    let next = it.noted(it.keys.rotate(&it.admin, old.key.id(), HOUR).await.expect("rotated"));
    assert_eq!(next.key.predecessor(), Some(old.key.id()));
    assert_eq!(next.key.expires_at(), Some(it.now() + 48 * HOUR), "it lives as long as its predecessor was made to");
    let before = it.keys.get(&it.admin, old.key.id()).await.expect("it is there");
    assert_eq!((before.successor(), before.expires_at()), (Some(next.key.id()), Some(it.now() + HOUR)));
    assert_eq!(it.keys.get(&it.admin, next.key.id()).await.expect("it is there"), next.key);
    // Both are counted as one.
    assert_eq!(next.key.first_id(), Some(old.key.id()));
    let found = it.find(&next.secret).await.expect("found");
    assert_eq!(found.principal().first_id(), Some(old.key.id()));
    it.hand.advance(HOUR.saturating_sub(TICK));
    it.assert_status(&old.secret, KeyStatus::Active).await;
    it.hand.advance(TICK);
    it.assert_status(&old.secret, KeyStatus::Expired(it.now())).await;
    it.assert_status(&next.secret, KeyStatus::Active).await;
}

pub(super) async fn a_third_key_revokes_the_first<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let first = it.create(new()).await;
    let second = it.noted(it.keys.rotate(&it.admin, first.key.id(), HOUR).await.expect("rotated"));
    let again = it.keys.rotate(&it.admin, first.key.id(), HOUR).await.map(drop);
    assert_eq!(again, Err(RegistryError::Rotated { successor: second.key.id().to_owned() }));
    let third = it.noted(it.keys.rotate(&it.admin, second.key.id(), HOUR).await.expect("rotated"));
    assert_eq!(third.key.first_id(), Some(first.key.id()));
    it.assert_status(&first.secret, KeyStatus::Revoked).await;
    it.assert_status(&second.secret, KeyStatus::Active).await;
    it.assert_status(&third.secret, KeyStatus::Active).await;
}

pub(super) async fn a_replaced_key_is_revoked_in_the_same_step<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let old = it.create(new()).await;
    let next = it.noted(it.keys.replace(&it.admin, old.key.id()).await.expect("replaced"));
    it.assert_status(&old.secret, KeyStatus::Revoked).await;
    it.assert_status(&next.secret, KeyStatus::Active).await;
    let last = it.noted(it.keys.rotate(&it.admin, next.key.id(), Duration::ZERO).await.expect("rotated"));
    it.assert_status(&next.secret, KeyStatus::Revoked).await;
    it.assert_status(&last.secret, KeyStatus::Active).await;
}
