//! What is removed in batches: old rows, and accounts.

use super::trial::{HOUR, TICK, Trial, new};
use crate::{
    KeyStore, NewKey, RegistryError, Secret,
    registry::{Actor, AuditFilter, AuditRow, Change, Forget, Holder, IssuedKey, KeyAction, KeyFilter, RegistryStore},
};

/// The size of a batch.
const FEW: usize = 2;

pub(super) async fn rows_and_addresses_are_forgotten<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let at = it.now();
    let row = |at, address: &str| {
        let mut row = AuditRow::new(at, "alice", KeyAction::Other("from the future".into()));
        row.address = address.parse().ok();
        row
    };
    let mut rows: Vec<AuditRow> = (0..5).map(|n| row(at + n * TICK, "192.0.2.7")).collect();
    rows.extend((0..3).map(|n| row(at + HOUR + n * TICK, "2001:db8::1")));
    rows.push(row(at + 2 * HOUR, "192.0.2.8"));
    write(it, rows.iter().cloned().map(Change::Audit).collect()).await;
    assert_eq!(sizes(it, &Forget::Audit { before: at + HOUR }).await, 5, "{}", it.name);
    assert_eq!(sizes(it, &Forget::Addresses { before: at + 2 * HOUR }).await, 3, "{}", it.name);
    rows.drain(..5);
    rows[..3].iter_mut().for_each(|row| row.address = None);
    assert_eq!(it.store.audit(&AuditFilter::all()).await.expect("the store answers").items, rows, "{}", it.name);
}

/// Forgets everything in small batches, and returns how many rows that were.
async fn sizes<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>, what: &Forget) -> usize {
    let mut all = 0;
    // A store that never says zero would go on for ever.
    for _ in 0..20 {
        let size = it.store.forget(what, FEW).await.expect("the store answers");
        assert!(size <= FEW, "{}: {size} rows in a batch of {FEW}", it.name);
        all += size;
        if size == 0 {
            return all;
        }
    }
    panic!("{}: {what:?} never ends", it.name);
}

async fn write<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>, changes: Vec<Change>) {
    it.store.transact(Vec::new(), Box::new(|_| Ok(changes))).await.expect("written");
}

pub(super) async fn an_erased_account_leaves_no_name<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let (keys, admin) = (&it.keys, &it.admin);
    let (petra, other) = (person(it).await, it.create(new()).await);
    it.hand.advance(TICK);
    keys.erase_account(admin, "petra").await.expect("erased");
    assert_erased(it, &petra).await;
    assert!(it.find(&other.secret).await.is_some(), "{}: another account was touched", it.name);
    let rows = keys.audit(admin, &AuditFilter::all()).await.expect("the store answers").items;
    let actions: Vec<&str> = rows.iter().map(|row| row.action.as_str()).collect();
    let expected = ["created", "created", "created", "paused", "resumed", "created", "erased"];
    assert_eq!(actions, expected, "what was done stays");
    assert_eq!(rows[3].key.as_deref(), Some(petra[0].key.id()));
    assert_eq!((rows[5].actor.as_str(), rows[5].account.as_deref()), ("alice", Some("acme")), "{}", it.name);
}

pub(super) async fn an_erasure_that_was_interrupted_is_repeated<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let petra = person(it).await;
    let what = Forget::Account { account: "petra".to_owned() };
    for _ in 0..3 {
        it.store.forget(&what, FEW).await.expect("the store answers");
        assert_whole(it, &petra).await;
    }
    it.keys.erase_account(&it.admin, "petra").await.expect("erased");
    assert_erased(it, &petra).await;
    assert_eq!(sizes(it, &what).await, 0, "{}: nothing is left", it.name);
    // From the beginning, to the last key.
    let again = person(it).await;
    assert!(sizes(it, &what).await >= again.len(), "{}", it.name);
    assert_erased(it, &again).await;
}

/// A key is there as long as a row of it names anybody: without the key, nobody would know that the row is of the account.
async fn assert_whole<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>, keys: &[IssuedKey]) {
    for issued in keys {
        let id = issued.key.id();
        if it.store.get(id).await.expect("the store answers").is_some() {
            continue;
        }
        let rows = it.store.audit(&AuditFilter::key(id)).await.expect("the store answers").items;
        let erased = rows.iter().all(|row| *row == row.clone().erased());
        assert!(erased, "{}: a key was removed before its rows were erased", it.name);
    }
}

pub(super) async fn the_suspension_of_an_erased_account_stays<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let holder = Holder::account("petra");
    let petra = person(it).await;
    it.keys.suspend(&it.admin, holder.clone()).await.expect("suspended");
    it.keys.erase_account(&it.admin, "petra").await.expect("erased");
    assert_erased(it, &petra).await;
    // Without it, a token of the account would be admitted again.
    let suspended = it.store.holders(None).await.expect("the store answers");
    assert_eq!(suspended, [(holder.clone(), it.now())], "{}: the suspension is gone", it.name);
    it.keys.reinstate(&it.admin, holder).await.expect("reinstated");
    assert!(it.store.holders(None).await.expect("the store answers").is_empty(), "{}", it.name);
    // The row of that names the account, so it is erased once more.
    it.keys.erase_account(&it.admin, "petra").await.expect("erased again");
    assert_erased(it, &petra).await;
}

/// Creates three keys of a person, and rows about them: of her own, of somebody else, and one that names no account.
async fn person<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) -> Vec<IssuedKey> {
    let her = Actor::named("petra@example.com").address([192, 0, 2, 7]).request_id("req_petra");
    let mut all = Vec::new();
    for _ in 0..3 {
        let new = NewKey::named("petra's laptop").account("petra").scopes(["read"]);
        all.push(it.noted(it.keys.create(&her, new).await.expect("created")));
    }
    it.keys.pause(&it.admin, all[0].key.id()).await.expect("paused");
    let mut row = AuditRow::new(it.now(), "petra@example.com", KeyAction::Resumed);
    row.key = Some(all[1].key.id().to_owned());
    row.request_id = Some("req_petra".to_owned());
    write(it, vec![Change::Audit(row)]).await;
    all
}

async fn assert_erased<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>, gone: &[IssuedKey]) {
    let secrets: Vec<&Secret> = gone.iter().map(|issued| &issued.secret).collect();
    for secret in secrets {
        assert_eq!(it.find(secret).await, None, "{}", it.name);
        let record = crate::KeyRecord::new("again", "acme");
        let again = it.keys.import(&it.admin, "again", secret, record).await.map(drop);
        assert_eq!(again, Err(RegistryError::Revoked), "{}", it.name);
    }
    let left = it.store.list(&KeyFilter::account("petra").with_deleted()).await.expect("the store answers");
    assert!(left.items.is_empty(), "{}", it.name);
    let rows = it.store.audit(&AuditFilter::all()).await.expect("the store answers").items;
    let text = rows.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(!text.contains("petra") && !text.contains("192.0.2.7"), "{}: {text}", it.name);
}
