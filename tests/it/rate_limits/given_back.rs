//! What was refused further in is not charged: rule 129.

use std::future::Future as _;

use axum::{Router, body::Body as AxumBody, routing};
use http::{Request, Response, StatusCode};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    AuthStack, ClientIp, Plans, Quota, RateLimitLayer, Rejection, RejectionKind, RequireLayer, Rules,
    permission::{authenticated, role},
};

use super::{Claimed, Told, alice, ask, by_plan, from, hand, over, plan, remote::Remote, stack, statuses};
use crate::support::{Body, get, strict};

/// A request that takes nothing and tells what is left.
fn probe() -> Request<Body> {
    get("/", &[("who", "alice"), ("cost", "0")])
}

fn probed(limit: RateLimitLayer) -> RateLimitLayer {
    limit.cost(|request| request.headers().get("cost").map_or(1, |cost| cost.to_str().unwrap().parse().unwrap()))
}

/// What is left of ten after five requests that a handler answers so.
async fn left(limiter: Remote, answer: impl Fn() -> Response<Body> + Clone + Send + 'static) -> u64 {
    let layer = probed(by_plan([Quota::per_minute(10), Quota::per_day(100)])).limiter(limiter);
    let handler = strict(move |_| answer());
    let service = stack(&hand(), [layer]).layer(handler);
    for _ in 0..5 {
        ask(&service, alice()).await;
    }
    ask(&service, probe()).await.remaining().unwrap()
}

#[tokio::test]
async fn r129_what_is_denied_further_in_is_given_back_to_the_last_request() {
    for kind in RejectionKind::ALL.iter().copied() {
        // A wrong password has been looked at.
        let denies = matches!(kind.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            && kind != RejectionKind::InvalidCredentials;
        for limiter in Remote::both() {
            let left = left(limiter.clone(), move || Rejection::new(kind).into_response()).await;
            assert_eq!(left, if denies { 10 } else { 5 }, "{kind:?}");
            assert_eq!(limiter.given_back(), if denies { 5 } else { 0 }, "{kind:?}");
        }
    }
}

/// What a handler says in words of its own, or another layer without any, may have cost something.
#[tokio::test]
async fn r129_a_handlers_own_403_is_counted() {
    for status in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND] {
        let own = left(Remote::new(false), move || Rejection::custom(status, "OWN").into_response()).await;
        let foreign =
            left(Remote::new(false), move || Response::builder().status(status).body(Body::default()).unwrap());
        assert_eq!((own, foreign.await), (5, 5), "{status}");
    }
}

#[tokio::test]
async fn r129_a_refusal_of_the_authentication_and_of_permissions_charges_no_plan() {
    let limiter = Remote::new(false);
    let rules = Rules::new().require("/admin", role("admin")).otherwise(authenticated());
    let stack = AuthStack::builder()
        .limit(probed(by_plan(Quota::per_minute(10))).limiter(limiter.clone()).ietf_headers())
        .auth(Claimed)
        .rules(rules)
        .require(authenticated())
        .clock(&hand());
    let service = over(&stack.build().unwrap());
    for (path, who, status) in [("/", None, 401), ("/", Some("bad"), 401), ("/admin", Some("alice"), 403)] {
        let headers: Vec<_> = who.iter().map(|who| ("who", *who)).collect();
        let told = ask(&service, get(path, &headers)).await;
        assert_eq!((told.status, told.names()), (status, vec![]), "of nobody's limit");
    }
    assert_eq!(limiter.asked(), 0);
    let told = ask(&service, alice()).await;
    assert_eq!(told.standing(), Some((10, 9, 6)));
}

/// As it is mounted in axum: the plan stands in the stack, the permission on the route.
#[tokio::test]
async fn r129_a_permission_of_a_route_gives_the_charge_back_exactly() {
    let denied = routing::get(|| async { "secret" }).route_layer(RequireLayer::scope("admin"));
    let open = routing::get(|| async { "hello" });
    let stack = AuthStack::builder().auth(Claimed).limit(by_plan(Quota::per_minute(10))).clock(&hand());
    let app = Router::new().route("/admin", denied).route("/", open).layer(stack.build().unwrap());
    let get = async |path: &str| {
        let request = Request::get(path).header("who", "alice").body(AxumBody::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), header("x-ratelimit-remaining"), header("x-ratelimit-reset"))
    };
    let told = |status: u16, left: &str, reset: &str| (status, Some(left.to_owned()), Some(reset.to_owned()));
    assert_eq!(get("/").await, told(200, "9", "6"));
    for _ in 0..20 {
        assert_eq!(get("/admin").await, told(403, "9", "6"), "as if it had not been sent");
    }
    assert_eq!(get("/").await, told(200, "8", "12"));
    for left in (0..8).rev() {
        assert_eq!(get("/").await.1, Some(left.to_string()));
    }
    // With nothing left not even what would be denied is asked.
    assert_eq!(get("/admin").await, told(429, "0", "60"));
}

/// What is given back is what it cost, and never more than was taken.
#[tokio::test]
async fn r129_what_is_given_back_is_what_was_taken() {
    let hand = hand();
    let limit = probed(by_plan([Quota::per_minute(10), Quota::per_day(12)]));
    let service = stack(&hand, [limit]).layer(strict(|request: Request<Body>| {
        if request.headers().contains_key("denied") {
            return Rejection::new(RejectionKind::InsufficientPermissions).into_response();
        }
        Response::new(Body::default())
    }));
    let cost = |cost: &str| get("/", &[("who", "alice"), ("cost", cost)]);
    let denied = |cost: &str| get("/", &[("who", "alice"), ("cost", cost), ("denied", "")]);
    assert_eq!(ask(&service, cost("3")).await.standing(), Some((10, 7, 18)));
    assert_eq!(ask(&service, denied("6")).await.standing(), Some((10, 7, 18)));
    assert_eq!(ask(&service, denied("0")).await.standing(), Some((10, 7, 18)));
    // Into a full bucket nothing is given.
    hand.advance(std::time::Duration::from_secs(86_400));
    for _ in 0..5 {
        assert_eq!(ask(&service, denied("10")).await.status, 403);
    }
    assert_eq!(ask(&service, probe()).await.standing(), Some((10, 10, 0)));
    assert_eq!(ask(&service, cost("10")).await.remaining(), Some(0));
    hand.advance(std::time::Duration::from_secs(60));
    let told = ask(&service, cost("1")).await;
    assert_eq!(
        (told.limit(), told.remaining()),
        (Some(12), Some(1)),
        "of the day, which was not given anything: {told:?}"
    );
}

/// An address is counted whatever became of its requests: a 401 is what it counts them for.
#[tokio::test]
async fn r129_an_address_pays_for_its_refusals_and_is_told_of_its_own_limit() {
    let address = RateLimitLayer::by_address(Quota::per_minute(4), ClientIp::peer());
    let plans = RateLimitLayer::by_plan(&plan(Quota::per_minute(50)));
    let service = stack(&hand(), [plans, address]).layer(over(&RequireLayer::scope("admin")));
    let request = |who: &str| from("192.0.2.1", get("/", &[("who", who)]));
    let told: Vec<Told> =
        [ask(&service, request("bad")).await, ask(&service, from("192.0.2.1", get("/", &[]))).await].into();
    assert_eq!(told.iter().map(Told::standing).collect::<Vec<_>>(), [Some((4, 3, 15)), Some((4, 2, 30))]);
    // The plan, which stands further in, speaks of itself.
    assert_eq!(ask(&service, request("alice")).await.standing(), Some((50, 50, 0)));
    assert_eq!(statuses(&service, 2, || request("bad")).await, [401, 429]);
}

/// Whatever a layer of somebody's own counts by is given back too.
#[tokio::test]
async fn r129_limits_by_a_rule_of_ones_own_are_given_back_too() {
    use tower_auth::limit::BucketKey;
    let own = || RateLimitLayer::by_bucket(Quota::per_minute(4), |who, _| BucketKey::new(["own", who.subject()]));
    let twice = Plans::new().plan("a", Quota::per_minute(9)).fallback("a").build().unwrap();
    let service = stack(&hand(), [own(), RateLimitLayer::by_plan(&twice)]).layer(over(&RequireLayer::scope("admin")));
    for _ in 0..30 {
        let told = ask(&service, alice()).await;
        assert_eq!((told.status, told.standing()), (403, Some((9, 9, 0))));
    }
    let alone = stack(&hand(), []).layer(own().clock(&hand()).layer(over(&RequireLayer::scope("admin"))));
    for _ in 0..30 {
        assert_eq!(ask(&alone, alice()).await.standing(), Some((4, 4, 0)));
    }
}

/// A refusal further in costs the address an attempt, and the plan nothing.
#[tokio::test]
async fn r129_what_the_plan_gives_back_the_budget_of_failures_keeps() {
    let (plans, attempts) = (Remote::new(false), Remote::new(false));
    let budget = RateLimitLayer::failures(Quota::per_minute(100), ClientIp::peer()).limiter(attempts.clone());
    let limit = by_plan(Quota::per_minute(10)).limiter(plans.clone());
    let service = stack(&hand(), [limit, budget]).layer(over(&RequireLayer::scope("admin")));
    assert_eq!(statuses(&service, 30, || from("192.0.2.1", alice())).await, [403; 30]);
    assert_eq!((plans.taken(), plans.given_back()), (30, 30));
    assert_eq!((attempts.taken(), attempts.given_back()), (30, 0));
}

/// "As far as it is not refilled already": what was refilled while a handler thought about it is not given a second time.
#[tokio::test]
async fn r129_what_was_refilled_meanwhile_is_not_given_back_again() {
    let hand = hand();
    let decide = std::sync::Arc::new(tokio::sync::Notify::new());
    let waiting = std::sync::Arc::clone(&decide);
    let handler = tower::service_fn(move |request: Request<Body>| {
        let waiting = std::sync::Arc::clone(&waiting);
        async move {
            if !request.headers().contains_key("slow") {
                return Ok::<_, std::convert::Infallible>(Response::new(Body::default()));
            }
            waiting.notified().await;
            Ok(Rejection::new(RejectionKind::InsufficientPermissions).into_response())
        }
    });
    let handler = tower_auth::testing::AssertReady::new(handler);
    let service = stack(&hand, [by_plan(Quota::per_minute(5))]).layer(handler);
    let slow = || get("/", &[("who", "alice"), ("slow", "")]);
    let mut under_way = Vec::new();
    for _ in 0..5 {
        let mut future = Box::pin(service.clone().oneshot(slow()));
        let polled = future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        assert!(polled.is_pending());
        under_way.push(future);
    }
    hand.advance(std::time::Duration::from_secs(60));
    assert_eq!(statuses(&service, 6, alice).await, [200, 200, 200, 200, 200, 429]);
    for future in under_way {
        decide.notify_one();
        assert_eq!(future.await.unwrap().status(), 403);
    }
    assert_eq!(ask(&service, alice()).await.status, 429, "five in a minute, and no time has passed");
}
