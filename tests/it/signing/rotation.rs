//! The schedule at work: two processes on one store, and verifiers.

use tower_auth::{
    Principal,
    session::{Grant, TokenIssuer},
};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn two_processes_that_start_at_once_agree_on_one_key() {
    let (store, hand) = (Remote::default(), hand());
    let (one, other) = tokio::join!(open(&store, &hand), open(&store, &hand));
    assert_eq!(store.rows().await.len(), 1);
    assert_eq!(signer(&one, &hand), signer(&other, &hand));
    assert_eq!(one.key_set_json(), other.key_set_json());
}

#[tokio::test]
async fn a_verifier_knows_the_next_key_before_it_signs_and_the_old_one_until_its_tokens_have_expired() {
    let (store, hand) = (Remote::default(), hand());
    let (one, other) = (open(&store, &hand).await, open(&store, &hand).await);
    let tokens = verifier(&other);
    let first = signer(&one, &hand);
    assert_eq!(verify(&tokens, &issued(&one, &hand, HOUR), &hand).await.unwrap(), "alice");

    hand.advance(less(29 * DAY, MINUTE));
    one.refresh().await.unwrap();
    assert_eq!(published(&one), [first.as_str()], "nothing is due");
    hand.advance(MINUTE);
    let (left, right) = tokio::join!(one.refresh(), other.refresh());
    left.and(right).unwrap();
    let rows = store.rows().await;
    assert_eq!(rows.len(), 2, "one successor");
    let next = rows[1].id.clone();
    assert_eq!(rows[1].after.as_ref(), Some(&first));
    for keys in [&one, &other] {
        assert_eq!(published(keys), [first.as_str(), &next]);
        assert_eq!(signer(keys, &hand), first, "it does not sign yet");
    }

    hand.advance(less(DAY, SECOND));
    assert_eq!(verify(&tokens, &issued(&one, &hand, HOUR), &hand).await.unwrap(), "alice");
    let last = issued(&one, &hand, 2 * DAY);
    hand.advance(SECOND);
    assert_eq!((signer(&one, &hand), signer(&other, &hand)), (next.clone(), next.clone()));
    store.reads();
    assert_eq!(verify(&tokens, &issued(&one, &hand, HOUR), &hand).await.unwrap(), "alice");
    assert_eq!(store.reads(), 0, "the verifier knew the key");

    hand.advance(less(2 * DAY, 2 * SECOND));
    one.refresh().await.unwrap();
    assert_eq!(published(&one), [first.as_str(), &next]);
    assert_eq!(verify(&tokens, &last, &hand).await.unwrap(), "alice", "a token lives as long as its key is kept");
    hand.advance(2 * SECOND);
    one.refresh().await.unwrap();
    other.refresh().await.unwrap();
    assert_eq!(published(&one), [next.as_str()]);
    assert_eq!(published(&other), [next.as_str()]);
    assert_eq!(store.rows().await.len(), 1);
}

#[tokio::test]
async fn a_service_that_was_off_for_months_publishes_before_it_signs() {
    let (store, hand) = (Remote::default(), hand());
    let first = signer(&open(&store, &hand).await, &hand);
    hand.advance(200 * DAY);
    let keys = open(&store, &hand).await;
    assert_eq!(signer(&keys, &hand), first);
    let [_, next] = &published(&keys)[..] else { panic!("the next key is published") };
    hand.advance(less(DAY, Duration::from_millis(1)));
    assert_eq!(signer(&keys, &hand), first);
    hand.advance(Duration::from_millis(1));
    assert_eq!(signer(&keys, &hand), *next);
    keys.refresh().await.unwrap();
    assert_eq!(published(&keys).len(), 2, "tokens of the old key are valid");
}

/// A verifier in another process meets a key that it has not read yet.
#[tokio::test]
async fn a_token_of_an_unknown_key_makes_a_verifier_read_the_store() {
    let (store, hand) = (Remote::default(), hand());
    let (one, other) = (open(&store, &hand).await, open(&store, &hand).await);
    let tokens = verifier(&other);
    verify(&tokens, &issued(&other, &hand, HOUR), &hand).await.unwrap();
    // Nobody could foresee the key: it signs at once.
    let key = SigningKey::generate(tower_auth::token::Algorithm::Es256).unwrap();
    let newest = store.rows().await[0].id.clone();
    let row = StoredSigningKey::new(key.id(), key.algorithm(), key.public_jwk(), vec![0; 64], hand.now()).after(newest);
    assert!(store.add_signing_key(row).await.unwrap());
    hand.advance(31 * SECOND);
    store.reads();
    assert_eq!(verify(&tokens, &token(&key, hand.now(), HOUR), &hand).await.unwrap(), "alice");
    assert_eq!(store.reads(), 1);
    assert_eq!(store.rows().await.len(), 2, "a verifier reads and changes nothing");
    assert_eq!(published(&one).len(), 1, "the other process reads it within a minute");
}

#[tokio::test]
async fn keys_in_memory_rotate_too() {
    let hand = hand();
    let week = SigningPolicy::new().period(7 * DAY).publish_ahead(HOUR).keep(HOUR + 5 * MINUTE);
    let keys = SigningKeys::in_memory(week, &hand).unwrap();
    let tokens = verifier(&keys);
    let mut seen = Vec::new();
    for _ in 0..30 * 24 {
        let key = signer(&keys, &hand);
        if !seen.contains(&key) {
            seen.push(key);
        }
        assert_eq!(verify(&tokens, &issued(&keys, &hand, HOUR), &hand).await.unwrap(), "alice");
        hand.advance(HOUR);
        keys.refresh().await.unwrap();
        assert!(published(&keys).len() <= 2);
    }
    assert_eq!(seen.len(), 5, "one a week");
}

/// The task does what `refresh` does, every minute.
#[tokio::test]
async fn the_task_rotates_every_minute_until_it_is_stopped() {
    let (store, hand) = (Remote::default(), hand());
    let keys = open(&store, &hand).await;
    let task = keys.start();
    settle().await;
    hand.advance(29 * DAY);
    settle().await;
    assert_eq!(published(&keys).len(), 2);
    store.reads();
    hand.advance(MINUTE);
    settle().await;
    assert_eq!(store.reads(), 1);
    task.stop().await;
    hand.advance(MINUTE);
    settle().await;
    assert_eq!(store.reads(), 0);
}

#[test]
fn policies_that_lose_tokens_are_rejected() {
    let in_memory = |policy: SigningPolicy| SigningKeys::in_memory(policy, &hand()).map(drop);
    in_memory(SigningPolicy::new()).unwrap();
    in_memory(SigningPolicy::new().publish_ahead(10 * MINUTE).keep(6 * MINUTE)).unwrap();
    for (policy, said) in [
        (SigningPolicy::new().publish_ahead(less(10 * MINUTE, Duration::from_nanos(1))), "ten minutes"),
        (SigningPolicy::new().period(DAY), "the period is not longer"),
        (SigningPolicy::new().period(3_661 * DAY), "ten years"),
        (SigningPolicy::new().keep(less(6 * MINUTE, Duration::from_nanos(1))), "less than six minutes"),
        (SigningPolicy::new().keep(Duration::MAX), "ten years"),
        (SigningPolicy::new().period(HOUR).publish_ahead(10 * MINUTE).keep(DAY), "more than 16 keys"),
        (SigningPolicy::new().algorithm(tower_auth::token::Algorithm::Hs256), "HS256 is not supported"),
        (SigningPolicy::new().algorithm(tower_auth::token::Algorithm::Ps256), "ES256, ES384, Ed25519 or RS256"),
    ] {
        let error = in_memory(policy.clone()).unwrap_err().to_string();
        assert!(error.contains(said), "{policy:?}: {error}");
    }
    let keys = SigningKeys::in_memory(SigningPolicy::new().keep(HOUR), &hand()).unwrap();
    let longest = less(HOUR, 5 * MINUTE);
    keys.check_lifetime(longest).unwrap();
    let error = keys.check_lifetime(longest + Duration::from_nanos(1)).unwrap_err().to_string();
    assert!(error.contains("SigningPolicy::keep"), "{error}");
}

#[test]
fn no_token_outlives_its_key_or_a_day() {
    let nanosecond = Duration::from_nanos(1);
    let alice = Grant::of(&Principal::builder("alice").build());
    for (keep, longest, said) in
        [(HOUR, less(HOUR, 5 * MINUTE), "SigningPolicy::keep"), (3 * DAY, DAY, "longer than a day")]
    {
        let keys = SigningKeys::in_memory(SigningPolicy::new().keep(keep), &hand()).unwrap();
        let issuer = TokenIssuer::new(ISSUER, keys).unwrap();
        issuer.issue(&alice, longest).unwrap();
        for lifetime in [longest + nanosecond, Duration::MAX] {
            let error = issuer.issue(&alice, lifetime).unwrap_err().to_string();
            assert!(error.contains(said) || lifetime > DAY && error.contains("longer than a day"), "{error}");
        }
    }
}
