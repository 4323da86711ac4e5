//! A limiter that does not answer, and processes that count their shares: rule 137.

use std::{array, time::Duration};

use http::{Request, Response};
use tower::Layer as _;
use tower_auth::{
    ApiKeyLayer, AuthStack, ClientIp, KeyRecord, Quota, RateLimitLayer, Rejection, RejectionKind, limit::BucketKey,
    rate_limit::OutagePolicy, testing::ManualClock,
};

use super::{Claimed, alice, ask, by_plan, from, hand, over, plan, remote::Remote, spend, stack, statuses};
use crate::{
    no_leak::Logs,
    support::{Body, KEY, get, store, strict},
};

const fn share(processes: u32) -> OutagePolicy {
    OutagePolicy::LocalShare { processes }
}

/// A request of alice's on a connection.
fn request() -> Request<Body> {
    from("192.0.2.1", alice())
}

/// Limits of each kind, five a minute, with every header.
fn kinds(limiter: &Remote, policy: OutagePolicy) -> [RateLimitLayer; 3] {
    let quota = || Quota::per_minute(5);
    let own = RateLimitLayer::by_bucket(quota(), |who, _| BucketKey::new([who.subject()]));
    let address = RateLimitLayer::by_address(quota(), ClientIp::peer());
    let layers = [by_plan(quota()), own, address].map(|layer| layer.limiter(limiter.clone()).on_outage(policy));
    layers.map(|layer| layer.ietf_headers().x_retry_after().unix_reset())
}

/// A request whose header says what it costs.
fn cost(cost: &str) -> Request<Body> {
    get("/", &[("who", "alice"), ("cost", cost)])
}

fn costly(layer: RateLimitLayer) -> RateLimitLayer {
    layer.cost(|request| request.headers().get("cost").map_or(1, |cost| cost.to_str().unwrap().parse().unwrap()))
}

#[tokio::test]
async fn r137_all_processes_together_admit_the_limit_and_claim_nothing() {
    for limiter in Remote::both() {
        for kind in 0..3 {
            // Two processes, and one limiter that both of them use.
            let layers: [_; 2] = array::from_fn(|_| kinds(&limiter, share(2))[kind].clone());
            let hand = hand();
            limiter.set_down(true);
            for layer in &layers {
                let service = over(&stack(&hand, [layer.clone()]));
                for _ in 0..2 {
                    let told = ask(&service, request()).await;
                    assert_eq!((told.status, told.names()), (200, vec![]));
                }
                let told = ask(&service, request()).await;
                assert_eq!((told.status, told.code()), (429, "RATE_LIMIT_EXCEEDED".to_owned()));
                assert_eq!((told.retry_after(), told.names()), (Some(24), vec!["retry-after"]), "half the rate");
                assert_eq!(told.json()["error"]["details"]["limit"], 5, "the share is nobody's limit");
                assert_eq!(told.header("cache-control"), Some("no-store"));
                assert_eq!(layer.outage_count(), 3);
                hand.advance(Duration::from_millis(23_999));
                assert_eq!(ask(&service, request()).await.status, 429);
                hand.advance(Duration::from_millis(1));
                assert_eq!(statuses(&service, 2, request).await, [200, 429], "what it has waited for");
            }
            limiter.set_down(false);
        }
    }
}

/// Zero is one, and one is the whole limit.
#[tokio::test]
async fn r137_a_share_is_at_least_one_and_at_most_the_limit() {
    for (processes, each) in [(0, 5), (1, 5), (3, 1), (5, 1), (6, 1), (u32::MAX, 1)] {
        for limiter in Remote::both() {
            for layer in kinds(&limiter, share(processes)) {
                limiter.set_down(true);
                assert_eq!(spend(&over(&stack(&hand(), [layer])), request).await, each, "{processes}");
            }
        }
    }
}

/// A second outage finds what the first one has left.
#[tokio::test]
async fn r137_after_an_outage_the_limiter_rules_at_once() {
    for limiter in Remote::both() {
        let layer = by_plan(Quota::per_minute(6)).limiter(limiter.clone()).on_outage(share(3));
        let (hand, logs) = (hand(), Logs::capture());
        let service = over(&stack(&hand, [layer.clone()]));
        assert_eq!(ask(&service, alice()).await.standing(), Some((6, 5, 10)));
        limiter.set_down(true);
        assert_eq!(statuses(&service, 3, alice).await, [200, 200, 429]);
        limiter.set_down(false);
        assert_eq!(ask(&service, alice()).await.standing(), Some((6, 4, 20)), "it has not seen the two");
        limiter.set_down(true);
        assert_eq!(statuses(&service, 1, alice).await, [429], "an outage that goes on and off gives no more");
        limiter.set_down(false);
        assert_eq!((spend(&service, alice).await, layer.outage_count()), (4, 4));
        assert!(logs.text().contains("policy=LocalShare { processes: 3 }"), "{}", logs.text());
        // When the bucket of this process is full again, it is new.
        hand.advance(Duration::from_secs(60));
        limiter.set_down(true);
        assert_eq!(spend(&service, alice).await, 2);
    }
}

fn denied() -> Request<Body> {
    get("/", &[("who", "alice"), ("denied", "")])
}

#[tokio::test]
async fn r137_what_a_share_has_counted_is_given_back_to_it() {
    for limiter in Remote::both() {
        let quotas = || [Quota::per_minute(8), Quota::per_calendar_month(9)];
        let layer = by_plan(quotas()).limiter(limiter.clone()).on_outage(share(4)).ietf_headers();
        let service = stack(&hand(), [layer]).layer(strict(|request: Request<Body>| {
            if request.headers().contains_key("denied") {
                return Rejection::new(RejectionKind::InsufficientPermissions).into_response();
            }
            Response::new(Body::default())
        }));
        limiter.set_down(true);
        for _ in 0..9 {
            let told = ask(&service, denied()).await;
            assert_eq!((told.status, told.names()), (403, vec![]));
        }
        assert_eq!(statuses(&service, 4, alice).await, [200, 200, 429, 429], "none of the nine is charged");
        assert_eq!(ask(&service, denied()).await.status, 429);
        assert_eq!((limiter.taken(), limiter.given_back()), (0, 0));
    }
}

/// A cost that fits the limit fits again after the outage; a larger one never does.
#[tokio::test]
async fn r137_a_cost_above_the_share_is_a_503_and_above_the_limit_a_400() {
    for limiter in Remote::both() {
        let layer = costly(by_plan([Quota::per_minute(9), Quota::per_calendar_month(8)]));
        let layer = layer.limiter(limiter.clone()).on_outage(share(3)).ietf_headers().x_retry_after();
        let service = over(&stack(&hand(), [layer.clone()]));
        limiter.set_down(true);
        for above in ["3", "8"] {
            let told = ask(&service, cost(above)).await;
            assert_eq!((told.status, told.code()), (503, "SERVICE_UNAVAILABLE".to_owned()), "{above}");
            assert_eq!((told.retry_after(), told.names()), (Some(1), vec!["retry-after"]));
            assert!(!told.body.contains("PLANTED"), "{}", told.body);
            let cause = told.cause.unwrap();
            assert!(cause.contains(&format!("the cost {above} is above the 2 that one of 3 processes")), "{cause}");
            assert!(cause.contains("PLANTED"), "{cause}");
        }
        let told = ask(&service, cost("9")).await;
        assert_eq!((told.status, told.names()), (400, vec![]));
        assert_eq!(told.json()["error"]["details"]["limit"], 8);
        assert_eq!(ask(&service, cost("0")).await.names(), [""; 0], "a question is not answered either");
        assert_eq!(ask(&service, cost("2")).await.status, 200, "nothing was charged");
        let told = ask(&service, cost("2")).await;
        assert_eq!((told.status, told.names()), (429, vec!["retry-after"]));
        assert_eq!(layer.outage_count(), 6);
        limiter.set_down(false);
        assert_eq!(ask(&service, cost("8")).await.status, 200);
    }
}

/// A period has one share, however many outages it has.
#[tokio::test]
async fn r137_a_calendar_budget_is_divided_in_each_period() {
    for limiter in Remote::both() {
        let hand = ManualClock::at("2027-01-31T22:00:00Z");
        let layer = by_plan(Quota::per_calendar_month(11)).limiter(limiter.clone()).on_outage(share(4));
        let service = over(&stack(&hand, [layer]));
        limiter.set_down(true);
        assert_eq!(statuses(&service, 3, alice).await, [200, 200, 429]);
        hand.advance(Duration::from_secs(3_600));
        limiter.set_down(false);
        assert_eq!(ask(&service, alice()).await.remaining(), Some(10));
        limiter.set_down(true);
        let told = ask(&service, alice()).await;
        assert_eq!((told.status, told.retry_after(), told.names()), (429, Some(3_600), vec!["retry-after"]));
        hand.advance(Duration::from_secs(3_600));
        assert_eq!(statuses(&service, 3, alice).await, [200, 200, 429], "in February");
    }
}

/// Limits of a stored key are read anew for each request, and are divided as a plan is.
#[tokio::test]
async fn r137_the_limits_of_a_stored_key_are_divided() {
    let stored =
        r#"[{"events":7,"calendar":"month","name":"month"},{"events":90,"period_ns":60000000000,"name":"minute"}]"#;
    for limiter in Remote::both() {
        let (scheme, keys) = store(KeyRecord::new("key_1", "acme").limits_from_json(stored).unwrap());
        let layer = by_plan(Quota::per_minute(100)).limiter(limiter.clone()).on_outage(share(2));
        let builder = AuthStack::builder().auth(ApiKeyLayer::new(scheme, keys)).limit(layer).clock(&hand());
        let service = over(&builder.build().unwrap());
        limiter.set_down(true);
        let with_key = || get("/", &[("x-api-key", KEY)]);
        assert_eq!(statuses(&service, 5, with_key).await, [200, 200, 200, 429, 429]);
    }
}

#[tokio::test]
async fn r137_a_limit_that_reports_refuses_nobody_who_is_above_the_share() {
    for limiter in Remote::both() {
        let logs = Logs::capture();
        let limit = costly(by_plan(Quota::per_minute(6))).limiter(limiter.clone()).report_only();
        let service = over(&stack(&hand(), [limit.on_outage(share(2))]));
        limiter.set_down(true);
        assert_eq!(ask(&service, cost("5")).await.names(), [""; 0]);
        assert_eq!(statuses(&service, 4, alice).await, [200; 4]);
        let lines = logs.text();
        assert_eq!(lines.lines().filter(|line| line.contains("would have been refused")).count(), 2, "{lines}");
        assert!(lines.contains("Unavailable") && lines.contains("RateLimited"), "{lines}");
    }
}

/// Each limit says what its own limiter knows.
#[tokio::test]
async fn r137_of_two_limits_the_one_that_knows_speaks() {
    for slow in [false, true] {
        for inner_is_down in [true, false] {
            let (outer, inner) = (Remote::new(slow), Remote::new(slow));
            let address = RateLimitLayer::by_address(Quota::per_minute(50), ClientIp::peer()).limiter(outer.clone());
            let plan = RateLimitLayer::by_plan(&plan(Quota::per_minute(4))).limiter(inner.clone());
            let layers = [address, plan].map(|layer| layer.on_outage(share(2)).ietf_headers());
            let service = over(&stack(&hand(), layers));
            let down = if inner_is_down { &inner } else { &outer };
            down.set_down(true);
            let told = ask(&service, request()).await;
            assert_eq!((told.status, told.limit()), (200, Some(if inner_is_down { 50 } else { 4 })));
            assert_eq!(told.header("ratelimit-policy").map(|policy| policy.contains("q=50")), Some(inner_is_down));
            if inner_is_down {
                assert_eq!(statuses(&service, 1, request).await, [200]);
                let told = ask(&service, request()).await;
                assert_eq!((told.status, told.names()), (429, vec!["retry-after"]), "of the inner limit");
            }
        }
    }
}

#[tokio::test]
async fn r137_callers_have_their_own_shares() {
    for limiter in Remote::both() {
        let layer = by_plan(Quota::per_minute(4)).limiter(limiter.clone()).on_outage(share(2));
        let builder = AuthStack::builder().auth(Claimed).limit(layer).clock(&hand());
        let service = over(&builder.build().unwrap());
        limiter.set_down(true);
        for who in ["alice", "bob", "carol"] {
            assert_eq!(spend(&service, || get("/", &[("who", who)])).await, 2);
        }
    }
}
