//! Limits that only report: counted and told, and nobody is refused.

use std::sync::{Arc, Mutex};

use http::{Request, Response};
use tower::Layer as _;
use tower_auth::{
    ApiKeyLayer, AuthStack, ClientIp, KeyRecord, Quota, RateLimitLayer, Rejection, RejectionKind,
    rate_limit::OutagePolicy,
};

use super::{Claimed, alice, ask, by_plan, failures_slow::Slow, from, hand, over, remote::Remote, stack, statuses};
use crate::{
    no_leak::Logs,
    support::{Body, KEY, get, ok, store, strict},
};

type Seen = Arc<Mutex<Vec<(Option<RejectionKind>, bool, bool)>>>;

/// A stack that records what an observer receives about refusals.
fn observed(limit: RateLimitLayer, seen: &Seen) -> AuthStack {
    let seen = Arc::clone(seen);
    let builder = AuthStack::builder().auth(Claimed).limit(limit).clock(&hand());
    let builder = builder.on_decision(move |decision| {
        if decision.rejection().is_some() {
            let told = (decision.kind(), decision.is_enforced(), decision.is_admitted());
            seen.lock().unwrap().push(told);
        }
    });
    builder.build().unwrap()
}

fn request() -> Request<Body> {
    from("192.0.2.1", alice())
}

#[tokio::test]
async fn r117_a_limit_that_reports_lets_everybody_pass_and_tells() {
    for limiter in Remote::both() {
        let address = RateLimitLayer::by_address(Quota::per_minute(3), ClientIp::peer());
        for limit in [by_plan(Quota::per_minute(3)), address] {
            let (logs, seen) = (Logs::capture(), Seen::default());
            let before = limiter.taken();
            let limit = limit.limiter(limiter.clone()).report_only();
            let service = over(&observed(limit, &seen));
            assert_eq!(statuses(&service, 10, request).await, [200; 10]);
            assert_eq!(*seen.lock().unwrap(), [(Some(RejectionKind::RateLimited), false, true); 7]);
            assert_eq!(limiter.taken() - before, 3, "it counts as if it refused");
            let lines = logs.text();
            let told = lines.lines().filter(|line| line.contains("WARN") && line.contains("would have been refused"));
            assert_eq!(told.filter(|line| line.contains("RateLimited")).count(), 7, "{lines}");
            assert_eq!(ask(&service, request()).await.retry_after(), None);
        }
    }
}

/// Nor does a limiter that is down, or a request that costs too much.
#[tokio::test]
async fn r137_a_limit_that_reports_refuses_nobody_when_its_limiter_is_down() {
    for limiter in Remote::both() {
        let limit = by_plan(Quota::per_minute(3)).cost(|_| 4).limiter(limiter.clone()).report_only();
        let service = over(&stack(&hand(), [limit.clone()]));
        assert_eq!(statuses(&service, 2, alice).await, [200; 2]);
        limiter.set_down(true);
        assert_eq!(statuses(&service, 2, alice).await, [200; 2]);
        assert_eq!(limit.outage_count(), 2);
    }
}

fn budget(limiter: &Remote) -> RateLimitLayer {
    RateLimitLayer::failures(Quota::per_minute(2), ClientIp::peer()).limiter(limiter.clone()).report_only()
}

fn bad() -> Request<Body> {
    from("192.0.2.1", get("/", &[("who", "bad")]))
}

#[tokio::test]
async fn r089_a_budget_that_reports_keeps_nobody_from_trying() {
    for limiter in Remote::both() {
        let logs = Logs::capture();
        let service = over(&stack(&hand(), [budget(&limiter)]));
        assert_eq!(statuses(&service, 5, bad).await, [401; 5]);
        assert_eq!(limiter.taken(), 2, "two were counted, the others would have been refused");
        let lines = logs.text();
        assert_eq!(lines.lines().filter(|line| line.contains("would have been refused")).count(), 3, "{lines}");
    }
}

/// The methods draw on it, and what would have refused them goes to the log alone.
#[tokio::test]
async fn r089_a_budget_that_reports_in_a_stack_tells_the_observer_of_the_credential() {
    let seen = Seen::default();
    let service = over(&observed(budget(&Remote::new(false)), &seen));
    assert_eq!(statuses(&service, 4, bad).await, [401; 4]);
    let seen = seen.lock().unwrap();
    assert!(seen.iter().all(|told| told.0 != Some(RejectionKind::RateLimited)) && seen.len() == 4, "{seen:?}");
}

/// Alone, in front of a login.
#[tokio::test]
async fn r089_a_budget_that_reports_alone_lets_everybody_try() {
    for limiter in Remote::both() {
        let logs = Logs::capture();
        let login = strict(|_| Rejection::invalid_credentials().into_response());
        let service = budget(&limiter).clock(&hand()).layer(login);
        let attempt = || from("192.0.2.1", get("/", &[]));
        assert_eq!(statuses(&service, 5, attempt).await, [401; 5]);
        assert_eq!((limiter.taken(), limiter.given_back()), (2, 0));
        let lines = logs.text();
        assert_eq!(lines.lines().filter(|line| line.contains("would have been refused")).count(), 3, "{lines}");
        let good = budget(&limiter).clock(&hand()).layer(ok());
        assert_eq!(ask(&good, attempt()).await.status, 200);
        assert_eq!(limiter.given_back(), 0, "what was not taken is not given back");
    }
}

/// A budget that only reports refuses nobody for its own failure either.
#[tokio::test]
async fn r137_a_budget_that_reports_refuses_nobody_when_its_limiter_is_down() {
    for limiter in Remote::both() {
        limiter.set_down(true);
        let budget = budget(&limiter).on_outage(OutagePolicy::FailClosed);
        // A good key in a store that has to be waited for: an attempt is asked for first.
        let (scheme, keys) = store(KeyRecord::new("key_1", "acme"));
        let auth = ApiKeyLayer::new(scheme, Slow::new(keys));
        let stack = AuthStack::builder().auth(auth).limit(budget.clone()).clock(&hand()).build().unwrap();
        let service = stack.layer(strict(|_| Response::new(Body::default())));
        let told = ask(&service, from("192.0.2.1", get("/", &[("x-api-key", KEY)]))).await;
        assert_eq!((told.status, budget.outage_count()), (200, 1));
        let alone = over(&budget.clock(&hand()));
        assert_eq!(ask(&alone, from("192.0.2.1", get("/", &[]))).await.status, 200);
    }
}
