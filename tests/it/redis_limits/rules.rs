//! What a shared limiter keeps of the rules of every limiter.

use std::time::SystemTime;

use http::{Request, Response, StatusCode};
use tower::{ServiceBuilder, ServiceExt as _};
use tower_auth::{ApiKeyLayer, ClientIp, Plans, RateLimitLayer, Secret, rate_limit::LimitStatusService};

use super::{clock::Standing, *};
use crate::support::redis;

/// The names of the keys that begin with the prefix of a test.
fn keys(server: &Server, prefix: &str) -> Vec<String> {
    server.ask(&["KEYS", &format!("{prefix}:*")])
}

#[tokio::test(flavor = "multi_thread")]
async fn r134_random_credentials_create_no_keys_in_redis() {
    let Some(server) = redis::server() else { return };
    let prefix = prefix();
    let redis = at(server, &prefix, SharedPolicy::exact());
    let plans = Plans::new().plan("standard", [Quota::per_hour(2)]).fallback("standard").build().unwrap();
    let service = ServiceBuilder::new()
        .layer(ApiKeyLayer::static_key("ops", Secret::new("0123456789abcdef")).unwrap())
        .layer(RateLimitLayer::by_plan(&plans).limiter(redis.named("plans")))
        .service_fn(|_: Request<()>| async { Ok::<_, std::convert::Infallible>(Response::new(())) });
    let ask = async |key: &str| {
        let request = Request::get("/").header("x-api-key", key).body(()).unwrap();
        service.clone().oneshot(request).await.unwrap().status()
    };
    for number in 0..20 {
        assert_eq!(ask(&format!("0123456789abc{number:03}")).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(keys(server, &prefix), [""; 0]);
    let answers = [ask("0123456789abcdef").await, ask("0123456789abcdef").await, ask("0123456789abcdef").await];
    assert_eq!(answers.map(|status| status.as_u16()), [200, 200, 429]);
    assert_eq!(keys(server, &prefix).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn r134_two_layers_of_one_limiter_count_apart() {
    let Some(server) = redis::server() else { return };
    let redis = limiter(server, SharedPolicy::exact());
    let address = |quota, name| {
        let peer: std::net::IpAddr = "192.0.2.1".parse().unwrap();
        let layer = RateLimitLayer::by_address(quota, ClientIp::peer()).limiter(redis.named(name));
        let service = ServiceBuilder::new()
            .layer(layer)
            .service_fn(|_: Request<()>| async { Ok::<_, std::convert::Infallible>(Response::new(())) });
        move || {
            let mut request = Request::new(());
            request.extensions_mut().insert(tower_auth::PeerAddr(peer));
            let service = service.clone();
            async move { service.oneshot(request).await.unwrap().status().as_u16() }
        }
    };
    let (login, api) = (address(Quota::per_hour(1), "login"), address(Quota::per_hour(3), "api"));
    assert_eq!([login().await, login().await], [200, 429]);
    assert_eq!([api().await, api().await, api().await, api().await], [200, 200, 200, 429]);
    assert_eq!(login().await, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn r135_a_key_expires_when_its_bucket_is_full() {
    let Some(server) = redis::server() else { return };
    let prefix = prefix();
    let redis = at(server, &prefix, SharedPolicy::exact());
    let left = async |name: &str, limits: Limits, cost| {
        let before = keys(server, &prefix);
        admitted(ask(&redis.named(name), alice(), &limits, cost).await);
        let new = keys(server, &prefix).into_iter().find(|key| !before.contains(key)).unwrap();
        Duration::from_millis(server.ask(&["PTTL", &new]))
    };
    let within =
        |left: Duration, of: Duration| left <= of + Duration::from_millis(2) && left + Duration::from_secs(60) > of;
    let hour = Duration::from_secs(3600);
    assert!(within(left("one", limits(Quota::per_hour(4)), 1).await, hour / 4));
    assert!(within(left("all", limits(Quota::per_hour(4)), 4).await, hour));
    assert!(within(left("two", limits([Quota::per_hour(4), Quota::per_day(8)]), 4).await, hour * 12));
    let month = limits(Quota::per_calendar_month(4));
    let end = month.periods(SystemTime::now()).flatten().next().unwrap().end;
    let end = end.duration_since(SystemTime::now()).unwrap();
    assert!(within(left("month", month, 1).await, end + hour), "an hour after the month, for clocks that are set back");
    // What is refused, and what is only looked at, stores nothing.
    let before = keys(server, &prefix).len();
    admitted(ask(&redis.named("look"), alice(), &limits(Quota::per_hour(4)), 0).await);
    assert_eq!(keys(server, &prefix).len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn r136_a_clock_of_the_server_that_is_set_back_refills_nothing_and_locks_nobody_out() {
    let Some(standing) = Standing::get() else { return };
    let _alone = standing.alone().await;
    let prefix = prefix();
    let new = || {
        let config = RedisConfig::url(&standing.url).unwrap().timeout(PATIENT).unwrap().prefix(&prefix).unwrap();
        RedisLimiter::with(config, SharedPolicy::exact().deadline(PATIENT)).named("api")
    };
    let (limits, now, hour) =
        (limits([Quota::per_minute(2), Quota::per_calendar_day(3)]), 1_795_817_600_000_000, 3_600_000_000);
    standing.set(now);
    admitted(ask(&new(), alice(), &limits, 2).await);
    standing.set(now - hour);
    let (levels, wait) = refused(ask(&new(), alice(), &limits, 1).await);
    assert_eq!((remaining(&levels), wait), (vec![0, 1], Duration::from_secs(30)), "the wait is that of before");
    // It goes on from there: half a minute later there is one more.
    standing.set(now - hour + 1);
    admitted(ask(&new(), alice(), &limits, 0).await);
    standing.set(now - hour + 60_000_000);
    admitted(ask(&new(), alice(), &limits, 1).await);
    // A day that was used up stays used up, also on the day before.
    standing.set(now - 24 * hour);
    refused(ask(&new(), alice(), &limits, 1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn r137_the_status_of_a_limit_is_what_the_server_says_or_nothing() {
    let Some(mut server) = redis::private(&[]) else { return };
    let config = RedisConfig::url(&server.url()).unwrap();
    let redis = RedisLimiter::with(config, SharedPolicy::exact().deadline(PATIENT));
    let plans = Plans::new().plan("standard", [Quota::per_hour(5)]).fallback("standard").build().unwrap();
    let layer = RateLimitLayer::by_plan(&plans).limiter(redis.named("plans"));
    let service = ServiceBuilder::new()
        .layer(ApiKeyLayer::static_key("ops", Secret::new("0123456789abcdef")).unwrap())
        .layer(layer.clone())
        .service(LimitStatusService::new(&layer).unwrap());
    let ask = async || {
        let request = Request::get("/").header("x-api-key", "0123456789abcdef").body(()).unwrap();
        let response = service.clone().oneshot(request).await.unwrap();
        (response.status().as_u16(), response.headers().get("x-ratelimit-remaining").cloned())
    };
    let (status, shown) = ask().await;
    assert_eq!((status, shown.unwrap().to_str().unwrap()), (200, "4"));
    server.kill();
    let (status, remaining) = ask().await;
    assert_eq!((status, remaining), (503, None));
    assert!(redis.health().trouble.is_some());
}
