//! What a 429 says: rules 117 to 119, 124, 130 and 132, pitfalls 40, 45 and 50.

use std::time::Duration;

use http::Method;
use serde_json::json;
use tower::Layer as _;
use tower_auth::{
    AuthStack, ClientIp, ErrorEnvelopeLayer, Limiter, MaybeReady, Quota, RateLimitLayer,
    limit::{BucketKey, LimitDecision, LimitFuture, LimitTime, Limits, Reservation, WindowState, WindowStates},
};

use super::{Claimed, Told, alice, ask, by_plan, from, hand, over, spend, stack, statuses};
use crate::support::{get, ok};

fn quotas() -> [Quota; 2] {
    [Quota::per_minute(2), Quota::per_day(100)]
}

async fn refused(limit: RateLimitLayer) -> Told {
    let service = over(&stack(&hand(), [limit]));
    spend(&service, alice).await;
    ask(&service, alice()).await
}

#[tokio::test]
async fn r117_the_body_explains_the_refusal() {
    let told = refused(by_plan(quotas())).await;
    assert_eq!(told.status, 429);
    let error = &told.json()["error"];
    assert_eq!(error["code"], "RATE_LIMIT_EXCEEDED");
    assert_eq!(error["type"], "rate_limit_error");
    assert_eq!(error["details"], json!({ "limit": 2, "retry_after": 30 }));
    assert!(!error["message"].as_str().unwrap().is_empty());
    assert_eq!(told.header("content-type"), Some("application/json"));
    assert_eq!((told.retry_after(), told.header("x-request-id").is_some()), (Some(30), true));
    // To HEAD the same without a body.
    let service = over(&stack(&hand(), [by_plan(quotas())]));
    spend(&service, alice).await;
    let mut head = alice();
    *head.method_mut() = Method::HEAD;
    let told = ask(&service, head).await;
    assert_eq!((told.status, told.retry_after(), told.body.as_str()), (429, Some(30), ""));
}

/// Of a failure budget too, and of a layer without an envelope.
#[tokio::test]
async fn r118_a_refusal_is_stored_by_no_cache() {
    assert_eq!(refused(by_plan(quotas())).await.header("cache-control"), Some("no-store"));
    assert_eq!(refused(by_plan(quotas()).without_headers()).await.header("cache-control"), Some("no-store"));

    let alone = over(&RateLimitLayer::by_address(Quota::per_minute(1), ClientIp::peer()).clock(&hand()));
    let told = statuses(&alone, 1, || from("192.0.2.1", get("/", &[]))).await;
    let refused = ask(&alone, from("192.0.2.1", get("/", &[]))).await;
    assert_eq!((told, refused.status, refused.header("cache-control")), (vec![200], 429, Some("no-store")));

    let budget = RateLimitLayer::failures(Quota::per_minute(1), ClientIp::peer());
    let service = over(&stack(&hand(), [budget]));
    let bad = || from("192.0.2.1", get("/", &[("who", "bad")]));
    assert_eq!(statuses(&service, 2, bad).await, [401, 429]);
    assert_eq!(ask(&service, bad()).await.header("cache-control"), Some("no-store"));
}

/// Every millisecond of a wait: rounded up, never zero, never a fraction, and enough.
#[tokio::test]
async fn r119_p40_retry_after_is_whole_seconds_rounded_up() {
    for quota in [Quota::per_minute(20), Quota::per_second(1), Quota::new(3, Duration::from_millis(7_001))] {
        let hand = hand();
        let service = over(&stack(&hand, [by_plan(quota).x_retry_after()]));
        spend(&service, alice).await;
        let mut waited = 0_u64;
        let mut promised = Vec::new();
        loop {
            let told = ask(&service, alice()).await;
            if told.status == 200 {
                break;
            }
            let wait = told.retry_after().unwrap();
            assert!(wait >= 1, "{told:?}");
            assert_eq!(told.number("x-ratelimit-retry-after"), Some(wait));
            assert_eq!(told.json()["error"]["details"]["retry_after"], wait);
            promised.push(waited + wait * 1_000);
            hand.advance(Duration::from_millis(1));
            waited += 1;
        }
        // It went through after `waited`: no promise was for an earlier time, and none for more than a second later.
        assert!(promised.iter().all(|at| (waited..waited + 1_000).contains(at)), "{waited}: {promised:?}");
    }
}

#[tokio::test]
async fn p40_a_wait_as_told_is_never_too_short() {
    let hand = hand();
    let service = over(&stack(&hand, [by_plan([Quota::new(7, Duration::from_millis(9_999)), Quota::per_hour(40)])]));
    let mut admitted = 0;
    while admitted < 60 {
        let told = ask(&service, alice()).await;
        match told.retry_after() {
            None => admitted += 1,
            Some(wait) => {
                hand.advance(Duration::from_secs(wait));
                assert_eq!(ask(&service, alice()).await.status, 200, "after {wait} s");
                admitted += 1;
            }
        }
    }
}

/// A client may read either: what it reads later is no later than the wait that it received.
#[tokio::test]
async fn r124_retry_after_is_not_earlier_than_the_end_of_the_window() {
    for quotas in [vec![Quota::per_minute(2)], vec![Quota::per_second(3), Quota::per_second(1).burst(9).named("long")]]
    {
        let hand = hand();
        let service = over(&stack(&hand, [by_plan(quotas).ietf_headers()]));
        let mut refused = 0;
        for step in 0..200 {
            let told = ask(&service, alice()).await;
            if told.status == 429 {
                refused += 1;
                let state = super::structured::list(told.header("ratelimit").unwrap());
                let used_up: Vec<_> = state.iter().filter(|item| item.integer("r") == 0).collect();
                assert!(!used_up.is_empty(), "{told:?}");
                for window in used_up {
                    assert!(told.retry_after().unwrap() >= u64::try_from(window.integer("t")).unwrap(), "{told:?}");
                }
            }
            hand.advance(Duration::from_millis(37 * (step % 5)));
        }
        assert!(refused > 10);
    }
}

/// The same where something is left, and it is too little.
#[tokio::test]
async fn r124_nor_is_it_for_a_request_that_costs_more_than_is_left() {
    let service = over(&stack(&hand(), [costly(by_plan(Quota::per_minute(6))).ietf_headers()]));
    let cost = |cost: &str| get("/", &[("who", "alice"), ("cost", cost)]);
    assert_eq!(ask(&service, cost("1")).await.remaining(), Some(5));
    let told = ask(&service, cost("6")).await;
    let state = super::structured::list(told.header("ratelimit").unwrap());
    // Five are left; of those, one could be spent by then at the rate of the limit.
    assert_eq!((told.status, told.remaining(), state[0].integer("r")), (429, Some(5), 1));
    assert!(told.retry_after().unwrap() >= u64::try_from(state[0].integer("t")).unwrap(), "{told:?}");
}

async fn problem(envelope: ErrorEnvelopeLayer, quotas: impl IntoIterator<Item = Quota>) -> Told {
    let stack = AuthStack::builder().auth(Claimed).envelope(envelope).limit(by_plan(quotas)).clock(&hand());
    let service = stack.build().unwrap().layer(ok());
    spend(&service, alice).await;
    ask(&service, alice()).await
}

#[tokio::test]
async fn r130_a_problem_document_names_the_policy_that_was_violated() {
    let told = problem(ErrorEnvelopeLayer::problem_json(), quotas()).await;
    assert_eq!((told.status, told.header("content-type")), (429, Some("application/problem+json")));
    let problem = told.json();
    assert_eq!(problem["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
    assert_eq!((&problem["status"], &problem["violated-policies"]), (&json!(429), &json!(["minute"])));
    assert!(!problem["title"].as_str().unwrap().is_empty());
    assert_eq!(problem["details"], json!({ "limit": 2, "retry_after": 30 }));
    // The one that was violated, whichever place it has.
    let daily = problem_policies([Quota::per_minute(50), Quota::per_day(3)]).await;
    assert_eq!(daily, json!(["day"]));
    let named = problem_policies([Quota::per_minute(1).named("ftg burst")]).await;
    assert_eq!(named, json!(["ftg burst"]));
    // Types of the service's own come first.
    let own = problem_document(ErrorEnvelopeLayer::problem_types("https://api.example.com/problems/")).await;
    assert_eq!(own["type"], "https://api.example.com/problems/rate-limit-exceeded");
    assert_eq!(own["violated-policies"], json!(["minute"]));
}

async fn problem_policies(quotas: impl IntoIterator<Item = Quota>) -> serde_json::Value {
    problem(ErrorEnvelopeLayer::problem_json(), quotas).await.json()["violated-policies"].clone()
}

async fn problem_document(envelope: ErrorEnvelopeLayer) -> serde_json::Value {
    problem(envelope, quotas()).await.json()
}

fn costly(limit: RateLimitLayer) -> RateLimitLayer {
    limit.cost(|request| request.headers().get("cost").map_or(1, |cost| cost.to_str().unwrap().parse().unwrap()))
}

#[tokio::test]
async fn p45_what_never_fits_is_400_and_what_costs_nothing_is_counted_nowhere() {
    let service = over(&stack(&hand(), [costly(by_plan([Quota::per_minute(10).burst(4), Quota::per_day(100)]))]));
    let cost = |cost: &str| get("/", &[("who", "alice"), ("cost", cost)]);
    for too_much in ["5", "10", "100", "4294967295"] {
        let told = ask(&service, cost(too_much)).await;
        assert_eq!((told.status, told.code()), (400, "REQUEST_TOO_COSTLY".to_owned()), "{told:?}");
        let details = &told.json()["error"]["details"];
        assert_eq!(*details, json!({ "limit": 4, "cost": too_much.parse::<u64>().unwrap() }));
        assert_eq!(told.retry_after(), None, "waiting does not help");
        assert!(told.names().is_empty(), "{told:?}");
    }
    let free = ask(&service, cost("0")).await;
    assert_eq!((free.status, free.standing()), (200, Some((4, 4, 0))), "nothing was charged for them");
    assert_eq!(ask(&service, cost("3")).await.remaining(), Some(1));
    assert_eq!(statuses(&service, 50, || cost("0")).await, [200; 50]);
    assert_eq!(ask(&service, cost("2")).await.status, 429, "it would fit into a full bucket");
    assert_eq!(ask(&service, cost("5")).await.status, 400, "and this would not");
    let told = ask(&service, cost("4")).await;
    // One is left; three more are there after 18 seconds.
    assert_eq!((told.remaining(), told.retry_after()), (Some(1), Some(18)));
    assert_eq!(ask(&service, cost("1")).await.remaining(), Some(0));
    assert_eq!(ask(&service, cost("0")).await.status, 200, "nor does nothing wait for anything");
}

/// What is left is the same before and after a refusal, and so is the time at which it is full again.
#[tokio::test]
async fn p50_a_refusal_is_not_described_as_if_it_had_been_counted() {
    let hand = hand();
    let service = over(&stack(&hand, [costly(by_plan([Quota::per_minute(6), Quota::per_day(8)])).ietf_headers()]));
    let cost = |cost: &str| get("/", &[("who", "alice"), ("cost", cost)]);
    let last = ask(&service, cost("4")).await;
    assert_eq!(last.standing(), Some((6, 2, 40)));
    for (refusal, spendable) in [("3", 1), ("4", 2)] {
        let told = ask(&service, cost(refusal)).await;
        assert_eq!((told.status, told.standing()), (429, Some((6, 2, 40))));
        let left: Vec<i64> =
            super::structured::list(told.header("ratelimit").unwrap()).iter().map(|item| item.integer("r")).collect();
        assert_eq!(left, [spendable, 4]);
    }
    assert_eq!(ask(&service, cost("2")).await.standing(), Some((6, 0, 60)));
    for _ in 0..20 {
        let told = ask(&service, cost("1")).await;
        assert_eq!((told.status, told.standing(), told.retry_after()), (429, Some((6, 0, 60)), Some(10)));
    }
    // Twenty refusals later it is full when it was said to be.
    hand.advance(Duration::from_secs(60));
    assert_eq!(ask(&service, cost("0")).await.remaining(), Some(2), "of the day");
}

/// A limiter of somebody's own that says odd things of its windows.
struct Odd(WindowState, Duration);

impl Limiter for Odd {
    fn decide(&self, _: BucketKey, _: &Limits, _: u32, _: LimitTime) -> LimitFuture {
        let levels = WindowStates::new([self.0], 0);
        MaybeReady::ready(Ok(if self.1 == Duration::MAX {
            LimitDecision::Admitted(levels)
        } else {
            LimitDecision::Refused { levels, wait: self.1 }
        }))
    }

    fn refund(&self, _: BucketKey, _: &Reservation, _: LimitTime) {}
}

#[tokio::test]
async fn r119_a_limiter_that_names_no_wait_is_not_passed_on() {
    let level = WindowState::new(0, Duration::ZERO);
    for wait in [Duration::ZERO, Duration::from_nanos(1)] {
        let limit = by_plan(Quota::per_minute(5)).limiter(Odd(level, wait)).x_retry_after().ietf_headers();
        let told = ask(&over(&stack(&hand(), [limit])), alice()).await;
        assert_eq!((told.status, told.retry_after()), (429, Some(1)));
        assert_eq!(told.json()["error"]["details"]["retry_after"], 1);
        let state = super::structured::list(told.header("ratelimit").unwrap());
        assert_eq!((state[0].integer("r"), state[0].integer("t")), (0, 1));
    }
}

/// The headers are this crate's word, whatever a limiter says.
#[tokio::test]
async fn r132_a_limiter_that_counts_wrongly_claims_nothing_impossible() {
    let limit = |level, wait| {
        let limit = by_plan(Quota::per_minute(5)).limiter(Odd(level, wait)).x_retry_after();
        over(&stack(&hand(), [limit]))
    };
    let told = ask(&limit(WindowState::new(500, Duration::ZERO), Duration::MAX), alice()).await;
    assert!(told.remaining() <= told.limit(), "{told:?}");
    for wait in [Duration::MAX, Duration::ZERO] {
        let told = ask(&limit(WindowState::new(0, Duration::ZERO), wait), alice()).await;
        assert!(told.reset() >= Some(1), "{told:?}");
    }
    let told = ask(&limit(WindowState::new(0, Duration::ZERO), Duration::ZERO), alice()).await;
    assert_eq!(told.number("x-ratelimit-retry-after"), told.retry_after(), "{told:?}");
}
