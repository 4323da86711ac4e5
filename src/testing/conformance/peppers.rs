use super::trial::{TICK, Trial, format, new, scheme};
use crate::{
    KeyDigest, KeyRecord, KeyScheme, KeyStore, Peppers, Secret,
    registry::{Change, Entry, KeyFilter, RegistryStore, Tombstone},
};

pub(super) async fn keys_of_an_old_pepper_are_found_counted_and_moved<S: KeyStore + RegistryStore + Clone>(
    it: &Trial<S>,
) {
    let old = it.create(new()).await;
    let both = scheme(&[2, 1]);
    let keys = it.registry(&both);
    let young = it.noted(keys.create(&it.admin, new()).await.expect("created"));
    for issued in [&old, &young] {
        let found = it.find_by(&both, &issued.secret).await.expect("found under either pepper");
        assert_eq!(found.id(), issued.key.id());
    }
    let record = it.find_by(&both, &old.secret).await.expect("found");
    assert!(record.is_under_another_pepper(Some(2)), "{}: the record does not name its pepper", it.name);
    let counts: Vec<_> =
        keys.peppers(&it.admin).await.expect("counted").iter().map(|one| (one.version, one.keys)).collect();
    assert_eq!(counts, [(Some(2), 1), (Some(1), 1)]);
    // What the upkeep does when the key is used.
    let digest =
        *both.digests(old.secret.expose().as_bytes()).and_then(|all| all.iter().next().copied()).as_ref().expect("one");
    let moved = move |entries: &[Entry]| {
        Ok(entries.iter().map(|entry| Change::Update(Entry::new(entry.key().clone(), digest, Some(2)))).collect())
    };
    it.store.transact(vec![old.key.id().to_owned()], Box::new(moved)).await.expect("moved");
    assert!(keys.peppers(&it.admin).await.expect("counted")[1].may_go);
    assert_eq!(it.find_by(&scheme(&[2]), &old.secret).await.expect("found").id(), old.key.id());
}

pub(super) async fn removed_keys_are_counted_by_their_pepper<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let gone = it.create(new()).await;
    let moved = it.store.get(it.create(new()).await.key.id()).await.expect("the store answers").expect("it is there");
    let keys = it.registry(&scheme(&[2, 1]));
    let kept = it.noted(keys.create(&it.admin, new()).await.expect("created"));
    for issued in [&gone, &kept] {
        keys.delete(&it.admin, issued.key.id()).await.expect("deleted");
    }
    it.hand.advance(TICK);
    keys.purge(&it.admin, it.now()).await.expect("purged");
    // A key that has moved to another pepper is not removed.
    let elsewhere = Entry::new(moved.key().clone(), KeyDigest::from_bytes([7; 32]), Some(2));
    let old = Tombstone::new(*moved.digest(), moved.pepper()).moved();
    let changes = vec![Change::Update(elsewhere), Change::Bury(old)];
    it.store.transact(vec![moved.key().id().to_owned()], Box::new(|_| Ok(changes))).await.expect("moved");
    let used = async |versions: &[u8]| {
        let all = it.registry(&scheme(versions)).peppers(&it.admin).await.expect("counted");
        all.iter().map(|one| (one.version, one.keys, one.removed, one.accepted, one.may_go)).collect::<Vec<_>>()
    };
    let (new, old) = ((Some(2), 1, 1, true, false), (Some(1), 0, 1, true, true));
    assert_eq!(used(&[2, 1]).await, [new, old], "{}", it.name);
    let without = (Some(1), 0, 1, false, false);
    assert_eq!(used(&[2]).await, [new, without], "{}: what only the old pepper knows is counted", it.name);
}

/// Two processes with another order of peppers move a key to and fro.
pub(super) async fn a_key_that_moves_back_leaves_one_tombstone<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let id = it.create(new()).await.key.id().to_owned();
    let first = it.store.get(&id).await.expect("the store answers").expect("it is there");
    let second = Entry::new(first.key().clone(), KeyDigest::from_bytes([7; 32]), Some(2));
    let tomb = |entry: &Entry| Tombstone::new(*entry.digest(), entry.pepper());
    for (from, to) in [(&first, &second), (&second, &first)] {
        let changes = vec![Change::Update(to.clone()), Change::Bury(tomb(from).moved())];
        it.store.transact(vec![id.clone()], Box::new(|_| Ok(changes))).await.expect("moved");
        let tombs = it.store.removed(None).await.expect("the store answers");
        assert_eq!(tombs, [tomb(from).moved()], "{}: the digest of a live key has a tombstone", it.name);
    }
    // A key that is removed counts, also where its digest was moved once.
    it.store
        .transact(
            Vec::new(),
            Box::new({
                let bury = Change::Bury(tomb(&first).moved());
                |_| Ok(vec![bury])
            }),
        )
        .await
        .expect("buried");
    it.keys.delete(&it.admin, &id).await.expect("deleted");
    it.hand.advance(TICK);
    it.keys.purge(&it.admin, it.now()).await.expect("purged");
    let tombs = it.store.removed(None).await.expect("the store answers");
    assert!(tombs.contains(&tomb(&first)), "{}: {tombs:?} lacks the removed key", it.name);
    assert_eq!(tombs.len(), 2, "{}", it.name);
}

pub(super) async fn a_table_of_sha256_moves_under_a_pepper<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let plain = KeyScheme::sha256(format());
    let secret = plain.generate().expect("random bytes");
    it.note(&secret);
    let old = it.registry(&plain);
    old.import(&it.admin, "old", &Secret::new(secret.expose()), KeyRecord::new("old", "acme")).await.expect("imported");
    let peppers = Peppers::new(1, [1; 32]).expect("a pepper");
    let both = KeyScheme::new(format(), peppers.clone()).accept_sha256();
    let keys = it.registry(&both);
    assert_eq!(keys.peppers(&it.admin).await.expect("counted")[1].keys, 1);
    assert_eq!(it.find_by(&both, &secret).await.expect("found").id(), "old");
    assert_eq!(keys.move_under_pepper(&it.admin).await.expect("moved"), 1);
    assert_eq!(keys.move_under_pepper(&it.admin).await.expect("again is no error"), 0);
    let moved = KeyScheme::new(format(), peppers);
    assert_eq!(it.find_by(&moved, &secret).await.expect("found").id(), "old");
    let left = it.store.list(&KeyFilter::all().not_under(Some(1))).await.expect("the store answers");
    assert!(left.items.is_empty());
}
