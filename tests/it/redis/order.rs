//! What was announced before a barrier began was heard when it completes.

use std::{
    collections::HashMap,
    future::{Future as _, poll_fn},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use tokio::{
    task::{JoinSet, yield_now},
    time::sleep,
};
use tower_auth::{
    cache::{Announcement, ChangeSink, Changed, Changes as _, Heard},
    redis::{RedisChanges, RedisConfig},
};

use super::{key, listen, over, over_cluster};
use crate::support::redis;

const ROUNDS: u32 = 2_000;
const OTHERS: u32 = 6;

/// Announces new keys until it is told to stop.
fn publish(others: &mut JoinSet<()>, changes: &RedisChanges, stop: &Arc<AtomicBool>, count: &Arc<AtomicU64>) {
    let (changes, stop, count) = (changes.clone(), Arc::clone(stop), Arc::clone(count));
    others.spawn(async move {
        while !stop.load(Ordering::Relaxed) {
            changes.announce(&[Changed::NewKey.into()]).await.unwrap();
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
}

/// Each round announces something and asks for a barrier over another connection. Each of the others has a connection of its own,
/// as other processes have.
async fn rounds(announcer: RedisChanges, listener: RedisChanges, others: &[RedisChanges]) {
    // Every announcement of an account is told by a mark that another one may have too, so they are counted.
    let counts: Arc<Mutex<HashMap<Announcement, u32>>> = Arc::default();
    let sink = ChangeSink::new({
        let counts = Arc::clone(&counts);
        move |heard| match heard {
            Heard::Announced(what) => *counts.lock().unwrap().entry(what).or_default() += 1,
            other => panic!("{other:?}"),
        }
    });
    let mut subscription = listener.subscribe(sink).await.unwrap();
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut publishers = JoinSet::new();
    for changes in others {
        publish(&mut publishers, changes, &stop, &count);
    }
    let mut late = 0;
    for round in 0..ROUNDS {
        let told = Announcement::from(Changed::Account(&round.to_string()));
        let heard = || counts.lock().unwrap().get(&told).copied();
        let before = heard();
        announcer.announce(&[told]).await.unwrap();
        subscription.barrier().await.unwrap();
        late += u32::from(heard() == before);
    }
    stop.store(true, Ordering::Relaxed);
    publishers.join_all().await;
    assert_eq!(late, 0, "of {ROUNDS} announcements arrived after the barrier");
    assert!(count.load(Ordering::Relaxed) > 0, "the other publishers have done nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_barrier_follows_all_announcements() {
    let Some(server) = redis::server() else { return };
    let (announcer, prefix) = over(server);
    let alike = |_| RedisChanges::new(config(&server.url(), &prefix));
    let all: Vec<_> = (0..OTHERS).map(alike).collect();
    rounds(announcer, alike(0), &all).await;
}

fn config(url: &str, prefix: &str) -> RedisConfig {
    RedisConfig::url(url).unwrap().prefix(prefix).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_barrier_follows_all_announcements_in_a_cluster() {
    let Some(cluster) = redis::cluster() else { return };
    let (announcer, prefix) = over_cluster(cluster);
    let alike = |_| {
        let config = RedisConfig::cluster(cluster.urls()).unwrap().prefix(&prefix).unwrap();
        RedisChanges::new(config)
    };
    let all: Vec<_> = (0..OTHERS).map(alike).collect();
    rounds(announcer, alike(0), &all).await;
}

#[tokio::test]
async fn announcements_keep_their_order_and_arrive_once() {
    let Some(server) = redis::server() else { return };
    let (changes, _) = over(server);
    let (mut subscription, log) = listen(&changes).await;
    let told = [key("key_1"), Changed::NewKey.into(), key("key_2"), Changed::Everything.into()];
    changes.announce(&told).await.unwrap();
    changes.announce(&told[..1]).await.unwrap();
    changes.announce(&[]).await.unwrap();
    subscription.barrier().await.unwrap();
    let expected: Vec<_> = told.iter().chain(&told[..1]).map(ToString::to_string).collect();
    assert_eq!(log.all(), expected);
}

#[tokio::test]
async fn what_others_write_into_the_channel_is_everything() {
    let Some(server) = redis::server() else { return };
    let (changes, prefix) = over(server);
    let (mut subscription, log) = listen(&changes).await;
    for message in ["", "from a later version", "cf5c"] {
        let _: u32 = server.ask(&["PUBLISH", &format!("{{{prefix}}}:changes"), message]);
    }
    subscription.barrier().await.unwrap();
    assert_eq!(log.all(), ["*", "*", "*", "*", "*", "cf5c"]);
}

#[tokio::test]
async fn a_prefix_is_a_world_of_its_own() {
    let Some(server) = redis::server() else { return };
    let ((one, _), (other, _)) = (over(server), over(server));
    let (mut subscription, log) = listen(&one).await;
    other.announce(&[key("key_1")]).await.unwrap();
    subscription.barrier().await.unwrap();
    assert!(log.all().is_empty());
}

#[tokio::test]
async fn a_dropped_subscription_closes_its_connection() {
    let Some(server) = redis::server() else { return };
    let (changes, prefix) = over(server);
    let (subscription, log) = listen(&changes).await;
    let channel = format!("{{{prefix}}}:changes");
    let listening = || server.ask::<(String, u32)>(&["PUBSUB", "NUMSUB", &channel]).1;
    assert_eq!(listening(), 1);
    drop(subscription);
    let mut left = listening();
    for _ in 0..500 {
        if left == 0 {
            break;
        }
        sleep(Duration::from_millis(10)).await;
        left = listening();
    }
    assert_eq!(left, 0);
    assert!(log.all().is_empty(), "{:?}", log.all());
}

/// The futures of barriers may be dropped, and later ones are not confused.
#[tokio::test]
async fn a_barrier_may_be_given_up() {
    let Some(server) = redis::server() else { return };
    let (changes, _) = over(server);
    let (mut subscription, log) = listen(&changes).await;
    for round in 0..200 {
        let told = key(&round.to_string());
        let mut given_up = subscription.barrier();
        for _ in 0..round % 4 {
            let once = poll_fn(|cx| Poll::Ready(Pin::new(&mut given_up).poll(cx).is_ready()));
            once.await;
            yield_now().await;
        }
        drop(given_up);
        changes.announce(&[told]).await.unwrap();
        subscription.barrier().await.unwrap();
        assert!(log.has(&told.to_string()), "round {round}");
    }
}
