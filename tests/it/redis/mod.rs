//! Changes over Redis: the order that the cache depends on, and what happens when something fails.

mod bound;
mod cluster;
mod config;
mod faults;
mod order;
mod permissions;
mod promise;
mod roles;
mod sentinel;
#[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
mod tls;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::sleep;
use tower_auth::{
    BoxError,
    cache::{Announcement, ChangeSink, Changed, Changes as _, Heard, Subscription},
    redis::{RedisChanges, RedisConfig},
};

use crate::support::{
    process::until,
    redis::{Cluster, Server, prefix},
};

/// What a sink has heard: announcements as they are written, and `lost`.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn sink(&self) -> ChangeSink {
        let log = self.clone();
        ChangeSink::new(move |heard| {
            log.0.lock().unwrap().push(match heard {
                Heard::Announced(what) => what.to_string(),
                Heard::Lost(_) => "lost".to_owned(),
                other => format!("{other:?}"),
            });
        })
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn has(&self, what: &str) -> bool {
        self.0.lock().unwrap().iter().any(|one| one == what)
    }

    /// Waits until the end of the connection was told.
    fn is_lost(&self) -> bool {
        until(|| self.has("lost"))
    }
}

/// The announcement of a key.
fn key(id: &str) -> Announcement {
    Changed::Key(id).into()
}

/// A prefix of its own on this server.
fn over(server: &Server) -> (RedisChanges, String) {
    let prefix = prefix();
    (RedisChanges::new(RedisConfig::url(&server.url()).unwrap().prefix(&prefix).unwrap()), prefix)
}

/// A prefix of its own on this cluster.
fn over_cluster(cluster: &Cluster) -> (RedisChanges, String) {
    let prefix = prefix();
    (RedisChanges::new(RedisConfig::cluster(cluster.urls()).unwrap().prefix(&prefix).unwrap()), prefix)
}

/// A subscription that works.
async fn listen(changes: &RedisChanges) -> (Box<dyn Subscription>, Log) {
    let log = Log::default();
    let mut subscription = changes.subscribe(log.sink()).await.unwrap();
    subscription.barrier().await.unwrap();
    (subscription, log)
}

/// Announces a key and checks that it is heard.
async fn works(changes: &RedisChanges, (subscription, log): &mut (Box<dyn Subscription>, Log)) {
    changes.announce(&[key("works")]).await.unwrap();
    subscription.barrier().await.unwrap();
    assert!(log.has(&key("works").to_string()));
}

/// Subscribes until it works again.
async fn again(changes: &RedisChanges) -> (Box<dyn Subscription>, Log) {
    let mut last: Option<BoxError> = None;
    for _ in 0..200 {
        let log = Log::default();
        match changes.subscribe(log.sink()).await {
            Ok(mut subscription) => match subscription.barrier().await {
                Ok(()) => return (subscription, log),
                Err(error) => last = Some(error),
            },
            Err(error) => last = Some(error),
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("{last:?}");
}
