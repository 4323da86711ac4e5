//! One change after the other, as the trait describes it.

use tower_auth::{
    KeyStatus, RegistryError,
    registry::{
        AuditFilter, AuditRow, Change, Entry, Forget, Holder, KeyAction, KeyFilter, Page, PepperCount,
        RegistryStore as _,
    },
};

use super::{Tables, at, change, create, decided, digests, entry, find, forget, key};

#[tokio::test]
async fn no_two_keys_share_an_id_or_a_digest() {
    let Some(tables) = Tables::new().await else { return };
    change(&tables.store, vec![create(key("key_1", "acme"), 1)]).await.unwrap();
    // A key of an older pepper, imported under the current one.
    let older = digests(2).versions().nth(1).map(|(pepper, digest)| Entry::new(key("key_2", "acme"), *digest, pepper));
    change(&tables.store, vec![Change::Create { entry: older.unwrap(), digests: None }]).await.unwrap();
    for again in [create(key("key_1", "acme"), 3), create(key("key_3", "acme"), 1), create(key("key_3", "acme"), 2)] {
        let row = Change::Audit(AuditRow::new(at(1), "alice", KeyAction::Created));
        assert_eq!(change(&tables.store, vec![row, again]).await.unwrap_err(), RegistryError::AlreadyExists);
    }
    assert_eq!((tables.count("keys").await, tables.count("audit").await), (2, 0));
    assert_eq!(find(&tables.store, 2).await.unwrap().id(), "key_2");
}

#[tokio::test]
async fn a_removed_key_never_comes_back() {
    let Some(tables) = Tables::new().await else { return };
    change(&tables.store, vec![create(key("key_1", "acme"), 1)]).await.unwrap();
    change(&tables.store, vec![Change::Remove { id: "key_1".to_owned() }]).await.unwrap();
    assert!(find(&tables.store, 1).await.is_none() && tables.store.get("key_1").await.unwrap().is_none());
    let again = change(&tables.store, vec![create(key("key_2", "other"), 1)]).await;
    assert_eq!(again.unwrap_err(), RegistryError::Revoked);
    let gone = change(&tables.store, vec![Change::Remove { id: "key_1".to_owned() }]).await;
    assert!(gone.is_ok(), "idempotent");
    assert_eq!(tables.count("tombstones").await, 1);
}

#[tokio::test]
async fn a_use_only_grows_and_is_written_in_one_statement() {
    let Some(tables) = Tables::new().await else { return };
    change(&tables.store, vec![create(key("key_1", "acme"), 1), create(key("key_2", "acme"), 2)]).await.unwrap();
    let note = |uses: &[(&str, i64)]| {
        Change::Used(uses.iter().map(|(id, seconds)| ((*id).to_owned(), at(*seconds))).collect())
    };
    let uses = [("key_1", 5_000), ("key_1", 6_000), ("key_1", 4_000), ("nobody", 9_000), ("key_2", 900)];
    change(&tables.store, vec![note(&uses)]).await.unwrap();
    change(&tables.store, vec![note(&[("key_1", 5_500)]), note(&[])]).await.unwrap();
    let last = async |id| tables.store.get(id).await.unwrap().unwrap().key().last_used_at();
    assert_eq!((last("key_1").await, last("key_2").await), (Some(at(6_000)), None));
    // A change of the key does not touch it.
    change(&tables.store, vec![Change::Update(entry(key("key_1", "acme").named("web"), 1))]).await.unwrap();
    assert_eq!(last("key_1").await, Some(at(6_000)));
    assert_eq!(find(&tables.store, 1).await.unwrap().last_use(), Some(at(6_000)));
}

#[tokio::test]
async fn a_suspension_is_seen_by_the_next_lookup() {
    let Some(tables) = Tables::new().await else { return };
    let record = key("key_1", "acme").record().clone().organizations(["org_1", "org_2"]);
    let key = tower_auth::registry::KeyInfo::of(record).created(at(1_000), "alice");
    change(&tables.store, vec![create(key, 1)]).await.unwrap();
    let status = async || find(&tables.store, 1).await.unwrap().status(at(2_000));
    let all =
        [Holder::account("acme"), Holder::organization("org_1"), Holder::organization("org_2"), Holder::account("x")];
    for (holder, refused) in [
        (&all[0], KeyStatus::AccountSuspended),
        (&all[1], KeyStatus::OrganizationSuspended),
        (&all[2], KeyStatus::Active), // only the first one owns the key
        (&Holder::account("org_1"), KeyStatus::Active),
    ] {
        for seconds in [10, 20] {
            change(&tables.store, vec![Change::Suspend { holder: holder.clone(), at: at(seconds) }]).await.unwrap();
        }
        assert_eq!(status().await, refused, "{holder}");
        let suspended = tables.store.suspended(&all).await.unwrap();
        let known: Vec<_> = all.contains(holder).then(|| (holder.clone(), at(10))).into_iter().collect();
        assert_eq!(suspended, known, "since the first time");
        change(&tables.store, vec![Change::Reinstate { holder: holder.clone() }]).await.unwrap();
        assert_eq!(status().await, KeyStatus::Active);
    }
}

#[tokio::test]
async fn an_erased_account_leaves_digests_and_nameless_rows() {
    let Some(tables) = Tables::new().await else { return };
    let mut row = AuditRow::new(at(1), "alice", KeyAction::Created);
    (row.key, row.account) = (Some("key_1".to_owned()), Some("acme".to_owned()));
    row.address = Some([192, 0, 2, 7].into());
    row.after.insert("name".to_owned(), "ci".into());
    // A row of the key that does not name its account.
    let (mut nameless, mut other) = (row.clone(), row.clone());
    nameless.account = None;
    (other.key, other.account) = (Some("key_2".to_owned()), Some("other".to_owned()));
    let rows = [&row, &nameless, &other].map(|row| Change::Audit(row.clone()));
    change(&tables.store, vec![create(key("key_1", "acme"), 1), create(key("key_2", "other"), 2)]).await.unwrap();
    change(&tables.store, rows.into()).await.unwrap();
    assert_eq!(forget(&tables.store, Forget::Account { account: "acme".to_owned() }, 1000).await, 3);
    let left = tables.store.audit(&AuditFilter::all()).await.unwrap().items;
    assert_eq!(left, [row.clone().erased(), nameless.erased(), other]);
    assert_eq!(tables.count("keys").await, 1);
    let again = change(&tables.store, vec![create(key("key_3", "acme"), 1)]).await;
    assert_eq!(again.unwrap_err(), RegistryError::Revoked);
}

#[tokio::test]
async fn a_refusal_changes_nothing_and_frees_the_lock() {
    let Some(tables) = Tables::new().await else { return };
    change(&tables.store, vec![create(key("key_1", "acme"), 1)]).await.unwrap();
    for _ in 0..10 {
        let ids = vec!["nobody".to_owned(), "key_1".to_owned(), "key_1".to_owned()];
        let refuse = tables.store.transact(
            ids,
            Box::new(|entries| {
                assert_eq!(entries.iter().map(|entry| entry.key().id()).collect::<Vec<_>>(), ["key_1"]);
                Err(RegistryError::Expired)
            }),
        );
        assert_eq!(refuse.await.unwrap_err(), RegistryError::Expired);
    }
    let missing = change(
        &tables.store,
        vec![
            Change::Audit(AuditRow::new(at(1), "alice", KeyAction::Changed)),
            Change::Update(entry(key("nobody", "acme"), 9)),
        ],
    );
    assert_eq!(missing.await.unwrap_err(), RegistryError::NotFound);
    assert_eq!(tables.count("audit").await, 0);
}

#[tokio::test]
async fn more_changes_than_one_batch_are_carried_out_in_their_order() {
    let Some(tables) = Tables::new().await else { return };
    let changes: Vec<_> = (0..100)
        .flat_map(|number| {
            let row = AuditRow::new(at(number), number.to_string(), KeyAction::Created);
            let number = u8::try_from(number).unwrap();
            [Change::Audit(row), create(key(&format!("key_{number}"), "acme"), number)]
        })
        .collect();
    change(&tables.store, changes).await.unwrap();
    let rows = tables.store.audit(&AuditFilter::all()).await.unwrap().items;
    assert!(rows.iter().map(|row| row.actor.parse::<i64>().unwrap()).eq(0..100));
    let keys = tables.store.list(&KeyFilter::all()).await.unwrap().items;
    assert!(keys.iter().map(|entry| entry.key().id().to_owned()).eq((0..100).map(|number| format!("key_{number}"))));
    // The error of the last of many statements is the error of all.
    let mut many: Vec<_> = (0..40).map(|n| Change::Audit(AuditRow::new(at(n), "bob", KeyAction::Changed))).collect();
    many.push(create(key("key_1", "acme"), 200));
    assert_eq!(change(&tables.store, many).await.unwrap_err(), RegistryError::AlreadyExists);
    assert_eq!(tables.count("audit").await, 100);
}

/// Every filter, with every other: the query runs, and what it lists is what the filter matches.
#[tokio::test]
async fn every_filter_lists_what_it_matches() {
    let Some(tables) = Tables::new().await else { return };
    tables.fill().await;
    let everything = tables.store.list(&KeyFilter::all().with_deleted()).await.unwrap().items;
    assert_eq!(everything.len(), 6);
    for filter in key_filters() {
        let wanted: Vec<_> = everything.iter().filter(|entry| filter.matches(entry)).cloned().collect();
        assert_eq!(tables.keys_by_pages(&filter).await, wanted, "{filter:?}");
    }
    let log = tables.store.audit(&AuditFilter::all()).await.unwrap().items;
    assert_eq!(log.len(), 6);
    for filter in audit_filters() {
        let mut wanted: Vec<_> = log.iter().filter(|row| filter.matches(row)).cloned().collect();
        if filter.is_newest_first() {
            wanted.reverse();
        }
        assert_eq!(tables.rows_by_pages(&filter).await, wanted, "{filter:?}");
    }
}

fn key_filters() -> Vec<KeyFilter> {
    let mut all = vec![KeyFilter::all(), KeyFilter::account("acme"), KeyFilter::organization("org_1")];
    let with = |all: &mut Vec<KeyFilter>, with: &dyn Fn(KeyFilter) -> KeyFilter| {
        all.extend(all.clone().into_iter().map(with));
    };
    with(&mut all, &KeyFilter::with_deleted);
    with(&mut all, &|filter| filter.deleted_before(at(3_001)));
    with(&mut all, &|filter| filter.expires_between(at(5_000), at(5_002)));
    with(&mut all, &|filter| filter.not_under(Some(2)));
    all.extend([KeyFilter::all().not_under(None), KeyFilter::account("nobody")]);
    all
}

fn audit_filters() -> Vec<AuditFilter> {
    let mut all = vec![AuditFilter::all(), AuditFilter::key("key_1")];
    all.extend([AuditFilter::account("acme"), AuditFilter::organization("org_1")]);
    let with = |all: &mut Vec<AuditFilter>, with: &dyn Fn(AuditFilter) -> AuditFilter| {
        all.extend(all.clone().into_iter().map(with));
    };
    with(&mut all, &|filter| filter.by("alice"));
    with(&mut all, &|filter| filter.since(at(2)));
    with(&mut all, &|filter| filter.until(at(5)));
    with(&mut all, &AuditFilter::newest_first);
    all
}

impl Tables {
    async fn fill(&self) {
        let mut changes = Vec::new();
        for number in 1..=6_u8 {
            let (id, account) = (format!("key_{number}"), if number % 2 == 0 { "acme" } else { "other" });
            let record = key(&id, account).record().clone().organizations([format!("org_{}", number % 3)]);
            let record = if number > 2 { record.expires_at(at(4_998 + i64::from(number))) } else { record };
            let mut key = tower_auth::registry::KeyInfo::of(record).created(at(1_000), "alice");
            if number > 3 {
                key = key.revoked(at(2_000)).deleted(at(2_996 + i64::from(number)));
            }
            let all = digests(number);
            let (pepper, digest) = all.versions().nth(usize::from(number % 2)).unwrap();
            changes.push(Change::Create { entry: Entry::new(key, *digest, pepper), digests: Some(all.clone()) });
            let actor = if number % 2 == 0 { "alice" } else { "bob" };
            let mut row = AuditRow::new(at(number.into()), actor, KeyAction::Created);
            (row.key, row.account) = (Some(format!("key_{}", number % 3)), Some(account.to_owned()));
            row.organization = Some(format!("org_{}", number % 2));
            changes.push(Change::Audit(row));
        }
        self.store.transact(Vec::new(), decided(changes)).await.unwrap();
        let counts = self.store.count_by_pepper().await.unwrap();
        assert_eq!(counts, [1, 2].map(|version| PepperCount::new(Some(version)).keys(3)));
    }

    async fn keys_by_pages(&self, filter: &KeyFilter) -> Vec<Entry> {
        let mut filter = filter.clone().limit(2);
        let mut all = Vec::new();
        loop {
            let Page { items, next, .. } = self.store.list(&filter).await.unwrap();
            assert!(items.len() <= 2 && (next.is_none() || items.len() == 2));
            all.extend(items);
            let Some(next) = next else { return all };
            filter = filter.after(next);
        }
    }

    async fn rows_by_pages(&self, filter: &AuditFilter) -> Vec<AuditRow> {
        let mut filter = filter.clone().limit(2);
        let mut all = Vec::new();
        loop {
            let Page { items, next, .. } = self.store.audit(&filter).await.unwrap();
            assert!(items.len() <= 2 && (next.is_none() || items.len() == 2));
            all.extend(items);
            let Some(next) = next else { return all };
            filter = filter.after(next);
        }
    }
}

#[tokio::test]
async fn forgetting_ends_at_the_given_moment() {
    let Some(tables) = Tables::new().await else { return };
    let row = |seconds| {
        let mut row = AuditRow::new(at(seconds), "alice", KeyAction::Changed);
        row.address = Some([192, 0, 2, 7].into());
        row
    };
    change(&tables.store, (1..=3).map(|seconds| Change::Audit(row(seconds))).collect()).await.unwrap();
    assert_eq!(forget(&tables.store, Forget::Audit { before: at(2) }, 1000).await, 1);
    assert_eq!(forget(&tables.store, Forget::Addresses { before: at(3) }, 1000).await, 1);
    let left = tables.store.audit(&AuditFilter::all()).await.unwrap().items;
    let mut older = row(2);
    older.address = None;
    assert_eq!(left, [older, row(3)]);
}
