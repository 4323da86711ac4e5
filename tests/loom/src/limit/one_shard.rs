//! Several buckets in one shard, under its lock.

use loom::sync::{Arc, Mutex};

use super::{
    shard::{Place, Shard},
    *,
};

type Store = Arc<Mutex<Shard<4>>>;

const ALICE: u64 = 1;
const BOB: u64 = 2;

fn place(who: u64) -> Place {
    Place { key: [who, 0], hash: who << 57 | who }
}

fn store(most: usize) -> Store {
    Arc::new(Mutex::new(Shard::new(most)))
}

/// Returns whether the request is admitted, and whether the shared bucket was used.
fn ask(store: &Store, who: u64, limits: &Limits, now: Duration) -> (bool, bool) {
    let now = limits.moment(LimitTime::from(now));
    let rehash = |key: [u64; 2]| key[0] << 57 | key[0];
    let (decided, shared) = store.lock().unwrap().decide(place(who), limits, 1, now, rehash);
    (matches!(decided, LimitDecision::Admitted(_)), shared)
}

/// Returns a closure that sends one request for each client in `who`. It counts the admitted requests, and how many of
/// them used the shared bucket.
fn asks(store: &Store, who: &'static [u64], limits: &Limits, now: Duration) -> Box<dyn FnOnce() -> (u32, u32) + Send> {
    let (store, limits) = (Arc::clone(store), limits.clone());
    Box::new(move || {
        let mut sum = (0, 0);
        for who in who {
            let (through, shared) = ask(&store, *who, &limits, now);
            sum = (sum.0 + u32::from(through), sum.1 + u32::from(through && shared));
        }
        sum
    })
}

fn len(store: &Store) -> usize {
    store.lock().unwrap().len()
}

/// Other clients fill the store while a client with a used-up limit sends requests: no count is reset, and the new
/// clients share the limit of one.
#[test]
fn r135_the_store_is_filled_while_others_ask() {
    every_order("newcomers fill a store of two", || {
        let (store, limits) = (store(2), limits([Quota::per_day(1)]));
        assert!(ask(&store, ALICE, &limits, NOW).0);
        let said = together(vec![
            asks(&store, &[ALICE, ALICE], &limits, NOW),
            asks(&store, &[10, 11], &limits, NOW),
            asks(&store, &[12], &limits, NOW),
        ]);
        assert_eq!(said[0], (0, 0), "alice was reset");
        // One new client gets its own bucket. Of the two that share a bucket, one request is admitted.
        assert_eq!((said[1].0 + said[2].0, said[1].1 + said[2].1), (2, 1));
        assert_eq!(len(&store), 2);
        assert!(!ask(&store, ALICE, &limits, NOW).0);
    });
}

/// Full buckets are removed while their owners send requests: each owner gets exactly the limit.
#[test]
fn r135_full_buckets_are_forgotten_while_others_ask() {
    let later = NOW + Duration::from_secs(60);
    every_order("full buckets are forgotten", move || {
        let store = store(2);
        let (short, long) = (limits([Quota::per_minute(1)]), limits([Quota::per_day(1)]));
        assert!(ask(&store, ALICE, &long, NOW).0);
        assert!(ask(&store, BOB, &short, NOW).0);
        let said = together(vec![
            asks(&store, &[ALICE], &long, later),
            asks(&store, &[BOB, BOB], &short, later),
            asks(&store, &[10], &long, later),
        ]);
        assert_eq!(said[0], (0, 0), "alice was reset");
        // Bob's bucket is full again, so one of Bob's requests is admitted, whether the bucket was removed or not. If
        // the new client has taken its slot, Bob uses the shared bucket.
        assert_eq!((said[1].0, said[2].0), (1, 1));
        assert_eq!(len(&store), 2);
    });
}

/// New limits get numbers in the store while other threads read limits by number.
#[test]
fn r138_limits_are_added_while_others_ask() {
    every_order("new limits are numbered", || {
        let store = store(8);
        let sets: Vec<_> = (1..=3).map(|number| limits([Quota::per_day(number)])).collect();
        let said = together(vec![
            asks(&store, &[ALICE, ALICE], &sets[0], NOW),
            asks(&store, &[BOB, BOB, BOB], &sets[1], NOW),
            asks(&store, &[10], &sets[2], NOW),
        ]);
        assert_eq!(said, [(1, 0), (2, 0), (1, 0)]);
        assert_eq!(len(&store), 3);
    });
}
