//! URLs, settings, and what is shown of them.

use std::time::Duration;

use tower_auth::redis::{RedisChanges, RedisConfig};

#[test]
fn urls_that_are_wrong_say_what_to_do() {
    let cases = [
        ("localhost:6379", "does not start with redis:// or rediss://"),
        ("http://:hunter2@localhost", "does not start with redis:// or rediss://"),
        ("redis+unix:///tmp/hunter2.sock", "does not start with redis:// or rediss://"),
        ("redis://", "cannot be read"),
        ("redis://:hunter2@", "cannot be read"),
        ("redis://:hunter2@host:port", "cannot be read"),
        ("redis://:hunter2@host:70000", "cannot be read"),
        ("redis://:hunter2@host/cache", "cannot be read"),
        ("redis://:hunter2@0.0.0.0", "cannot be read"),
        ("redis://:hunter2@host/-1", "has a negative database number"),
        ("redis://:hunter2?@host", "%3F and %23"),
        ("redis://:hun#ter2@host", "%3F and %23"),
        ("rediss://:hunter2@host#insecure", "%3F and %23"),
        ("redis://hunter2@host", "redis://:password@host"),
    ];
    for (url, said) in cases {
        for error in [
            RedisConfig::url(url).unwrap_err(),
            RedisConfig::cluster([url]).unwrap_err(),
            RedisConfig::sentinel(url, ["redis://sentinel"]).unwrap_err(),
            RedisConfig::sentinel("redis://mymaster", [url]).unwrap_err(),
        ] {
            let text = format!("{error} {error:?}");
            assert!(text.contains(said), "{url}: {text}");
            assert!(!text.contains("hunter2") && !text.contains("ter2"), "{text}");
        }
    }
}

#[test]
fn settings_that_are_wrong_say_what_to_do() {
    let none: [&str; 0] = [];
    let config = || RedisConfig::url("redis://host").unwrap();
    let cases = [
        (RedisConfig::cluster(none).unwrap_err(), "pass the URLs of at least two servers"),
        (RedisConfig::sentinel("redis://mymaster", none).unwrap_err(), "pass the URLs of at least two servers"),
        (RedisConfig::cluster(["redis://host/1"]).unwrap_err(), "remove the number"),
        (RedisConfig::sentinel("redis://mymaster", ["redis://host/1"]).unwrap_err(), "remove the number"),
        (config().timeout(Duration::ZERO).unwrap_err(), "the longest time"),
        (config().prefix("").unwrap_err(), "such as tower_auth"),
        (config().prefix("a{b}").unwrap_err(), "such as tower_auth"),
        (config().prefix(&"a".repeat(65)).unwrap_err(), "such as tower_auth"),
    ];
    for (error, said) in cases {
        assert!(error.to_string().contains(said), "{error}");
    }
    assert!(config().prefix(&"a".repeat(64)).is_ok());
    // The name of a primary is not a host, and its URL has a database.
    assert!(RedisConfig::sentinel("redis://:secret@my_Master-1/5", ["redis://sentinel"]).is_ok());
}

#[test]
fn debug_shows_no_login() {
    let configs = [
        RedisConfig::url("redis://johnny:hunter2@[::1]:7000/2").unwrap(),
        RedisConfig::cluster(["valkey://johnny:hunter2@a", "valkey://johnny:hunter2@b:1"]).unwrap(),
        RedisConfig::sentinel("redis://:hunter2@main/1", ["redis://johnny:hunter2@s:26379"]).unwrap(),
    ];
    let shown = configs.map(|config| format!("{config:?} {:?}", RedisChanges::new(config.clone())));
    for (shown, part) in shown.iter().zip([
        "redis://[::1]:7000/2",
        "[redis://a:6379/0, redis://b:1/0]",
        "primary: redis://main:6379/1, sentinels: [redis://s:26379/0]",
    ]) {
        assert!(shown.contains(part), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("johnny"), "{shown}");
    }
}

/// A password may have any character, in its percent-encoded form.
#[tokio::test]
async fn reserved_characters_are_decoded() {
    let Some(server) = crate::support::redis::private(&["--requirepass", "p@s:s/w#r?d %"]) else { return };
    let url = format!("redis://:p%40s%3As%2Fw%23r%3Fd%20%25@{}", server.address());
    super::listen(&RedisChanges::new(RedisConfig::url(&url).unwrap())).await;
}
