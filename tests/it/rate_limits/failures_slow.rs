//! The budget where the store has to be waited for: an attempt is taken before anybody is asked, and given back when it was
//! no failed one.

use std::{
    future::Future as _,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    Answer, ApiKeyLayer, AuthFuture, AuthLayer, AuthStack, Authenticated, Authenticator, KeyDigests, KeyRecord,
    KeyStore, MemoryKeyStore, Principal, RateLimitLayer, Rejection, RequestHead, StoreFuture,
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
}

impl Slow {
    pub(super) fn new(keys: MemoryKeyStore) -> Self {
        Self(Arc::new(State { keys, asked: AtomicUsize::new(0), mood: Mutex::new(Mood::Answers) }))
    }

    fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }

    fn set(&self, mood: Mood) {
        *self.0.mood.lock().unwrap() = mood;
    }
}

impl KeyStore for Slow {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        let (this, found) = (Arc::clone(&self.0), self.0.keys.find(key));
        Answer::boxed(async move {
            this.asked.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            let mood = *this.mood.lock().unwrap();
            match mood {
                Mood::Answers => found.await,
                Mood::Fails => Err("it was told to fail".into()),
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
        // What can be told without the store is told without it, and is not told any more either.
        let malformed = from("192.0.2.1", get("/", &[("x-api-key", "short")]));
        assert_eq!((ask(&service, malformed).await.status, keys.asked()), (429, 4));
    }
}

#[tokio::test]
async fn r089_a_success_gives_the_attempt_back_exactly() {
    for limiter in Remote::both() {
        let (stack, keys) = slow(budget(3).limiter(limiter.clone()));
        let service = stack.layer(ok());
        assert_eq!(ask(&service, bad()).await.status, 401);
        for _ in 0..50 {
            assert_eq!(ask(&service, good()).await.status, 200);
        }
        assert_eq!((limiter.taken(), limiter.given_back(), keys.asked()), (51, 50, 51));
        assert_eq!(spend(&service, bad).await, 2);
    }
}

#[tokio::test]
async fn r089_a_store_that_fails_gives_the_attempt_back() {
    for limiter in Remote::both() {
        let (stack, keys) = slow(budget(3).limiter(limiter.clone()));
        let service = stack.layer(ok());
        keys.set(Mood::Fails);
        assert_eq!(statuses(&service, 20, bad).await, [503; 20]);
        keys.set(Mood::Answers);
        assert_eq!((limiter.taken(), limiter.given_back()), (20, 20));
        assert_eq!(spend(&service, bad).await, 3);
    }
}

/// Who goes away before the answer comes has made an attempt: otherwise guesses would be free.
#[tokio::test]
async fn r089_a_request_that_is_dropped_in_the_middle_has_made_its_attempt() {
    for limiter in Remote::both() {
        let (stack, keys) = slow(budget(3).limiter(limiter.clone()));
        let service = stack.layer(ok());
        keys.set(Mood::Hangs);
        for _ in 0..2 {
            let mut future = Box::pin(service.clone().oneshot(good()));
            for _ in 0..5 {
                assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            }
            drop(future);
        }
        keys.set(Mood::Answers);
        assert_eq!((keys.asked(), limiter.taken(), limiter.given_back()), (2, 2, 0));
        assert_eq!(spend(&service, bad).await, 1);
    }
}

/// Many at once: no more than the budget are under way, whatever becomes of them.
#[tokio::test]
async fn r089_no_more_attempts_are_under_way_than_the_budget_has() {
    for limiter in Remote::both() {
        let (stack, keys) = slow(budget(7).limiter(limiter.clone()));
        let service = stack.layer(ok());
        keys.set(Mood::Hangs);
        let mut context = Context::from_waker(Waker::noop());
        let mut waiting: Vec<_> = (0..30).map(|_| Box::pin(service.clone().oneshot(bad()))).collect();
        let mut refused = 0;
        for _ in 0..6 {
            waiting.retain_mut(|future| match future.as_mut().poll(&mut context) {
                Poll::Pending => true,
                Poll::Ready(response) => {
                    assert_eq!(response.unwrap().status(), 429);
                    refused += 1;
                    false
                }
            });
        }
        assert_eq!((waiting.len(), refused, keys.asked()), (7, 23, 7), "slow: {}", limiter.is_slow());
        keys.set(Mood::Answers);
        drop(waiting);
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
        let said = request.headers.get("session").map(|value| value.to_str().unwrap().to_owned());
        let who = self.0;
        AuthFuture::boxed(async move {
            tokio::task::yield_now().await;
            match said.as_deref() {
                None => Authenticated::NoCredential,
                Some("bad") => Authenticated::Rejected(Rejection::invalid_credentials()),
                Some("odd") => Authenticated::Rejected(Rejection::custom(http::StatusCode::BAD_REQUEST, "ODD")),
                Some(_) => Authenticated::As(Principal::builder(who).build()),
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
