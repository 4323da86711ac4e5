//! The budget where the store has to be waited for: it is asked before anybody else is, and charged for failures alone.

use std::{
    convert::Infallible,
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use tower::{Layer as _, Service, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthFuture, AuthLayer, AuthOutcome, AuthStack, Authenticator, KeyDigests, KeyRecord, KeyStore,
    MaybeReady, MemoryKeyStore, Principal, RateLimitLayer, Rejection, RequestHead, StoreFuture,
};

use super::{ask, failures::budget, from, hand, remote::Remote, spend, statuses};
use crate::support::{Body, KEY, get, ok, store};

const STRANGER: &str = "ak_0000000000000000000000000000000000000000";

/// A store behind a network: nothing happens before it is waited for.
#[derive(Clone)]
pub(super) struct Slow(Arc<State>);

struct State {
    keys: MemoryKeyStore,
    /// How often it was really asked.
    asked: AtomicUsize,
    mood: Mutex<Mood>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Answers,
    Fails,
    Hangs,
    /// Until the test sets another.
    Waits,
}

impl Slow {
    pub(super) fn new(keys: MemoryKeyStore) -> Self {
        Self(Arc::new(State { keys, asked: AtomicUsize::new(0), mood: Mutex::new(Mood::Answers) }))
    }

    pub(super) fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }

    fn set(&self, mood: Mood) {
        *self.0.mood.lock().unwrap() = mood;
    }
}

impl KeyStore for Slow {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        let (this, found) = (Arc::clone(&self.0), self.0.keys.find(key));
        MaybeReady::boxed(async move {
            this.asked.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            let mood = std::future::poll_fn(|cx| match *this.mood.lock().unwrap() {
                Mood::Waits => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                mood => Poll::Ready(mood),
            });
            match mood.await {
                Mood::Waits => unreachable!("it was waited for"),
                Mood::Answers => found.await,
                Mood::Fails => Err("the test made it fail".into()),
                Mood::Hangs => std::future::pending().await,
            }
        })
    }
}

/// A stack of one key in a slow store.
fn slow(limit: RateLimitLayer) -> (AuthStack, Slow) {
    let (scheme, keys) = store(KeyRecord::new("key_1", "acme"));
    let keys = Slow::new(keys);
    let auth = ApiKeyLayer::new(scheme, keys.clone());
    (AuthStack::builder().auth(auth).limit(limit).clock(&hand()).build().unwrap(), keys)
}

fn bad() -> http::Request<Body> {
    from("192.0.2.1", get("/", &[("x-api-key", STRANGER)]))
}

fn good() -> http::Request<Body> {
    from("192.0.2.1", get("/", &[("x-api-key", KEY)]))
}

#[tokio::test]
async fn r089_an_exhausted_address_does_not_reach_the_store() {
    for limiter in Remote::both() {
        let (stack, keys) = slow(budget(3).limiter(limiter.clone()));
        let service = stack.layer(ok());
        assert_eq!(statuses(&service, 6, bad).await, [401, 401, 401, 429, 429, 429]);
        assert_eq!(keys.asked(), 3, "slow: {}", limiter.is_slow());
        let told = ask(&service, good()).await;
        assert_eq!(
            (told.status, told.retry_after(), keys.asked()),
            (429, Some(20), 3),
            "nobody knows yet that it is good"
        );
        let elsewhere = from("192.0.2.2", get("/", &[("x-api-key", KEY)]));
        assert_eq!((ask(&service, elsewhere).await.status, keys.asked()), (200, 4));
        // What can be decided without the store is decided without it, and that too is refused now.
        let malformed = from("192.0.2.1", get("/", &[("x-api-key", "short")]));
        assert_eq!((ask(&service, malformed).await.status, keys.asked()), (429, 4));
    }
}

#[tokio::test]
async fn r089_p72_a_success_takes_nothing() {
    for limiter in Remote::both() {
        let (stack, keys) = slow(budget(3).limiter(limiter.clone()));
        let service = stack.layer(ok());
        assert_eq!(ask(&service, bad()).await.status, 401);
        for _ in 0..50 {
            assert_eq!(ask(&service, good()).await.status, 200);
        }
        assert_eq!((limiter.taken(), limiter.given_back(), keys.asked()), (1, 0, 51));
        assert_eq!(spend(&service, bad).await, 2);
    }
}

#[tokio::test]
async fn r089_a_store_that_has_to_be_waited_for_and_fails_spends_nothing() {
    for limiter in Remote::both() {
        let (stack, keys) = slow(budget(3).limiter(limiter.clone()));
        let service = stack.layer(ok());
        keys.set(Mood::Fails);
        assert_eq!(statuses(&service, 20, bad).await, [503; 20]);
        keys.set(Mood::Answers);
        assert_eq!((limiter.taken(), limiter.given_back()), (0, 0));
        assert_eq!(spend(&service, bad).await, 3);
    }
}

/// Who goes away before the answer comes has made an attempt if it was a bad key: otherwise guesses would be free.
#[tokio::test]
async fn r089_p72_a_request_that_is_dropped_in_the_middle_is_looked_up_to_the_end() {
    for limiter in Remote::both() {
        let (stack, keys) = slow(budget(3).limiter(limiter.clone()));
        let service = stack.layer(ok());
        for (request, count, charged) in [(good as fn() -> _, 60, 0), (bad, 2, 2)] {
            let before = keys.asked();
            for _ in 0..count {
                drop(begun(&service, request, &keys));
            }
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            assert_eq!((keys.asked() - before, limiter.taken()), (count, charged), "slow: {}", limiter.is_slow());
        }
        assert_eq!(ask(&service, good()).await.status, 200);
        assert_eq!(spend(&service, bad).await, 1);
    }
}

/// A request that is dropped while the store hangs is no failure, and is under way for as long as it is looked up.
#[tokio::test]
async fn r089_p72_nobody_pays_for_a_store_that_hangs() {
    for limiter in Remote::both() {
        let (stack, keys) = slow(budget(3).limiter(limiter.clone()).max_in_flight(5));
        let service = stack.layer(ok());
        keys.set(Mood::Hangs);
        for _ in 0..5 {
            drop(begun(&service, good, &keys));
        }
        // They go on, and find that the store hangs.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        keys.set(Mood::Answers);
        let told = ask(&service, good()).await;
        assert_eq!((told.status, told.retry_after(), limiter.taken()), (429, Some(1), 0));
        assert_eq!(ask(&service, from("192.0.2.2", get("/", &[("x-api-key", KEY)]))).await.status, 200);
    }
}

/// A future that was polled until the store was asked.
fn begun<S>(service: &S, request: fn() -> http::Request<Body>, keys: &Slow) -> impl Future
where
    S: Service<http::Request<Body>, Error = Infallible> + Clone,
{
    let before = keys.asked();
    let mut future = Box::pin(service.clone().oneshot(request()));
    while keys.asked() == before {
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    future
}

/// Many at once: no more than may be under way, whatever becomes of them, and nobody is charged for being many.
#[tokio::test]
async fn r089_p72_no_more_attempts_are_under_way_than_its_bound() {
    for limiter in Remote::both() {
        for (most, layer) in [(256, budget(300)), (7, budget(300).max_in_flight(7)), (256, budget(1))] {
            let (stack, keys) = slow(layer.limiter(limiter.clone()));
            let service = stack.layer(ok());
            keys.set(Mood::Waits);
            let mut context = Context::from_waker(Waker::noop());
            let mut waiting: Vec<_> = (0..300).map(|_| Box::pin(service.clone().oneshot(good()))).collect();
            let mut refused = 0;
            for _ in 0..6 {
                waiting.retain_mut(|future| match future.as_mut().poll(&mut context) {
                    Poll::Pending => true,
                    Poll::Ready(response) => {
                        let response = response.unwrap();
                        assert_eq!(
                            (response.status().as_u16(), &response.headers()["retry-after"]),
                            (429, &"1".parse().unwrap())
                        );
                        refused += 1;
                        false
                    }
                });
            }
            assert_eq!((waiting.len(), refused, keys.asked()), (most, 300 - most, most), "slow: {}", limiter.is_slow());
            keys.set(Mood::Answers);
            for future in waiting {
                assert_eq!(future.await.unwrap().status(), 200);
            }
            assert_eq!(ask(&service, good()).await.status, 200, "and the place of each is free again");
        }
    }
}

/// Guesses at once: the budget and what may be under way bound them together, and no more than the budget learn a result.
#[tokio::test]
async fn r089_p72_guesses_at_once_are_bounded() {
    for limiter in Remote::both() {
        let (stack, keys) = slow(budget(4).max_in_flight(10).limiter(limiter.clone()));
        let service = stack.layer(ok());
        let guesses = (0..200).map(|_| tokio::spawn(service.clone().oneshot(bad())));
        let mut told = Vec::new();
        for guess in guesses.collect::<Vec<_>>() {
            told.push(guess.await.unwrap().unwrap().status().as_u16());
        }
        assert_eq!(told.iter().filter(|status| **status == 401).count(), 4, "slow: {}", limiter.is_slow());
        assert!(keys.asked() <= 14, "{}", keys.asked());
        assert_eq!(spend(&service, bad).await, 0);
    }
}

/// A failed attempt is charged once, whether it was taken before or not.
#[tokio::test]
async fn r089_every_failed_attempt_is_charged_exactly_once() {
    for limiter in Remote::both() {
        let (stack, _) = slow(budget(1_000).limiter(limiter.clone()));
        let service = stack.layer(ok());
        for count in 1..=20 {
            assert_eq!(ask(&service, bad()).await.status, 401);
            assert_eq!(limiter.taken() - limiter.given_back(), count);
        }
        let malformed = || from("192.0.2.1", get("/", &[("x-api-key", "short")]));
        assert_eq!(statuses(&service, 20, malformed).await, [401; 20]);
        assert_eq!(limiter.taken() - limiter.given_back(), 40);
    }
}

/// A method that has to wait, and finds nothing, or somebody, or nobody good.
struct Session(&'static str);

impl Authenticator for Session {
    fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
        let said = request.headers().get("session").map(|value| value.to_str().unwrap().to_owned());
        let who = self.0;
        AuthFuture::boxed(async move {
            tokio::task::yield_now().await;
            match said.as_deref() {
                None => AuthOutcome::NoCredential,
                Some("bad") => AuthOutcome::Rejected(Rejection::invalid_credentials()),
                Some("odd") => AuthOutcome::Rejected(Rejection::custom(http::StatusCode::BAD_REQUEST, "ODD")),
                Some(_) => AuthOutcome::Authenticated(Principal::builder(who).build()),
            }
        })
    }

    fn challenge(&self) -> &'static str {
        "Session"
    }
}

/// Several methods, each of which has to be waited for: one request is one attempt at the most.
#[tokio::test]
async fn r089_methods_that_follow_each_other_charge_one_attempt() {
    for limiter in Remote::both() {
        let (scheme, keys) = store(KeyRecord::new("key_1", "acme"));
        let methods = AuthLayer::first(Session("one")).then(Session("two"));
        let auth = methods.then(ApiKeyLayer::new(scheme, Slow::new(keys)));
        let limit = budget(1_000).limiter(limiter.clone());
        let service = AuthStack::builder().auth(auth).limit(limit).clock(&hand()).build().unwrap().layer(ok());
        let session = |said: &str| from("192.0.2.1", get("/", &[("session", said)]));
        let charged = || limiter.taken() - limiter.given_back();
        for (request, status, more) in [
            (session("good"), 200, 0),
            (session("bad"), 401, 1),
            (session("odd"), 400, 0),
            (good(), 200, 0),
            (bad(), 401, 1),
            (from("192.0.2.1", get("/", &[])), 401, 0),
        ] {
            let before = charged();
            assert_eq!(ask(&service, request).await.status, status);
            assert_eq!(charged() - before, more, "{status}, slow: {}", limiter.is_slow());
        }
    }
}

/// Dropped before the budget itself has answered, nothing was asked and nothing was taken.
#[tokio::test]
async fn r089_a_request_that_is_dropped_before_its_attempt_has_made_none() {
    let limiter = Remote::new(true);
    let (stack, keys) = slow(budget(3).limiter(limiter.clone()));
    let service = stack.layer(ok());
    for _ in 0..10 {
        let mut future = pin!(service.clone().oneshot(good()));
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert_eq!((limiter.taken(), keys.asked()), (0, 0));
    assert_eq!(spend(&service, bad).await, 3);
}
