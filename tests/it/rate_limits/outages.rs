//! A limiter that does not answer: refused, let in, or counted here, and never silently; rule 137, pitfall 49.

use http::{Request, Response};
use tower::Layer as _;
use tower_auth::{
    ClientIp, Plans, Quota, RateLimitLayer, Rejection, RejectionKind, limit::BucketKey, rate_limit::OutagePolicy,
};

use super::{alice, ask, by_plan, from, hand, over, plan, remote::Remote, spend, stack, statuses};
use crate::{
    no_leak::Logs,
    support::{Body, get, strict},
};

/// A request of alice's on a connection.
fn request() -> Request<Body> {
    from("192.0.2.1", alice())
}

/// Limits of each kind, five a minute.
fn kinds(limiter: &Remote) -> [RateLimitLayer; 3] {
    let quota = || Quota::per_minute(5);
    let own = RateLimitLayer::by_bucket(quota(), |who, _| BucketKey::new([who.subject()]));
    let address = RateLimitLayer::by_address(quota(), ClientIp::peer());
    [by_plan(quota()), own, address].map(|layer| layer.limiter(limiter.clone()))
}

#[tokio::test]
async fn r137_by_default_nobody_is_let_in_whom_nobody_counts() {
    for limiter in Remote::both() {
        for layer in kinds(&limiter) {
            let service = over(&stack(&hand(), [layer.clone().ietf_headers()]));
            limiter.set_down(true);
            let told = ask(&service, request()).await;
            assert_eq!((told.status, told.code()), (503, "SERVICE_UNAVAILABLE".to_owned()));
            assert_eq!((told.retry_after(), told.names()), (Some(1), vec!["retry-after"]), "nothing is claimed");
            assert!(!told.body.contains("PLANTED"), "{}", told.body);
            assert!(told.cause.unwrap().contains("PLANTED"));
            limiter.set_down(false);
            let back = ask(&service, request()).await;
            assert_eq!((back.status, back.limit()), (200, Some(5)), "as soon as it answers");
        }
    }
}

#[tokio::test]
async fn r137_or_everybody_is_and_nothing_is_said_of_limits() {
    for limiter in Remote::both() {
        for layer in kinds(&limiter) {
            let layer = layer.on_outage(OutagePolicy::FailOpen).ietf_headers().x_retry_after();
            let service = over(&stack(&hand(), [layer.clone()]));
            limiter.set_down(true);
            for _ in 0..50 {
                let told = ask(&service, request()).await;
                assert_eq!((told.status, told.names()), (200, vec![]));
            }
            assert_eq!(layer.outage_count(), 50);
            limiter.set_down(false);
            assert!(ask(&service, request()).await.header("ratelimit").is_some());
        }
    }
}

#[tokio::test]
async fn r137_or_this_process_counts_by_the_same_limits() {
    for limiter in Remote::both() {
        for layer in kinds(&limiter) {
            let layer = layer.on_outage(OutagePolicy::FallBackToLocal).ietf_headers().x_retry_after();
            let service = over(&stack(&hand(), [layer.clone()]));
            limiter.set_down(true);
            let told = ask(&service, request()).await;
            assert_eq!((told.status, told.names()), (200, vec![]), "nobody here knows what remains");
            assert_eq!(spend(&service, request).await, 4);
            let told = ask(&service, request()).await;
            assert_eq!((told.status, told.names()), (429, vec!["retry-after"]));
            assert_eq!((told.retry_after(), told.header("cache-control")), (Some(12), Some("no-store")));
            assert_eq!(layer.outage_count(), 7);
            limiter.set_down(false);
            assert_eq!(ask(&service, request()).await.standing(), Some((5, 4, 12)), "as the limiter has counted");
        }
    }
}

#[tokio::test]
async fn p49_outages_are_counted_and_told() {
    for limiter in Remote::both() {
        for policy in [
            OutagePolicy::FailClosed,
            OutagePolicy::FailOpen,
            OutagePolicy::FallBackToLocal,
            OutagePolicy::LocalShare { processes: 2 },
        ] {
            let logs = Logs::capture();
            let layer = by_plan(Quota::per_minute(500)).limiter(limiter.clone()).on_outage(policy);
            let service = over(&stack(&hand(), [layer.clone()]));
            assert_eq!(layer.outage_count(), 0);
            statuses(&service, 3, alice).await;
            limiter.set_down(true);
            statuses(&service, 100, alice).await;
            limiter.set_down(false);
            statuses(&service, 3, alice).await;
            assert_eq!(layer.outage_count(), 100, "as an operator reads it, from a clone that is not mounted");
            let lines = logs.text();
            let told: Vec<&str> = lines.lines().filter(|line| line.contains("the limiter does not answer")).collect();
            assert_eq!(told.len(), 7, "of the first, and of every doubling: {lines}");
            let wanted = ["ERROR", "PLANTED the limiter\\\\nserver is down", &format!("policy={policy:?}")];
            assert!(told.iter().all(|line| wanted.iter().all(|word| line.contains(word))), "{told:?}");
        }
    }
}

/// What this process has counted is not given back to the limiter that did not.
#[tokio::test]
async fn r137_what_was_counted_here_is_given_back_here() {
    for limiter in Remote::both() {
        let layer = by_plan(Quota::per_minute(5)).limiter(limiter.clone()).on_outage(OutagePolicy::FallBackToLocal);
        let service = stack(&hand(), [layer]).layer(strict(|request: Request<Body>| {
            if request.headers().contains_key("denied") {
                return Rejection::new(RejectionKind::InsufficientPermissions).into_response();
            }
            Response::new(Body::default())
        }));
        let denied = || get("/", &[("who", "alice"), ("denied", "")]);
        assert_eq!(spend(&service, alice).await, 5);
        limiter.set_down(true);
        for _ in 0..5 {
            assert_eq!(ask(&service, denied()).await.status, 403);
        }
        assert_eq!(limiter.given_back(), 0, "it has taken nothing for them");
        assert_eq!(spend(&service, alice).await, 5, "and here nothing is gone");
        limiter.set_down(false);
        assert_eq!(ask(&service, alice()).await.status, 429, "what was used before the outage is used");
    }
}

/// Nobody is given more than was taken, whatever the limiter does in between.
#[tokio::test]
async fn r137_who_was_let_in_uncounted_is_given_nothing_back() {
    for limiter in Remote::both() {
        let layer = by_plan(Quota::per_minute(5)).limiter(limiter.clone()).on_outage(OutagePolicy::FailOpen);
        let denying = strict(|_| Rejection::new(RejectionKind::InsufficientPermissions).into_response());
        let service = stack(&hand(), [layer]).layer(denying);
        limiter.set_down(true);
        assert_eq!(statuses(&service, 3, alice).await, [403; 3]);
        assert_eq!(limiter.given_back(), 0);
        limiter.set_down(false);
        assert_eq!(statuses(&service, 3, alice).await, [403; 3]);
        assert_eq!((limiter.taken(), limiter.given_back()), (3, 3));
    }
}

fn bad() -> Request<Body> {
    from("192.0.2.1", get("/", &[("who", "bad")]))
}

/// A budget of failures whose limiter is down: nobody may guess for nothing, and a good credential is asked nothing.
#[tokio::test]
async fn r137_a_budget_of_failures_has_the_same_choice() {
    for (policy, answers) in [
        (OutagePolicy::FailClosed, [503, 503, 503, 503]),
        (OutagePolicy::FailOpen, [401, 401, 401, 401]),
        (OutagePolicy::FallBackToLocal, [401, 401, 429, 429]),
        (OutagePolicy::LocalShare { processes: 2 }, [401, 429, 429, 429]),
    ] {
        for limiter in Remote::both() {
            let budget = RateLimitLayer::failures(Quota::per_minute(2), ClientIp::peer());
            let budget = budget.limiter(limiter.clone()).on_outage(policy);
            let service = over(&stack(&hand(), [budget.clone()]));
            limiter.set_down(true);
            assert_eq!(statuses(&service, 4, bad).await, answers, "{policy:?} {}", limiter.is_slow());
            assert_eq!(ask(&service, request()).await.status, 200, "{policy:?}");
            assert_eq!(budget.outage_count(), 4);
            limiter.set_down(false);
            assert_eq!(ask(&service, bad()).await.status, 401);
        }
    }
}

/// An attempt that nobody took out of a budget is not put into it.
#[tokio::test]
async fn r137_a_budget_that_let_in_uncounted_is_given_nothing_back() {
    for limiter in Remote::both() {
        for (policy, last) in [
            (OutagePolicy::FailOpen, 10),
            (OutagePolicy::FallBackToLocal, 12),
            (OutagePolicy::LocalShare { processes: 2 }, 13),
        ] {
            let budget = RateLimitLayer::failures(Quota::per_minute(2), ClientIp::peer()).clock(&hand());
            let service = budget.limiter(limiter.clone()).on_outage(policy).layer(strict(|request: Request<Body>| {
                if request.headers().contains_key("wrong") {
                    return Rejection::invalid_credentials().into_response();
                }
                Response::new(Body::default())
            }));
            let (before, peer) = (limiter.given_back(), format!("192.0.2.{last}"));
            let wrong = || from(&peer, get("/", &[("wrong", "")]));
            assert_eq!(statuses(&service, 3, wrong).await, [401, 401, 429]);
            limiter.set_down(true);
            assert_eq!(statuses(&service, 2, || from(&peer, get("/", &[]))).await, [200, 200]);
            limiter.set_down(false);
            assert_eq!(limiter.given_back(), before, "{policy:?}");
            assert_eq!(ask(&service, wrong()).await.status, 429, "{policy:?}");
        }
    }
}

/// Every road of a limiter that has to be waited for.
#[tokio::test]
async fn r137_a_limiter_that_has_to_be_waited_for_says_the_same() {
    for limiter in Remote::both() {
        let plans = Plans::new().plan("a", [Quota::per_minute(3), Quota::per_day(9)]).fallback("a").build().unwrap();
        let layer = RateLimitLayer::by_plan(&plans).limiter(limiter.clone()).ietf_headers().x_retry_after();
        let layer = layer
            .cost(|request| request.headers().get("cost").map_or(1, |cost| cost.to_str().unwrap().parse().unwrap()));
        let service = over(&stack(&hand(), [layer]));
        let cost = |cost: &str| get("/", &[("who", "alice"), ("cost", cost)]);
        assert_eq!(ask(&service, cost("2")).await.header("ratelimit"), Some(r#""minute";r=1;t=20, "day";r=7;t=67200"#));
        assert_eq!(ask(&service, cost("0")).await.standing(), Some((3, 1, 40)));
        let told = ask(&service, cost("2")).await;
        assert_eq!((told.status, told.standing(), told.retry_after()), (429, Some((3, 1, 40)), Some(20)));
        assert_eq!(told.header("ratelimit-policy"), Some(r#""minute";q=3;w=60, "day";q=9;w=86400"#));
        assert_eq!((ask(&service, cost("4")).await.status, limiter.taken()), (400, 2));
        let alone = RateLimitLayer::by_plan(&plan(Quota::per_minute(3))).limiter(limiter.clone());
        assert_eq!(ask(&over(&alone), alice()).await.status, 500, "and it asks no limiter about nobody");
        assert_eq!(limiter.asked(), 4);
    }
}
