//! The budget alone, in front of a login, and shared with a stack: rule 089.

use std::{
    future::{Future as _, pending},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Waker},
    time::Duration,
};

use axum::{Router, body::Body as AxumBody, routing};
use http::{Request, Response, StatusCode};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_auth::{AuthStack, PeerAddr, RateLimitLayer, Rejection, Rules, permission::authenticated};

use super::{Claimed, ask, failures::budget, from, hand, remote::Remote, spend, statuses};
use crate::support::{Body, get, strict};

/// Takes one password.
fn login(request: &Request<Body>) -> Response<Body> {
    match request.headers().get("password") {
        Some(password) if password == "right" => Response::new(Body::default()),
        _ => Rejection::invalid_credentials().into_response(),
    }
}

fn right() -> Request<Body> {
    from("192.0.2.1", get("/login", &[("password", "right")]))
}

fn wrong() -> Request<Body> {
    from("192.0.2.1", get("/login", &[("password", "wrong")]))
}

fn alone(limiter: &Remote) -> RateLimitLayer {
    budget(3).limiter(limiter.clone()).clock(&hand())
}

#[tokio::test]
async fn r089_wrong_passwords_are_told_so_up_to_the_budget() {
    for limiter in Remote::both() {
        let hand = hand();
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let service = budget(3).limiter(limiter).clock(&hand).layer(strict(move |request| {
            counted.fetch_add(1, Ordering::SeqCst);
            login(&request)
        }));
        assert_eq!(statuses(&service, 5, wrong).await, [401, 401, 401, 429, 429]);
        let told = ask(&service, wrong()).await;
        assert_eq!((told.retry_after(), told.header("cache-control")), (Some(20), Some("no-store")));
        assert_eq!(calls.load(Ordering::SeqCst), 3, "the password is not even looked at");
        // Also who knows it has to wait: nobody has looked.
        assert_eq!(ask(&service, right()).await.status, 429);
        let elsewhere = from("192.0.2.2", get("/login", &[("password", "right")]));
        assert_eq!(ask(&service, elsewhere).await.status, 200);
        hand.advance(Duration::from_secs(20));
        assert_eq!(ask(&service, right()).await.status, 200);
        assert_eq!(statuses(&service, 2, wrong).await, [401, 429], "which was given back");
    }
}

#[tokio::test]
async fn r089_p72_a_login_that_succeeds_takes_nothing() {
    for limiter in Remote::both() {
        let service = alone(&limiter).layer(strict(|request| login(&request)));
        assert_eq!(statuses(&service, 50, right).await, [200; 50]);
        assert_eq!(ask(&service, wrong()).await.status, 401);
        assert_eq!(statuses(&service, 50, right).await, [200; 50]);
        assert_eq!((limiter.taken(), limiter.given_back()), (1, 0));
        assert_eq!(spend(&service, wrong).await, 2);
    }
}

/// What is no verdict about a password is no failed attempt.
#[tokio::test]
async fn r089_only_a_verdict_keeps_the_attempt() {
    for limiter in Remote::both() {
        for (status, kept) in [(200, 0), (302, 0), (400, 0), (401, 1), (403, 1), (404, 0), (422, 0), (500, 0), (503, 0)]
        {
            let before = limiter.taken() - limiter.given_back();
            let answer = move |_| Response::builder().status(status).body(Body::default()).unwrap();
            let service = budget(100).limiter(limiter.clone()).clock(&hand()).layer(strict(answer));
            assert_eq!(ask(&service, wrong()).await.status, status);
            assert_eq!(limiter.taken() - limiter.given_back() - before, kept, "{status}");
        }
    }
}

#[tokio::test]
async fn r089_a_login_that_is_dropped_in_the_middle_has_been_an_attempt() {
    for limiter in Remote::both() {
        let handler = service_fn(|request: Request<Body>| async move {
            drop(request);
            pending::<Result<Response<Body>, std::convert::Infallible>>().await
        });
        let service = alone(&limiter).layer(tower_auth::testing::AssertReady::new(handler));
        for _ in 0..2 {
            let mut future = Box::pin(service.clone().oneshot(right()));
            for _ in 0..3 {
                assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            }
        }
        assert_eq!((limiter.taken(), limiter.given_back()), (2, 0));
    }
}

/// As it is mounted in a service: a clone in the stack, a clone in front of the login, which the stack lets anybody ask.
fn service(
    limiter: &Remote,
    attempts: u32,
) -> impl tower::Service<
    Request<Body>,
    Response = Response<impl http_body::Body<Data = bytes::Bytes, Error = std::convert::Infallible>>,
    Error = std::convert::Infallible,
    Future: Send,
> + Clone {
    let shared = budget(attempts).limiter(limiter.clone());
    let rules = Rules::new().public("/login").otherwise(authenticated());
    let stack = AuthStack::builder().auth(Claimed).rules(rules).limit(shared.clone()).clock(&hand()).build().unwrap();
    stack.layer(shared.layer(strict(|request: Request<Body>| match request.uri().path() {
        "/login" => login(&request),
        _ => Response::new(Body::default()),
    })))
}

fn bad_key() -> Request<Body> {
    from("192.0.2.1", get("/", &[("who", "bad")]))
}

#[tokio::test]
async fn r089_a_login_and_a_stack_share_a_budget_and_charge_once() {
    for limiter in Remote::both() {
        let service = service(&limiter, 6);
        let charged = || limiter.taken() - limiter.given_back();
        assert_eq!(statuses(&service, 2, wrong).await, [401; 2]);
        assert_eq!(charged(), 2, "both see it, slow: {}", limiter.is_slow());
        assert_eq!(statuses(&service, 2, bad_key).await, [401; 2]);
        assert_eq!(charged(), 4);
        assert_eq!(statuses(&service, 10, right).await, [200; 10]);
        assert_eq!(charged(), 4);
        assert_eq!(statuses(&service, 3, wrong).await, [401, 401, 429]);
        assert_eq!((charged(), ask(&service, bad_key()).await.status), (6, 429));
        assert_eq!(ask(&service, right()).await.status, 429);
    }
}

/// The layer around the whole stack, instead of the login alone.
#[tokio::test]
async fn r089_a_layer_around_the_stack_takes_no_attempt_of_its_own() {
    for limiter in Remote::both() {
        let shared = budget(3).limiter(limiter.clone());
        let stack = AuthStack::builder().auth(Claimed).limit(shared.clone()).clock(&hand()).build().unwrap();
        let handler = strict(|_| Response::new(Body::default()));
        let service = shared.layer(stack.guards().layer(handler));
        assert_eq!(statuses(&service, 5, bad_key).await, [401, 401, 401, 429, 429], "slow: {}", limiter.is_slow());
    }
}

/// In axum, as in the example server.
#[tokio::test]
async fn r089_a_login_of_axum_shares_the_budget_of_the_private_routes() {
    async fn check(headers: http::HeaderMap) -> Result<&'static str, Rejection> {
        if headers["password"] == "right" { Ok("token") } else { Err(Rejection::invalid_credentials()) }
    }
    let limiter = Remote::new(false);
    let shared = budget(4).limiter(limiter.clone());
    let stack = AuthStack::builder().auth(Claimed).limit(shared.clone()).clock(&hand()).build().unwrap();
    let private = Router::new().route("/", routing::get(|| async { "hello" })).layer(stack.guards());
    let app = Router::new().route("/login", routing::post(check).layer(shared)).merge(private).layer(stack.envelope());
    let send = async |request: http::request::Builder| {
        let mut request = request.body(AxumBody::empty()).unwrap();
        request.extensions_mut().insert(PeerAddr("192.0.2.1".parse().unwrap()));
        app.clone().oneshot(request).await.unwrap().status()
    };
    let login = async |password: &str| send(Request::post("/login").header("password", password)).await;
    let key = async |who: &str| send(Request::get("/").header("who", who)).await;
    let (no, spent) = (StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!([login("wrong").await, key("bad").await, login("wrong").await, key("bad").await], [no; 4]);
    assert_eq!(limiter.taken() - limiter.given_back(), 4);
    assert_eq!([login("wrong").await, key("bad").await, login("right").await], [spent; 3]);
    assert_eq!(key("alice").await, StatusCode::OK);
}
