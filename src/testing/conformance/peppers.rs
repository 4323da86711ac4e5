use super::trial::{Trial, format, new, scheme};
use crate::{
    KeyRecord, KeyScheme, KeyStore, Peppers, Secret,
    registry::{Change, Entry, KeyFilter, RegistryStore},
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
