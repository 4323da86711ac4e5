//! Budgets through a layer: headers, refusals and outages.

use http::{Request, Response};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    AuthFuture, AuthOutcome, AuthStack, Authenticator, ClientIp, Decision, PeerAddr, Plans, Principal, RateLimitLayer,
    Rejection, RejectionKind, RequestHead, rate_limit::OutagePolicy,
};

use super::*;
use crate::support::{Body, get, strict};

fn by_plan(quotas: impl IntoIterator<Item = Quota>, limiter: BudgetLimiter) -> RateLimitLayer {
    let plans = Plans::new().plan("standard", quotas).fallback("standard").build().unwrap();
    RateLimitLayer::by_plan(&plans).limiter(limiter)
}

/// Everybody is alice, except who guesses.
struct Guessed;

impl Authenticator for Guessed {
    fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
        AuthFuture::ready(match request.path() {
            "/guess" => AuthOutcome::Rejected(Rejection::new(RejectionKind::InvalidKey)),
            _ => AuthOutcome::Authenticated(Principal::builder("alice").build()),
        })
    }

    fn challenge(&self) -> &'static str {
        "Guessed"
    }
}

fn stack(hand: &ManualClock, layer: RateLimitLayer) -> AuthStack {
    observed(hand, layer, |_| {})
}

fn observed(
    hand: &ManualClock,
    layer: RateLimitLayer,
    observe: impl Fn(&Decision<'_>) + Send + Sync + 'static,
) -> AuthStack {
    AuthStack::builder().auth(Guessed).limit(layer).on_decision(observe).clock(hand).build().unwrap()
}

/// A handler that answers 403 where the path says so.
async fn ask(stack: &AuthStack, path: &str) -> Response<impl http_body::Body + use<>> {
    let handler = strict(|request: Request<Body>| match request.uri().path() {
        "/denied" => Rejection::new(RejectionKind::InsufficientPermissions).into_response(),
        _ => Response::new(Body::default()),
    });
    let mut request = get(path, &[]);
    request.extensions_mut().insert(PeerAddr("192.0.2.1".parse().unwrap()));
    stack.layer(handler).oneshot(request).await.unwrap()
}

fn header<B>(response: &Response<B>, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn a_plan_has_a_budget_that_survives_a_restart() {
    let (store, hand) = (MemoryKeyStore::new(), ManualClock::at(NOW));
    let quotas = || [Quota::per_minute(600), Quota::per_calendar_month(40)];
    let mut admitted = 0;
    for _ in 0..5 {
        let budgets = BudgetLimiter::with(store.clone(), BudgetPolicy::new(), &hand);
        let stack = stack(&hand, by_plan(quotas(), budgets.clone()));
        for _ in 0..12 {
            admitted += usize::from(ask(&stack, "/").await.status() == 200);
        }
        budgets.start().stop().await;
    }
    assert_eq!(admitted, 40);
}

#[tokio::test]
async fn headers_and_the_refusal_name_the_window() {
    let (store, hand) = (Remote::new(), ManualClock::at("2026-06-29T12:00:00Z"));
    let rest = 36 * 3_600;
    let quotas = [Quota::per_minute(60), Quota::per_calendar_month(3).named("contract")];
    let layer = by_plan(quotas, BudgetLimiter::with(store.clone(), BudgetPolicy::new(), &hand)).ietf_headers();
    let refusals: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&refusals);
    let stack =
        observed(&hand, layer, move |decision| seen.lock().unwrap().extend(decision.limit_name().map(str::to_owned)));
    let answered = ask(&stack, "/").await;
    assert_eq!(header(&answered, "x-ratelimit-limit"), "3");
    assert_eq!(header(&answered, "x-ratelimit-remaining"), "2");
    assert_eq!(header(&answered, "x-ratelimit-reset"), rest.to_string());
    assert_eq!(header(&answered, "ratelimit-policy"), r#""minute";q=60;w=60, "contract";q=3"#);
    assert_eq!(header(&answered, "ratelimit"), format!(r#""minute";r=59;t=59, "contract";r=2;t={rest}"#));
    assert_eq!(ask(&stack, "/").await.status(), 200);
    assert_eq!(ask(&stack, "/").await.status(), 200);
    let refused = ask(&stack, "/").await;
    assert_eq!((refused.status().as_u16(), header(&refused, "retry-after")), (429, rest.to_string()));
    assert_eq!(header(&refused, "ratelimit"), format!(r#""minute";r=57;t=57, "contract";r=0;t={rest}"#));
    assert_eq!(refusals.lock().unwrap()[..], ["contract"]);
}

/// Leased requests are admitted without the store. After that, the policy decides.
#[tokio::test]
async fn an_outage_is_for_the_policy() {
    for (policy, status) in [
        (OutagePolicy::FailClosed, 503),
        (OutagePolicy::FailOpen, 200),
        (OutagePolicy::FallBackToLocal, 200),
        (OutagePolicy::LocalShare { processes: 2 }, 200),
    ] {
        let (store, hand) = (Remote::new(), ManualClock::at(NOW));
        let budgets = BudgetLimiter::with(store.clone(), BudgetPolicy::new(), &hand);
        let layer = by_plan(Quota::per_calendar_month(32), budgets).on_outage(policy);
        let stack = stack(&hand, layer.clone());
        assert_eq!(ask(&stack, "/").await.status(), 200);
        store.set_down(true);
        assert_eq!(ask(&stack, "/").await.status(), 200, "the second request of the lease");
        assert_eq!(layer.outage_count(), 0);
        let answered = ask(&stack, "/").await;
        assert_eq!(
            (answered.status().as_u16(), header(&answered, "x-ratelimit-remaining")),
            (status, String::new()),
            "{policy:?}"
        );
        assert_eq!(layer.outage_count(), 1);
        store.set_down(false);
        let answered = ask(&stack, "/").await;
        assert_eq!((answered.status().as_u16(), header(&answered, "x-ratelimit-remaining")), (200, "29".to_owned()));
    }
}

#[tokio::test]
async fn a_request_that_is_refused_further_in_is_refunded() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let budgets = BudgetLimiter::with(store.clone(), BudgetPolicy::new(), &hand);
    let stack = stack(&hand, by_plan([Quota::per_minute(600), Quota::per_calendar_month(3)], budgets.clone()));
    for _ in 0..5 {
        assert_eq!(ask(&stack, "/denied").await.status(), 403);
    }
    for status in [200, 200, 200, 429] {
        assert_eq!(ask(&stack, "/").await.status(), status);
    }
}

/// A budget of failed attempts is charged after the fact.
#[tokio::test]
async fn failed_attempts_are_charged() {
    let (store, hand) = (Remote::new(), ManualClock::at(NOW));
    let budgets = BudgetLimiter::with(store.clone(), BudgetPolicy::new(), &hand);
    let layer = RateLimitLayer::failures(Quota::per_calendar_day(1_000), ClientIp::peer()).limiter(budgets.clone());
    let stack = stack(&hand, layer);
    for _ in 0..5 {
        assert_eq!(ask(&stack, "/guess").await.status(), 401);
        settle().await;
    }
    let calls = store.calls();
    assert!(calls.iter().any(|call| call.starts_with("take")), "{calls:?}");
    budgets.start().stop().await;
}
