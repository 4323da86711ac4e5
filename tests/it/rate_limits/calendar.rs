//! Calendar windows in front of services: by plan, by the limits of a stored key, in headers, and for failed attempts.

use std::time::Duration;

use tower_auth::{
    ApiKeyLayer, AuthStack, ClientIp, KeyRecord, Limiter, Plans, Quota, RateLimitLayer, limit::Limits,
    rate_limit::OutagePolicy, testing::ManualClock,
};

use super::{NOW_SECONDS, alice, ask, by_plan, from, hand, over, plan, remote::Remote, spend, stack, statuses};
use crate::support::{KEY, get, store};

const HOUR: u64 = 3_600;

fn budget() -> [Quota; 2] {
    [Quota::per_minute(4), Quota::per_calendar_month(6).in_time_zone("Europe/Berlin")]
}

#[tokio::test]
async fn a_plan_has_a_budget_a_month() {
    let hand = ManualClock::at("2027-01-31T22:58:00Z");
    let service = over(&stack(&hand, [by_plan(budget())]));
    assert_eq!(statuses(&service, 5, alice).await, [200, 200, 200, 200, 429]);
    hand.advance(Duration::from_secs(60));
    assert_eq!(statuses(&service, 3, alice).await, [200, 200, 429]);
    let told = ask(&service, alice()).await;
    assert_eq!(
        (told.standing(), told.retry_after()),
        (Some((6, 0, 60)), Some(60)),
        "a minute until February in Berlin"
    );
    hand.advance(Duration::from_secs(59));
    assert_eq!(ask(&service, alice()).await.retry_after(), Some(1));
    hand.advance(Duration::from_secs(1));
    assert_eq!(statuses(&service, 4, alice).await, [200; 4]);
}

/// The key is read from its stored form in each request.
#[tokio::test]
async fn a_stored_key_has_a_budget_of_its_own() {
    let stored = r#"[{"events":3,"calendar":"month","time_zone":"Europe/Berlin","name":"month"}]"#;
    let record = KeyRecord::new("key_1", "acme").limits_from_json(stored).unwrap();
    let limits = record.principal().limits().unwrap().clone();
    assert_eq!(limits.to_json().to_string().len(), stored.len());
    assert_eq!(Limits::from_json(&limits.to_json()).unwrap(), limits);
    let (scheme, keys) = store(record);
    let hand = ManualClock::at("2027-01-31T22:59:00Z");
    let layer = RateLimitLayer::by_plan(&plan(Quota::per_minute(100)));
    let stack = AuthStack::builder().auth(ApiKeyLayer::new(scheme, keys)).limit(layer).clock(&hand).build().unwrap();
    let service = over(&stack);
    let with_key = || get("/", &[("x-api-key", KEY)]);
    assert_eq!(statuses(&service, 5, with_key).await, [200, 200, 200, 429, 429]);
    hand.advance(Duration::from_secs(60));
    assert_eq!(statuses(&service, 4, with_key).await, [200, 200, 200, 429]);
}

#[tokio::test]
async fn headers_show_the_end_of_the_period() {
    let hand = hand();
    let month = || Quota::per_calendar_month(3);
    // 15 January, 8 o'clock: 16 days and 16 hours.
    let rest = (16 * 24 + 16) * HOUR;
    let service = over(&stack(&hand, [by_plan([month(), Quota::per_minute(60)]).ietf_headers().x_retry_after()]));
    let told = ask(&service, alice()).await;
    assert_eq!(told.header("ratelimit-policy"), Some(r#""month";q=3, "minute";q=60;w=60"#));
    assert_eq!(told.header("ratelimit"), Some(&*format!(r#""month";r=2;t={rest}, "minute";r=59;t=59"#)));
    assert_eq!(told.standing(), Some((3, 2, rest)));
    assert_eq!(spend(&service, alice).await, 2);
    let told = ask(&service, alice()).await;
    assert_eq!(told.header("ratelimit"), Some(&*format!(r#""month";r=0;t={rest}, "minute";r=57;t=57"#)));
    assert_eq!((told.status, told.standing(), told.retry_after()), (429, Some((3, 0, rest)), Some(rest)));
    assert_eq!(told.number("x-ratelimit-retry-after"), Some(rest));
    // As a time of day, it is the end to the second, whenever it is asked.
    let service = over(&stack(&hand, [by_plan(month()).unix_reset()]));
    for _ in 0..4 {
        assert_eq!(ask(&service, alice()).await.reset(), Some(NOW_SECONDS + rest));
        hand.advance(Duration::from_millis(700));
    }
}

/// The window with the fewest requests left is shown, of whatever kind it is.
#[tokio::test]
async fn the_tightest_window_is_shown() {
    let hand = hand();
    let service = over(&stack(&hand, [by_plan([Quota::per_minute(3), Quota::per_calendar_day(5)])]));
    assert_eq!(ask(&service, alice()).await.standing(), Some((3, 2, 20)));
    assert_eq!(statuses(&service, 3, alice).await, [200, 200, 429]);
    hand.advance(Duration::from_secs(60));
    // Three of a minute, and two of the day.
    let rest = 16 * HOUR - 60;
    assert_eq!(ask(&service, alice()).await.standing(), Some((5, 1, rest)));
    assert_eq!(statuses(&service, 2, alice).await, [200, 429]);
    assert_eq!(ask(&service, alice()).await.retry_after(), Some(rest));
}

#[tokio::test]
async fn failed_attempts_have_a_budget_a_day() {
    let hand = ManualClock::at("2027-01-15T23:59:00Z");
    let layer = RateLimitLayer::failures(Quota::per_calendar_day(2), ClientIp::peer());
    let service = over(&stack(&hand, [layer]));
    let bad = || from("192.0.2.1", get("/", &[("who", "bad")]));
    assert_eq!(statuses(&service, 3, bad).await, [401, 401, 429]);
    assert_eq!(ask(&service, bad()).await.retry_after(), Some(60));
    hand.advance(Duration::from_secs(60));
    assert_eq!(statuses(&service, 3, bad).await, [401, 401, 429]);
}

/// The reserve that counts while the limiter is down, and a limiter behind a network, see the time of day of the stack.
#[tokio::test]
async fn other_limiters_get_the_time_of_day() {
    for down in [false, true] {
        for remote in Remote::both() {
            remote.set_down(down);
            let hand = ManualClock::at("2027-01-31T23:59:00Z");
            let layer = RateLimitLayer::by_plan(&plan(Quota::per_calendar_month(2)));
            let layer = layer.limiter(remote).on_outage(OutagePolicy::FallBackToLocal);
            let service = over(&stack(&hand, [layer]));
            assert_eq!(statuses(&service, 3, alice).await, [200, 200, 429], "down: {down}");
            let told = ask(&service, alice()).await;
            assert_eq!((told.retry_after(), told.remaining()), (Some(60), (!down).then_some(0)), "down: {down}");
            hand.advance(Duration::from_secs(60));
            assert_eq!(statuses(&service, 3, alice).await, [200, 200, 429], "down: {down}");
        }
    }
}

/// Without a calendar window, the time of day is not read.
#[tokio::test]
async fn the_time_of_day_is_read_for_calendar_windows_only() {
    let clock = || {
        tower_auth::Clock::from_fns(|| panic!("the time of day is read"), || Duration::from_secs(1))
            .timer(tokio::time::sleep)
    };
    let builder = AuthStack::builder().auth(super::Claimed).clock(clock());
    let service = over(&builder.limit(by_plan(Quota::per_minute(1)).without_headers()).build().unwrap());
    assert_eq!(ask(&service, alice()).await.status, 200);
    let limiter = tower_auth::limit::MemoryLimiter::new();
    let limits = Limits::new(Quota::per_calendar_day(1)).unwrap();
    // Without a time of day in the call, the system's counts.
    let decision = limiter.decide(tower_auth::limit::BucketKey::new(["a"]), &limits, 1, Duration::ZERO.into());
    let decided = decision.await.unwrap();
    assert!(matches!(decided, tower_auth::limit::LimitDecision::Admitted(_)));
}

#[tokio::test]
async fn plans_that_cannot_be_kept_say_so() {
    let quota = Quota::per_calendar_day(1).in_time_zone("Europe/Brlin");
    let error = Plans::new().plan("standard", [quota]).fallback("standard").build().unwrap_err().to_string();
    assert!(error.contains("Europe/Brlin") && error.contains("standard"), "{error}");
}
