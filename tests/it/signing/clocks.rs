//! Processes with wrong clocks on one store.

use tower_auth::Health;

use super::*;
use crate::no_leak::Logs;

/// The time of `hand()`, so many days later.
fn ahead_by(days: u32) -> ManualClock {
    let clock = hand();
    clock.advance(days * DAY);
    clock
}

async fn reason(keys: &SigningKeys) -> String {
    keys.refresh().await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_process_with_a_wrong_clock_changes_nothing_in_a_store_that_has_a_clock() {
    for wrong in [ahead_by(40), ahead_by(30_000), ManualClock::at("1970-01-01T00:00:00Z")] {
        let right = hand();
        let store = Remote::with(&right);
        let keys = open(&store, &right).await;
        let first = signer(&keys, &right);
        let other = open(&store, &wrong).await;
        for _ in 0..3 * 24 {
            right.advance(HOUR);
            wrong.advance(HOUR);
            let error = reason(&other).await;
            assert!(error.contains("the clock") && error.contains("help: set the clock that is wrong"), "{error}");
            keys.refresh().await.unwrap();
            assert_eq!((published(&keys), published(&other)), (vec![first.clone()], vec![first.clone()]));
        }
        assert_eq!(store.rows().await.len(), 1);
    }
}

/// Its clock is three days ahead while the next key is published: it would remove the key in use.
#[tokio::test]
async fn a_process_with_a_wrong_clock_goes_on_publishing_the_key_in_use() {
    let right = hand();
    let store = Remote::with(&right);
    let keys = open(&store, &right).await;
    let first = signer(&keys, &right);
    right.advance(29 * DAY);
    keys.refresh().await.unwrap();
    let both = published(&keys);
    let wrong = ahead_by(32);
    let other = open(&store, &wrong).await;
    let error = reason(&other).await;
    assert!(error.contains("shows 2027-02-16T08:00:00Z, and that of the store 2027-02-13T08:00:00Z"), "{error}");
    keys.refresh().await.unwrap();
    assert_eq!((published(&keys), published(&other), signer(&keys, &right)), (both.clone(), both.clone(), first));
    // A verifier that meets an unknown key reads the store, and removes nothing from what is published either.
    let (tokens, unknown) = (verifier(&other), SigningKey::generate(tower_auth::token::Algorithm::Es256).unwrap());
    verify(&tokens, &token(&unknown, right.now(), HOUR), &right).await.unwrap_err();
    assert_eq!(published(&other), both);
}

/// The store has no clock, and so nobody can tell which clock is wrong.
#[tokio::test]
async fn a_key_too_far_ahead_degrades_until_its_time_is_set() {
    let logs = Logs::capture();
    let (rows, right, wrong) = (Rows::default(), hand(), ahead_by(400));
    let keys = open(&rows, &right).await;
    let first = signer(&keys, &right);
    open(&rows, &wrong).await;
    let far = rows.change(|rows| rows[1].id.clone());
    let task = keys.start();
    settle().await;
    for _ in 0..40 {
        let Health::Degraded(why) = task.health() else { panic!("a key is too far ahead") };
        assert!(
            why.contains(&far) && why.contains("to sign from 2028-02-20T08:00:00Z") && why.contains("help:"),
            "{why}"
        );
        assert_eq!((signer(&keys, &right), published(&keys).len()), (first.clone(), 2));
        right.advance(DAY);
        settle().await;
    }
    assert_eq!(logs.text().matches("the signing keys cannot be refreshed").count(), 1, "{}", logs.text());
    rows.change(|rows| rows[1].signs_from = right.now());
    right.advance(MINUTE);
    settle().await;
    assert_eq!((task.health(), signer(&keys, &right)), (Health::Good, far.clone()));
    assert_eq!(published(&keys), [first, far.clone()], "tokens of the old key are valid");
    right.advance(2 * DAY);
    settle().await;
    assert_eq!(published(&keys), [far]);
    right.advance(27 * DAY);
    settle().await;
    assert_eq!((task.health(), published(&keys).len()), (Health::Good, 2), "keys change again");
}

/// It makes the first key of a new service.
#[tokio::test]
async fn the_first_key_of_a_wrong_clock_signs_until_its_time_is_set() {
    for days in [-300, 40, 30_000] {
        let (rows, right) = (Rows::default(), ahead_by(300));
        let wrong = ahead_by(u32::try_from(300 + days).unwrap());
        let first = signer(&open(&rows, &wrong).await, &wrong);
        let keys = open(&rows, &right).await;
        assert_eq!(signer(&keys, &right), first);
        if days > 0 {
            assert!(reason(&keys).await.contains(&first));
            rows.change(|rows| rows[0].signs_from = right.now());
        }
        keys.refresh().await.unwrap();
        assert_eq!(signer(&keys, &right), first);
        assert_eq!(rows.change(|rows| rows.len()), if days > 0 { 1 } else { 2 }, "an old key is followed");
    }
}

/// A store that cannot say its time is a store that fails, and what it has is used all the same.
#[tokio::test]
async fn a_clock_that_does_not_answer_stops_changes_only() {
    let right = hand();
    let store = Remote::with(&right);
    let keys = open(&store, &right).await;
    right.advance(29 * DAY);
    let failing = Timeless(store.clone());
    let other = open(&failing, &right).await;
    assert_eq!(published(&other).len(), 1);
    assert!(reason(&other).await.contains("no such function"));
    keys.refresh().await.unwrap();
    other.refresh().await.unwrap();
    assert_eq!((published(&other).len(), store.rows().await.len()), (2, 2));
}

#[derive(Clone)]
struct Timeless(Remote);

impl SigningKeyStore for Timeless {
    fn signing_keys(&self) -> SigningFuture<Vec<StoredSigningKey>> {
        self.0.signing_keys()
    }

    fn add_signing_key(&self, key: StoredSigningKey) -> SigningFuture<bool> {
        self.0.add_signing_key(key)
    }

    fn reseal_signing_key(&self, id: &str, sealed: Vec<u8>) -> SigningFuture<()> {
        self.0.reseal_signing_key(id, sealed)
    }

    fn remove_signing_key(&self, id: &str) -> SigningFuture<()> {
        self.0.remove_signing_key(id)
    }

    fn store_time(&self) -> SigningFuture<Option<SystemTime>> {
        SigningFuture::ready(Err("no such function".into()))
    }
}
