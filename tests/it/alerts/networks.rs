//! A key that is used from a network for the first time.

use super::*;

const RULES: [AlertRule; 1] = [AlertRule::NewNetwork];

fn networks(alerts: &[Alert]) -> Vec<&str> {
    alerts.iter().map(|alert| alert.details["network"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_new_network_is_told_once_and_the_first_is_not() {
    let watched = Watched::new(&RULES).await;
    let key = watched.key("key_1").await;
    watched.send(3, &key, "192.0.2.1").await;
    assert_eq!(watched.look().await, [], "there is nothing to compare with");
    watched.send(1, &key, "192.0.2.99").await;
    assert_eq!(watched.look().await, [], "the same /24");
    watched.send(50, &key, "192.0.2.1").await;
    watched.send(1, &key, "198.51.100.7").await;
    watched.send(50, &key, "192.0.2.1").await;
    let told = watched.look().await;
    assert_eq!((kinds(&told), networks(&told)), (vec![("new_network", Some("key_1"))], vec!["198.51.100.0/24"]));
    watched.send(1, &key, "198.51.100.8").await;
    assert_eq!(watched.look().await, []);
    watched.send(1, &key, "2001:db8:1:2::3").await;
    watched.send(1, &key, "2001:db8:1:ffff::3").await;
    assert_eq!(networks(&watched.look().await), ["2001:db8:1::/48"]);
    watched.send(1, &key, "::ffff:192.0.2.7").await;
    assert_eq!(watched.look().await, [], "an IPv4 address in IPv6 form");
}

#[tokio::test]
async fn what_is_known_is_known_to_all_processes_and_after_a_restart() {
    let watched = Watched::new(&RULES).await;
    let key = watched.key("key_1").await;
    for address in ["192.0.2.1", "198.51.100.1"] {
        watched.send(1, &key, address).await;
        watched.look().await;
    }
    let restarted = watched.another(watched.limits.clone());
    for address in ["192.0.2.1", "198.51.100.1"] {
        restarted.send(1, &key, address).await;
    }
    assert_eq!(restarted.look().await, []);
    for process in [&watched, &restarted] {
        process.send(1, &key, "203.0.113.1").await;
    }
    let told = [watched.look().await, restarted.look().await].concat();
    assert_eq!(networks(&told), ["203.0.113.0/24"]);
}

#[tokio::test]
async fn a_successor_is_used_from_the_networks_of_its_predecessor() {
    let watched = Watched::new(&RULES).await;
    let key = watched.key("key_1").await;
    watched.send(1, &key, "192.0.2.1").await;
    watched.look().await;
    let successor = watched.keys.rotate(ops(), "key_1", HOUR).await.unwrap();
    watched.send(1, &successor, "192.0.2.1").await;
    assert_eq!(watched.look().await, []);
    watched.send(1, &successor, "198.51.100.1").await;
    assert_eq!(kinds(&watched.look().await), [("new_network", Some(successor.key.id()))]);
}

#[tokio::test]
async fn a_refused_request_shows_no_network() {
    let watched = Watched::with(&RULES, [Quota::per_day(2)]).await;
    let key = watched.key("key_1").await;
    watched.send(1, &key, "192.0.2.1").await;
    watched.look().await;
    assert_eq!(watched.send(2, &key, "192.0.2.1").await, 429);
    assert_eq!(watched.send(1, &key, "198.51.100.1").await, 429);
    assert_eq!(watched.look().await, []);
}

#[tokio::test]
async fn a_rule_that_is_set_later_begins_then() {
    let watched = Watched::new(&[]).await;
    let key = watched.key("key_1").await;
    watched.send(1, &key, "192.0.2.1").await;
    assert_eq!(watched.look().await, []);
    watched.alerts.set_rules(ops(), organization(), &RULES).await.unwrap();
    watched.send(1, &key, "192.0.2.1").await;
    assert_eq!(watched.look().await, [], "now it is the first one");
    watched.send(1, &key, "198.51.100.1").await;
    assert_eq!(watched.look().await.len(), 1);
}

/// A network counts from its last use: one that is used every day is not forgotten.
#[tokio::test]
async fn a_network_is_forgotten_90_days_after_its_last_use() {
    let watched = Watched::new(&RULES).await;
    let key = watched.key("key_1").await;
    for address in ["192.0.2.1", "198.51.100.1"] {
        watched.send(1, &key, address).await;
        watched.look().await;
    }
    for _ in 0..100 {
        watched.clock.advance(DAY);
        watched.send(1, &key, "192.0.2.1").await;
        assert_eq!(watched.look().await, []);
        watched.alerts.forget().await.unwrap();
    }
    watched.send(1, &key, "198.51.100.1").await;
    assert_eq!(networks(&watched.look().await), ["198.51.100.0/24"], "it was not used for 100 days");
}

/// A key that is used from everywhere floods nobody.
#[tokio::test]
async fn a_key_has_up_to_a_hundred_networks() {
    let watched = Watched::new(&RULES).await;
    let [key, other] = [watched.key("key_1").await, watched.key("key_2").await];
    for key in [&key, &other] {
        watched.send(1, key, "192.0.2.1").await;
    }
    watched.look().await;
    let mut told = 0;
    for number in 0..300 {
        watched.send(1, &key, &format!("10.{}.{}.1", number / 256, number % 256)).await;
        if number % 10 == 9 {
            told += watched.look().await.len();
        }
    }
    assert_eq!(told, 99);
    watched.send(1, &other, "198.51.100.1").await;
    assert_eq!(networks(&watched.look().await), ["198.51.100.0/24"]);
    watched.send(1, &key, "192.0.2.1").await;
    assert_eq!(watched.look().await, [], "what is known stays known");
}
