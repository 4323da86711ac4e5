//! How a limit stands: asked without taking anything, by code, by the extractor and by the service.

use std::time::Duration;

use axum::{Router, routing::get as route};
use http::Method;
use serde_json::{Value, json};
use tower_auth::{
    AuthStack, ClientIp, Limiter, Plans, Principal, Quota, RateLimitLayer,
    limit::{BucketKey, CalendarUnit, LimitDecision, Limits, MemoryLimiter, Refill},
    rate_limit::{LimitStatus, LimitStatusService, OutagePolicy, Partition, Plan},
};

use super::{Claimed, Told, alice, ask, by_plan, from, hand, over, remote::Remote, stack, statuses};
use crate::support::get;

fn budget() -> [Quota; 2] {
    [Quota::per_minute(4), Quota::per_calendar_month(6).in_time_zone("Europe/Berlin")]
}

const OUTAGES: [OutagePolicy; 4] = [
    OutagePolicy::FailClosed,
    OutagePolicy::FailOpen,
    OutagePolicy::FallBackToLocal,
    OutagePolicy::LocalShare { processes: 2 },
];

fn who(name: &str) -> Principal {
    Principal::builder(name).build()
}

/// The name, the size and what remains of each window of the first group.
fn first(status: &LimitStatus) -> Vec<(String, u32, u32)> {
    status.groups()[0].windows.iter().map(|window| (window.name.clone(), window.size, window.remaining)).collect()
}

#[tokio::test]
async fn each_window_is_told_and_nothing_is_taken() {
    let (hand, limits) = (hand(), by_plan(budget()));
    let service = over(&stack(&hand, [limits.clone()]));
    assert_eq!(statuses(&service, 3, alice).await, [200; 3]);
    for _ in 0..20 {
        let status = limits.status(&who("alice")).await.unwrap();
        assert_eq!(status.plan(), Some("standard"));
        assert_eq!(first(&status), [("minute".into(), 4, 1), ("month".into(), 6, 3)]);
        let [minute, month] = &status.groups()[0].windows[..] else { panic!("{status:?}") };
        assert_eq!((minute.period, minute.reset), (Some(Duration::from_secs(60)), Duration::from_secs(45)));
        let calendar = month.calendar.as_ref().unwrap();
        let shown = (calendar.unit, &*calendar.time_zone, calendar.period);
        assert_eq!(shown, (CalendarUnit::Month, "Europe/Berlin", 202_701));
    }
    assert_eq!(statuses(&service, 2, alice).await, [200, 429]);
    let other = limits.status(&who("bob")).await.unwrap();
    assert_eq!(first(&other), [("minute".into(), 4, 4), ("month".into(), 6, 6)], "asking makes no bucket of another");
}

#[tokio::test]
async fn the_json_has_the_times_of_each_window() {
    let (hand, limits) = (hand(), by_plan(budget()));
    let service = over(&stack(&hand, [limits.clone()]));
    assert_eq!(statuses(&service, 1, alice).await, [200]);
    hand.advance(Duration::from_millis(500));
    let shown = limits.status(&who("alice")).await.unwrap().to_json();
    let minute = json!({
        "name": "minute", "limit": 4, "remaining": 3, "resets_in_seconds": 15, "resets_at": "2027-01-15T08:00:15Z",
        "period_seconds": 60,
    });
    let left = 16 * 86_400 + 15 * 3_600; // until 2027-01-31T23:00:00Z
    let month = json!({
        "name": "month", "limit": 6, "remaining": 5, "resets_in_seconds": left, "resets_at": "2027-01-31T23:00:00Z",
        "calendar": "month", "time_zone": "Europe/Berlin",
    });
    assert_eq!(shown, json!({ "plan": "standard", "limits": [{ "class": null, "windows": [minute, month] }] }));
}

#[tokio::test]
async fn classes_of_routes_are_told_if_requests_have_them() {
    let plans = || {
        let plans = Plans::new().plan("standard", [Quota::per_minute(4)]).fallback("standard");
        plans.plan(Plan::new("standard").class("uploads"), [Quota::per_hour(2)]).build().unwrap()
    };
    let hand = hand();
    let limits = RateLimitLayer::by_plan(&plans())
        .class(|request| (request.uri().path() == "/uploads").then_some("uploads"))
        .partition(Partition::Subject);
    let service = over(&stack(&hand, [limits.clone()]));
    let upload = || get("/uploads", &[("who", "alice"), ("key", "key_1")]);
    assert_eq!(statuses(&service, 2, upload).await, [200; 2]);
    let status = limits.status(&who("alice")).await.unwrap();
    assert_eq!(first(&status), [("minute".into(), 4, 4)]);
    assert_eq!((status.groups().len(), status.groups()[1].class.as_deref()), (2, Some("uploads")));
    assert_eq!(status.groups()[1].windows[0].remaining, 0);
    let without = RateLimitLayer::by_plan(&plans());
    assert_eq!(without.status(&who("alice")).await.unwrap().groups().len(), 1, "no request has a class");
}

#[tokio::test]
async fn a_caller_with_own_limits_has_no_plan() {
    let limits = by_plan([Quota::per_minute(4)]);
    let own = Limits::new([Quota::per_hour(9)]).unwrap();
    let status = limits.status(&Principal::builder("alice").limits(own).build()).await.unwrap();
    assert_eq!((status.plan(), first(&status)), (None, vec![("hour".into(), 9, 9)]));
}

#[tokio::test]
async fn a_limiter_that_does_not_answer_is_not_made_up() {
    for remote in Remote::both() {
        for policy in OUTAGES {
            let limits = by_plan([Quota::per_minute(4)]).limiter(remote.clone()).on_outage(policy);
            remote.set_down(false);
            assert_eq!(first(&limits.status(&who("alice")).await.unwrap()), [("minute".into(), 4, 4)]);
            remote.set_down(true);
            assert_eq!(limits.status(&who("alice")).await.unwrap_err().status().as_u16(), 503, "{policy:?}");
        }
        assert_eq!(remote.taken(), 0);
    }
}

#[tokio::test]
async fn a_layer_without_plans_says_so() {
    let layers = [
        RateLimitLayer::by_address(Quota::per_minute(1), ClientIp::peer()),
        RateLimitLayer::failures(Quota::per_minute(1), ClientIp::peer()),
    ];
    for layer in layers {
        let refused = layer.status(&who("alice")).await.unwrap_err();
        assert_eq!(refused.status().as_u16(), 500);
        assert!(refused.private_cause().unwrap().to_string().contains("by_plan"));
        assert!(LimitStatusService::new(&layer).unwrap_err().to_string().contains("by_plan"));
    }
}

/// A cost of zero makes a look free, and lets it pass when the limit is spent.
#[tokio::test]
async fn the_extractor_and_the_service_are_free_at_a_cost_of_zero() {
    let hand = hand();
    let limits =
        by_plan([Quota::per_minute(2)]).cost(|request| u32::from(!request.uri().path().starts_with("/v1/limits")));
    let stack = stack(&hand, [limits.clone()]);
    let app: Router = Router::new()
        .route("/", route(async || "ok"))
        .route("/v1/limits", route(async |status: LimitStatus| status))
        .route_service("/v1/limits/raw", LimitStatusService::new(&limits).unwrap())
        .with_state(limits)
        .layer(stack);
    let at = |path: &str| from("192.0.2.1", get(path, &[("who", "alice")])).map(axum::body::Body::new);
    let look = async |path: &str| {
        let told = ask_app(&app, at(path)).await;
        assert_eq!((told.status, told.header("cache-control")), (200, Some("no-store")), "{path}");
        assert_eq!(told.header("content-type"), Some("application/json"));
        told.json()["limits"][0]["windows"][0]["remaining"].clone()
    };
    for left in [2, 1, 0, 0] {
        for path in ["/v1/limits", "/v1/limits/raw", "/v1/limits"] {
            assert_eq!(look(path).await, Value::from(left), "{path}");
        }
        ask_app(&app, at("/")).await;
    }
    assert_eq!(ask_app(&app, at("/")).await.status, 429);
}

async fn ask_app(app: &Router, request: http::Request<axum::body::Body>) -> Told {
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8_lossy(&body).into_owned();
    Told { status: parts.status.as_u16(), headers: parts.headers, body, cause: None }
}

#[tokio::test]
async fn the_service_refuses_what_it_cannot_answer() {
    use tower::Layer as _;

    let limits = by_plan([Quota::per_minute(2)]);
    let service = LimitStatusService::new(&limits).unwrap();
    let alone = ask(&service, alice()).await;
    assert_eq!(alone.status, 500, "no authentication stands in front");
    let hand = hand();
    let behind = AuthStack::builder().auth(Claimed).clock(&hand).build().unwrap().layer(service);
    assert_eq!(ask(&behind, get("/", &[])).await.status, 401);
    let mut post = alice();
    *post.method_mut() = Method::POST;
    let refused = ask(&behind, post).await;
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")));
    assert_eq!(ask(&behind, alice()).await.json()["limits"][0]["windows"][0]["limit"], 2);
}

/// `peek` of a limiter is a decision at a cost of zero.
#[tokio::test]
async fn a_bucket_of_ones_own_is_peeked_at() {
    let (limiter, bucket) = (MemoryLimiter::new(), BucketKey::new(["uploads"]));
    let limits = Limits::new([Quota::per_hour(2)]).unwrap();
    assert!(matches!(limits.windows().next().unwrap().refill, Refill::Even(_)));
    let remaining = async || match limiter.peek(bucket, &limits, Duration::ZERO.into()).await {
        Ok(LimitDecision::Admitted(levels)) => levels.tightest().remaining,
        other => panic!("{other:?}"),
    };
    for left in [2, 2, 2] {
        assert_eq!(remaining().await, left);
    }
    let _ = limiter.try_acquire(bucket, &limits, 2, Duration::ZERO);
    assert_eq!((remaining().await, limiter.len()), (0, 1));
}
