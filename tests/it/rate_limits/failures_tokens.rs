//! The budget and tokens: a signature is costly, so an attempt is taken before it is checked; a remembered token is free.

use std::{
    future::Future as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Waker},
};

use bytes::Bytes;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthStack, BearerLayer, BoxError, KeyRecord, MaybeReady, Secret, TokenVerifier,
    token::{Algorithm, Claims, KeySource, TokenRevocation, TokenStatus, TokenVerifierBuilder, VerifyingKey},
};

use super::{NOW_SECONDS, ask, failures::budget, from, hand, remote::Remote, spend, statuses};
use crate::support::{Body, KEY, get, ok, store};

const ISSUER: &str = "https://issuer.test/";
const SECRET: &str = "a secret of these tests, of thirty-two bytes and more";

fn signed(secret: &str, subject: &str, expires: u64) -> String {
    let claims = json!({ "iss": ISSUER, "aud": "api", "sub": subject, "iat": 0, "exp": expires });
    let header = Header { typ: Some("at+jwt".to_owned()), ..Header::default() };
    jsonwebtoken::encode::<Value>(&header, &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

fn token(subject: &str) -> String {
    signed(SECRET, subject, NOW_SECONDS + 600)
}

fn forged() -> String {
    signed("the secret of somebody else, of thirty-two bytes", "alice", NOW_SECONDS + 600)
}

fn with(token: &str) -> http::Request<Body> {
    from("192.0.2.1", get("/", &[("authorization", &format!("Bearer {token}"))]))
}

fn verifier() -> TokenVerifierBuilder {
    let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new(SECRET)).unwrap();
    TokenVerifier::keys(ISSUER, [key]).audience("api")
}

fn stack(auth: impl Into<AuthLayer>, attempts: u32, limiter: &Remote) -> AuthStack {
    let limit = budget(attempts).limiter(limiter.clone());
    AuthStack::builder().auth(auth).limit(limit).clock(&hand()).build().unwrap()
}

fn bearer(builder: TokenVerifierBuilder) -> BearerLayer {
    BearerLayer::new(builder.build().unwrap())
}

#[tokio::test]
async fn r089_a_wrong_signature_is_charged_once_and_exactly_once() {
    for limiter in Remote::both() {
        for builder in [verifier(), verifier().cache(100)] {
            let before = limiter.taken() - limiter.given_back();
            let service = stack(bearer(builder), 1_000, &limiter).layer(ok());
            let expired = signed(SECRET, "alice", NOW_SECONDS - 1);
            for (count, bad) in [forged(), expired, "a.b.c".to_owned(), "x".to_owned(), forged()].iter().enumerate() {
                assert_eq!(ask(&service, with(bad)).await.status, 401);
                assert_eq!(
                    limiter.taken() - limiter.given_back() - before,
                    count + 1,
                    "{bad}, slow: {}",
                    limiter.is_slow()
                );
            }
        }
    }
}

#[tokio::test]
async fn r089_an_exhausted_address_has_no_signature_checked() {
    for limiter in Remote::both() {
        let service = stack(bearer(verifier()), 3, &limiter).layer(ok());
        assert_eq!(statuses(&service, 5, || with(&forged())).await, [401, 401, 401, 429, 429]);
        let told = ask(&service, with(&token("alice"))).await;
        assert_eq!((told.status, told.retry_after()), (429, Some(20)), "nobody knows yet that it is good");
        assert_eq!((limiter.taken(), limiter.given_back()), (3, 0));
    }
}

#[tokio::test]
async fn r089_p72_a_good_token_takes_nothing() {
    for limiter in Remote::both() {
        let service = stack(bearer(verifier()), 3, &limiter).layer(ok());
        for _ in 1..=20 {
            assert_eq!(ask(&service, with(&token("alice"))).await.status, 200);
            assert_eq!((limiter.taken(), limiter.given_back()), (0, 0), "slow: {}", limiter.is_slow());
        }
        assert_eq!(spend(&service, || with(&forged())).await, 3);
    }
}

#[tokio::test]
async fn r089_a_token_that_is_remembered_is_free() {
    for limiter in Remote::both() {
        let service = stack(bearer(verifier().cache(100)), 3, &limiter).layer(ok());
        let alice = token("alice");
        assert_eq!(ask(&service, with(&alice)).await.status, 200);
        assert_eq!((limiter.asked(), limiter.taken()), (1, 0), "the first time it is checked");
        assert_eq!(statuses(&service, 20, || with(&alice)).await, [200; 20]);
        assert_eq!(limiter.asked(), 1);
        assert_eq!(spend(&service, || with(&forged())).await, 3);
        assert_eq!(ask(&service, with(&alice)).await.status, 200, "however exhausted the address is");
        assert_eq!(ask(&service, with(&token("bob"))).await.status, 429, "whom nobody remembers");
        // A token that differs in one character is another.
        let nearly = format!("{}A", &alice[..alice.len() - 1]);
        assert_eq!(ask(&service, with(&nearly)).await.status, 429);
    }
}

/// A remembered token is not good for ever.
#[tokio::test]
async fn r089_a_remembered_token_that_expires_is_an_attempt() {
    let (hand, limiter) = (hand(), Remote::new(false));
    let limit = budget(3).limiter(limiter.clone());
    let builder = AuthStack::builder().auth(bearer(verifier().cache(100))).limit(limit).clock(&hand);
    let service = builder.build().unwrap().layer(ok());
    let alice = token("alice");
    assert_eq!(statuses(&service, 3, || with(&alice)).await, [200; 3]);
    hand.set("2027-01-15T08:10:00Z");
    assert_eq!(statuses(&service, 4, || with(&alice)).await, [401, 401, 401, 429]);
}

/// The keys of an issuer that cannot be reached, at first.
#[derive(Clone, Default)]
struct Issuer {
    up: Arc<AtomicBool>,
    hangs: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

impl KeySource for Issuer {
    fn fetch(&self) -> MaybeReady<Result<Bytes, BoxError>> {
        let this = self.clone();
        MaybeReady::boxed(async move {
            this.asked.fetch_add(1, Ordering::SeqCst);
            if this.hangs.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            if this.up.load(Ordering::SeqCst) { Ok(Bytes::from_static(b"{\"keys\":[]}")) } else { Err("down".into()) }
        })
    }
}

#[tokio::test]
async fn r089_keys_that_cannot_be_fetched_spend_nothing() {
    for limiter in Remote::both() {
        let issuer = Issuer::default();
        let verifier = TokenVerifier::source(ISSUER, issuer.clone()).audience("api");
        let service = stack(bearer(verifier), 3, &limiter).layer(ok());
        // Hundreds of good customers while the issuer is down: none of them has guessed.
        for _ in 1..=20 {
            assert_eq!(ask(&service, with(&token("alice"))).await.status, 503);
            assert_eq!((limiter.taken(), limiter.given_back()), (0, 0), "slow: {}", limiter.is_slow());
        }
        assert!(issuer.asked.load(Ordering::SeqCst) >= 1);
    }
}

#[tokio::test(start_paused = true)]
async fn r089_p72_a_token_whose_keys_are_waited_for_and_that_goes_away_is_no_failure() {
    for limiter in Remote::both() {
        let issuer = Issuer::default();
        issuer.hangs.store(true, Ordering::SeqCst);
        let verifier = TokenVerifier::source(ISSUER, issuer).audience("api");
        let service = stack(bearer(verifier), 3, &limiter).layer(ok());
        let mut future = Box::pin(service.oneshot(with(&token("alice"))));
        for _ in 0..4 {
            assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        drop(future);
        assert_eq!((limiter.taken(), limiter.given_back()), (0, 0), "slow: {}", limiter.is_slow());
    }
}

/// A list of revoked tokens, which may have to be waited for.
struct Revoked {
    slow: bool,
    says: Result<TokenStatus, ()>,
}

impl TokenRevocation for Revoked {
    fn status(&self, _: &Claims) -> MaybeReady<Result<TokenStatus, BoxError>> {
        let says = self.says.map_err(|()| BoxError::from("down"));
        if !self.slow {
            return MaybeReady::ready(says);
        }
        MaybeReady::boxed(async move {
            tokio::task::yield_now().await;
            says
        })
    }
}

#[tokio::test]
async fn r089_a_token_that_was_taken_back_is_charged_once() {
    for limiter in Remote::both() {
        for slow in [false, true] {
            for (says, status, more) in [
                (Ok(TokenStatus::Valid), 200, 0),
                (Ok(TokenStatus::Revoked), 401, 1),
                (Ok(TokenStatus::Suspended), 401, 1),
                (Err(()), 503, 0),
            ] {
                for builder in [verifier(), verifier().cache(10)] {
                    let auth = bearer(builder).revocation(Revoked { slow, says });
                    let service = stack(auth, 1_000, &limiter).layer(ok());
                    // The second time it may be remembered.
                    for _ in 0..2 {
                        let before = limiter.taken() - limiter.given_back();
                        assert_eq!(ask(&service, with(&token("alice"))).await.status, status);
                        assert_eq!(limiter.taken() - limiter.given_back() - before, more, "{says:?} {slow}");
                    }
                }
            }
        }
    }
}

/// Keys and tokens in one header: what is one method's costs nothing of the other's.
#[tokio::test]
async fn r089_keys_beside_tokens_are_charged_once_too() {
    for limiter in Remote::both() {
        let (scheme, keys) = store(KeyRecord::new("key_1", "acme"));
        let auth = AuthLayer::first(bearer(verifier())).then(ApiKeyLayer::new(scheme, keys).bearer());
        let service = stack(auth, 1_000, &limiter).layer(ok());
        for (credential, status, more) in [
            (KEY.to_owned(), 200, 0),
            (format!("{}9", &KEY[..KEY.len() - 1]), 401, 1),
            (token("alice"), 200, 0),
            (forged(), 401, 1),
            ("neither".to_owned(), 401, 1),
        ] {
            let before = limiter.taken() - limiter.given_back();
            assert_eq!(ask(&service, with(&credential)).await.status, status, "{credential}");
            assert_eq!(limiter.taken() - limiter.given_back() - before, more, "{credential}");
        }
    }
}
