//! A limit that is nearly used up.

use serde_json::json;
use tower_auth::rate_limit::Partition;

use super::*;

const RULES: [AlertRule; 2] = [AlertRule::LimitUsed { percent: 80 }, AlertRule::LimitUsed { percent: 100 }];

fn percents(alerts: &[Alert]) -> Vec<u64> {
    let mut all: Vec<u64> = alerts.iter().map(|alert| alert.details["percent"].as_u64().unwrap()).collect();
    all.sort_unstable();
    all
}

#[tokio::test]
async fn a_monthly_budget_is_told_once_at_each_edge_and_again_in_the_next_month() {
    let budget = Quota::per_calendar_month(10).in_time_zone("Europe/Berlin");
    let watched = Watched::with(&RULES, [budget]).await;
    let key = watched.key("key_1").await;
    watched.ask(7, &key).await;
    assert_eq!(watched.look().await, [], "70 percent");
    watched.ask(1, &key).await;
    let told = watched.look().await;
    assert_eq!((kinds(&told), percents(&told)), (vec![("limit_used", Some("key_1"))], vec![80]));
    let details = serde_json::Value::from(told[0].details.clone());
    assert_eq!(
        details,
        json!({
            "percent": 80, "hint": key.key.hint(), "window": "month", "limit": 10, "used": 8,
            "resets_at": "2027-01-31T23:00:00Z",
        })
    );
    assert_eq!(told[0].holder, organization());
    watched.ask(1, &key).await;
    assert_eq!(watched.look().await, [], "the next request tells nothing new");
    assert_eq!(watched.ask(3, &key).await, 429);
    assert_eq!(percents(&watched.look().await), [100]);
    watched.ask(3, &key).await;
    assert_eq!(watched.look().await, []);
    watched.clock.set("2027-01-31T23:00:00Z");
    assert_eq!(watched.ask(1, &key).await, 200);
    assert_eq!(watched.look().await, [], "a new month");
    watched.ask(9, &key).await;
    assert_eq!(percents(&watched.look().await), [80, 100], "both edges in one look");
}

#[tokio::test]
async fn a_short_window_is_there_to_be_reached() {
    let watched = Watched::with(&RULES, [Quota::per_minute(2), Quota::per_hour(100)]).await;
    let key = watched.key("key_1").await;
    assert_eq!(watched.ask(3, &key).await, 429);
    assert_eq!(watched.look().await, []);
}

#[tokio::test]
async fn an_evenly_refilled_window_is_told_once_in_its_length() {
    let watched = Watched::with(&RULES[..1], [Quota::per_hour(10)]).await;
    let key = watched.key("key_1").await;
    watched.ask(9, &key).await;
    assert_eq!(percents(&watched.look().await), [80]);
    // The hour of the clock changes after 30 seconds, and the bucket is not refilled by then.
    watched.clock.advance(MINUTE);
    watched.ask(1, &key).await;
    assert_eq!(percents(&watched.look().await), [80], "in the next hour");
    watched.clock.advance(10 * MINUTE);
    watched.ask(2, &key).await;
    assert_eq!(watched.look().await, []);
}

#[tokio::test]
async fn keys_that_share_a_budget_share_its_alerts() {
    let plans = Plans::new().plan("standard", [Quota::per_calendar_day(10)]).fallback("standard").build().unwrap();
    let limits = RateLimitLayer::by_plan(&plans).partition(Partition::Account);
    let watched = Watched::limited(&RULES, limits).await;
    let keys = [watched.key("key_1").await, watched.key("key_2").await];
    for key in &keys {
        watched.ask(4, key).await;
    }
    let told = watched.look().await;
    assert_eq!(percents(&told), [80]);
    assert!(told[0].key.as_deref().is_some_and(|key| key.starts_with("key_")), "one of them");
    assert_eq!(told[0].details["shared_by"], "account");
}

#[tokio::test]
async fn two_processes_tell_it_once() {
    let plans = Plans::new().plan("standard", [Quota::per_calendar_day(10)]).fallback("standard").build().unwrap();
    let limits = || RateLimitLayer::by_plan(&plans);
    let one = Watched::limited(&RULES[..1], limits()).await;
    let two = one.another(limits());
    let key = one.key("key_1").await;
    one.ask(9, &key).await;
    two.ask(9, &key).await;
    let told = [one.look().await, two.look().await].concat();
    assert_eq!(percents(&told), [80]);
}

#[tokio::test]
async fn without_limits_the_rule_is_silent_and_a_wrong_layer_is_an_error() {
    let watched = Watched::with(&RULES, [Quota::per_calendar_day(1)]).await;
    let key = watched.key("key_1").await;
    let plain = Alerts::new(watched.keys.clone(), watched.usage.clone(), watched.store.clone());
    watched.ask(1, &key).await;
    watched.usage.flush().await.unwrap();
    plain.check().await.unwrap();
    assert_eq!(plain.list(&organization(), 10).await.unwrap(), []);
    let by_address = RateLimitLayer::by_address(Quota::per_minute(1), ClientIp::peer());
    assert!(plain.limits(&by_address).unwrap_err().to_string().contains("Alerts::limits"));
}

/// A bucket that is refilled is never quite empty when somebody looks.
#[tokio::test]
async fn a_window_that_has_refused_is_used_up() {
    let watched = Watched::with(&RULES[1..], [Quota::per_minute(100), Quota::per_hour(60)]).await;
    let key = watched.key("key_1").await;
    assert_eq!(watched.ask(61, &key).await, 429);
    watched.clock.advance(3 * MINUTE);
    assert_eq!(percents(&watched.look().await), [100]);
    assert_eq!(watched.ask(1, &key).await, 200);
    assert_eq!(watched.look().await, []);
}

/// What is left is too little for any request.
#[tokio::test]
async fn a_budget_whose_rest_is_too_small_is_used_up() {
    let plans = Plans::new().plan("standard", [Quota::per_calendar_day(20)]).fallback("standard").build().unwrap();
    let watched = Watched::limited(&RULES[1..], RateLimitLayer::by_plan(&plans).cost(|_| 7)).await;
    let key = watched.key("key_1").await;
    assert_eq!(watched.ask(2, &key).await, 200);
    assert_eq!(watched.look().await, []);
    assert_eq!(watched.ask(1, &key).await, 429);
    assert_eq!(percents(&watched.look().await), [100]);
}

#[tokio::test]
async fn a_refusal_of_a_short_window_says_nothing_of_a_long_one() {
    let watched = Watched::with(&RULES[1..], [Quota::per_minute(6), Quota::per_day(10)]).await;
    let key = watched.key("key_1").await;
    assert_eq!(watched.ask(7, &key).await, 429);
    assert_eq!(watched.look().await, []);
}
