//! A store that fails.

use futures_util::FutureExt as _;
use tower_auth::Health;

use super::*;
use crate::no_leak::Logs;

#[tokio::test]
async fn the_keys_in_memory_stay_in_use_while_the_store_fails() {
    let logs = Logs::capture();
    let (store, hand) = (Remote::default(), hand());
    let keys = open(&store, &hand).await;
    let (tokens, first) = (verifier(&keys), signer(&keys, &hand));
    let task = keys.start();
    settle().await;
    assert_eq!(task.health(), Health::Good);
    store.set_down(true);
    for _ in 0..40 {
        hand.advance(DAY);
        settle().await;
        assert!(matches!(task.health(), Health::Degraded(why) if why.contains("connection refused")));
        assert_eq!(signer(&keys, &hand), first, "it signs for longer than planned");
        assert_eq!(verify(&tokens, &issued(&keys, &hand, HOUR), &hand).await.unwrap(), "alice");
    }
    assert_eq!(logs.text().matches("the signing keys cannot be refreshed").count(), 1, "{}", logs.text());
    store.set_down(false);
    hand.advance(MINUTE);
    settle().await;
    assert_eq!(task.health(), Health::Good);
    assert_eq!(logs.text().matches("the signing keys are refreshed again").count(), 1);
    assert_eq!((published(&keys).len(), signer(&keys, &hand)), (2, first), "the next key is published first");
}

#[tokio::test]
async fn a_store_that_hangs_keeps_neither_the_task_nor_a_verifier() {
    let (store, hand) = (Remote::default(), hand());
    let keys = open(&store, &hand).await;
    let tokens = verifier(&keys);
    store.set(|state| &state.hangs, true);
    hand.advance(MINUTE);
    let refreshed = tokio::spawn({
        let keys = keys.clone();
        async move { keys.refresh().await.map_err(|error| error.to_string()) }
    });
    settle().await;
    // The first token of a verifier waits for the store, behind the other call.
    let token = issued(&keys, &hand, HOUR);
    let (clock, asked) = (hand.clone(), hand.clone());
    let verified = tokio::spawn(async move { verify(&tokens, &token, &asked).await });
    settle().await;
    clock.advance(Duration::from_secs(2));
    assert_eq!(verified.await.unwrap().unwrap(), "alice", "from memory");
    clock.advance(Duration::from_secs(8));
    let error = refreshed.await.unwrap().unwrap_err();
    assert!(error.contains("did not answer within 10 s"), "{error}");
}

#[tokio::test]
async fn a_service_starts_on_a_store_that_cannot_be_changed() {
    let (store, hand) = (Remote::default(), hand());
    let first = signer(&open(&store, &hand).await, &hand);
    hand.advance(29 * DAY);
    store.set(|state| &state.read_only, true);
    let logs = Logs::capture();
    let keys = open(&store, &hand).await;
    assert_eq!(signer(&keys, &hand), first);
    assert!(logs.text().contains("the signing keys are used as they are"), "{}", logs.text());
    assert!(keys.refresh().await.is_err());
    store.set(|state| &state.read_only, false);
    keys.refresh().await.unwrap();
    assert_eq!(published(&keys).len(), 2);
}

#[tokio::test]
async fn a_service_without_any_key_does_not_start() {
    let (store, hand) = (Remote::default(), hand());
    let switches: [fn(&State) -> &AtomicBool; 2] = [|state| &state.down, |state| &state.read_only];
    for switch in switches {
        store.set(switch, true);
        let opened = SigningKeys::open(store.clone(), &peppers(), SigningPolicy::new(), &hand).await;
        let error = opened.unwrap_err().to_string();
        assert!(error.contains("connection refused") && error.contains("help: check that the database"), "{error}");
        store.set(switch, false);
    }
}

/// The key was added, and nobody was told.
#[tokio::test]
async fn a_lost_answer_makes_no_second_key() {
    let (store, hand) = (Remote::default(), hand());
    store.set(|state| &state.mute, true);
    assert!(SigningKeys::open(store.clone(), &peppers(), SigningPolicy::new(), &hand).await.is_err());
    store.set(|state| &state.mute, false);
    let keys = open(&store, &hand).await;
    assert_eq!(published(&keys), [store.rows().await[0].id.as_str()]);
    store.set(|state| &state.mute, true);
    hand.advance(29 * DAY);
    assert!(keys.refresh().await.is_err());
    store.set(|state| &state.mute, false);
    keys.refresh().await.unwrap();
    assert_eq!(published(&keys).len(), 2);
    assert_eq!(store.rows().await.len(), 2);
}

/// A process that is stopped in the middle of a call leaves the others nothing to wait for.
#[tokio::test]
async fn a_dropped_call_keeps_nobody_waiting() {
    let (store, hand) = (Remote::default(), hand());
    let keys = open(&store, &hand).await;
    store.set(|state| &state.hangs, true);
    let mut stopped = Box::pin(keys.refresh());
    assert!((&mut stopped).now_or_never().is_none());
    drop(stopped);
    store.set(|state| &state.hangs, false);
    keys.refresh().await.unwrap();
}
