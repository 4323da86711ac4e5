//! What a move to another store reads, beside lists of keys and of the audit log, and what it writes there.

use super::trial::{HOUR, TICK, Trial, format, new};
use crate::{
    KeyDigest, KeyRecord, KeyScheme, KeyStore, RegistryError,
    registry::{Change, Holder, RegistryStore, Tombstone},
};

pub(super) async fn what_was_removed_can_be_moved<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let gone = it.create(new()).await;
    assert!(removed(it, None).await.is_empty());
    let digest = *it.store.get(gone.key.id()).await.expect("the store answers").expect("it is there").digest();
    it.keys.delete(&it.admin, gone.key.id()).await.expect("deleted");
    it.hand.advance(TICK);
    it.keys.purge(&it.admin, it.now()).await.expect("purged");
    let tomb = Tombstone::new(digest, Some(1));
    assert_eq!(removed(it, None).await, [tomb], "{}: a removed key is not listed with its pepper", it.name);
    // What another store has removed can never be created here.
    let plain = KeyScheme::sha256(format());
    let elsewhere = plain.generate().expect("random bytes");
    it.note(&elsewhere);
    let digests = plain.digests(elsewhere.expose().as_bytes()).expect("the key has the format");
    let digest = *digests.iter().next().expect("one digest");
    let tomb = Tombstone::new(digest, None);
    bury(it, vec![tomb, tomb]).await;
    bury(it, vec![tomb]).await;
    assert_eq!(removed(it, None).await.len(), 2, "{}: a digest is kept once", it.name);
    let again = it.registry(&plain).import(&it.admin, "again", &elsewhere, KeyRecord::new("again", "acme")).await;
    assert_eq!(again.map(drop), Err(RegistryError::Revoked), "{}: removed there is revoked here", it.name);
    assert!(it.store.get("again").await.expect("the store answers").is_none());
}

pub(super) async fn suspended_holders_are_listed<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let start = it.now();
    for holder in [Holder::organization("a"), Holder::account("größe"), Holder::account("a"), Holder::account("Z")] {
        it.keys.suspend(&it.admin, holder).await.expect("suspended");
        it.hand.advance(HOUR);
    }
    it.keys.reinstate(&it.admin, Holder::account("größe")).await.expect("reinstated");
    let all = it.store.holders(None).await.expect("the store answers");
    let expected = [
        (Holder::account("Z"), start + 3 * HOUR),
        (Holder::account("a"), start + 2 * HOUR),
        (Holder::organization("a"), start),
    ];
    assert_eq!(all, expected, "{}", it.name);
    for (place, (holder, _)) in expected.iter().enumerate() {
        let rest = it.store.holders(Some(holder)).await.expect("the store answers");
        assert_eq!(rest, expected[place + 1..], "{}: after {holder}", it.name);
    }
}

pub(super) async fn lists_go_on_after_a_place<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    // More than one list, and bytes that a text would sort in another order.
    let digest = |number: u32| {
        let mut bytes = [0xff; 32];
        bytes[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b1).to_be_bytes());
        KeyDigest::from_bytes(bytes)
    };
    let tomb = |number: u32| {
        let tomb = Tombstone::new(digest(number), (!number.is_multiple_of(3)).then_some(number));
        if number.is_multiple_of(2) { tomb.moved() } else { tomb }
    };
    let mut all: Vec<Tombstone> = (0..1_500).map(tomb).collect();
    bury(it, all.clone()).await;
    all.sort_unstable_by_key(|tomb| *tomb.digest.as_bytes());
    let (mut listed, mut sizes) = (Vec::new(), Vec::new());
    loop {
        let some = removed(it, listed.last().map(|tomb: &Tombstone| &tomb.digest)).await;
        if some.is_empty() {
            break;
        }
        sizes.push(some.len());
        listed.extend(some);
    }
    assert!(listed == all, "{}: lists of {sizes:?} digests", it.name);
    assert!(sizes.iter().all(|size| *size <= 1000), "{}: {sizes:?}", it.name);
}

async fn removed<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>, after: Option<&KeyDigest>) -> Vec<Tombstone> {
    it.store.removed(after).await.expect("the store answers")
}

async fn bury<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>, tombs: Vec<Tombstone>) {
    let changes = tombs.into_iter().map(Change::Bury).collect();
    it.store.transact(Vec::new(), Box::new(|_| Ok(changes))).await.expect("kept");
}
