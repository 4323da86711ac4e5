//! Keys that expire, are idle, or were rotated.

use super::*;

#[tokio::test]
async fn a_key_that_expires_is_told_once_for_each_expiry() {
    let watched = Watched::new(&[AlertRule::Expiring { days: 14 }, AlertRule::Expiring { days: 1 }]).await;
    let new = |id: &str| NewKey::named("CI").id(id).account("acme").organizations(["org_1"]);
    watched.keys.create(ops(), new("key_1").expires_in(15 * DAY)).await.unwrap();
    watched.keys.create(ops(), new("key_2")).await.unwrap();
    assert_eq!(watched.scan().await, []);
    watched.clock.advance(DAY);
    let told = watched.scan().await;
    assert_eq!(kinds(&told), [("expiring", Some("key_1"))]);
    assert_eq!((&told[0].details["name"], &told[0].details["days"]), (&"CI".into(), &14.into()));
    assert_eq!(told[0].details["expires_at"], "2027-01-30T08:59:30Z");
    watched.clock.advance(DAY);
    assert_eq!(watched.scan().await, []);
    watched.clock.advance(12 * DAY);
    assert_eq!(watched.scan().await[0].details["days"], 1);
    let later = tower_auth::registry::KeyUpdate::new().expires_at(Some(watched.clock.now() + 3 * DAY));
    watched.keys.update(ops(), "key_1", later).await.unwrap();
    assert_eq!(kinds(&watched.scan().await), [("expiring", Some("key_1"))], "another expiry");
    watched.clock.advance(4 * DAY);
    assert_eq!(watched.scan().await, [], "it has expired");
}

#[tokio::test]
async fn a_key_that_ends_on_purpose_is_not_told() {
    let watched = Watched::new(&[AlertRule::Expiring { days: 14 }, AlertRule::Idle { days: 1 }]).await;
    for id in ["key_1", "key_2", "key_3"] {
        watched.key(id).await;
    }
    watched.keys.rotate(ops(), "key_1", 2 * DAY).await.unwrap();
    watched.keys.revoke(ops(), "key_2").await.unwrap();
    watched.keys.delete(ops(), "key_3").await.unwrap();
    assert_eq!(watched.scan().await, []);
}

#[tokio::test]
async fn an_idle_key_is_told_once_after_each_use() {
    let watched = Watched::new(&[AlertRule::Idle { days: 90 }]).await;
    let key = watched.key("key_1").await;
    watched.clock.advance(89 * DAY);
    assert_eq!(watched.scan().await, []);
    watched.ask(1, &key).await;
    watched.clock.advance(DAY);
    assert_eq!(watched.scan().await, [], "it was used");
    watched.clock.advance(89 * DAY);
    let told = watched.scan().await;
    assert_eq!(kinds(&told), [("idle", Some("key_1"))]);
    assert_eq!(told[0].details["idle_since"], "2027-04-14T08:59:30Z");
    watched.clock.advance(30 * DAY);
    assert_eq!(watched.scan().await, []);
    watched.ask(1, &key).await;
    watched.clock.advance(90 * DAY);
    assert_eq!(watched.scan().await.len(), 1);
}

#[tokio::test]
async fn an_old_key_that_is_still_used_is_told_once_a_rotation() {
    let watched = Watched::new(&[AlertRule::OldKeyUsed { hours: 24 }]).await;
    let key = watched.key("key_1").await;
    let successor = watched.keys.rotate(ops(), "key_1", 7 * DAY).await.unwrap();
    watched.clock.advance(23 * HOUR);
    watched.ask(1, &key).await;
    assert_eq!(watched.scan().await, [], "there is still time");
    watched.clock.advance(2 * HOUR);
    assert_eq!(watched.scan().await, [], "it was not used since");
    watched.ask(1, &successor).await;
    assert_eq!(watched.scan().await, [], "the new key is used");
    watched.ask(1, &key).await;
    let told = watched.scan().await;
    assert_eq!(kinds(&told), [("old_key_used", Some("key_1"))]);
    assert_eq!(told[0].details["successor"], successor.key.id());
    assert_eq!(told[0].details["rotated_at"], "2027-01-15T08:59:30Z");
    watched.ask(1, &key).await;
    assert_eq!(watched.scan().await, []);
}

/// More keys than a page, and more holders than one.
#[tokio::test]
async fn every_key_of_every_holder_is_looked_at() {
    let watched = Watched::new(&[AlertRule::Idle { days: 1 }]).await;
    let idle = [AlertRule::Idle { days: 1 }];
    watched.alerts.set_rules(ops(), Holder::account("acme"), &idle).await.unwrap();
    for number in 0..1_100 {
        watched.key(&format!("key_{number}")).await;
    }
    watched.clock.advance(DAY);
    let told = watched.scan().await;
    assert_eq!(told.iter().filter(|alert| alert.holder == organization()).count(), 1_100);
    assert_eq!(told.iter().filter(|alert| alert.holder == Holder::account("acme")).count(), 1_100);
}
