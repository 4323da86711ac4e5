//! Checks of what a store keeps of signing keys.

use std::time::{Duration, SystemTime};

use super::trial::all;
use crate::{
    session::signing::{SigningKeyStore, StoredSigningKey},
    token::Algorithm,
};

/// Runs all checks of a [`SigningKeyStore`], each on a store of its own that `fresh` creates: empty, and with its schema.
///
/// # Panics
/// At the first check that fails, with what was expected.
///
/// ```
/// use tower_auth::{MemoryKeyStore, testing::conformance};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// conformance::check_signing_keys(async || MemoryKeyStore::new()).await;
/// # });
/// ```
pub async fn check_signing_keys<S: SigningKeyStore>(fresh: impl AsyncFn() -> S) {
    every_field_is_kept(&fresh().await).await;
    keys_come_in_the_order_of_the_chain(&fresh().await).await;
    a_key_follows_the_newest_only(&fresh().await).await;
    an_id_is_used_once(&fresh().await).await;
    a_key_is_resealed(&fresh().await).await;
    all_but_the_newest_can_be_removed(&fresh().await).await;
    removed_keys_make_no_room(&fresh().await).await;
    one_of_many_makes_the_first_key(&fresh().await).await;
    one_of_many_makes_the_successor(&fresh().await).await;
    removing_and_adding_at_once_keeps_the_chain(&fresh().await).await;
    its_time_is_the_present(&fresh().await).await;
}

fn at(microseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(1_780_401_600_000_000 + microseconds)
}

/// The first key. Two keys have nothing in common.
fn key(number: u8) -> StoredSigningKey {
    let public = format!(r#"{{"kty":"OKP","x":"{number}"}}"#);
    let sealed = vec![number, 0, 255 - number];
    StoredSigningKey::new(format!("kid-{number}"), Algorithm::Es256, public, sealed, at(number.into()))
}

fn after(number: u8, before: u8) -> StoredSigningKey {
    key(number).after(format!("kid-{before}"))
}

async fn keys(store: &impl SigningKeyStore) -> Vec<StoredSigningKey> {
    store.signing_keys().await.expect("the keys are read")
}

async fn ids(store: &impl SigningKeyStore) -> Vec<String> {
    keys(store).await.into_iter().map(|key| key.id).collect()
}

async fn add(store: &impl SigningKeyStore, key: StoredSigningKey) -> bool {
    store.add_signing_key(key).await.expect("a key is added or refused")
}

async fn remove(store: &impl SigningKeyStore, id: &str) {
    store.remove_signing_key(id).await.expect("a key is removed");
}

/// Adds the keys `1` to `count` as a chain.
async fn chain(store: &impl SigningKeyStore, count: u8) -> Vec<StoredSigningKey> {
    let all: Vec<_> = (1..=count).map(|number| if number == 1 { key(1) } else { after(number, number - 1) }).collect();
    for key in &all {
        assert!(add(store, key.clone()).await, "{key:?}");
    }
    all
}

async fn every_field_is_kept(store: &impl SigningKeyStore) {
    assert!(keys(store).await.is_empty(), "a fresh store has no key");
    let all_bytes: Vec<u8> = (0..=255).collect();
    let mut expected = Vec::<StoredSigningKey>::new();
    for (number, algorithm) in (0..).zip(Algorithm::ALL) {
        // The longest of a key that this crate makes, and the shortest of any.
        let (sealed, public) = match number % 3 {
            0 => (all_bytes.repeat(10), format!("{{\"n\":\"{}\",  \"e\" : \"\u{e9}\u{10ffff}\"}}", "A".repeat(1_400))),
            1 => (vec![0], "{}".to_owned()),
            _ => (all_bytes.clone(), r#"{"z":1,"a":2,"a":3}"#.to_owned()),
        };
        let id = format!("{number:-<43}");
        let key = StoredSigningKey::new(id, *algorithm, public, sealed, at(999_999 * number));
        let key = match expected.last() {
            Some(before) => key.after(&before.id),
            None => key,
        };
        assert!(add(store, key.clone()).await, "{key:?}");
        expected.push(key);
    }
    let found = keys(store).await;
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
        assert_eq!(found.public, expected.public, "the text is not changed");
        assert_eq!(found.sealed, expected.sealed, "each byte of the encrypted part");
    }
    assert_eq!(found.len(), expected.len());
}

async fn keys_come_in_the_order_of_the_chain(store: &impl SigningKeyStore) {
    // Neither ids nor times are in this order.
    let order: [(u8, u64); 5] = [(5, 50), (9, 90), (1, 70), (7, 70), (2, 10)];
    let mut before = None;
    for (number, time) in order {
        let key = StoredSigningKey { signs_from: at(time), after: before, ..key(number) };
        before = Some(key.id.clone());
        assert!(add(store, key).await, "key {number}");
    }
    assert_eq!(ids(store).await, order.map(|(number, _)| format!("kid-{number}")), "the newest is the last");
}

async fn a_key_follows_the_newest_only(store: &impl SigningKeyStore) {
    assert!(!add(store, after(2, 1)).await, "a key that follows none of an empty store");
    assert!(keys(store).await.is_empty());
    let expected = chain(store, 3).await;
    for (refused, what) in [
        (key(4), "a second first key"),
        (after(4, 1), "a second successor of the first key"),
        (after(4, 2), "a second successor of another key"),
        (after(4, 9), "a successor of an unknown key"),
        (after(4, 4), "a key that follows itself"),
    ] {
        assert!(!add(store, refused).await, "{what} is added");
        assert_eq!(keys(store).await, expected, "{what} has changed something");
    }
    assert!(add(store, after(4, 3)).await, "the newest key has a successor");
}

async fn an_id_is_used_once(store: &impl SigningKeyStore) {
    let expected = chain(store, 2).await;
    assert!(!add(store, expected[1].clone()).await, "the newest key again, as after a lost answer");
    assert!(!add(store, after(2, 2)).await, "the newest key after itself");
    assert!(!add(store, after(1, 2)).await, "an old key after the newest");
    assert_eq!(keys(store).await, expected);
}

async fn a_key_is_resealed(store: &impl SigningKeyStore) {
    let mut expected = chain(store, 3).await;
    for (place, sealed) in [(1, vec![0; 2_000]), (2, vec![255]), (0, vec![1, 0, 1]), (1, vec![0])] {
        store.reseal_signing_key(&expected[place].id, sealed.clone()).await.expect("a key is resealed");
        expected[place].sealed = sealed;
        assert_eq!(keys(store).await, expected, "one key and nothing else is changed");
    }
    store.reseal_signing_key("kid-9", vec![9]).await.expect("an unknown id is skipped");
    assert_eq!(keys(store).await, expected);
}

async fn all_but_the_newest_can_be_removed(store: &impl SigningKeyStore) {
    remove(store, "kid-1").await; // of an empty store
    let all = chain(store, 4).await;
    remove(store, "kid-9").await;
    remove(store, "kid-4").await;
    assert_eq!(keys(store).await, all, "neither an unknown key nor the newest is removed");
    remove(store, "kid-2").await;
    assert_eq!(ids(store).await, ["kid-1", "kid-3", "kid-4"]);
    remove(store, "kid-2").await;
    remove(store, "kid-1").await;
    assert_eq!(keys(store).await, all[2..], "the others are unchanged");
    remove(store, "kid-3").await;
    remove(store, "kid-4").await;
    assert_eq!(keys(store).await, all[3..], "the last key stays");
}

async fn removed_keys_make_no_room(store: &impl SigningKeyStore) {
    chain(store, 4).await;
    for (removed, left) in [("kid-2", 3), ("kid-1", 2), ("kid-3", 1)] {
        remove(store, removed).await;
        for refused in [key(9), after(9, 1), after(9, 2), after(9, 3)] {
            assert!(!add(store, refused.clone()).await, "{removed} was removed, and {refused:?} is added");
        }
        assert_eq!(keys(store).await.len(), left);
    }
    assert!(add(store, after(5, 4)).await, "the newest key still has a successor");
    assert_eq!(ids(store).await, ["kid-4", "kid-5"]);
}

const PROCESSES: u8 = 8;

async fn one_of_many_makes_the_first_key(store: &impl SigningKeyStore) {
    let added = all((1..=PROCESSES).map(|number| add(store, key(number)))).await;
    assert_eq!(added.iter().filter(|added| **added).count(), 1, "{added:?}");
    let winner = added.iter().position(|added| *added).expect("one is added");
    assert_eq!(ids(store).await, [format!("kid-{}", winner + 1)], "the one that was told");
}

async fn one_of_many_makes_the_successor(store: &impl SigningKeyStore) {
    let (mut newest, mut expected) = (0, vec!["kid-0".to_owned()]);
    assert!(add(store, key(0)).await);
    for round in 0..12 {
        let numbers = (1..=PROCESSES).map(|process| round * PROCESSES + process);
        let added = all(numbers.clone().map(|number| add(store, after(number, newest)))).await;
        let winners: Vec<u8> = numbers.zip(added).filter(|(_, added)| *added).map(|(number, _)| number).collect();
        let [winner] = winners[..] else { panic!("one successor of kid-{newest}, not {winners:?}") };
        newest = winner;
        expected.push(format!("kid-{winner}"));
        assert_eq!(ids(store).await, expected);
    }
}

async fn removing_and_adding_at_once_keeps_the_chain(store: &impl SigningKeyStore) {
    chain(store, 2).await;
    for newest in 2..40 {
        let removed = async |id: String| {
            remove(store, &id).await;
            false
        };
        let process = async |number: u8| match number % 4 {
            0 => removed(format!("kid-{newest}")).await,
            1 => removed(format!("kid-{}", newest - 1)).await,
            2 => add(store, after(newest + 1, newest)).await,
            _ => add(store, key(200 + number)).await || add(store, after(200 + number, newest - 1)).await,
        };
        let added = all((0..PROCESSES).map(process)).await;
        let count = added.iter().filter(|added| **added).count();
        // The newest key may be removed after it has got a successor, and then the chain goes on from the successor.
        assert_eq!(count, 1, "one successor of kid-{newest}");
        assert_eq!(ids(store).await.last(), Some(&format!("kid-{}", newest + 1)));
    }
}

/// A store on another machine may differ by a little. A time of another unit, or of another zone, differs by more.
async fn its_time_is_the_present(store: &impl SigningKeyStore) {
    let Some(time) = store.store_time().await.expect("the store returns its time, or none") else { return };
    let (now, much) = (SystemTime::now(), Duration::from_secs(1_200));
    assert!(time + much > now && now + much > time, "the time of the store is {time:?}, and that of the test {now:?}");
}
