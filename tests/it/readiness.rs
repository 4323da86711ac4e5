//! Under every layer stands a service that panics when it is called without having been polled ready itself; and every
//! future may be dropped at any await.

use std::{
    convert::Infallible,
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use http::{HeaderName, Request, Response, StatusCode, header};
use tower::{Layer, Service, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthFuture, AuthLayer, AuthOutcome, AuthStack, Authenticator, ConfigError, ErrorEnvelopeLayer,
    KeyDigests, KeyRecord, KeyStore, MaybeReady, Principal, RequestExt as _, RequestHead, RequireLayer, StoreFuture,
    permission::{Permission, PermissionFuture, Verdict, authenticated, scope},
};

use crate::support::{Body, Careless, KEY, Strict, get, ok, store, strict};

/// Whatever it wraps, answering one poll later than at once.
struct Slow<T>(T);

async fn yield_once() {
    let mut yielded = false;
    poll_fn(move |cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn later<T: Send + 'static>(answer: MaybeReady<T>) -> MaybeReady<T> {
    MaybeReady::boxed(async move {
        yield_once().await;
        answer.await
    })
}

impl<S: KeyStore> KeyStore for Slow<S> {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        later(self.0.find(key))
    }

    fn find_fresh(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        later(self.0.find_fresh(key))
    }
}

impl<A: Authenticator> Authenticator for Slow<A> {
    fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
        later(self.0.authenticate(request))
    }

    fn challenge(&self) -> &str {
        self.0.challenge()
    }

    fn credential_headers(&self) -> &[HeaderName] {
        self.0.credential_headers()
    }

    fn check_config(&self) -> Result<(), ConfigError> {
        self.0.check_config()
    }
}

impl<P: Permission> Permission for Slow<P> {
    fn check(&self, who: &Principal, request: &RequestHead<'_>) -> PermissionFuture {
        later(self.0.check(who, request))
    }
}

/// A method that never finds anything, and counts how often it was asked.
struct Nobody(Arc<AtomicUsize>);

impl Authenticator for Nobody {
    fn authenticate(&self, _: &RequestHead<'_>) -> AuthFuture {
        self.0.fetch_add(1, Ordering::SeqCst);
        AuthFuture::ready(AuthOutcome::NoCredential)
    }

    fn challenge(&self) -> &'static str {
        "Nobody"
    }
}

fn nobody() -> Nobody {
    Nobody(Arc::default())
}

/// A policy that notes its name when it is asked.
struct Noted(&'static str, bool, Arc<Mutex<Vec<&'static str>>>);

impl Permission for Noted {
    fn check(&self, _: &Principal, _: &RequestHead<'_>) -> PermissionFuture {
        self.2.lock().unwrap().push(self.0);
        PermissionFuture::ready(Verdict::from(self.1))
    }
}

fn record() -> KeyRecord {
    KeyRecord::new("key_1", "acme").scopes(["read"])
}

fn keys() -> ApiKeyLayer {
    let (scheme, store) = store(record());
    ApiKeyLayer::new(scheme, store)
}

/// The same, from a store that has to be waited for.
fn slow_keys() -> ApiKeyLayer {
    let (scheme, store) = store(record());
    ApiKeyLayer::new(scheme, Slow(store))
}

fn request() -> Request<Body> {
    get("/", &[("x-api-key", KEY)])
}

fn stranger() -> Request<Body> {
    get("/", &[("x-api-key", "ak_0000000000000000000000000000000000000000")])
}

type Calls = Arc<AtomicUsize>;

/// A strict service that counts its calls.
fn counted(calls: &Calls) -> Strict<impl Fn(Request<Body>) -> Response<Body> + Clone + use<>> {
    let calls = Arc::clone(calls);
    strict(move |_| {
        calls.fetch_add(1, Ordering::SeqCst);
        Response::new(Body::default())
    })
}

/// Whatever a strict service under some layer is, boxed so that layers can stand in one table.
type Mounted = tower::util::BoxCloneSyncService<Request<Body>, StatusCode, Infallible>;

fn mount<L, S, B>(layer: &L, inner: S) -> Mounted
where
    L: Layer<S>,
    L::Service: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    <L::Service as Service<Request<Body>>>::Future: Send + 'static,
    B: 'static,
{
    Mounted::new(layer.layer(inner).map_response(|response: Response<B>| response.status()))
}

fn two_methods(second: impl Authenticator) -> AuthLayer {
    AuthLayer::first(nobody()).then(second)
}

fn stack(auth: impl Into<AuthLayer>, policy: impl Permission) -> AuthStack {
    AuthStack::builder().auth(auth).require(policy).build().unwrap()
}

/// Every layer over the same kind of strict service, with all answers ready.
fn ready_road(calls: &Calls) -> Vec<(&'static str, Mounted)> {
    let require = RequireLayer::scope("read");
    vec![
        ("ApiKeyLayer", mount(&keys(), counted(calls))),
        ("AuthLayer of two", mount(&two_methods(keys()), counted(calls))),
        ("AuthLayer, optional", mount(&keys().optional(), counted(calls))),
        ("RequireLayer", mount(&keys(), require.layer(counted(calls)))),
        ("ErrorEnvelopeLayer", mount(&ErrorEnvelopeLayer::detailed(), counted(calls))),
        ("AuthStack", mount(&stack(keys(), scope("read")), counted(calls))),
        ("AuthStack::guards", mount(&stack(keys(), scope("read")).guards(), counted(calls))),
    ]
}

/// The same layers, with how often a request has to wait in them. An envelope has nothing of its own to wait for.
fn pending_road(calls: &Calls) -> Vec<(&'static str, usize, Mounted)> {
    let (late, read) = (|| two_methods(Slow(slow_keys())), || Slow(scope("read")));
    let first_is_slow = AuthLayer::first(Slow(nobody())).then(slow_keys());
    let require = RequireLayer::new(read());
    let slow_inside = slow_keys().layer(counted(calls));
    vec![
        ("ApiKeyLayer", 1, mount(&slow_keys(), counted(calls))),
        ("AuthLayer of two, the second slow", 2, mount(&late(), counted(calls))),
        ("AuthLayer of two, both slow", 2, mount(&first_is_slow, counted(calls))),
        ("AuthLayer, optional", 1, mount(&slow_keys().optional(), counted(calls))),
        ("RequireLayer", 1, mount(&keys(), require.layer(counted(calls)))),
        ("RequireLayer behind a slow key", 2, mount(&slow_keys(), require.layer(counted(calls)))),
        ("ErrorEnvelopeLayer", 1, mount(&ErrorEnvelopeLayer::detailed(), slow_inside)),
        ("AuthStack", 2, mount(&stack(slow_keys(), read()), counted(calls))),
        ("AuthStack, the policy slow", 1, mount(&stack(keys(), read()), counted(calls))),
        ("AuthStack::guards", 2, mount(&stack(slow_keys(), read()).guards(), counted(calls))),
    ]
}

/// Two requests in a row, two through clones, and two at once that end in the other order.
async fn serves(what: &str, mut service: Mounted, calls: &Calls) {
    calls.store(0, Ordering::SeqCst);
    for _ in 0..2 {
        assert_eq!(service.ready().await.unwrap().call(request()).await, Ok(StatusCode::OK), "{what}");
    }
    for _ in 0..2 {
        assert_eq!(service.clone().oneshot(request()).await, Ok(StatusCode::OK), "{what}, a clone");
    }
    let mut clone = service.clone();
    let first = service.ready().await.unwrap().call(request());
    let second = service.ready().await.unwrap().call(request());
    let third = clone.ready().await.unwrap().call(request());
    for future in [third, second, first] {
        assert_eq!(future.await, Ok(StatusCode::OK), "{what}, at once");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 7, "{what}");
}

#[tokio::test]
async fn p01_clone_is_polled_ready_on_the_ready_road() {
    let calls = Calls::default();
    for (what, service) in ready_road(&calls) {
        serves(what, service, &calls).await;
    }
}

#[tokio::test]
async fn p01_clone_is_polled_ready_on_the_pending_road() {
    let calls = Calls::default();
    for (what, _, service) in pending_road(&calls) {
        serves(what, service, &calls).await;
    }
}

#[tokio::test]
#[should_panic(expected = "called without being polled ready")]
async fn p01_clone_that_was_not_polled_is_found_by_the_probe() {
    let _ = Careless(ok()).oneshot(request()).await;
}

/// A refusal calls nobody, and the service that was polled ready for it serves the next request.
#[tokio::test]
async fn a_refused_request_leaves_the_service_usable() {
    let calls = Calls::default();
    let all = ready_road(&calls).into_iter().chain(pending_road(&calls).into_iter().map(|(what, _, s)| (what, s)));
    for (what, mut service) in all.filter(|(what, _)| *what != "ErrorEnvelopeLayer") {
        calls.store(0, Ordering::SeqCst);
        let refused = service.ready().await.unwrap().call(stranger()).await;
        assert_eq!((refused, calls.load(Ordering::SeqCst)), (Ok(StatusCode::UNAUTHORIZED), 0), "{what}");
        let admitted = service.ready().await.unwrap().call(request()).await;
        assert_eq!((admitted, calls.load(Ordering::SeqCst)), (Ok(StatusCode::OK), 1), "{what}");
    }
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn a_request_may_be_dropped_at_every_await() {
    let calls = Calls::default();
    for (what, waits, mut service) in pending_road(&calls) {
        for polls in 0..=waits {
            calls.store(0, Ordering::SeqCst);
            let mut dropped = service.ready().await.unwrap().call(request());
            for _ in 0..polls {
                assert!(poll(dropped.as_mut()).is_pending(), "{what} waits {waits} times");
            }
            drop(dropped);
            assert_eq!(calls.load(Ordering::SeqCst), 0, "{what}: the inner service saw a request that was dropped");
            let next = service.ready().await.unwrap().call(request()).await;
            assert_eq!((next, calls.load(Ordering::SeqCst)), (Ok(StatusCode::OK), 1), "{what}, after {polls} polls");
        }
        let mut whole = service.ready().await.unwrap().call(request());
        let polls = (1..9).find(|_| poll(whole.as_mut()).is_ready());
        assert_eq!(polls, Some(waits + 1), "{what}: every await is in the list above");
    }
}

#[tokio::test]
async fn a_service_may_be_dropped_while_its_request_waits() {
    let calls = Calls::default();
    for (what, _, mut service) in pending_road(&calls) {
        let waiting = service.ready().await.unwrap().call(request());
        drop(service);
        assert_eq!(waiting.await, Ok(StatusCode::OK), "{what}");
    }
}

#[tokio::test]
async fn a_method_that_finds_no_credential_late_lets_the_next_be_asked() {
    let who = |layer: AuthLayer| async move {
        let inner = strict(|request: Request<Body>| {
            let subject = request.principal().map_or("nobody", Principal::subject).to_owned();
            Response::builder().header("subject", subject).body(Body::default()).unwrap()
        });
        layer.layer(inner).oneshot(request()).await.unwrap().headers()["subject"].to_str().unwrap().to_owned()
    };
    assert_eq!(who(AuthLayer::first(Slow(nobody())).then(keys())).await, "acme");
    assert_eq!(who(AuthLayer::first(Slow(nobody())).then(Slow(nobody())).then(slow_keys())).await, "acme");
    assert_eq!(who(AuthLayer::first(nobody()).then(Slow(nobody())).then(nobody()).then(Slow(keys()))).await, "acme");
    assert_eq!(who(AuthLayer::first(Slow(nobody())).then(nobody()).optional()).await, "nobody");
}

#[tokio::test]
async fn late_methods_are_each_asked_once_and_all_challenges_offered() {
    let asked = Calls::default();
    let method = || Slow(Nobody(Arc::clone(&asked)));
    let layer = AuthLayer::first(method()).then(Nobody(Arc::clone(&asked))).then(method()).then(slow_keys());
    let response = layer.layer(ok()).oneshot(get("/", &[])).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Nobody, ApiKey realm=\"api\"");
}

#[tokio::test]
async fn a_credential_found_bad_late_is_not_rescued_by_the_next_method() {
    let asked = Calls::default();
    let layer = AuthLayer::first(Slow(slow_keys())).then(Nobody(Arc::clone(&asked)));
    let status = layer.optional().layer(ok()).oneshot(stranger()).await.unwrap().status();
    assert_eq!((status, asked.load(Ordering::SeqCst)), (StatusCode::UNAUTHORIZED, 0));
}

#[tokio::test]
async fn pending_guards_follow_each_other_in_order() {
    let asked = Arc::default();
    let noted = |name, grants| Noted(name, grants, Arc::clone(&asked));
    let builder = || AuthStack::builder().auth(slow_keys()).require(Slow(noted("one", true)));
    let admitting = builder().require(noted("two", true)).require(Slow(noted("three", true))).build().unwrap();
    let mut future = pin!(admitting.layer(ok()).oneshot(request()));
    let polls = (1..9).find(|_| poll(future.as_mut()).is_ready());
    assert_eq!((polls, std::mem::take(&mut *asked.lock().unwrap())), (Some(4), vec!["one", "two", "three"]));

    let denying = builder().require(Slow(noted("two", false))).require(Slow(noted("three", true))).build().unwrap();
    let calls = Calls::default();
    let status = denying.layer(counted(&calls)).oneshot(request()).await.unwrap().status();
    assert_eq!((status, calls.load(Ordering::SeqCst)), (StatusCode::FORBIDDEN, 0));
    assert_eq!(*asked.lock().unwrap(), ["one", "two"], "nobody is asked behind a denial");
}

#[tokio::test]
async fn combined_policies_wait_on_either_side() {
    let policy = |grants, slow| -> Arc<dyn Permission> {
        let noted = Noted("", grants, Arc::default());
        if slow { Arc::new(Slow(noted)) } else { Arc::new(noted) }
    };
    for bits in 0..16_u8 {
        let [one, other, slow, other_slow] = [1, 2, 4, 8].map(|bit| bits & bit != 0);
        let pair = || (policy(one, slow), policy(other, other_slow));
        let and = RequireLayer::new(pair().0.and(pair().1));
        let or = RequireLayer::new(pair().0.or(pair().1));
        for (layer, grants) in [(and, one && other), (or, one || other)] {
            let status = keys().layer(layer.layer(ok())).oneshot(request()).await.unwrap().status();
            assert_eq!(status == StatusCode::OK, grants, "{bits:04b}");
        }
    }
}

/// Ends with the value that it was given, at every poll: so a second poll that reaches it does not panic for a reason of its own.
#[derive(Clone, Copy)]
struct Patient;

impl Service<Request<Body>> for Patient {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Again;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Again {
        Again
    }
}

struct Again;

impl Future for Again {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(Response::new(Body::default())))
    }
}

fn poll_past_the_end<L, B>(layer: &L, request: Request<Body>)
where
    L: Layer<Patient>,
    L::Service: Service<Request<Body>, Response = Response<B>, Error: fmt::Debug>,
{
    let mut service = layer.layer(Patient);
    assert!(service.poll_ready(&mut Context::from_waker(Waker::noop())).is_ready());
    let mut future = pin!(service.call(request));
    assert!((0..9).any(|_| poll(future.as_mut()).is_ready()));
    for _ in 0..3 {
        let _ = poll(future.as_mut());
    }
}

#[test]
fn futures_polled_after_their_end_do_not_panic() {
    for request in [request, stranger, || get("/", &[])] {
        poll_past_the_end(&keys(), request());
        poll_past_the_end(&slow_keys(), request());
        poll_past_the_end(&AuthLayer::first(Slow(nobody())).then(Slow(keys())), request());
        poll_past_the_end(&stack(keys(), scope("write")), request());
        poll_past_the_end(&stack(slow_keys(), Slow(scope("write"))), request());
        poll_past_the_end(&stack(slow_keys(), Slow(authenticated())), request());
        poll_past_the_end(&stack(slow_keys(), Slow(scope("read"))).guards(), request());
        poll_past_the_end(&ErrorEnvelopeLayer::detailed(), request());
        poll_past_the_end(&RequireLayer::scope("read"), request());
    }
    let mut answer = MaybeReady::ready(1);
    assert_eq!(poll(Pin::new(&mut answer)), Poll::Ready(1));
    assert!(poll(Pin::new(&mut answer)).is_pending());
}
