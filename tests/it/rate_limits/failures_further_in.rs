//! The budget of a stack and refusals from further in: each is an attempt, and it is charged once.

use http::{Request, Response, StatusCode};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{AuthLayer, AuthStack, ClientIp, Quota, RateLimitLayer, Rejection, RejectionKind, RequireLayer};

use super::{Claimed, alice, failures::budget, from, hand, over, remote::Remote, spend, stack, statuses};
use crate::support::{Body, get, strict};

fn request() -> Request<Body> {
    from("192.0.2.1", alice())
}

fn bad() -> Request<Body> {
    from("192.0.2.1", get("/", &[("who", "bad")]))
}

/// How many attempts of ten are gone after so many requests that a handler answers so.
async fn gone(limiter: Remote, requests: usize, answer: impl Fn() -> Response<Body> + Clone + Send + 'static) -> usize {
    let service = stack(&hand(), [budget(10).limiter(limiter)]).layer(strict(move |request: Request<Body>| {
        if request.headers().contains_key("quiet") { Response::new(Body::default()) } else { answer() }
    }));
    statuses(&service, requests, request).await;
    10 - spend(&service, bad).await
}

#[tokio::test]
async fn r089_every_refusal_of_who_may_not_spends_one_wherever_it_comes_from() {
    refusals_spend_one(false).await;
    foreign_refusals_spend_one(false).await;
}

#[tokio::test]
async fn r089_every_refusal_spends_one_of_a_limiter_that_has_to_be_waited_for() {
    refusals_spend_one(true).await;
    foreign_refusals_spend_one(true).await;
    gates_charge_once(Remote::new(true)).await;
}

async fn refusals_spend_one(slow: bool) {
    for kind in RejectionKind::ALL.iter().copied() {
        // A 403 is the holder's, who was proved, and so is the demand for another login.
        let denies = kind.status() == StatusCode::UNAUTHORIZED && kind != RejectionKind::InsufficientAuthentication;
        let expected = if denies && kind != RejectionKind::MissingCredential { 4 } else { 0 };
        let gone = gone(Remote::new(slow), 4, move || Rejection::new(kind).into_response()).await;
        assert_eq!(gone, expected, "{kind:?}");
    }
}

/// In words of the handler's own, or of a layer that knows nothing of this crate.
async fn foreign_refusals_spend_one(slow: bool) {
    for (status, expected) in [(401, 4), (403, 0), (400, 0), (404, 0), (429, 0), (200, 0), (302, 0), (500, 0), (503, 0)]
    {
        let status = StatusCode::from_u16(status).unwrap();
        let foreign = move || Response::builder().status(status).body(Body::default()).unwrap();
        assert_eq!(gone(Remote::new(slow), 4, foreign).await, expected, "{status}");
        if status.is_client_error() {
            let own = gone(Remote::new(slow), 4, move || Rejection::custom(status, "OWN").into_response()).await;
            assert_eq!(own, expected, "{status}");
        }
    }
}

/// A permission of a route, and another authentication further in: both are reported once.
#[tokio::test]
async fn r089_gates_further_in_charge_the_budget_once() {
    gates_charge_once(Remote::new(false)).await;
}

async fn gates_charge_once(limiter: Remote) {
    let charged = || limiter.taken() - limiter.given_back();
    let permission = over(&RequireLayer::scope("admin"));
    let service = stack(&hand(), [budget(100).limiter(limiter.clone())]).layer(permission);
    assert_eq!(statuses(&service, 3, request).await, [403; 3]);
    assert_eq!(charged(), 3);

    // The guards of a stack outside, and inside a second authentication that says no.
    let second = AuthLayer::from(Second).layer(over(&RequireLayer::scope("admin")));
    let service = stack(&hand(), [budget(100).limiter(limiter.clone())]).layer(second);
    let told = statuses(&service, 3, || {
        let mut request = request();
        request.headers_mut().insert("second", "bad".parse().unwrap());
        request
    });
    assert_eq!(told.await, [401; 3]);
    assert_eq!(charged(), 6);
}

/// A method that stands further in, with a header of its own.
struct Second;

impl tower_auth::Authenticator for Second {
    fn authenticate(&self, request: &tower_auth::RequestHead<'_>) -> tower_auth::AuthFuture {
        use tower_auth::AuthOutcome;
        tower_auth::AuthFuture::ready(match request.headers().get("second") {
            None => AuthOutcome::NoCredential,
            Some(_) => AuthOutcome::Rejected(Rejection::new(RejectionKind::InvalidToken)),
        })
    }

    fn challenge(&self) -> &'static str {
        "Second"
    }
}

/// Stacks around stacks with one budget: the outer one sees what the inner one has charged.
#[tokio::test]
async fn r089_stacks_that_share_a_budget_charge_it_once() {
    for limiter in Remote::both() {
        let charged = || limiter.taken() - limiter.given_back();
        let shared = budget(100).limiter(limiter.clone());
        let inner = AuthStack::builder().auth(Second).limit(shared.clone()).clock(&hand()).build().unwrap();
        let outer = AuthStack::builder().auth(Claimed).limit(shared).clock(&hand()).build().unwrap();
        let service = outer.guards().layer(inner.guards().layer(over(&RequireLayer::scope("admin"))));
        let mut second = request();
        second.headers_mut().insert("second", "bad".parse().unwrap());
        assert_eq!(service.clone().oneshot(second).await.unwrap().status(), 401);
        assert_eq!(charged(), 1, "slow: {}", limiter.is_slow());
        assert_eq!(service.clone().oneshot(bad()).await.unwrap().status(), 401);
        assert_eq!(charged(), 2, "slow: {}", limiter.is_slow());
        assert_eq!(service.clone().oneshot(request()).await.unwrap().status(), 401, "the second brings nothing");
        assert_eq!(charged(), 2, "slow: {}", limiter.is_slow());
    }
}

/// A handler that answers without this crate's words leaves nothing in the response that would tell.
#[tokio::test]
async fn r089_a_foreign_403_is_charged_once_by_stacks_that_share_a_budget() {
    let limiter = Remote::new(false);
    let shared = budget(100).limiter(limiter.clone());
    let stack = || AuthStack::builder().auth(Claimed).limit(shared.clone()).clock(&hand()).build().unwrap();
    let handler = strict(|_| Response::builder().status(403).body(Body::default()).unwrap());
    let service = stack().guards().layer(stack().guards().layer(handler));
    assert_eq!(service.oneshot(request()).await.unwrap().status(), 403);
    assert_eq!(limiter.taken() - limiter.given_back(), 1);
}

/// Two budgets are two: what the inner one has charged, the outer one still has to.
#[tokio::test]
async fn r089_another_budget_further_out_counts_for_itself() {
    let (outer, inner) = (Remote::new(false), Remote::new(false));
    let strict_one =
        RateLimitLayer::failures(Quota::per_hour(3), ClientIp::peer()).limiter(outer.clone()).clock(&hand());
    let guards = stack(&hand(), [budget(1_000).limiter(inner.clone())]).guards();
    let service = strict_one.layer(over(&guards));
    assert_eq!(statuses(&service, 5, bad).await, [401, 401, 401, 429, 429]);
    assert_eq!((outer.taken() - outer.given_back(), inner.taken() - inner.given_back()), (3, 3));
}

/// A handler that reports no response at all leaves its attempt as it was: none was taken.
#[tokio::test]
async fn r089_a_service_that_fails_spends_no_attempt_of_a_stack() {
    let limiter = Remote::new(false);
    let failing = tower::service_fn(async |_: Request<Body>| Err::<Response<Body>, _>("the handler has failed"));
    let service = stack(&hand(), [budget(5).limiter(limiter.clone())]).guards().layer(failing);
    assert!(service.oneshot(request()).await.is_err());
    assert_eq!(limiter.taken(), 0);
}
