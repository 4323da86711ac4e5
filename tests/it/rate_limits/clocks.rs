//! Rule 136: nobody's limit is refilled by a time of day that somebody sets.

use std::time::Duration;

use tower_auth::{ClientIp, Quota, RateLimitLayer};

use super::{NOW_SECONDS, alice, ask, by_plan, from, hand, over, spend, stack, statuses};
use crate::support::get;

/// From years back to years ahead.
const JUMPS: [(&str, u64); 6] = [
    ("2027-01-15T09:00:00Z", NOW_SECONDS + 3_600),
    ("2027-01-15T07:00:00Z", NOW_SECONDS - 3_600),
    ("2099-12-31T23:59:59Z", 4_102_444_799),
    ("1970-01-01T00:00:00Z", 0),
    ("2027-01-15T08:00:00.5Z", NOW_SECONDS + 1),
    ("2027-01-15T08:00:00Z", NOW_SECONDS),
];

#[tokio::test]
async fn r136_a_time_of_day_that_jumps_refills_nothing_and_takes_nothing() {
    let hand = hand();
    let service = over(&stack(&hand, [by_plan([Quota::per_minute(3), Quota::per_day(4)])]));
    let waiting = |told: super::Told| (told.status, told.standing().unwrap(), told.retry_after());
    assert_eq!(statuses(&service, 3, alice).await, [200; 3]);
    for (time, _) in JUMPS {
        hand.set(time);
        assert_eq!(waiting(ask(&service, alice()).await), (429, (3, 0, 60), Some(20)), "{time}");
        assert_eq!(ask(&service, get("/", &[("who", time)])).await.remaining(), Some(2), "a newcomer is one as ever");
    }
    // What passes is what counts, whatever the time of day is.
    hand.set("1970-01-01T00:00:00Z");
    hand.advance(Duration::from_secs(20));
    hand.set("2099-12-31T23:59:59Z");
    assert_eq!(ask(&service, alice()).await.status, 200);
    assert_eq!(ask(&service, alice()).await.status, 429);
    // The day is used up, and no midnight refills it.
    hand.advance(Duration::from_secs(60));
    hand.set("2027-01-16T00:00:01Z");
    let told = ask(&service, alice()).await;
    assert_eq!((told.status, told.limit()), (429, Some(4)));
}

#[tokio::test]
async fn r136_the_unix_reset_follows_the_time_of_day() {
    let hand = hand();
    let service = over(&stack(&hand, [by_plan(Quota::per_minute(1)).unix_reset()]));
    assert_eq!(ask(&service, alice()).await.reset(), Some(NOW_SECONDS + 60));
    for (time, seconds) in JUMPS {
        hand.set(time);
        let told = ask(&service, alice()).await;
        assert_eq!((told.status, told.reset(), told.retry_after()), (429, Some(seconds + 60), Some(60)), "{time}");
    }
}

#[tokio::test]
async fn r136_nor_are_addresses_and_failed_attempts_refilled() {
    let hand = hand();
    let address = over(&stack(&hand, [RateLimitLayer::by_address(Quota::per_minute(2), ClientIp::peer())]));
    let budget = over(&stack(&hand, [RateLimitLayer::failures(Quota::per_minute(2), ClientIp::peer())]));
    let good = || from("192.0.2.1", alice());
    let bad = || from("192.0.2.1", get("/", &[("who", "bad")]));
    assert_eq!(statuses(&address, 3, good).await, [200, 200, 429]);
    assert_eq!(statuses(&budget, 3, bad).await, [401, 401, 429]);
    for (time, _) in JUMPS {
        hand.set(time);
        assert_eq!((ask(&address, good()).await.status, ask(&budget, bad()).await.status), (429, 429), "{time}");
    }
    hand.advance(Duration::from_secs(30));
    assert_eq!((spend(&address, good).await, spend(&budget, bad).await), (1, 1));
}

/// The time that a handler takes is not added to the time of day.
#[tokio::test]
async fn r136_a_slow_handler_does_not_move_the_unix_reset() {
    use tower::Layer as _;
    let hand = hand();
    let turned = hand.clone();
    let handler = crate::support::strict(move |_| {
        turned.advance(Duration::from_secs(10));
        http::Response::new(crate::support::Body::default())
    });
    let service = stack(&hand, [by_plan(Quota::per_minute(1)).unix_reset()]).layer(handler);
    assert_eq!(ask(&service, alice()).await.reset(), Some(NOW_SECONDS + 60));
}
