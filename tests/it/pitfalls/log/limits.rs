//! Which limit refused, and whom it counted.

use http::{Request, StatusCode};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    AuthStack, ClientIp, Limiter, PeerAddr, Plans, Quota, RateLimitLayer, Rejection,
    limit::{BucketKey, LimitFuture, LimitTime, Limits, MemoryLimiter, Reservation},
    rate_limit::Plan,
    stack::AuthStackBuilder,
    testing::ManualClock,
};

use super::{KEYED, Seen, keyed, keys, lacks, line, says};
use crate::support::{Body, KEY, get, ok, strict};

const NOW: &str = "2027-01-15T08:00:00Z";

/// Answers later.
struct Remote(MemoryLimiter);

impl Limiter for Remote {
    fn decide(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: LimitTime) -> LimitFuture {
        let decided = self.0.decide(bucket, limits, cost, now);
        tower_auth::MaybeReady::boxed(async {
            tokio::task::yield_now().await;
            decided.await
        })
    }

    fn refund(&self, bucket: BucketKey, taken: &Reservation, now: LimitTime) {
        self.0.refund(bucket, taken, now);
    }
}

fn remote(limit: RateLimitLayer, remote: bool) -> RateLimitLayer {
    let limit = limit.clock(&ManualClock::at(NOW));
    if remote { limit.limiter(Remote(MemoryLimiter::new())) } else { limit }
}

fn behind() -> ClientIp {
    ClientIp::behind(["10.0.0.0/8"]).unwrap()
}

/// The same request through a proxy.
fn proxied(client: &str, mut request: Request<Body>) -> Request<Body> {
    request.extensions_mut().insert(PeerAddr([10, 0, 0, 1].into()));
    request.headers_mut().insert("x-forwarded-for", client.parse().unwrap());
    request
}

#[tokio::test]
async fn p84_a_429_by_address_names_the_client_and_not_the_proxy_alone() {
    for (client, shown) in
        [("203.0.113.9", "203.0.113.9"), ("2001:db8::7", "2001:db8::7"), ("::ffff:203.0.113.8", "203.0.113.8")]
    {
        for slow in [false, true] {
            let limit = remote(RateLimitLayer::by_address([Quota::per_minute(1), Quota::per_day(50)], behind()), slow);
            let seen = Seen::default();
            let stack = AuthStack::builder().auth(keys(slow)).limit(limit.clone()).on_decision(seen.observer());
            let stack = stack.build().unwrap();
            let request = || proxied(client, keyed("GET", "/v1/models?k=hunter2"));
            stack.layer(ok()).oneshot(request()).await.unwrap();
            let (status, refused) = line(&stack, ok(), request()).await;
            assert_eq!(status, 429);
            let client = format!("client={shown}");
            let expected =
                ["layer=\"rate_limit\"", "limit=\"minute\"", &client, "peer=10.0.0.1", "path=\"/v1/models\""];
            says(&refused, &expected);
            lacks(&refused, &["hunter2", "plan="]);
            says(&seen.take()[0], &[&format!("limit=minute plan= client={shown}")]);
            // Alone, without a stack.
            let (status, refused) = line(&limit, ok(), request()).await;
            assert_eq!(status, 429);
            says(&refused, &expected);
        }
    }
}

/// The budget of failed attempts, in a stack and alone, before a store that answers at once and one that does not.
#[tokio::test]
async fn p84_a_spent_budget_of_failures_names_the_client() {
    let wrong = KEY.replace('1', "2");
    for slow in [false, true] {
        for slow_limiter in [false, true] {
            let budget = || {
                let quotas = [Quota::per_minute(3).named("guesses")];
                remote(RateLimitLayer::failures(quotas, behind()), slow_limiter)
            };
            let stack = AuthStack::builder().auth(keys(slow)).limit(budget()).build().unwrap();
            let alone = budget();
            let request = || proxied("203.0.113.9", get("/v1/models?k=hunter2", &[("x-api-key", &wrong)]));
            let denied = || strict(|_| Rejection::invalid_credentials().into_response());
            let mut last = (String::new(), String::new());
            for _ in 0..5 {
                let (_, in_stack) = line(&stack, ok(), request()).await;
                says(&in_stack, &["client=203.0.113.9", "peer=10.0.0.1", "path=\"/v1/models\""]);
                let service = tower_auth::ErrorEnvelopeLayer::detailed().layer(alone.layer(denied()));
                let (_, lines) = super::lines(service, request()).await;
                last = (in_stack, lines.concat());
            }
            for refused in [last.0, last.1] {
                let because = "cause=too many failed attempts";
                says(&refused, &["status=429", "limit=\"guesses\"", "client=203.0.113.9", "peer=10.0.0.1", because]);
                lacks(&refused, &["hunter2", &wrong]);
            }
        }
    }
}

#[tokio::test]
async fn p84_a_429_by_plan_names_plan_and_window() {
    let plans = Plans::new()
        .plan("standard", [Quota::per_minute(100), Quota::per_day(1)])
        .plan(Plan::new("standard").class("uploads"), [Quota::per_hour(1)])
        .fallback("standard")
        .build()
        .unwrap();
    let class = |request: &tower_auth::RequestHead<'_>| (request.path() == "/uploads").then_some("uploads");
    for slow in [false, true] {
        let limit = remote(RateLimitLayer::by_plan(&plans).class(class), slow);
        let stack = AuthStack::builder().auth(keys(slow)).limit(limit).build().unwrap();
        for (path, plan, window) in [("/v1", "standard", "day"), ("/uploads", "standard/uploads", "hour")] {
            stack.layer(ok()).oneshot(keyed("GET", path)).await.unwrap();
            let (status, refused) = line(&stack, ok(), keyed("GET", path)).await;
            assert_eq!(status, 429);
            let (plan, window) = (format!("plan=\"{plan}\""), format!("limit=\"{window}\""));
            says(&refused, &["layer=\"rate_limit\"", &plan, &window, "subject=\"acme\"", &format!("path=\"{path}\"")]);
        }
        let own = remote(RateLimitLayer::by_bucket([Quota::per_second(1)], |_, _| BucketKey::new(["all"])), slow);
        let stack = AuthStack::builder().auth(keys(slow)).limit(own).build().unwrap();
        stack.layer(ok()).oneshot(keyed("GET", "/")).await.unwrap();
        let (_, refused) = line(&stack, ok(), keyed("GET", "/")).await;
        says(&refused, &["limit=\"second\"", "subject=\"acme\""]);
        lacks(&refused, &["plan=", "client="]);
    }
}

/// A plan is a matter between the service and its customer.
#[tokio::test]
async fn p84_what_the_log_names_of_a_limit_is_not_sent() {
    let plans = Plans::new().plan("hidden-plan", [Quota::per_minute(1)]).fallback("hidden-plan").build().unwrap();
    let limits = [RateLimitLayer::by_plan(&plans), RateLimitLayer::by_address(Quota::per_minute(5), behind())];
    let builder = AuthStack::builder().auth(keys(false)).clock(&ManualClock::at(NOW));
    let stack = limits.into_iter().fold(builder, AuthStackBuilder::limit).build().unwrap();
    let service = stack.layer(ok());
    for _ in 0..8 {
        let request = proxied("203.0.113.9", get("/", &[KEYED]));
        let response = service.clone().oneshot(request).await.unwrap();
        let refused = response.status() == StatusCode::TOO_MANY_REQUESTS;
        let told = format!("{:?}", response.headers()) + &crate::support::text(response).await;
        lacks(&told, &["hidden-plan", "203.0.113.9"]);
        assert!(!refused || told.contains("RATE_LIMIT_EXCEEDED"));
    }
}
