use super::trial::{HOUR, Trial, new};
use crate::{
    KeyStore, NewKey,
    registry::{Cursor, KeyFilter, KeyInfo, RegistryStore},
};

pub(super) async fn keys_are_listed_in_pages_in_their_order<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(it.create(new()).await.key.id().to_owned());
    }
    let (mut seen, mut filter, mut sizes) = (Vec::new(), KeyFilter::all().limit(2), Vec::new());
    loop {
        let page = it.keys.list(&it.admin, &filter).await.expect("the store answers");
        sizes.push(page.items.len());
        seen.extend(page.items.into_iter().map(|key| key.id().to_owned()));
        let Some(next) = page.next else { break };
        // A client may keep the place as text.
        let next: Cursor = next.to_string().parse().expect("a cursor is text");
        filter = filter.after(next);
    }
    assert_eq!((&seen, &sizes[..]), (&ids, &[2, 2, 1][..]));
    let whole = it.keys.list(&it.admin, &KeyFilter::all().limit(5)).await.expect("the store answers");
    assert_eq!((whole.items.len(), whole.next), (5, None), "a page that is just full is the last one");
    // A change leaves a key in its place.
    it.keys.pause(&it.admin, &ids[0]).await.expect("paused");
    let all = it.keys.list_all(&it.admin, &KeyFilter::all().limit(1)).await.expect("the store answers");
    assert!(all.iter().map(KeyInfo::id).eq(&ids));
}

pub(super) async fn filters_select_keys<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let one = it.create(new()).await.key;
    let two =
        it.create(NewKey::named("b").account("other").organizations(["org_1", "org_2"]).expires_in(HOUR)).await.key;
    let three = it.create(new().expires_in(2 * HOUR)).await.key;
    let ids = async |filter: KeyFilter| {
        let all = it.keys.list_all(&it.admin, &filter).await.expect("the store answers");
        all.iter().map(|key| key.id().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(KeyFilter::account("acme")).await, [one.id(), three.id()]);
    assert_eq!(ids(KeyFilter::organization("org_1")).await, [one.id(), two.id(), three.id()]);
    assert_eq!(ids(KeyFilter::organization("org_2")).await, [two.id()]);
    assert!(ids(KeyFilter::organization("org_")).await.is_empty());
    let (now, hour) = (it.now(), it.now() + HOUR);
    assert_eq!(ids(KeyFilter::all().expires_between(now, hour)).await, [two.id()]);
    assert_eq!(ids(KeyFilter::all().expires_between(hour, hour + HOUR)).await, [three.id()]);
    it.keys.revoke(&it.admin, one.id()).await.expect("revoked");
    it.keys.delete(&it.admin, three.id()).await.expect("deleted");
    assert_eq!(ids(KeyFilter::account("acme")).await, [one.id()], "revoked is listed, deleted is not");
    assert_eq!(ids(KeyFilter::account("acme").with_deleted()).await, [one.id(), three.id()]);
    assert!(ids(KeyFilter::all().deleted_before(now)).await.is_empty());
    assert_eq!(ids(KeyFilter::all().deleted_before(hour)).await, [three.id()]);
    assert!(ids(KeyFilter::all().not_under(Some(1))).await.is_empty());
    assert_eq!(ids(KeyFilter::all().with_deleted().not_under(None)).await.len(), 3);
}
