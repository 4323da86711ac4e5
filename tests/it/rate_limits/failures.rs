//! The budget of failed attempts in a stack: rule 089.

use std::{thread, time::Duration};

use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthStack, ClientIp, Disclosure, KeyRecord, KeyState, Quota, RateLimitLayer, Rules,
    permission::{authenticated, role},
    testing::{FlakyKeyStore, ManualClock},
};

use super::{ask, from, hand, over, remote::Remote, spend, statuses};
use crate::support::{Body, KEY, get, ok, store};

const STRANGER: &str = "ak_0000000000000000000000000000000000000000";

pub(super) fn budget(attempts: u32) -> RateLimitLayer {
    RateLimitLayer::failures(Quota::per_minute(attempts), ClientIp::peer())
}

/// Keys in memory, some public and some closed paths, and this budget.
fn stack(hand: &ManualClock, budget: RateLimitLayer) -> AuthStack {
    let (scheme, keys) = store(KeyRecord::new("key_1", "acme"));
    let rules = Rules::new().public("/public").require("/admin", role("admin")).otherwise(authenticated());
    let builder = AuthStack::builder().auth(ApiKeyLayer::new(scheme, keys)).rules(rules);
    builder.limit(budget).clock(hand).build().unwrap()
}

fn with(address: &str, path: &str, key: &str) -> http::Request<Body> {
    from(address, get(path, &[("x-api-key", key)]))
}

fn bad() -> http::Request<Body> {
    with("192.0.2.1", "/", STRANGER)
}

fn good() -> http::Request<Body> {
    with("192.0.2.1", "/", KEY)
}

#[tokio::test]
async fn r089_bad_keys_are_told_so_up_to_the_budget_and_then_not_any_more() {
    for limiter in Remote::both() {
        let hand = hand();
        let service = over(&stack(&hand, budget(5).limiter(limiter)));
        assert_eq!(statuses(&service, 8, bad).await, [401, 401, 401, 401, 401, 429, 429, 429]);
        let told = ask(&service, bad()).await;
        assert_eq!((told.code(), told.retry_after()), ("RATE_LIMIT_EXCEEDED".to_owned(), Some(12)));
        assert_eq!(told.header("www-authenticate"), None, "nothing is said of the key");
        assert!(told.cause.unwrap().contains("failed attempts"));
        // Whatever is presented: what cannot be a key, and what is nearly one.
        for key in ["x", &KEY[..KEY.len() - 1], &KEY.to_uppercase()] {
            assert_eq!(ask(&service, with("192.0.2.1", "/", key)).await.status, 429);
        }
        // Another address is another budget.
        assert_eq!(statuses(&service, 6, || with("192.0.2.2", "/", STRANGER)).await, [401, 401, 401, 401, 401, 429]);
        assert_eq!(ask(&service, with("2001:db8::1", "/", STRANGER)).await.status, 401);
        // As told, and no earlier.
        hand.advance(Duration::from_millis(11_999));
        assert_eq!(ask(&service, bad()).await.status, 429);
        hand.advance(Duration::from_millis(1));
        assert_eq!(statuses(&service, 2, bad).await, [401, 429]);
    }
}

#[tokio::test]
async fn r089_a_good_key_that_is_at_hand_is_never_refused_for_its_neighbours() {
    for limiter in Remote::both() {
        let service = over(&stack(&hand(), budget(3).limiter(limiter.clone())));
        assert_eq!(spend(&service, bad).await, 3);
        assert_eq!(statuses(&service, 100, good).await, [200; 100]);
        assert_eq!(ask(&service, bad()).await.status, 429, "and it gives nothing back that it has not taken");
        assert_eq!((limiter.taken(), limiter.given_back()), (3, 0));
    }
}

/// The budget is the address's and not the key's: who guesses at a customer's key locks nobody out.
#[tokio::test]
async fn r089_guessing_at_a_key_locks_out_nobody_but_the_guesser() {
    let service = over(&stack(&hand(), budget(3)));
    for guess in 0..50 {
        let nearly = format!("{}{guess:02}", &KEY[..KEY.len() - 2]);
        ask(&service, with("192.0.2.1", "/", &nearly)).await;
    }
    assert_eq!(ask(&service, with("203.0.113.7", "/", KEY)).await.status, 200);
    assert_eq!(ask(&service, with("203.0.113.7", "/", &KEY[..20])).await.status, 401);
}

#[tokio::test]
async fn r089_who_brings_nothing_has_guessed_nothing() {
    for limiter in Remote::both() {
        let service = over(&stack(&hand(), budget(2).limiter(limiter.clone())));
        let nothing = || from("192.0.2.1", get("/", &[]));
        let told = ask(&service, nothing()).await;
        assert_eq!((told.status, told.code()), (401, "AUTHENTICATION_REQUIRED".to_owned()));
        assert_eq!(statuses(&service, 20, nothing).await, [401; 20]);
        // Nor does a header that cannot be read one way.
        let twice = || {
            let mut request = bad();
            request.headers_mut().append("x-api-key", KEY.parse().unwrap());
            request
        };
        assert_eq!(statuses(&service, 5, twice).await, [400; 5]);
        assert_eq!(limiter.taken(), 0);
        assert_eq!(spend(&service, bad).await, 2);
        assert_eq!(ask(&service, nothing()).await.status, 401, "nor is anything refused to them");
    }
}

/// Every fault of a key, with every response to it.
#[tokio::test]
async fn r089_a_key_that_was_good_once_spends_an_attempt() {
    for state in [KeyState::Revoked, KeyState::Paused, KeyState::Deactivated] {
        for disclosure in [Disclosure::Nothing, Disclosure::State] {
            let (scheme, keys) = store(KeyRecord::new("key_1", "acme").state(state));
            let auth = ApiKeyLayer::new(scheme, keys).disclose(disclosure);
            let builder = AuthStack::builder().auth(auth).limit(budget(2)).clock(&hand());
            let service = builder.build().unwrap().layer(ok());
            assert_eq!(statuses(&service, 3, good).await, [401, 401, 429], "{state:?} {disclosure:?}");
        }
    }
}

#[tokio::test]
async fn r089_a_store_that_fails_spends_nothing() {
    for limiter in Remote::both() {
        let (scheme, keys) = store(KeyRecord::new("key_1", "acme"));
        let keys = FlakyKeyStore::new(keys);
        let auth = ApiKeyLayer::new(scheme, keys.clone());
        let builder = AuthStack::builder().auth(auth).limit(budget(2).limiter(limiter.clone())).clock(&hand());
        let service = builder.build().unwrap().layer(ok());
        keys.fail();
        assert_eq!(statuses(&service, 10, bad).await, [503; 10]);
        keys.recover();
        assert_eq!(limiter.taken(), limiter.given_back());
        assert_eq!(spend(&service, bad).await, 2);
        keys.fail();
        assert_eq!(ask(&service, good()).await.status, 503, "a ready store is asked first");
    }
}

/// Someone who is known and tries what is forbidden pays for it alone: the address has guessed nothing.
#[tokio::test]
async fn r089_p73_a_403_of_the_rules_is_the_holders() {
    forbidden_is_the_holders(Remote::new(false)).await;
}

#[tokio::test]
async fn r089_p73_a_403_is_charged_by_a_limiter_that_has_to_be_waited_for() {
    forbidden_is_the_holders(Remote::new(true)).await;
}

async fn forbidden_is_the_holders(limiter: Remote) {
    let service = over(&stack(&hand(), budget(4).limiter(limiter.clone())));
    let forbidden = || with("192.0.2.1", "/admin", KEY);
    assert_eq!(statuses(&service, 3, forbidden).await, [403; 3]);
    assert_eq!(limiter.taken() - limiter.given_back(), 3);
    assert_eq!(spend(&service, bad).await, 4, "the address has all of its own");
    // What the holder is answered further on does not depend on the address either.
    assert_eq!(statuses(&service, 3, forbidden).await, [403, 429, 429]);
    let told = ask(&service, forbidden()).await;
    assert_eq!((told.code(), told.retry_after()), ("RATE_LIMIT_EXCEEDED".to_owned(), Some(15)));
    assert!(told.cause.unwrap().contains("with this credential"));
    assert_eq!(limiter.taken() - limiter.given_back(), 8);
    assert_eq!(statuses(&service, 20, good).await, [200; 20], "good requests pass");
}

#[tokio::test]
async fn r089_a_public_path_spends_nothing_and_is_open_to_everybody() {
    let service = over(&stack(&hand(), budget(2)));
    assert_eq!(spend(&service, bad).await, 2);
    assert_eq!(statuses(&service, 5, || with("192.0.2.1", "/public", STRANGER)).await, [200; 5]);
    let fresh = || with("192.0.2.2", "/public", STRANGER);
    assert_eq!(statuses(&service, 5, fresh).await, [200; 5]);
    assert_eq!(spend(&service, || with("192.0.2.2", "/", STRANGER)).await, 2);
}

#[test]
fn r089_attempts_at_once_are_never_more_than_the_budget() {
    for limiter in Remote::both() {
        let service = over(&stack(&hand(), budget(100).limiter(limiter.clone())).guards());
        let told: Vec<u16> = thread::scope(|scope| {
            let guess = || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let one = || runtime.block_on(service.clone().oneshot(bad())).unwrap().status().as_u16();
                (0..60).map(|_| one()).collect::<Vec<_>>()
            };
            let all: Vec<_> = (0..8).map(|_| scope.spawn(guess)).collect();
            all.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let count = |status| told.iter().filter(|told| **told == status).count();
        assert_eq!((count(401), count(429)), (100, 380), "slow: {}", limiter.is_slow());
    }
}

/// The halves of a stack, mounted apart, are one budget; and a clone of the layer in another stack is the same.
#[tokio::test]
async fn r089_a_clone_of_the_budget_is_the_same_budget() {
    let hand = hand();
    let shared = budget(4);
    let one = over(&stack(&hand, shared.clone()).guards());
    let other = over(&stack(&hand, shared));
    assert_eq!(statuses(&one, 2, bad).await, [401; 2]);
    assert_eq!(statuses(&other, 3, bad).await, [401, 401, 429]);
    assert_eq!(ask(&one, bad()).await.status, 429);
}
