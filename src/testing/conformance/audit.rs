use super::trial::{HOUR, Trial, new};
use crate::{
    KeyStore,
    registry::{Actor, AuditFilter, Holder, KeyUpdate, RegistryStore},
};

pub(super) async fn each_change_has_its_row<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let bob = Actor::named("bob").address([192, 0, 2, 7]).request_id("req_1");
    let issued = it.create(new()).await;
    let id = issued.key.id();
    it.hand.advance(HOUR);
    it.keys.update(&bob, id, KeyUpdate::new().name("größe")).await.expect("updated");
    it.keys.pause(&bob, id).await.expect("paused");
    it.keys.pause(&bob, id).await.expect("again writes nothing");
    let next = it.noted(it.keys.rotate(&bob, id, HOUR).await.expect("rotated"));
    it.keys.suspend(&bob, Holder::organization("org_1")).await.expect("suspended");
    let rows = it.keys.audit(&it.admin, &AuditFilter::all()).await.expect("the store answers").items;
    let said: Vec<(&str, &str, Option<&str>)> =
        rows.iter().map(|row| (row.actor.as_str(), row.action.as_str(), row.key.as_deref())).collect();
    assert_eq!(
        said,
        [
            ("alice", "created", Some(id)),
            ("bob", "changed", Some(id)),
            ("bob", "paused", Some(id)),
            ("bob", "rotated", Some(id)),
            ("bob", "created", Some(next.key.id())),
            ("bob", "suspended", None),
        ]
    );
    let row = &rows[1];
    assert_eq!((row.at, row.account.as_deref(), row.organization.as_deref()), (it.now(), Some("acme"), Some("org_1")));
    assert_eq!((row.address, row.request_id.as_deref()), (Some([192, 0, 2, 7].into()), Some("req_1")));
    assert_eq!((&row.before["name"], &row.after["name"]), (&"ci".into(), &"größe".into()));
    assert_eq!((row.before.len(), row.after.len()), (1, 1), "only what differs is written");
    assert_eq!(rows[0].after["scopes"], serde_json::json!(["read"]));
    assert_eq!(rows[5].organization.as_deref(), Some("org_1"));
}

pub(super) async fn rows_are_filtered_and_listed_in_pages<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let mut ids = Vec::new();
    for actor in ["a", "b", "a", "b", "a"] {
        let issued = it.noted(it.keys.create(Actor::named(actor), new()).await.expect("created"));
        ids.push(issued.key.id().to_owned());
        it.hand.advance(HOUR);
    }
    let listed = async |filter: AuditFilter| {
        let (mut filter, mut keys) = (filter.limit(2), Vec::new());
        loop {
            let page = it.keys.audit(&it.admin, &filter).await.expect("the store answers");
            assert!(page.items.len() <= 2);
            keys.extend(page.items.into_iter().filter_map(|row| row.key));
            let Some(next) = page.next else { return keys };
            filter = filter.after(next);
        }
    };
    assert_eq!(listed(AuditFilter::all()).await, ids);
    let backwards: Vec<String> = ids.iter().rev().cloned().collect();
    assert_eq!(listed(AuditFilter::account("acme").newest_first()).await, backwards);
    assert_eq!(listed(AuditFilter::all().by("b").newest_first()).await, [&*ids[3], &*ids[1]]);
    assert_eq!(listed(AuditFilter::key(&*ids[2])).await, [&*ids[2]]);
    assert_eq!(listed(AuditFilter::organization("org_1").by("a")).await, [&*ids[0], &*ids[2], &*ids[4]]);
    let start = it.now() - 5 * HOUR;
    assert_eq!(listed(AuditFilter::all().since(start + HOUR).until(start + 3 * HOUR)).await, ids[1..3]);
    assert!(listed(AuditFilter::account("nobody")).await.is_empty());
}
