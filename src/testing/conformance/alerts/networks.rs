use std::time::SystemTime;

use super::parts::{all, at, noon};
use crate::alerts::{AlertStore, NetworkUse};

const ONE: &str = "192.0.2.0/24";
const TWO: &str = "2001:db8:1::/48";
const THREE: &str = "198.51.100.0/24";

pub(super) async fn note<'a>(store: &impl AlertStore, uses: impl IntoIterator<Item = (&'a str, &'a str, SystemTime)>) {
    let uses = uses.into_iter().map(|(key, network, at)| NetworkUse::new(key, network, at)).collect();
    store.note_networks(uses).await.expect("networks are noted");
}

/// The networks of these keys, in an order.
pub(super) async fn networks(store: &impl AlertStore, keys: &[&str]) -> Vec<(String, String, SystemTime)> {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let found = store.networks(&keys).await.expect("networks are read");
    let mut found: Vec<_> = found.into_iter().map(|seen| (seen.key, seen.network, seen.at)).collect();
    found.sort();
    found
}

fn used(key: &str, network: &str, at: SystemTime) -> (String, String, SystemTime) {
    (key.to_owned(), network.to_owned(), at)
}

pub(super) async fn networks_of_keys_are_kept(store: &impl AlertStore) {
    note(store, []).await;
    assert!(networks(store, &[]).await.is_empty() && networks(store, &["key_1"]).await.is_empty());
    note(store, [("key_1", ONE, at(1)), ("key_2", ONE, at(2)), ("key_1", TWO, at(3))]).await;
    note(store, [("key_1", THREE, at(4)), ("key_3", THREE, at(5))]).await;
    let of_one = [used("key_1", ONE, at(1)), used("key_1", THREE, at(4)), used("key_1", TWO, at(3))];
    let (of_two, of_three) = ([used("key_2", ONE, at(2))], [used("key_3", THREE, at(5))]);
    assert_eq!(networks(store, &["key_1"]).await, of_one);
    assert_eq!(networks(store, &["key_3", "key_4", "key_2"]).await, [of_two, of_three].concat());
}

pub(super) async fn the_later_use_of_a_network_is_kept(store: &impl AlertStore) {
    // Of some networks, the same call has two uses.
    let first = [("key_1", ONE, at(10)), ("key_1", TWO, at(20)), ("key_1", THREE, at(30)), ("key_1", THREE, at(5))];
    note(store, first).await;
    // The first one is used again. Of the second one, a slow process tells an earlier use.
    note(store, [("key_1", TWO, at(8)), ("key_1", ONE, at(24)), ("key_1", ONE, at(25))]).await;
    let expected = [used("key_1", ONE, at(25)), used("key_1", THREE, at(30)), used("key_1", TWO, at(20))];
    assert_eq!(networks(store, &["key_1"]).await, expected);
}

/// Several processes see the same keys in other orders.
pub(super) async fn several_note_networks_at_once(store: &impl AlertStore) {
    const TASKS: u64 = 16;
    note(store, [("key_1", ONE, noon())]).await;
    let keys: Vec<String> = (1..=20).map(|number| format!("key_{number}")).collect();
    let uses = |task: u64| {
        let mut uses: Vec<_> =
            keys.iter().flat_map(|key| [ONE, TWO].map(|network| (&**key, network, at(task)))).collect();
        uses.rotate_left(usize::try_from(task).unwrap_or_default());
        if task.is_multiple_of(2) {
            uses.reverse();
        }
        uses
    };
    all((0..TASKS).map(|task| note(store, uses(task)))).await;
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    let mut expected: Vec<_> =
        names.iter().flat_map(|key| [ONE, TWO].map(|network| used(key, network, at(TASKS - 1)))).collect();
    expected.sort();
    assert_eq!(networks(store, &names).await, expected);
}
