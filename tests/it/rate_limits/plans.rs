//! Plans: named limits, other limits by method, class and record, and changes that refill nothing; rule 138, pitfall 44.

use std::time::Duration;

use tower::Layer as _;
use tower_auth::{
    ApiKeyLayer, AuthMethod, AuthStack, KeyRecord, Plans, Quota, RateLimitLayer,
    limit::Limits,
    rate_limit::{Partition, Plan},
};

use super::{alice, ask, hand, over, remote::Remote, spend, stack, statuses};
use crate::{
    no_leak::Logs,
    support::{Body, KEY, get, ok, store},
};

fn plans() -> Plans {
    Plans::new()
        .plan("standard", [Quota::per_minute(10), Quota::per_day(100)])
        .plan("premium", [Quota::per_minute(40), Quota::per_day(400)])
        .plan("free", Quota::per_minute(2))
        .fallback("standard")
        .build()
        .unwrap()
}

/// Alice under a plan.
fn under(plan: &str) -> http::Request<Body> {
    get("/", &[("who", "alice"), ("plan", plan)])
}

#[tokio::test]
async fn r138_each_plan_has_its_limits() {
    let service = over(&stack(&hand(), [RateLimitLayer::by_plan(&plans())]));
    for (who, plan, limit) in [("a", "standard", 10), ("b", "premium", 40), ("c", "free", 2)] {
        let told = ask(&service, get("/", &[("who", who), ("plan", plan)])).await;
        assert_eq!((told.limit(), told.remaining()), (Some(limit), Some(limit - 1)));
    }
    assert_eq!(ask(&service, get("/", &[("who", "d")])).await.limit(), Some(10), "who has no plan has the fallback");
}

#[tokio::test]
async fn r138_an_unknown_plan_is_the_fallback_counted_and_logged() {
    let (logs, plans) = (Logs::capture(), plans());
    let service = over(&stack(&hand(), [RateLimitLayer::by_plan(&plans)]));
    ask(&service, alice()).await;
    ask(&service, under("premium")).await;
    assert_eq!(plans.unknown_plan_count(), 0, "no plan is no unknown plan");
    for count in 1..=9 {
        assert_eq!(ask(&service, under("premuim\tx=two")).await.limit(), Some(10));
        assert_eq!(plans.unknown_plan_count(), count);
    }
    let lines = logs.text();
    let told: Vec<&str> = lines.lines().filter(|line| line.contains("a caller has an unknown plan")).collect();
    assert_eq!(told.len(), 4, "the first, the second, the fourth and the eighth: {lines}");
    assert!(told.iter().all(|line| line.contains("WARN") && line.contains(r"premuim\\tx=two")), "{told:?}");
    // Names differ by case.
    ask(&service, under("Premium")).await;
    assert_eq!(plans.unknown_plan_count(), 10);
}

#[tokio::test]
async fn p44_plans_that_are_replaced_refill_nobody() {
    let (hand, plans) = (hand(), plans());
    let service = over(&stack(&hand, [RateLimitLayer::by_plan(&plans)]));
    let replaced =
        |quotas: Vec<Quota>| plans.replace(Plans::new().plan("standard", quotas).fallback("standard").build().unwrap());
    assert_eq!(statuses(&service, 7, alice).await, [200; 7]);
    // The same again, as a configuration that is read anew every minute.
    for _ in 0..5 {
        replaced(vec![Quota::per_minute(10), Quota::per_day(100)]);
    }
    assert_eq!(ask(&service, alice()).await.remaining(), Some(2));
    // Twice as many: the bucket is full again when it would have been, so four fifths of it are used, and one more.
    replaced(vec![Quota::per_minute(20), Quota::per_day(100)]);
    let told = ask(&service, alice()).await;
    assert_eq!((told.limit(), told.remaining()), (Some(20), Some(3)));
    // Less than was used: nothing is left, and never less than nothing.
    replaced(vec![Quota::per_minute(5), Quota::per_day(100)]);
    let told = ask(&service, alice()).await;
    assert_eq!((told.status, told.standing()), (429, Some((5, 0, 51))));
    // Another name of the same plan, or other windows: a window of the same length takes over, others the most.
    replaced(vec![Quota::per_minute(5).named("renamed"), Quota::per_day(100)]);
    assert_eq!(ask(&service, alice()).await.status, 429);
    replaced(vec![Quota::per_hour(12)]);
    let told = ask(&service, alice()).await;
    assert_eq!((told.limit(), told.remaining()), (Some(12), Some(2)), "nine were counted, and one more");
}

/// A clone of the layer, in another stack, sees the same plans and the same counts.
#[tokio::test]
async fn p44_a_clone_is_the_same_plans() {
    let (hand, plans) = (hand(), plans());
    let layer = RateLimitLayer::by_plan(&plans.clone());
    let services = [over(&stack(&hand, [layer.clone()])), over(&stack(&hand, [layer]))];
    plans.replace(Plans::new().plan("x", Quota::per_minute(4)).fallback("x").build().unwrap());
    let mut left = Vec::new();
    for turn in 0..5 {
        left.push(ask(&services[turn % 2], alice()).await.remaining());
    }
    assert_eq!(left, [Some(3), Some(2), Some(1), Some(0), Some(0)]);
}

#[tokio::test]
async fn r138_a_change_of_plan_carries_over_what_was_used() {
    let service = over(&stack(&hand(), [RateLimitLayer::by_plan(&plans())]));
    assert_eq!(statuses(&service, 10, || under("standard")).await, [200; 10]);
    assert_eq!(ask(&service, under("standard")).await.status, 429);
    // What was used up is used up, and fills up four times as fast.
    let told = ask(&service, under("premium")).await;
    assert_eq!((told.status, told.standing(), told.retry_after()), (429, Some((40, 0, 60)), Some(2)));
    assert_eq!(ask(&service, under("standard")).await.status, 429);
    // Under limits of one's own that a record gives, too.
    let told = ask(&service, under("free")).await;
    assert_eq!((told.status, told.standing()), (429, Some((2, 0, 60))));
}

/// A caller that can switch between plans has the more generous one, and not both, and not one of them again and again.
#[tokio::test]
async fn r138_going_to_and_fro_between_plans_never_refills() {
    for limiter in Remote::both() {
        let service = over(&stack(&hand(), [RateLimitLayer::by_plan(&plans()).limiter(limiter)]));
        let mut admitted = 0;
        for _ in 0..10 {
            admitted += spend(&service, || under("premium")).await;
            admitted += spend(&service, || under("free")).await;
            admitted += spend(&service, || under("standard")).await;
        }
        assert_eq!(admitted, 40, "no time has passed");
    }
}

/// Two users of an account, whose keys have two plans, share one budget.
#[tokio::test]
async fn r138_an_account_with_two_plans_has_one_budget() {
    let layer = RateLimitLayer::by_plan(&plans()).partition(Partition::Account);
    let service = over(&stack(&hand(), [layer]));
    let user = |who: &str, plan: &str| get("/", &[("who", who), ("account", "acme"), ("plan", plan)]);
    let mut admitted = 0;
    for _ in 0..200 {
        for (who, plan) in [("alice", "premium"), ("bob", "free")] {
            admitted += usize::from(ask(&service, user(who, plan)).await.status == 200);
        }
    }
    assert!(admitted <= 40, "{admitted} of 40 requests a minute at the most, and no time has passed");
}

/// The same where the limits differ by the method of one and the same account.
#[tokio::test]
async fn r138_an_account_with_keys_and_tokens_has_one_budget() {
    let plans = Plans::new()
        .plan("standard", Quota::per_minute(10))
        .plan(Plan::new("standard").method(AuthMethod::Token), Quota::per_minute(30))
        .fallback("standard");
    let layer = RateLimitLayer::by_plan(&plans.build().unwrap()).partition(Partition::Account);
    let service = over(&stack(&hand(), [layer]));
    let mut admitted = 0;
    for _ in 0..100 {
        for method in ["token", "key"] {
            let request = get("/", &[("who", "alice"), ("account", "acme"), (method, "id")]);
            admitted += usize::from(ask(&service, request).await.status == 200);
        }
    }
    assert!(admitted <= 30, "{admitted} of 30 requests a minute at the most, and no time has passed");
}

#[tokio::test]
async fn r138_limits_of_a_record_stand_instead_of_the_plans() {
    let own = Limits::new([Quota::per_minute(3), Quota::per_hour(50)]).unwrap();
    let (scheme, keys) = store(KeyRecord::new("key_1", "acme").plan("premium").limits(own));
    let layer = RateLimitLayer::by_plan(&plans()).ietf_headers();
    let stack = AuthStack::builder().auth(ApiKeyLayer::new(scheme, keys)).limit(layer).clock(&hand()).build().unwrap();
    let service = stack.layer(ok());
    let with_key = || get("/", &[("x-api-key", KEY)]);
    let told = ask(&service, with_key()).await;
    assert_eq!(told.standing(), Some((3, 2, 20)));
    assert_eq!(told.header("ratelimit-policy"), Some(r#""minute";q=3;w=60, "hour";q=50;w=3600"#));
    assert_eq!(statuses(&service, 3, with_key).await, [200, 200, 429]);
}

/// A customer is given limits of their own, and loses them again: what was used is used.
#[tokio::test]
async fn p44_limits_of_ones_own_carry_over_from_the_plan_and_back() {
    let hand = hand();
    let layer = RateLimitLayer::by_plan(&plans());
    let own = Limits::new(Quota::per_minute(20)).unwrap();
    let mounted = |record: KeyRecord| {
        let (scheme, keys) = store(record);
        let stack = AuthStack::builder().auth(ApiKeyLayer::new(scheme, keys)).limit(layer.clone()).clock(&hand);
        over(&stack.build().unwrap())
    };
    let of_plan = mounted(KeyRecord::new("key_1", "acme").plan("standard"));
    let of_own = mounted(KeyRecord::new("key_1", "acme").plan("standard").limits(own));
    let with_key = || get("/", &[("x-api-key", KEY)]);
    assert_eq!(statuses(&of_plan, 10, with_key).await, [200; 10]);
    let told = ask(&of_own, with_key()).await;
    assert_eq!((told.status, told.limit(), told.remaining()), (429, Some(20), Some(0)));
    assert_eq!(ask(&of_plan, with_key()).await.status, 429);
}

#[tokio::test]
async fn r138_limits_differ_by_method_and_by_class_of_the_route() {
    let plans = Plans::new()
        .plan("standard", Quota::per_minute(10))
        .plan(Plan::new("standard").method(AuthMethod::Token), Quota::per_minute(30))
        .plan(Plan::new("standard").class("uploads"), Quota::per_hour(2))
        .plan(Plan::new("standard").method(AuthMethod::Token).class("uploads"), Quota::per_hour(5))
        .plan("free", Quota::per_minute(4))
        .fallback("standard")
        .build()
        .unwrap();
    let layer = RateLimitLayer::by_plan(&plans).class(|request| match request.uri().path() {
        "/uploads" => Some("uploads"),
        "/other" => Some("other"),
        _ => None,
    });
    let service = over(&stack(&hand(), [layer]));
    let request = |path: &str, headers: &[(&str, &str)]| get(path, &[headers, &[("who", "alice")]].concat());
    let key = [("key", "k1")];
    let token = [("token", "t1")];
    for (path, headers, limit, left) in [
        ("/", &key, 10, 9),
        ("/uploads", &key, 2, 1),
        ("/", &key, 10, 8),
        // A class that the plan does not know is counted with all routes.
        ("/other", &key, 10, 7),
        ("/uploads", &key, 2, 0),
        ("/", &token, 30, 29),
        ("/uploads", &token, 5, 4),
        ("/other", &token, 30, 28),
    ] {
        let told = ask(&service, request(path, headers)).await;
        assert_eq!((told.limit(), told.remaining()), (Some(limit), Some(left)), "{path} {headers:?}");
    }
    assert_eq!(ask(&service, request("/uploads", &key)).await.status, 429);
    assert_eq!(ask(&service, request("/", &key)).await.status, 200, "the uploads are counted apart");
    // A plan without a class counts its uploads with all else.
    let free = |path: &str| get(path, &[("who", "bob"), ("plan", "free")]);
    for (path, left) in [("/uploads", 3), ("/", 2), ("/uploads", 1)] {
        assert_eq!(ask(&service, free(path)).await.remaining(), Some(left));
    }
}

/// The order in which the rows were given does not matter: the most particular counts.
#[tokio::test]
async fn r138_the_most_particular_limits_count_whatever_their_order() {
    let rows = || {
        [
            (Plan::new("a"), 10),
            (Plan::new("a").method(AuthMethod::ApiKey), 20),
            (Plan::new("a").class("c"), 30),
            (Plan::new("a").class("c").method(AuthMethod::ApiKey), 40),
        ]
    };
    for turn in 0..4 {
        let mut rows = rows();
        rows.rotate_left(turn);
        let plans =
            rows.into_iter().fold(Plans::new(), |plans, (plan, events)| plans.plan(plan, Quota::per_minute(events)));
        let layer = RateLimitLayer::by_plan(&plans.fallback("a").build().unwrap());
        let layer = layer.class(|request| (request.uri().path() == "/c").then_some("c"));
        let service = over(&stack(&hand(), [layer]));
        for (path, headers, limit) in [
            ("/", &[("who", "x")][..], 10),
            ("/", &[("who", "x"), ("key", "k")], 20),
            ("/c", &[("who", "x")], 30),
            ("/c", &[("who", "x"), ("key", "k")], 40),
        ] {
            assert_eq!(ask(&service, get(path, headers)).await.limit(), Some(limit), "{turn} {path} {headers:?}");
        }
    }
}

/// While plans are replaced again and again, no more get through than the more generous of them lets.
#[test]
fn p44_plans_that_are_replaced_all_the_time_let_no_more_through() {
    let plans = plans();
    let service = over(&stack(&hand(), [RateLimitLayer::by_plan(&plans)]));
    let done = std::sync::atomic::AtomicBool::new(false);
    let admitted: usize = std::thread::scope(|scope| {
        let turning = scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                for events in [10, 12] {
                    let quotas = [Quota::per_minute(events), Quota::per_day(100)];
                    plans.replace(Plans::new().plan("standard", quotas).fallback("standard").build().unwrap());
                    std::thread::sleep(Duration::from_micros(50));
                }
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let admitted = runtime.block_on(async {
            let mut admitted = 0;
            for _ in 0..2_000 {
                admitted += usize::from(ask(&service, alice()).await.status == 200);
            }
            admitted
        });
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        turning.join().unwrap();
        admitted
    });
    assert!((10..=12).contains(&admitted), "{admitted}");
}
