//! What is counted: all of a request or none of it, once, whatever goes on at the same time; rules 133 and 139, pitfalls 42
//! and 48.

use std::{
    future::{Future, pending},
    pin::pin,
    sync::Barrier,
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use http::{Request, Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_auth::{ClientIp, Quota, RateLimitLayer, testing::AssertReady};

use super::{alice, ask, by_plan, from, hand, over, remote::Remote, spend, stack, statuses};
use crate::support::{Body, client, get, server::Reply, sockets, strict};

/// So many threads send so many requests each, at once; how many were answered so.
fn at_once<S>(service: &S, threads: usize, each: usize, status: u16, request: fn() -> Request<Body>) -> usize
where
    S: tower::Service<Request<Body>, Error = std::convert::Infallible> + Clone + Sync,
    S::Response: Into<Response<Body>>,
{
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        let send = || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            start.wait();
            let one = || runtime.block_on(service.clone().oneshot(request())).unwrap().into().status().as_u16();
            (0..each).filter(|_| one() == status).count()
        };
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(send)).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

#[test]
fn r133_exactly_as_many_as_the_limit_get_through_at_once() {
    for limiter in Remote::both() {
        let limit = by_plan([Quota::per_minute(1_000), Quota::per_hour(777)]).limiter(limiter.clone());
        let service = over(&stack(&hand(), [limit]).guards());
        assert_eq!(at_once(&service, 8, 200, 200, alice), 777, "slow: {}", limiter.is_slow());
        assert_eq!((limiter.asked(), limiter.taken()), (1_600, 777));
    }
    let service = over(&stack(&hand(), [by_plan(Quota::per_minute(500))]).guards());
    assert_eq!(at_once(&service, 8, 100, 200, alice), 500);
    let service = over(&RateLimitLayer::by_address(Quota::per_minute(500), ClientIp::peer()).clock(&hand()));
    assert_eq!(at_once(&service, 8, 100, 200, || from("192.0.2.1", get("/", &[]))), 500);
}

/// What is asked and what is counted is one step, also for requests that are let through and are not answered yet.
#[test]
fn p42_requests_that_are_still_under_way_are_counted() {
    let service = by_limit_over_a_handler_that_never_answers();
    let mut under_way = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    let mut refused = 0;
    for _ in 0..20 {
        let mut future = Box::pin(service.clone().oneshot(alice()));
        match future.as_mut().poll(&mut context) {
            Poll::Pending => under_way.push(future),
            Poll::Ready(response) => {
                assert_eq!(response.unwrap().status(), StatusCode::TOO_MANY_REQUESTS);
                refused += 1;
            }
        }
    }
    assert_eq!((under_way.len(), refused), (7, 13));
}

fn by_limit_over_a_handler_that_never_answers()
-> impl tower::Service<Request<Body>, Response = Response<Body>, Error = std::convert::Infallible, Future: Send> + Clone
{
    let handler = service_fn(|request: Request<Body>| async move {
        drop(request);
        pending::<Result<Response<Body>, std::convert::Infallible>>().await
    });
    stack(&hand(), [by_plan(Quota::per_minute(7))]).guards().layer(AssertReady::new(handler))
}

/// Who goes away may have had what was asked for.
#[tokio::test]
async fn r133_a_request_that_is_dropped_stays_counted() {
    let handler = service_fn(|request: Request<Body>| async move {
        if request.headers().contains_key("wait") {
            pending::<()>().await;
        }
        Ok::<_, std::convert::Infallible>(Response::new(Body::default()))
    });
    for limiter in Remote::both() {
        let limit = by_plan(Quota::per_minute(10)).limiter(limiter.clone());
        let service = stack(&hand(), [limit]).layer(AssertReady::new(handler));
        for left in [9, 7, 5] {
            assert_eq!(ask(&service, alice()).await.remaining(), Some(left), "slow: {}", limiter.is_slow());
            let mut future = Box::pin(service.clone().oneshot(get("/", &[("who", "alice"), ("wait", "")])));
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..3 {
                assert!(future.as_mut().poll(&mut context).is_pending());
            }
            drop(future);
        }
        assert_eq!((limiter.taken(), limiter.given_back()), (6, 0));
    }
}

/// Dropped before a limiter that has to be waited for has said anything, it is counted nowhere.
#[tokio::test]
async fn r133_a_request_that_is_dropped_before_it_was_counted_is_not() {
    let limiter = Remote::new(true);
    let service = over(&stack(&hand(), [by_plan(Quota::per_minute(3)).limiter(limiter.clone())]));
    for _ in 0..10 {
        let mut future = pin!(service.clone().oneshot(alice()));
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert_eq!((limiter.taken(), spend(&service, alice).await), (0, 3));
}

#[tokio::test]
async fn p48_one_window_that_refuses_charges_no_other() {
    for quotas in [
        [Quota::per_second(2), Quota::per_hour(5)],
        // The order of the windows does not matter.
        [Quota::per_hour(5), Quota::per_second(2)],
    ] {
        let hand = hand();
        let service = over(&stack(&hand, [by_plan(quotas)]));
        assert_eq!(statuses(&service, 2, alice).await, [200; 2]);
        // A storm against the short window leaves the long one alone.
        assert_eq!(statuses(&service, 100, alice).await, [429; 100]);
        hand.advance(Duration::from_secs(1));
        assert_eq!(statuses(&service, 3, alice).await, [200, 200, 429]);
        hand.advance(Duration::from_secs(1));
        let last = ask(&service, alice()).await;
        assert_eq!((last.status, last.limit(), last.remaining()), (200, Some(5), Some(0)));
        // And the other way round: the long one refuses, the short one is full when it lets through again.
        let refused = ask(&service, alice()).await;
        assert_eq!((refused.status, refused.limit()), (429, Some(5)));
        assert_eq!(statuses(&service, 100, alice).await, [429; 100]);
        hand.advance(Duration::from_secs(2 * 720));
        assert_eq!(statuses(&service, 3, alice).await, [200, 200, 429]);
    }
}

/// An upgrade is a request, and what is sent on the connection from then on is none.
#[tokio::test]
async fn r139_a_handshake_is_charged_once() {
    let handler = strict(|request: Request<Body>| {
        let upgrades = request.headers().contains_key("upgrade");
        let status = if upgrades { StatusCode::SWITCHING_PROTOCOLS } else { StatusCode::OK };
        Response::builder().status(status).body(Body::default()).unwrap()
    });
    let service = stack(&hand(), [by_plan(Quota::per_minute(5)).ietf_headers()]).layer(handler);
    let handshake = get("/", &[("who", "alice"), ("upgrade", "websocket"), ("connection", "upgrade")]);
    let told = ask(&service, handshake).await;
    assert_eq!((told.status, told.standing()), (101, Some((5, 4, 12))));
    assert_eq!(told.header("ratelimit"), Some(r#""minute";r=4;t=48"#));
    assert_eq!(ask(&service, alice()).await.remaining(), Some(3));
}

/// The same on a socket, with messages after the handshake.
#[tokio::test]
async fn r139_messages_after_the_handshake_are_not_charged() {
    let echo = async |request: Request<axum::body::Body>| {
        if !request.headers().contains_key("upgrade") {
            return Response::new(axum::body::Body::empty());
        }
        tokio::spawn(async move {
            let mut stream = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
            let mut message = [0; 4];
            while stream.read_exact(&mut message).await.is_ok() {
                stream.write_all(&message).await.unwrap();
            }
        });
        let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
        response.header("connection", "upgrade").header("upgrade", "echo").body(axum::body::Body::empty()).unwrap()
    };
    let app = axum::Router::new().fallback(echo).layer(stack(&hand(), [by_plan(Quota::per_minute(5))]));
    let server = sockets::axum(app).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\nwho: alice\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n")
        .await
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let handshake = Reply::parse(&head);
    assert_eq!((handshake.status, handshake.header("x-ratelimit-remaining")), (101, vec!["4"]));
    for _ in 0..20 {
        let mut echo = [0; 4];
        stream.write_all(b"ping").await.unwrap();
        stream.read_exact(&mut echo).await.unwrap();
        assert_eq!(&echo, b"ping");
    }
    let next =
        Request::get(format!("http://{}/", server.address)).header("who", "alice").body(Body::default()).unwrap();
    let next = client::ask(Version::HTTP_11, next).await;
    assert_eq!((next.status.as_u16(), next.header("x-ratelimit-remaining")), (200, vec!["3"]));
}
