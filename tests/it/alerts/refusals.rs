//! Many refused requests.

use super::*;

#[tokio::test]
async fn many_refusals_are_told_once_an_hour() {
    let watched = Watched::with(&[AlertRule::Refusals { per_hour: 5 }], [Quota::per_day(1)]).await;
    let key = watched.key("key_1").await;
    assert_eq!(watched.ask(5, &key).await, 429);
    assert_eq!(watched.look().await, [], "four were refused");
    watched.ask(1, &key).await;
    let told = watched.look().await;
    assert_eq!(kinds(&told), [("refusals", Some("key_1"))]);
    assert_eq!((&told[0].details["refused"], &told[0].details["hour"]), (&5.into(), &"2027-01-15T08:00:00Z".into()));
    watched.ask(20, &key).await;
    assert_eq!(watched.look().await, []);
    watched.clock.advance(MINUTE);
    watched.ask(4, &key).await;
    assert_eq!(watched.look().await, [], "a new hour has counts of its own");
    watched.ask(1, &key).await;
    assert_eq!(kinds(&watched.look().await), [("refusals", Some("key_1"))]);
}

#[tokio::test]
async fn refusals_of_two_processes_add_up() {
    let limits = || {
        let plans = Plans::new().plan("standard", [Quota::per_day(1)]).fallback("standard").build().unwrap();
        RateLimitLayer::by_plan(&plans)
    };
    let one = Watched::limited(&[AlertRule::Refusals { per_hour: 5 }], limits()).await;
    let two = one.another(limits());
    let key = one.key("key_1").await;
    one.ask(4, &key).await;
    two.ask(3, &key).await;
    let told = [one.look().await, two.look().await].concat();
    assert_eq!(kinds(&told), [("refusals", Some("key_1"))]);
}

#[tokio::test]
async fn a_key_of_nobody_with_rules_raises_nothing() {
    let watched = Watched::with(&[AlertRule::Refusals { per_hour: 1 }], [Quota::per_day(1)]).await;
    let new = NewKey::named("CI").account("other").organizations(["org_2"]);
    let key = watched.keys.create(ops(), new).await.unwrap();
    watched.ask(10, &key).await;
    assert_eq!(watched.look().await, []);
    let second = NewKey::named("CI").account("other").organizations(["org_2", "org_1"]);
    let member = watched.keys.create(ops(), second).await.unwrap();
    watched.ask(10, &member).await;
    assert_eq!(watched.look().await, [], "the first organisation owns a key");
}

/// They are written and looked at when the hour is over.
#[tokio::test]
async fn refusals_at_the_end_of_an_hour_are_told() {
    let watched = Watched::with(&[AlertRule::Refusals { per_hour: 5 }], [Quota::per_day(1)]).await;
    let key = watched.key("key_1").await;
    watched.ask(6, &key).await;
    assert_eq!(
        {
            watched.alerts.check().await.unwrap();
            watched.take()
        },
        [],
        "nothing is written yet"
    );
    watched.clock.advance(MINUTE);
    watched.ask(2, &key).await;
    let told = watched.look().await;
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0].details["refused"], &told[0].details["hour"]), (&5.into(), &"2027-01-15T08:00:00Z".into()));
}
