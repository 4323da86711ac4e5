use super::trial::{HOUR, Trial, all, new};
use crate::{
    KeyState, KeyStatus, KeyStore, RegistryError, Secret,
    registry::{Change, Entry, KeyFilter, KeyInfo, RegistryStore},
};

/// How many calls are made at once.
const MANY: u64 = 32;

pub(super) async fn no_change_is_lost<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let (one, two) = (it.create(new()).await, it.create(new()).await);
    let count = |entry: &Entry| {
        let mut notes = entry.key().metadata().clone();
        let before = notes.get("n").and_then(serde_json::Value::as_u64).unwrap_or(0);
        notes.insert("n".to_owned(), (before + 1).into());
        Change::Update(Entry::new(entry.key().clone().noted(notes), *entry.digest(), entry.pepper()))
    };
    let ids = [one.key.id().to_owned(), two.key.id().to_owned()];
    let runs = (0..MANY).map(|turn| {
        // In either order: a store that locks in the order of the list locks itself up.
        let mut ids = ids.to_vec();
        ids.rotate_left(usize::from(turn % 2 == 1));
        it.store.transact(ids, Box::new(move |entries| Ok(entries.iter().map(count).collect())))
    });
    for outcome in all(runs).await {
        outcome.expect("every transaction is carried out");
    }
    for id in ids {
        let key = it.keys.get(&it.admin, &id).await.expect("it is there");
        assert_eq!(key.metadata()["n"], MANY, "{}: two transactions have read the same entry", it.name);
    }
}

pub(super) async fn one_of_many_rotations_wins<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let old = it.create(new()).await;
    let outcomes = all((0..MANY).map(|_| it.keys.rotate(&it.admin, old.key.id(), HOUR))).await;
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    let won: Vec<_> = won.into_iter().flatten().map(|issued| it.noted(issued)).collect();
    assert_eq!(won.len(), 1, "{}: a key has one successor", it.name);
    for error in lost.into_iter().filter_map(Result::err) {
        assert_eq!(error, RegistryError::Rotated { successor: won[0].key.id().to_owned() });
    }
    it.assert_status(&old.secret, KeyStatus::Active).await;
    it.assert_status(&won[0].secret, KeyStatus::Active).await;
    assert_eq!(it.keys.list_all(&it.admin, &KeyFilter::all()).await.expect("the store answers").len(), 2);
}

/// Creates, rotates, replaces and revokes three lines of keys at once, and looks whether each line is whole.
pub(super) async fn changes_of_all_kinds_leave_no_half<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>) {
    let mut first = Vec::new();
    for _ in 0..3 {
        first.push(it.create(new()).await);
    }
    let acts = (0..MANY).map(|turn| act(it, first[usize::try_from(turn % 3).unwrap_or(0)].key.id(), turn));
    let told: Vec<_> = all(acts).await.into_iter().flatten().collect();
    let keys = it.keys.list_all(&it.admin, &KeyFilter::all()).await.expect("the store answers");
    for key in &keys {
        assert_linked(it.name, &keys, key);
    }
    for start in &first {
        let line: Vec<&KeyInfo> =
            keys.iter().filter(|key| key.first_id() == Some(start.key.id()) || key.id() == start.key.id()).collect();
        let alive = line.iter().filter(|key| key.state() == KeyState::Active).count();
        assert!(alive <= 2, "{}: {alive} keys of one line are valid", it.name);
    }
    for (id, secret) in &told {
        let known = keys.iter().find(|key| key.id() == id).expect("what was acknowledged is there");
        let found = it.find(secret).await.expect("what was acknowledged is found");
        assert_eq!(found.current_state(), known.state(), "{}: guards and lists differ", it.name);
    }
}

/// Follows the line to its last key and changes that one. What loses to another call is refused, and that is right.
async fn act<S: KeyStore + RegistryStore + Clone>(it: &Trial<S>, start: &str, turn: u64) -> Option<(String, Secret)> {
    let mut id = start.to_owned();
    while let Some(next) = it.keys.get(&it.admin, &id).await.ok()?.successor() {
        next.clone_into(&mut id);
    }
    let issued = match turn % 5 {
        0 | 1 => it.keys.rotate(&it.admin, &id, HOUR).await,
        2 => it.keys.replace(&it.admin, &id).await,
        3 => it.keys.create(&it.admin, new()).await,
        _ if turn > MANY / 2 => return it.keys.revoke(&it.admin, &id).await.ok().and(None),
        _ => return it.keys.pause(&it.admin, &id).await.ok().and(None),
    };
    match issued {
        Ok(issued) => {
            let issued = it.noted(issued);
            Some((issued.key.id().to_owned(), issued.secret))
        }
        Err(RegistryError::Rotated { .. } | RegistryError::Revoked) => None,
        Err(error) => panic!("{}: {error}", it.name),
    }
}

/// A successor names its predecessor, and the reverse.
fn assert_linked(name: &str, keys: &[KeyInfo], key: &KeyInfo) {
    let by_id = |id: &str| keys.iter().find(|key| key.id() == id);
    if let Some(next) = key.successor() {
        let next = by_id(next).unwrap_or_else(|| panic!("{name}: a successor is missing"));
        assert_eq!(next.predecessor(), Some(key.id()), "{name}");
    }
    if let Some(before) = key.predecessor() {
        let before = by_id(before).unwrap_or_else(|| panic!("{name}: a predecessor is missing"));
        assert_eq!(before.successor(), Some(key.id()), "{name}");
    }
}
