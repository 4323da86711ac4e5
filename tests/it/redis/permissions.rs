//! What the user of the URL must be allowed to do, and what a wrong password leads to.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tower_auth::{
    cache::Changes as _,
    redis::{RedisChanges, RedisConfig},
};

use super::{Log, key, listen, works};
use crate::support::redis;

const BOUND: Duration = Duration::from_millis(250);

#[tokio::test]
async fn a_wrong_password_is_said_and_not_shown() {
    let Some(server) = redis::private(&["--requirepass", "correct"]) else { return };
    let address = server.address();
    for (login, code) in [(":hunter2@", "WRONGPASS"), ("nobody:hunter2@", "WRONGPASS"), ("", "NOAUTH")] {
        let changes = RedisChanges::new(RedisConfig::url(&format!("redis://{login}{address}")).unwrap());
        for error in [
            changes.subscribe(Log::default().sink()).await.err().unwrap(),
            changes.announce(&[key("key_1")]).await.unwrap_err(),
            changes.shared_bound(BOUND).await.unwrap_err(),
        ] {
            let text = format!("{error} {error:?}");
            assert!(text.contains(code) && text.contains("check the user and the password"), "{text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
    let changes = RedisChanges::new(RedisConfig::url(&format!("redis://:correct@{address}/3")).unwrap());
    changes.shared_bound(BOUND).await.unwrap();
    works(&changes, &mut listen(&changes).await).await;
}

/// A server before version 6 knows no HELLO, and repeats its arguments: the password too.
#[tokio::test]
async fn a_password_that_the_server_repeats_is_not_shown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut asked = [0; 1024];
            assert!(client.read(&mut asked).await.unwrap() > 0);
            let answer =
                b"-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `default`, `hunter2`,\r\n";
            client.write_all(answer).await.unwrap();
        }
    });
    let changes = RedisChanges::new(RedisConfig::url(&format!("redis://:hunter2@{address}")).unwrap());
    let error = changes.announce(&[key("key_1")]).await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(text.contains("Redis 6 or later") && !text.contains("hunter2"), "{text}");
}

/// The rules of the module page.
const RULES: [&str; 10] =
    ["+hello", "+select", "+info", "+multi", "+exec", "+get", "+set", "+subscribe", "+publish", "resetchannels"];

const CLUSTER_RULES: [&str; 4] = ["+cluster|keyslot", "+cluster|slots", "+ssubscribe", "+spublish"];

/// HELLO is how a client logs in; the other one takes away what a user may have by default.
const NEVER_REFUSED: [&str; 2] = ["+hello", "resetchannels"];

#[tokio::test]
async fn the_documented_permissions_are_enough_and_all_needed() {
    let Some(server) = redis::private(&[]) else { return };
    let url = format!("redis://changes:secret@{}", server.address());
    let user = |rules: &[&str]| {
        let own = ["ACL", "SETUSER", "changes", "reset", "on", ">secret", "~{tower_auth}:*"];
        let _: () = server.ask(&[&own, rules, &["&{tower_auth}:*"]].concat());
    };
    user(&RULES);
    let changes = RedisChanges::new(RedisConfig::url(&url).unwrap());
    changes.shared_bound(BOUND).await.unwrap();
    works(&changes, &mut listen(&changes).await).await;

    let url_with_database = format!("{url}/1");
    for missing in RULES.into_iter().filter(|rule| !NEVER_REFUSED.contains(rule)) {
        user(&RULES.into_iter().filter(|rule| *rule != missing).collect::<Vec<_>>());
        let changes = RedisChanges::new(RedisConfig::url(&url_with_database).unwrap());
        let bound = changes.shared_bound(BOUND).await.map(drop);
        let announced = changes.announce(&[key("key_1")]).await;
        let subscribed = changes.subscribe(Log::default().sink()).await.map(drop);
        let error = bound.and(announced).and(subscribed).expect_err(missing).to_string();
        let said = if missing == "+select" { "may use SELECT" } else { "the page of the module `redis` lists" };
        assert!(error.contains(said), "{missing}: {error}");
    }
}

#[tokio::test]
async fn the_documented_permissions_are_enough_in_a_cluster() {
    let Some(cluster) = redis::cluster() else { return };
    for server in cluster.servers() {
        let own = ["ACL", "SETUSER", "changes", "reset", "on", ">secret", "~{tower_auth}:*"];
        let _: () = server.ask(&[&own, &RULES[..], &CLUSTER_RULES, &["&{tower_auth}:*"]].concat());
    }
    let urls = cluster.servers().iter().map(|server| format!("redis://changes:secret@{}", server.address()));
    let changes = RedisChanges::new(RedisConfig::cluster(urls).unwrap());
    changes.shared_bound(BOUND).await.unwrap();
    works(&changes, &mut listen(&changes).await).await;
}
