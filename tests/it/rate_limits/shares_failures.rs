//! Budgets of failed attempts while their limiter does not answer, in processes that count their shares: rules 089 and 137.

use std::{
    future::{Future as _, pending},
    task::{Context, Waker},
    time::Duration,
};

use http::{Request, Response};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_auth::{
    ApiKeyLayer, AuthStack, ClientIp, KeyRecord, Quota, RateLimitLayer, Rejection, RejectionKind,
    rate_limit::OutagePolicy,
};

use super::{alice, ask, failures_slow::Slow, from, hand, over, remote::Remote, stack, statuses};
use crate::support::{Body, KEY, get, store, strict};

/// Four a minute, and two a minute in each of two processes.
fn budget(limiter: &Remote, policy: OutagePolicy) -> RateLimitLayer {
    RateLimitLayer::failures(Quota::per_minute(4), ClientIp::peer()).limiter(limiter.clone()).on_outage(policy)
}

const HALF: OutagePolicy = OutagePolicy::LocalShare { processes: 2 };

fn bad() -> Request<Body> {
    from("192.0.2.1", get("/", &[("who", "bad")]))
}

#[tokio::test]
async fn r137_guesses_are_counted_by_the_share() {
    for limiter in Remote::both() {
        let (hand, budget) = (hand(), budget(&limiter, HALF));
        let service = over(&stack(&hand, [budget.clone()]));
        limiter.set_down(true);
        assert_eq!(statuses(&service, 3, bad).await, [401, 401, 429]);
        let told = ask(&service, bad()).await;
        assert_eq!((told.retry_after(), told.names()), (Some(30), vec!["retry-after"]), "at half the rate");
        assert_eq!(ask(&service, from("192.0.2.1", alice())).await.status, 200, "which asks nothing");
        assert_eq!(ask(&service, from("192.0.2.2", get("/", &[("who", "bad")]))).await.status, 401);
        hand.advance(Duration::from_millis(29_999));
        assert_eq!(ask(&service, bad()).await.retry_after(), Some(1));
        hand.advance(Duration::from_millis(1));
        assert_eq!(statuses(&service, 2, bad).await, [401, 429], "what it has waited for");
        limiter.set_down(false);
        assert_eq!(statuses(&service, 5, bad).await, [401, 401, 401, 401, 429], "the whole budget, at once");
    }
}

/// A login alone: what is asked before the password is the share, and so is what is charged after it.
#[tokio::test]
async fn r137_a_login_is_asked_for_a_share_before_the_password() {
    for limiter in Remote::both() {
        let hand = hand();
        let login = strict(|request: Request<Body>| match request.uri().path() {
            "/right" => Response::new(Body::default()),
            _ => Rejection::invalid_credentials().into_response(),
        });
        let service = budget(&limiter, HALF).clock(&hand).layer(login);
        let (wrong, right) = (|| from("192.0.2.1", get("/", &[])), || from("192.0.2.1", get("/right", &[])));
        limiter.set_down(true);
        assert_eq!(statuses(&service, 3, right).await, [200; 3], "who knows it takes nothing");
        assert_eq!(statuses(&service, 3, wrong).await, [401, 401, 429]);
        let told = ask(&service, right()).await;
        assert_eq!((told.status, told.retry_after()), (429, Some(30)));
        hand.advance(Duration::from_secs(30));
        assert_eq!(statuses(&service, 2, wrong).await, [401, 429]);
        assert_eq!((limiter.taken(), limiter.given_back()), (0, 0));
    }
}

#[tokio::test]
async fn r137_a_holder_has_a_share_of_the_budget_of_credentials() {
    for limiter in Remote::both() {
        let hand = hand();
        let budget = budget(&limiter, HALF).credential_quotas([Quota::per_minute(6), Quota::per_calendar_day(90)]);
        let denying = strict(|_| Rejection::new(RejectionKind::InsufficientPermissions).into_response());
        let service = stack(&hand, [budget]).layer(denying);
        limiter.set_down(true);
        assert_eq!(statuses(&service, 4, || from("192.0.2.1", alice())).await, [403, 403, 403, 429]);
        assert_eq!(ask(&service, from("192.0.2.1", alice())).await.retry_after(), Some(20));
        limiter.set_down(false);
        assert_eq!(ask(&service, from("192.0.2.1", alice())).await.status, 403);
    }
}

/// What a client does not wait for is an attempt, in an outage too.
#[tokio::test]
async fn r137_a_login_that_is_dropped_in_an_outage_has_been_an_attempt() {
    for policy in [HALF, OutagePolicy::FallBackToLocal] {
        for limiter in Remote::both() {
            let handler = service_fn(|request: Request<Body>| async move {
                if request.uri().path() == "/hangs" {
                    pending::<()>().await;
                }
                Ok::<_, std::convert::Infallible>(Response::new(Body::default()))
            });
            let layer = budget(&limiter, policy).clock(&hand());
            let service = layer.layer(tower_auth::testing::AssertReady::new(handler));
            let attempt = |path: &str| from("192.0.2.1", get(path, &[]));
            limiter.set_down(true);
            for _ in 0..if policy == HALF { 2 } else { 4 } {
                let mut future = Box::pin(service.clone().oneshot(attempt("/hangs")));
                for _ in 0..3 {
                    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                }
            }
            let answered = ask(&service, attempt("/")).await;
            assert_eq!((answered.status, limiter.taken()), (429, 0), "{policy:?} {}", limiter.is_slow());
        }
    }
}

/// An outage must not become a flood of lookups by guesses that nobody counts.
#[tokio::test]
async fn r137_no_key_is_looked_up_that_the_policy_refuses() {
    for (policy, answers, lookups) in [
        (OutagePolicy::FailClosed, [503, 503, 503, 503, 503], 0),
        (OutagePolicy::FailOpen, [401, 401, 401, 401, 401], 5),
        (OutagePolicy::FallBackToLocal, [401, 401, 401, 401, 429], 4),
        (HALF, [401, 401, 429, 429, 429], 2),
    ] {
        for limiter in Remote::both() {
            let (scheme, keys) = store(KeyRecord::new("key_1", "acme"));
            let keys = Slow::new(keys);
            let auth = ApiKeyLayer::new(scheme, keys.clone());
            let builder = AuthStack::builder().auth(auth).limit(budget(&limiter, policy)).clock(&hand());
            let service = over(&builder.build().unwrap());
            limiter.set_down(true);
            let unknown = format!("{}x", &KEY[..KEY.len() - 1]);
            let guess = || from("192.0.2.1", get("/", &[("x-api-key", &unknown)]));
            assert_eq!(statuses(&service, 5, guess).await, answers, "{policy:?} {}", limiter.is_slow());
            assert_eq!(keys.asked(), lookups, "{policy:?}");
        }
    }
}
