//! `X-RateLimit-Limit`, `-Remaining` and `-Reset`: rules 131 and 132.

use std::time::Duration;

use proptest::{collection::vec, prelude::*, test_runner::TestRunner};
use tower_auth::{ClientIp, Quota, RateLimitLayer};

use super::{NOW_SECONDS, alice, ask, by_plan, from, hand, over, spend, stack};
use crate::support::get;

#[tokio::test]
async fn r131_the_reset_is_the_seconds_that_are_left() {
    let hand = hand();
    let service = over(&stack(&hand, [by_plan(Quota::per_minute(4))]));
    let told = ask(&service, alice()).await;
    assert_eq!(told.names(), ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]);
    assert_eq!(told.standing(), Some((4, 3, 15)));
    assert_eq!(ask(&service, alice()).await.standing(), Some((4, 2, 30)));
    hand.advance(Duration::from_millis(14_001));
    // 15.999 seconds of two, and one more.
    assert_eq!(ask(&service, alice()).await.standing(), Some((4, 1, 31)));
    hand.advance(Duration::from_secs(31));
    assert_eq!(ask(&service, alice()).await.standing(), Some((4, 3, 15)), "it was full again");
}

#[tokio::test]
async fn r131_or_a_time_of_day_in_unix_seconds() {
    let hand = hand();
    let service = over(&stack(&hand, [by_plan(Quota::per_minute(4)).unix_reset()]));
    assert_eq!(ask(&service, alice()).await.standing(), Some((4, 3, NOW_SECONDS + 15)));
    hand.advance(Duration::from_millis(1));
    assert_eq!(ask(&service, alice()).await.standing(), Some((4, 2, NOW_SECONDS + 30)), "no drift");
    hand.advance(Duration::from_millis(499));
    let told = ask(&service, alice()).await;
    assert_eq!(told.standing(), Some((4, 1, NOW_SECONDS + 45)), "it will be full at 45.0, and not half a second later");
    ask(&service, alice()).await;
    let refused = ask(&service, alice()).await;
    assert_eq!((refused.status, refused.standing()), (429, Some((4, 0, NOW_SECONDS + 60))));
    assert_eq!(refused.retry_after(), Some(15), "a wait is a wait");
}

/// Small numbers are copied out of a table.
#[tokio::test]
async fn r131_every_number_is_written_as_it_is() {
    let hand = hand();
    for size in (1..=1_200).chain(9_980..=10_020).chain([99_999, 1_000_000, u32::MAX - 1]) {
        let layer = RateLimitLayer::by_address(Quota::per_hour(size), ClientIp::peer()).clock(&hand);
        let told = ask(&over(&layer), from("192.0.2.1", get("/", &[]))).await;
        assert_eq!((told.limit(), told.remaining()), (Some(u64::from(size)), Some(u64::from(size) - 1)));
    }
}

/// Of several windows the one that would refuse first speaks, all of its headers about itself.
#[tokio::test]
async fn r131_the_tightest_window_speaks() {
    let hand = hand();
    let service = over(&stack(&hand, [by_plan([Quota::per_second(3), Quota::per_minute(5)])]));
    let mut told = Vec::new();
    for _ in 0..8 {
        told.push(ask(&service, alice()).await.standing().unwrap());
        hand.advance(Duration::from_millis(334));
    }
    // Two seconds of three leave one of five, from then on the minute is the tighter one.
    assert_eq!(told[..2], [(3, 2, 1), (3, 2, 1)], "{told:?}");
    let minute: Vec<_> = told.iter().skip_while(|(limit, ..)| *limit == 3).collect();
    assert!(minute.len() >= 4 && minute.iter().all(|(limit, ..)| *limit == 5), "{told:?}");
}

/// Any limits, any requests at any time.
#[test]
fn r132_what_is_left_is_never_more_than_the_limit_and_nothing_left_has_a_reset() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let quota = (1..50_u32, 1..5_000_u64, 1..30_u32);
    let steps = vec((0..12_u32, 0..2_000_u64), 1..30);
    TestRunner::default()
        .run(&(vec(quota, 1..5), steps), |(quotas, steps)| {
            let named = quotas.iter().zip(["a", "b", "c", "d"]).map(|((events, millis, burst), name)| {
                Quota::new(*events, Duration::from_millis(*millis)).burst(*burst).named(name)
            });
            let (hand, smallest) = (hand(), u64::from(quotas.iter().map(|quota| quota.2).min().unwrap()));
            let limit = by_plan(named).cost(|request| request.headers()["cost"].to_str().unwrap().parse().unwrap());
            let service = over(&stack(&hand, [limit]));
            for (cost, pause) in steps {
                let text = cost.to_string();
                let told = runtime.block_on(ask(&service, get("/", &[("who", "alice"), ("cost", &text)])));
                if u64::from(cost) > smallest {
                    prop_assert_eq!(told.status, 400);
                    continue;
                }
                let (limit, remaining, reset) = told.standing().unwrap();
                prop_assert!(quotas.iter().any(|quota| u64::from(quota.2) == limit), "{:?}", told);
                prop_assert!(remaining <= limit, "{:?}", told);
                prop_assert!(remaining > 0 || reset >= 1, "{:?}", told);
                prop_assert!(remaining < limit || reset == 0 || told.status == 429 || reset >= 1, "{:?}", told);
                if told.status == 429 {
                    prop_assert!(told.retry_after().unwrap() >= 1 && remaining < u64::from(cost), "{:?}", told);
                } else {
                    prop_assert_eq!(told.retry_after(), None);
                }
                hand.advance(Duration::from_millis(pause));
            }
            Ok(())
        })
        .unwrap();
}

/// While nobody asks, the reset comes nearer, and never goes away again.
#[tokio::test]
async fn r132_the_reset_only_comes_nearer_while_nothing_is_counted() {
    let hand = hand();
    let service = over(&stack(&hand, [by_plan(Quota::per_minute(7))]));
    assert_eq!(spend(&service, alice).await, 7);
    let mut before = (u64::MAX, 0);
    for _ in 0..500 {
        // A refused request is not counted either.
        let told = ask(&service, get("/", &[("who", "alice")])).await;
        if told.status == 200 {
            break;
        }
        let (_, remaining, reset) = told.standing().unwrap();
        assert!(reset <= before.0 && remaining >= before.1, "{before:?} {told:?}");
        before = (reset, remaining);
        hand.advance(Duration::from_millis(23));
    }
    assert!(before.0 < 60);
}
