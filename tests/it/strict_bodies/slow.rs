//! How long bodies may take, and who is polled when.

use std::{
    convert::Infallible,
    future::{Future, pending},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use http::{Request, Response};
use tokio::time::{Instant, advance};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};
use tower_auth::{BodyLimits, Rejection, StrictBodyLayer, strict_body::ReplayBody};

use super::{
    CHUNKED, GOOD, Host, JSON, Order, Seen, ask, everywhere, handler, layer, post, raw,
    script::{Script, Step},
    serve,
};
use crate::support::{Body, runs::Runs};

pub(super) fn limited(limits: &BodyLimits) -> StrictBodyLayer<Order> {
    layer().limits(limits.clone())
}

pub(super) fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

pub(super) type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>>>>;

/// The answer of the layer alone, to be polled by hand; the handler is polled ready as a host does.
pub(super) fn answering(layer: &StrictBodyLayer<Order>, body: Script) -> Answering {
    let mut service = layer.layer(handler(&Seen::default()));
    assert!(service.poll_ready(&mut Context::from_waker(Waker::noop())).is_ready());
    Box::pin(service.call(post(body)))
}

pub(super) fn status(answer: Poll<Result<Response<Body>, Infallible>>) -> Option<u16> {
    match answer {
        Poll::Ready(Ok(response)) => Some(response.status().as_u16()),
        Poll::Pending => None,
    }
}

/// A handler that never answers.
pub(super) async fn stuck(_: Request<ReplayBody<Script>>) -> Result<Response<Body>, Infallible> {
    pending().await
}

pub(super) fn data(text: &'static str) -> Step {
    Step::Data(text.into())
}

#[tokio::test(start_paused = true)]
async fn r152_a_body_is_408_at_the_deadline_and_not_before() {
    let limits = BodyLimits::new().read_timeout(Duration::from_secs(5));
    for (layer, deadline) in [(layer(), 10), (limited(&limits), 5)] {
        for start in [vec![], vec![data("{")], vec![data(""), data("{"), data("\"name\"")]] {
            let body = Script::of(start.into_iter().chain([Step::Stall]));
            let mut answer = answering(&layer, body);
            assert_eq!(status(poll(answer.as_mut())), None);
            advance(Duration::from_millis(deadline * 1000 - 1)).await;
            assert_eq!(status(poll(answer.as_mut())), None);
            advance(Duration::from_millis(1)).await;
            assert_eq!(status(poll(answer.as_mut())), Some(408));
            assert!(poll(answer.as_mut()).is_pending(), "polled after its end it does nothing");
        }
        let before = Instant::now();
        let answer = ask(&layer, post(Script::of([data("{"), Step::Stall]))).await;
        answer.assert_refused(408, "REQUEST_TIMEOUT");
        assert_eq!(before.elapsed(), Duration::from_secs(deadline), "the timer wakes the task that waits");
        assert_eq!((&answer.details()["limit"], answer.header("connection")), (&deadline.into(), Some("close")));
    }
}

#[tokio::test(start_paused = true)]
async fn r152_bytes_that_drip_win_no_time() {
    // A byte a second.
    for (drips, expected) in [(9, (9, 200)), (11, (10, 408))] {
        let (slow, rest) = GOOD.split_at(drips);
        let slow = slow.bytes().flat_map(|byte| [Step::Data(vec![byte].into()), Step::Wait]);
        let mut answer = answering(&layer(), Script::of(slow.chain([data(rest)])));
        let mut seconds = 0;
        let told = loop {
            if let Some(status) = status(poll(answer.as_mut())) {
                break (seconds, status);
            }
            advance(Duration::from_secs(1)).await;
            seconds += 1;
        };
        assert_eq!(told, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn r152_the_time_runs_from_the_first_wait() {
    let mut answer = answering(&layer(), Script::of([Step::Wait, Step::Stall]));
    advance(Duration::from_secs(60)).await;
    for _ in 0..10 {
        assert_eq!(status(poll(answer.as_mut())), None);
        advance(Duration::from_secs(1)).await;
    }
    assert_eq!(status(poll(answer.as_mut())), Some(408));
    let mut ready = answering(&layer(), Script::whole(GOOD));
    advance(Duration::from_secs(60)).await;
    assert_eq!(status(poll(ready.as_mut())), Some(200));
}

#[test]
fn a_body_that_is_there_needs_no_runtime() {
    let pieces = |count| Script::pieces(std::iter::once(GOOD).chain(std::iter::repeat_n(" ", count)));
    for body in [Script::whole(GOOD), pieces(50)] {
        assert_eq!(status(poll(answering(&layer(), body).as_mut())), Some(200));
    }
    let mut typo = answering(&layer(), Script::whole(super::TYPO));
    assert_eq!(status(poll(typo.as_mut())), Some(422));
}

#[test]
fn a_body_of_many_pieces_that_are_there_needs_no_runtime() {
    let body = Script::pieces(std::iter::once(GOOD).chain(std::iter::repeat_n(" ", 1000)));
    let mut answer = answering(&layer(), body);
    let last = (0..1000).find_map(|_| status(poll(answer.as_mut())));
    assert_eq!(last, Some(200));
}

#[test]
fn p83_a_slow_body_is_408_in_every_runtime_and_without_one() {
    let limits = BodyLimits::new().read_timeout(Duration::from_millis(50));
    for host in Runs::ALL {
        for start in [&[Step::Stall][..], &[data("{"), Step::Stall], &[Step::Wait, Step::Endless("")]] {
            // A runtime that is always busy never moves its time.
            if host == Runs::Paused && matches!(start, [.., Step::Endless(_)]) {
                continue;
            }
            let answer = answering(&limited(&limits), Script::of(start.to_vec()));
            let response = host.block_on(answer).unwrap();
            let refusal = Rejection::of(&response).unwrap();
            assert_eq!((response.status().as_u16(), refusal.layer()), (408, Some("strict_body")), "{host:?}");
        }
        let slow = Script::of([data("{"), Step::Wait, data(&GOOD[1..])]);
        assert_eq!(host.block_on(answering(&limited(&limits), slow)).unwrap().status(), 200, "{host:?}");
    }
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn r152_a_body_that_is_always_ready_lets_others_have_their_turn() {
    for piece in ["", " "] {
        let body = Script::of(std::iter::repeat_n(data(piece), 10_000).chain([data(GOOD)]));
        let polled = body.polled();
        let mut answer = answering(&layer(), body);
        let woken = Arc::<Woken>::default();
        let waker = Waker::from(Arc::clone(&woken));
        let (mut turns, mut before) = (0, 0);
        let last = loop {
            if let Some(status) = status(answer.as_mut().poll(&mut Context::from_waker(&waker))) {
                break status;
            }
            turns += 1;
            assert_eq!(woken.0.swap(0, Ordering::SeqCst), 1, "a task that yields asks to be polled again");
            assert!((1..=256).contains(&(polled() - before)), "{} in one turn", polled() - before);
            before = polled();
        };
        assert_eq!(last, 200);
        assert!(turns >= 39, "{turns}");
    }
}

#[tokio::test(start_paused = true)]
async fn r152_a_body_that_is_always_ready_does_not_go_past_its_time() {
    let mut answer = answering(&layer(), Script::of([Step::Wait, Step::Endless("")]));
    assert_eq!(status(poll(answer.as_mut())), None);
    advance(Duration::from_millis(9_999)).await;
    assert_eq!(status(poll(answer.as_mut())), None);
    advance(Duration::from_millis(1)).await;
    assert_eq!(status(poll(answer.as_mut())), Some(408));
}

#[tokio::test]
async fn r152_nothing_more_is_asked_of_a_body_that_was_refused_or_handed_on() {
    let limits = BodyLimits::new().max_bytes(20);
    for (steps, expected, polls) in [
        (vec![data("{"), Step::Fail, Step::Unread], 400, 2),
        (vec![data("123456789012345678901"), Step::Unread], 413, 1),
        (vec![data(GOOD)], 200, 2),
    ] {
        let body = Script::of(steps);
        let polled = body.polled();
        let mut answer = answering(&limited(&limits), body);
        assert_eq!(status(poll(answer.as_mut())), Some(expected));
        assert_eq!(polled(), polls);
    }
    let body = Script::whole(GOOD);
    let polled = body.polled();
    let mut answer = pin!(layer().layer(service_fn(stuck)).oneshot(post(body)));
    for _ in 0..5 {
        assert!(poll(answer.as_mut()).is_pending());
        assert_eq!(polled(), 2, "the handler has it");
    }
}

#[tokio::test]
async fn p01_the_service_that_is_called_is_the_one_that_was_polled_ready() {
    let seen = Seen::default();
    let layer = layer().allow_other_media_types();
    let mut service = layer.layer(handler(&seen));
    let request = |road: &str| match road {
        "ready" => post(Script::whole(GOOD)),
        "waiting" => post(Script::of([Step::Wait, data(GOOD), Step::Wait])),
        _ => Request::post("/").header("content-type", "text/plain").body(Script::whole(GOOD)).unwrap(),
    };
    for road in ["ready", "waiting", "passing"] {
        let request = || request(road);
        for _ in 0..2 {
            assert_eq!(service.ready().await.unwrap().call(request()).await.unwrap().status(), 200, "{road}");
            assert_eq!(service.clone().oneshot(request()).await.unwrap().status(), 200, "{road}, a clone");
        }
        // A refusal calls nobody, and leaves the service ready for the next.
        assert_eq!(service.ready().await.unwrap().call(post(Script::whole(""))).await.unwrap().status(), 400);
        let first = service.ready().await.unwrap().call(request());
        let second = service.ready().await.unwrap().call(request());
        assert_eq!(
            (second.await.unwrap().status(), first.await.unwrap().status()),
            (200.try_into().unwrap(), 200.try_into().unwrap())
        );
        assert_eq!(seen.lock().unwrap().drain(..).count(), 6, "{road}");
    }
}

/// Not ready until it was asked twice; nor is a clone.
#[derive(Default)]
struct Busy(usize);

impl Clone for Busy {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Service<Request<ReplayBody<Script>>> for Busy {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0 += 1;
        if self.0 > 2 { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn call(&mut self, _: Request<ReplayBody<Script>>) -> Self::Future {
        assert!(std::mem::take(&mut self.0) > 2, "called before it was ready");
        std::future::ready(Ok(Response::new(Body::default())))
    }
}

#[tokio::test]
async fn r152_the_layer_is_ready_when_its_service_is() {
    let mut service = layer().layer(Busy::default());
    for _ in 0..2 {
        let ready = [(); 3].map(|()| service.poll_ready(&mut Context::from_waker(Waker::noop())).is_ready());
        assert_eq!(ready, [false, false, true]);
        assert_eq!(service.call(post(Script::of([Step::Wait, data(GOOD)]))).await.unwrap().status(), 200);
    }
}

#[test]
fn r152_a_slow_body_over_a_socket_is_408() {
    let layer = limited(&BodyLimits::new().read_timeout(Duration::from_millis(200)));
    everywhere(&layer, |served| {
        let continued = "expect: 100-continue";
        for (lines, begun) in [
            (&[JSON, "content-length: 100"][..], "{\"name\":"),
            (&[JSON, "content-length: 100"], ""),
            (&[JSON, CHUNKED], "1\r\n{\r\n"),
            (&[JSON, CHUNKED], &format!("{:x}\r\n{GOOD}\r\n", GOOD.len())),
            (&[JSON, "content-length: 100", continued], ""),
        ] {
            let mut wire = served.wire();
            wire.send(raw("POST /", lines, begun));
            let mut reply = wire.reply();
            if lines.contains(&continued) {
                assert_eq!(reply.status, 100);
                reply = wire.reply();
            }
            assert_eq!((reply.status, &*reply.code()), (408, "REQUEST_TIMEOUT"), "{:?} {lines:?}", served.host);
            assert_eq!(reply.header("connection"), ["close"]);
            wire.assert_closed();
        }
        assert_eq!(served.calls(), 0);
    });
}

#[tokio::test]
async fn r152_a_slow_body_over_http2_is_408_and_closes_nothing() {
    let layer = limited(&BodyLimits::new().read_timeout(Duration::from_millis(200)));
    for host in [Host::Axum, Host::Hyper] {
        let served = serve(host, &layer).await;
        let reply = served.http2(Script::of([data("{"), Step::Stall])).await;
        assert_eq!(reply.told(), (408, "REQUEST_TIMEOUT".to_owned()), "{host:?}");
        assert_eq!(reply.header("connection"), Vec::<&str>::new());
    }
}
