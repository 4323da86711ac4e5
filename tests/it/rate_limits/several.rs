//! Several limits around one handler: which one's headers are sent, and what each of them has counted.

use axum::{Router, body::Body as AxumBody, routing};
use http::{Request, Response};
use tower::{Layer as _, ServiceBuilder, ServiceExt as _};
use tower_auth::{AuthLayer, AuthStack, ClientIp, Plans, Quota, RateLimitLayer, limit::BucketKey};

use super::{Claimed, alice, ask, by_plan, from, hand, over, remote::Remote, stack, statuses};
use crate::support::{Body, get, strict};

fn uploads(events: u32) -> RateLimitLayer {
    RateLimitLayer::by_bucket(Quota::per_minute(events).named("uploads"), |who, _| {
        BucketKey::new(["uploads", who.subject()])
    })
}

fn address(events: u32) -> RateLimitLayer {
    RateLimitLayer::by_address(Quota::per_minute(events).named("address"), ClientIp::peer())
}

fn request() -> Request<Body> {
    from("192.0.2.1", alice())
}

#[tokio::test]
async fn r131_of_several_limits_the_one_furthest_in_speaks() {
    let limits = || [address(100), by_plan(Quota::per_minute(50)), uploads(10)].map(RateLimitLayer::ietf_headers);
    // In one stack, the limits of callers in the order in which they were given.
    let service = over(&stack(&hand(), limits()));
    let told = ask(&service, request()).await;
    assert_eq!((told.standing(), told.header("ratelimit")), (Some((10, 9, 6)), Some(r#""uploads";r=9;t=54"#)));
    assert_eq!(told.header("ratelimit-policy"), Some(r#""uploads";q=10;w=60"#));
    // The same as nested gates.
    let [outer, middle, inner] = limits().map(|limit| limit.clock(&hand()));
    let service = over(&ServiceBuilder::new().layer(outer).layer(AuthLayer::from(Claimed)).layer(middle).layer(inner));
    let told = ask(&service, request()).await;
    assert_eq!((told.standing(), told.header("ratelimit")), (Some((10, 9, 6)), Some(r#""uploads";r=9;t=54"#)));
}

/// A refusal tells of the limit that refused, whichever it is.
#[tokio::test]
async fn r131_a_refusal_speaks_of_the_limit_that_refused() {
    for (limits, limit, code) in [
        ([address(1), by_plan(Quota::per_minute(5)), uploads(5)], 1, "address"),
        ([address(9), by_plan(Quota::per_minute(1)), uploads(5)], 1, "minute"),
        ([address(9), by_plan(Quota::per_minute(5)), uploads(1)], 1, "uploads"),
    ] {
        let limits = limits.map(RateLimitLayer::ietf_headers);
        let service = over(&stack(&hand(), limits));
        assert_eq!(ask(&service, request()).await.status, 200);
        let told = ask(&service, request()).await;
        assert_eq!((told.status, told.standing(), told.retry_after()), (429, Some((limit, 0, 60)), Some(60)));
        assert!(told.header("ratelimit").unwrap().starts_with(&format!("\"{code}\";r=0;")), "{told:?}");
        assert_eq!(told.json()["error"]["details"]["limit"], limit);
    }
}

/// A refusal by one layer is counted by those in front of it; no other is asked.
#[tokio::test]
async fn r133_layers_are_asked_one_after_the_other() {
    let limiters: [Remote; 3] = std::array::from_fn(|_| Remote::new(false));
    let layers = [address(100), by_plan(Quota::per_minute(4)), uploads(50)];
    let mut at = 0;
    let layers = layers.map(|layer| {
        at += 1;
        layer.limiter(limiters[at - 1].clone())
    });
    let service = over(&stack(&hand(), layers));
    assert_eq!(statuses(&service, 10, request).await, [[200; 4].as_slice(), &[429; 6]].concat());
    assert_eq!(limiters.each_ref().map(Remote::asked), [10, 10, 4]);
    assert_eq!(limiters.each_ref().map(Remote::taken), [10, 4, 4]);
}

/// "It does not fit: charged nothing, in no window", also where the windows stand in two layers.
#[tokio::test]
async fn p48_one_limit_that_refuses_charges_no_other_of_the_caller() {
    let plans = Remote::new(false);
    let service = over(&stack(&hand(), [by_plan(Quota::per_minute(20)).limiter(plans.clone()), uploads(2)]));
    assert_eq!(statuses(&service, 12, request).await, [[200; 2].as_slice(), &[429; 10]].concat());
    assert_eq!(plans.taken() - plans.given_back(), 2, "ten refusals cost the plan nothing");
}

/// A limit of a route in axum: the tighter one of the route speaks there, the plan's elsewhere.
#[tokio::test]
async fn r131_a_limit_of_a_route_speaks_on_that_route_alone() {
    let stack = AuthStack::builder().auth(Claimed).limit(by_plan(Quota::per_minute(10))).clock(&hand());
    let tight = routing::post(|| async { "up" }).route_layer(uploads(2).clock(&hand()));
    let app = Router::new().route("/uploads", tight).route("/", routing::post(|| async { "hello" }));
    let app = app.layer(stack.build().unwrap());
    let post = async |path: &str| {
        let request = Request::post(path).header("who", "alice").body(AxumBody::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), header("x-ratelimit-limit"), header("x-ratelimit-remaining"))
    };
    let told = |status: u16, limit: &str, left: &str| (status, Some(limit.to_owned()), Some(left.to_owned()));
    assert_eq!(post("/uploads").await, told(200, "2", "1"));
    assert_eq!(post("/").await, told(200, "10", "8"));
    assert_eq!(post("/uploads").await, told(200, "2", "0"));
    assert_eq!(post("/uploads").await, told(429, "2", "0"));
}

/// The headers are of one limit: never the numbers of two.
#[tokio::test]
async fn r123_headers_of_two_limits_are_never_mixed() {
    let outer = address(100).ietf_headers().x_retry_after();
    for (inner, expected) in [
        (by_plan(Quota::per_minute(7)), vec!["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]),
        (by_plan(Quota::per_minute(7)).without_headers().ietf_headers(), vec!["ratelimit-policy", "ratelimit"]),
    ] {
        let service = over(&stack(&hand(), [outer.clone(), inner]));
        let told = ask(&service, request()).await;
        assert_eq!(told.names(), expected);
        assert!(told.limit().is_none_or(|limit| limit == 7), "{told:?}");
        assert!(told.header("ratelimit").is_none_or(|state| state == r#""minute";r=6;t=52"#), "{told:?}");
    }
    // An inner one that is silent leaves the word to the outer one.
    let service = over(&stack(&hand(), [outer, by_plan(Quota::per_minute(7)).without_headers()]));
    assert_eq!(ask(&service, request()).await.limit(), Some(100));
}

/// A service behind that has limits of its own, as a gateway's backend, is not overruled.
#[tokio::test]
async fn r131_what_a_handler_says_of_its_own_limit_stays() {
    let handler = strict(|_| {
        let response = Response::builder().header("x-ratelimit-limit", "77").header("x-ratelimit-remaining", "5");
        response.header("x-ratelimit-reset", "9").body(Body::default()).unwrap()
    });
    let service = stack(&hand(), [by_plan(Quota::per_minute(10)).ietf_headers()]).layer(handler);
    let told = ask(&service, alice()).await;
    assert_eq!((told.standing(), told.header("ratelimit")), (Some((77, 5, 9)), None));
}

/// A budget of failures says nothing of how a limit stands, nor does another limit in its place.
#[tokio::test]
async fn p50_a_refusal_for_failed_attempts_claims_nothing_of_another_limit() {
    let budget = || RateLimitLayer::failures(Quota::per_minute(1), ClientIp::peer());
    for limits in [[address(50), budget()], [budget(), address(50)]] {
        let service = over(&stack(&hand(), limits));
        let bad = || from("192.0.2.1", get("/", &[("who", "bad")]));
        assert_eq!(ask(&service, bad()).await.status, 401);
        let told = ask(&service, bad()).await;
        assert_eq!((told.status, told.retry_after()), (429, Some(60)));
        assert!(told.remaining().is_none_or(|left| left == 0), "{told:?}");
    }
}

/// Two layers of one limiter count together where they mean the same caller by the same plan, and an address by an address
/// alone.
#[tokio::test]
async fn r134_layers_that_share_a_limiter_do_not_count_into_each_others_buckets() {
    let shared = Remote::new(false);
    let budget = RateLimitLayer::failures(Quota::per_minute(5), ClientIp::peer()).limiter(shared.clone());
    let service = over(&stack(&hand(), [address(100).limiter(shared.clone()), budget]));
    // Ninety good requests are no failed attempts.
    assert_eq!(statuses(&service, 90, request).await, [200; 90]);
    let bad = || from("192.0.2.1", get("/", &[("who", "bad")]));
    assert_eq!(statuses(&service, 6, bad).await, [401, 401, 401, 401, 401, 429]);
    assert_eq!(ask(&service, request()).await.remaining(), Some(3));
}

#[tokio::test]
async fn r134_plans_of_two_layers_may_share_a_limiter() {
    let shared = Remote::new(false);
    let plans = |events| Plans::new().plan("a", Quota::per_minute(events)).fallback("a").build().unwrap();
    let [one, other] = [10, 20].map(|events| RateLimitLayer::by_plan(&plans(events)).limiter(shared.clone()));
    let services = [over(&stack(&hand(), [one])), over(&stack(&hand(), [other]))];
    assert_eq!(statuses(&services[0], 10, alice).await, [200; 10]);
    // The same caller, so the same bucket: two services of one customer share the plan.
    let told = ask(&services[1], alice()).await;
    assert_eq!((told.status, told.remaining()), (429, Some(0)));
}
