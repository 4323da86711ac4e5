//! Limits and the budget of failed attempts (p70 to p75).

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{HeaderValue, Method, Request, Response, StatusCode};
use tower::{Layer, Service, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthStack, BearerLayer, BoxError, ClientIp, ErrorEnvelopeLayer, KeyDigests, KeyRecord,
    KeyState, KeyStore, MaybeReady, MemoryKeyStore, PeerAddr, Quota, RateLimitLayer, Rejection, RequireLayer, Rules,
    Secret, StoreFuture, TokenVerifier,
    limit::{BucketKey, LimitDecision, Limiter as _, Limits, MemoryLimiter, Reservation},
    permission::{authenticated, role},
    testing::ManualClock,
    token::{Algorithm, Claims, TokenRevocation, TokenStatus, VerifyingKey},
};

use crate::support::{Body, KEY, get, ok, store, strict};

pub(super) const STRANGER: &str = "ak_0000000000000000000000000000000000000000";
pub(super) const NOW: &str = "2027-01-15T08:00:00Z";
const NOW_SECONDS: u64 = 1_800_000_000;

/// A store behind a network.
#[derive(Clone)]
struct Slow(MemoryKeyStore);

impl KeyStore for Slow {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        let found = self.0.find(key);
        MaybeReady::boxed(async move {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            found.await
        })
    }
}

fn failures(attempts: u32) -> RateLimitLayer {
    RateLimitLayer::failures(Quota::per_minute(attempts), ClientIp::peer())
}

pub(super) fn slow_keys(record: KeyRecord) -> ApiKeyLayer {
    let (scheme, keys) = store(record);
    ApiKeyLayer::new(scheme, Slow(keys))
}

pub(super) fn from(address: &str, method: Method, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = get(path, headers);
    *request.method_mut() = method;
    request.extensions_mut().insert(PeerAddr(address.parse().unwrap()));
    request
}

pub(super) async fn status<S, B>(service: &S, request: Request<Body>) -> u16
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
{
    service.clone().oneshot(request).await.unwrap().status().as_u16()
}

pub(super) async fn statuses<S, B>(service: &S, count: usize, request: impl Fn() -> Request<Body>) -> Vec<u16>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
{
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(status(service, request()).await);
    }
    all
}

const ORIGIN: (&str, &str) = ("origin", "https://a.test");
const WANTED: (&str, &str) = ("access-control-request-method", "GET");

fn as_preflight(key: &str) -> Request<Body> {
    from("192.0.2.1", Method::OPTIONS, "/", &[ORIGIN, WANTED, ("x-api-key", key)])
}

#[tokio::test]
async fn p70_the_headers_of_a_preflight_switch_no_budget_off() {
    let clock = ManualClock::at(NOW);
    for keys in [slow_keys(KeyRecord::new("key_1", "acme")), {
        let (scheme, keys) = store(KeyRecord::new("key_1", "acme"));
        ApiKeyLayer::new(scheme, keys)
    }] {
        let stack = AuthStack::builder().auth(keys).limit(failures(3)).clock(&clock).build().unwrap();
        let service = stack.layer(ok());
        assert_eq!(statuses(&service, 6, || as_preflight(STRANGER)).await, [401, 401, 401, 429, 429, 429]);
        let bad = || from("192.0.2.1", Method::GET, "/", &[("x-api-key", STRANGER)]);
        assert_eq!(status(&service, bad()).await, 429, "it is the same budget");
        clock.advance(Duration::from_secs(60));
    }
    // Alone, in front of a login that answers to any method.
    let login = strict(|_: Request<Body>| Rejection::invalid_credentials().into_response::<Body>());
    let service = failures(3).clock(&clock).layer(login);
    assert_eq!(statuses(&service, 5, || as_preflight("")).await, [401, 401, 401, 429, 429]);
}

#[tokio::test]
async fn p70_the_headers_of_a_preflight_switch_no_limit_by_address_off() {
    let clock = ManualClock::at(NOW);
    let limit = || RateLimitLayer::by_address(Quota::per_minute(3), ClientIp::peer());
    let alone = limit().clock(&clock).layer(ok());
    assert_eq!(statuses(&alone, 5, || as_preflight(KEY)).await, [200, 200, 200, 429, 429]);
    let keys = || AuthLayer::from(slow_keys(KeyRecord::new("key_1", "acme")));
    let stack = |auth: AuthLayer| AuthStack::builder().auth(auth).limit(limit()).clock(&clock).build().unwrap();
    let counted = stack(keys()).layer(ok());
    assert_eq!(statuses(&counted, 5, || as_preflight(KEY)).await, [200, 200, 200, 429, 429]);
    // What the authentication passes without reading a credential counts nothing.
    let passing = stack(keys().allow_preflight()).layer(ok());
    assert_eq!(statuses(&passing, 20, || as_preflight(STRANGER)).await, [200; 20]);
    let other = || from("192.0.2.1", Method::OPTIONS, "/", &[ORIGIN, ("x-api-key", KEY)]);
    assert_eq!(
        statuses(&passing, 5, other).await,
        [200, 200, 200, 429, 429],
        "no preflight, without the second header"
    );
}

#[tokio::test]
async fn p72_good_requests_at_once_spend_no_budget_of_failures() {
    let clock = ManualClock::at(NOW);
    let stack = AuthStack::builder().auth(slow_keys(KeyRecord::new("key_1", "acme")));
    let service = stack.limit(failures(30)).clock(&clock).build().unwrap().layer(ok());
    let good = || from("192.0.2.1", Method::GET, "/", &[("x-api-key", KEY)]);
    let all: Vec<_> = (0..100).map(|_| tokio::spawn(service.clone().oneshot(good()))).collect();
    for one in all {
        assert_eq!(one.await.unwrap().unwrap().status(), StatusCode::OK);
    }
}

const ISSUER: &str = "https://issuer.test/";
const SECRET: &str = "a secret of these tests, of thirty-two bytes and more";

pub(super) fn token(subject: &str, claims: &[(&str, serde_json::Value)]) -> String {
    let mut all = serde_json::json!({ "iss": ISSUER, "aud": "api", "sub": subject, "exp": NOW_SECONDS + 600, "iat": NOW_SECONDS - 60 });
    for (name, value) in claims {
        all[name] = value.clone();
    }
    let header = jsonwebtoken::Header { typ: Some("at+jwt".to_owned()), ..jsonwebtoken::Header::default() };
    jsonwebtoken::encode(&header, &all, &jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

pub(super) fn bearer() -> BearerLayer {
    let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new(SECRET)).unwrap();
    BearerLayer::new(TokenVerifier::keys(ISSUER, [key]).audience("api").cache(100).build().unwrap())
}

fn with_token(address: &str, token: &str) -> Request<Body> {
    from(address, Method::GET, "/", &[("authorization", &format!("Bearer {token}"))])
}

/// A list of revoked tokens that has to be waited for.
struct Asked(TokenStatus);

impl TokenRevocation for Asked {
    fn status(&self, _: &Claims) -> MaybeReady<Result<TokenStatus, BoxError>> {
        let status = self.0;
        MaybeReady::boxed(async move {
            tokio::task::yield_now().await;
            Ok(status)
        })
    }
}

#[tokio::test]
async fn p72_a_remembered_token_and_a_list_that_has_to_be_waited_for_spend_nothing() {
    let clock = ManualClock::at(NOW);
    let auth = bearer().revocation(Asked(TokenStatus::Valid));
    let service = AuthStack::builder().auth(auth).limit(failures(3)).clock(&clock).build().unwrap().layer(ok());
    let good = token("alice", &[]);
    let all: Vec<_> = (0..100).map(|_| tokio::spawn(service.clone().oneshot(with_token("192.0.2.1", &good)))).collect();
    for one in all {
        assert_eq!(one.await.unwrap().unwrap().status(), StatusCode::OK);
    }
    // Also where their clients go away.
    for _ in 0..60 {
        let mut gone = Box::pin(service.clone().oneshot(with_token("192.0.2.1", &good)));
        assert!(futures_poll(&mut gone));
    }
    assert_eq!(status(&service, with_token("192.0.2.1", &good)).await, 200);
}

/// Whether it is pending.
fn futures_poll<F: Future + Unpin>(future: &mut F) -> bool {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    std::pin::Pin::new(future).poll(&mut context).is_pending()
}

#[tokio::test]
async fn p73_a_holders_bad_tokens_spend_no_neighbours_budget() {
    use serde_json::json;
    let clock = ManualClock::at(NOW);
    let auth = bearer();
    let service = AuthStack::builder().auth(auth).limit(failures(3)).clock(&clock).build().unwrap().layer(ok());
    let wrong: [&[(&str, serde_json::Value)]; 4] = [
        &[("exp", json!(NOW_SECONDS - 1))],
        &[("nbf", json!(NOW_SECONDS + 500))],
        &[("aud", json!("another"))],
        &[("aud", json!(["another", "third"]))],
    ];
    for (number, claims) in wrong.into_iter().enumerate() {
        let holder = format!("holder-{number}");
        let told = statuses(&service, 5, || with_token("192.0.2.1", &token(&holder, claims))).await;
        assert_eq!(told, [401, 401, 401, 429, 429], "{claims:?}");
        // Who does wrong is still let in with what is good, and so is everybody else.
        assert_eq!(status(&service, with_token("192.0.2.1", &token(&holder, &[]))).await, 200);
        assert_eq!(status(&service, with_token("192.0.2.1", &token("colleague", &[]))).await, 200);
        clock.advance(Duration::from_secs(60));
    }
    // A forged token is a guess, whatever subject it names.
    let forged = format!("{}AAAA", token("colleague", &[]).rsplit_once('.').unwrap().0.to_owned() + ".");
    assert_eq!(statuses(&service, 5, || with_token("192.0.2.9", &forged)).await, [401, 401, 401, 429, 429]);
    assert_eq!(
        status(&service, with_token("192.0.2.9", &token("somebody new", &[]))).await,
        429,
        "nobody knows it yet"
    );
}

#[tokio::test]
async fn p73_revoked_and_suspended_tokens_are_their_holders() {
    let clock = ManualClock::at(NOW);
    for says in [TokenStatus::Revoked, TokenStatus::Suspended] {
        let auth = bearer().revocation(Asked(says));
        let keys = slow_keys(KeyRecord::new("key_1", "acme"));
        let auth = AuthLayer::first(auth).then(keys);
        let service = AuthStack::builder().auth(auth).limit(failures(3)).clock(&clock).build().unwrap().layer(ok());
        let bad = token("alice", &[]);
        assert_eq!(statuses(&service, 5, || with_token("192.0.2.1", &bad)).await, [401, 401, 401, 429, 429]);
        let good = from("192.0.2.1", Method::GET, "/", &[("x-api-key", KEY)]);
        assert_eq!(status(&service, good).await, 200);
    }
}

#[tokio::test]
async fn p73_keys_that_are_not_good_any_more_are_their_holders() {
    let clock = ManualClock::at(NOW);
    let record = |id: &str| KeyRecord::new(id, "acme");
    let old = std::time::SystemTime::UNIX_EPOCH;
    for bad in [
        record("bad").state(KeyState::Paused),
        record("bad").state(KeyState::Deactivated),
        record("bad").state(KeyState::Revoked),
        record("bad").expires_at(old),
        record("bad").not_before(old + Duration::from_secs(NOW_SECONDS * 2)),
    ] {
        for slow in [false, true] {
            let (scheme, keys) = store(bad.clone());
            let colleague = keys.create(&scheme, record("good")).unwrap();
            let auth = if slow { ApiKeyLayer::new(scheme, Slow(keys)) } else { ApiKeyLayer::new(scheme, keys) };
            let service = AuthStack::builder().auth(auth).limit(failures(3)).clock(&clock).build().unwrap().layer(ok());
            let with = |key: &str| from("192.0.2.1", Method::GET, "/", &[("x-api-key", key)]);
            assert_eq!(statuses(&service, 5, || with(KEY)).await, [401, 401, 401, 429, 429], "{bad:?}");
            assert_eq!(statuses(&service, 5, || with(colleague.expose())).await, [200; 5], "{bad:?}");
            assert_eq!(statuses(&service, 4, || with(STRANGER)).await, [401, 401, 401, 429], "all of the address's");
        }
    }
}

#[tokio::test]
async fn p73_what_is_forbidden_is_its_holders_wherever_it_is_refused() {
    let clock = ManualClock::at(NOW);
    let rules = || Rules::new().require("/rule", role("admin")).otherwise(authenticated());
    let handler = strict(|request: Request<Body>| match request.uri().path() {
        "/plain" => Response::builder().status(403).body(Body::default()).unwrap(),
        "/own" => Rejection::custom(StatusCode::FORBIDDEN, "OWN").into_response(),
        _ => Response::new(Body::default()),
    });
    for path in ["/rule", "/plain", "/own", "/route"] {
        let stack = AuthStack::builder().auth(slow_keys(KeyRecord::new("key_1", "acme"))).rules(rules());
        let stack = stack.limit(failures(3)).clock(&clock).build().unwrap();
        let with = |path: &str, key: &str| from("192.0.2.1", Method::GET, path, &[("x-api-key", key)]);
        let expected = [403, 403, 403, 429, 429];
        if path == "/route" {
            let service = stack.layer(RequireLayer::scope("admin").layer(handler.clone()));
            assert_eq!(statuses(&service, 5, || with(path, KEY)).await, expected, "{path}");
            continue;
        }
        let service = stack.layer(handler.clone());
        assert_eq!(statuses(&service, 5, || with(path, KEY)).await, expected, "{path}");
        assert_eq!(statuses(&service, 4, || with("/", STRANGER)).await, [401, 401, 401, 429], "{path}");
    }
}

#[tokio::test]
async fn p73_holders_may_have_other_quotas_than_addresses() {
    let clock = ManualClock::at(NOW);
    let budget = failures(3).credential_quotas([Quota::per_minute(5), Quota::per_day(6)]);
    let auth = slow_keys(KeyRecord::new("key_1", "acme").state(KeyState::Paused));
    let service = AuthStack::builder().auth(auth).limit(budget).clock(&clock).build().unwrap().layer(ok());
    let with = |key: &str| from("192.0.2.1", Method::GET, "/", &[("x-api-key", key)]);
    assert_eq!(statuses(&service, 6, || with(KEY)).await, [401, 401, 401, 401, 401, 429]);
    assert_eq!(statuses(&service, 4, || with(STRANGER)).await, [401, 401, 401, 429]);
    clock.advance(Duration::from_secs(60));
    assert_eq!(statuses(&service, 2, || with(KEY)).await, [401, 429], "six a day");
    let nothing = RateLimitLayer::failures(Quota::per_minute(3), ClientIp::peer()).credential_quotas([]);
    for wrong in [nothing, failures(3).max_in_flight(0)] {
        let auth = slow_keys(KeyRecord::new("key_1", "acme"));
        assert!(AuthStack::builder().auth(auth).limit(wrong).build().is_err());
    }
}

#[tokio::test]
async fn p74_a_native_grpc_status_is_charged() {
    let clock = ManualClock::at(NOW);
    for (code, forbidden) in [("16", false), ("7", true)] {
        for alone in [false, true] {
            let handler = strict(move |_: Request<Body>| {
                let mut response = Response::new(Body::default());
                response.headers_mut().insert("grpc-status", HeaderValue::from_static(code));
                response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
                response
            });
            let call = || {
                let headers = [("x-api-key", KEY), ("content-type", "application/grpc"), ("te", "trailers")];
                let mut request = from("192.0.2.1", Method::POST, "/a.B/C", &headers);
                *request.version_mut() = http::Version::HTTP_2;
                request
            };
            let bad = || from("192.0.2.1", Method::GET, "/", &[("x-api-key", STRANGER)]);
            let budget = failures(3);
            let stack = AuthStack::builder().auth(slow_keys(KeyRecord::new("key_1", "acme")));
            let stack = stack.limit(budget.clone()).clock(&clock).build().unwrap();
            if alone {
                let service = budget.layer(handler);
                assert_eq!(statuses(&service, 5, call).await, [200, 200, 200, 429, 429], "{code}");
            } else {
                let service = stack.guards().layer(handler);
                statuses(&service, 3, call).await;
                let left = if forbidden { [401, 401, 401, 429] } else { [429; 4] };
                assert_eq!(statuses(&service, 4, bad).await, left, "{code}: a holder's or the address's");
            }
        }
    }
}

#[tokio::test]
async fn p74_a_401_that_an_envelope_has_adopted_is_charged() {
    let clock = ManualClock::at(NOW);
    let login = strict(|_: Request<Body>| Response::builder().status(401).body(Body::default()).unwrap());
    let service = failures(3).clock(&clock).layer(ErrorEnvelopeLayer::detailed().adopt_foreign_errors().layer(login));
    let guess = || from("192.0.2.1", Method::POST, "/login", &[]);
    assert_eq!(statuses(&service, 5, guess).await, [401, 401, 401, 429, 429]);
    // Who brings nothing to this crate's own guards has still guessed nothing.
    let keys = slow_keys(KeyRecord::new("key_1", "acme"));
    let stack = AuthStack::builder().auth(keys).build().unwrap();
    let service = failures(3).clock(&clock).layer(stack.layer(ok()));
    assert_eq!(statuses(&service, 9, guess).await, [401; 9]);
}

/// As a service in memory counts: what was let through and kept never is more than the limit says.
#[test]
fn p75_what_is_given_back_late_lets_nothing_more_through() {
    let limits = Limits::new([Quota::per_minute(60)]).unwrap();
    let limiter = MemoryLimiter::new();
    let bucket = BucketKey::new(["alice"]);
    let take = |at: Duration| match limiter.try_acquire(bucket, &limits, 1, at) {
        LimitDecision::Admitted(levels) => Some(Reservation::new(1, &limits, &levels, at)),
        _ => None,
    };
    let taken: Vec<Reservation> = (0..60).map(|_| take(Duration::ZERO).unwrap()).collect();
    let half = Duration::from_secs(30);
    for taken in &taken[..30] {
        limiter.refund(bucket, taken, Duration::ZERO.into());
    }
    let mut passed = (0..200).filter_map(|_| take(half)).count();
    for taken in &taken[30..] {
        limiter.refund(bucket, taken, half.into());
    }
    passed += (0..200).filter_map(|_| take(half)).count();
    assert_eq!(passed, 60);
}

#[test]
fn p75_what_is_given_back_at_once_is_given_back_whole_in_any_order() {
    let limits = Limits::new([Quota::per_minute(60), Quota::per_hour(100)]).unwrap();
    for order in [|n: usize| n, |n: usize| 59 - n, |n: usize| (n * 7) % 60] {
        let (limiter, bucket) = (MemoryLimiter::new(), BucketKey::new(["alice"]));
        let at = Duration::from_secs(5);
        let take = || match limiter.try_acquire(bucket, &limits, 1, at) {
            LimitDecision::Admitted(levels) => Some(Reservation::new(1, &limits, &levels, at)),
            _ => None,
        };
        let taken: Vec<Reservation> = std::iter::from_fn(take).collect();
        assert_eq!(taken.len(), 60);
        (0..60).for_each(|n| limiter.refund(bucket, &taken[order(n)], at.into()));
        assert_eq!(std::iter::from_fn(take).count(), 60);
    }
}

/// In a limiter that is full, newcomers share a bucket, and what comes to nothing is given back to it.
#[test]
fn p75_newcomers_of_a_full_limiter_are_given_back_too() {
    let limits = Limits::new([Quota::per_minute(3)]).unwrap();
    let limiter = MemoryLimiter::new().max_buckets(64);
    let at = Duration::from_secs(1);
    for n in 0..10_000 {
        limiter.try_acquire(BucketKey::new([n.to_string().as_str()]), &limits, 1, at);
    }
    for round in 0..50 {
        let newcomer = BucketKey::new(["newcomer", &round.to_string()]);
        match limiter.try_acquire(newcomer, &limits, 1, at + Duration::from_secs(20)) {
            LimitDecision::Admitted(levels) => {
                let taken = Reservation::new(1, &limits, &levels, at + Duration::from_secs(20));
                limiter.refund(newcomer, &taken, (at + Duration::from_secs(20)).into());
            }
            other => panic!("{round}: {other:?}"),
        }
    }
}

/// A budget that several threads ask at once stays exact for the results that callers receive.
#[test]
fn p72_guesses_of_many_threads_are_told_so_no_more_often_than_the_budget_says() {
    let stack = AuthStack::builder().auth(slow_keys(KeyRecord::new("key_1", "acme")));
    let service = stack.limit(failures(40)).clock(&ManualClock::at(NOW)).build().unwrap().guards().layer(ok());
    let service = Arc::new(service);
    let told: usize = std::thread::scope(|scope| {
        let guess = || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let bad = || from("192.0.2.1", Method::GET, "/", &[("x-api-key", STRANGER)]);
            runtime.block_on(async {
                let mut told = 0;
                for _ in 0..30 {
                    told += usize::from(status(&*service, bad()).await == 401);
                }
                told
            })
        };
        let all: Vec<_> = (0..4).map(|_| scope.spawn(guess)).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(told, 40);
}

/// A clone of the budget on a route knows who was proved further out; a handler that panics has refused nobody.
#[tokio::test]
async fn p73_a_clone_on_a_route_charges_the_holder_too() {
    let (clock, budget) = (ManualClock::at(NOW), failures(3));
    let handler = strict(|_: Request<Body>| Response::builder().status(403).body(Body::default()).unwrap());
    let stack = AuthStack::builder().auth(slow_keys(KeyRecord::new("key_1", "acme"))).limit(budget.clone());
    let service = stack.clock(&clock).build().unwrap().guards().layer(budget.layer(handler));
    let with = |key: &str| from("192.0.2.1", Method::GET, "/", &[("x-api-key", key)]);
    assert_eq!(statuses(&service, 5, || with(KEY)).await, [403, 403, 403, 429, 429]);
    assert_eq!(statuses(&service, 4, || with(STRANGER)).await, [401, 401, 401, 429], "all of the address's");
}

/// A remembered token passes whatever is left, also where a list has to be waited for.
#[tokio::test]
async fn p73_a_remembered_token_passes_an_address_that_is_spent() {
    let auth = bearer().revocation(Asked(TokenStatus::Valid));
    let stack = AuthStack::builder().auth(auth).limit(failures(3)).clock(&ManualClock::at(NOW)).build().unwrap();
    let (service, alice) = (stack.layer(ok()), token("alice", &[]));
    assert_eq!(status(&service, with_token("192.0.2.1", &alice)).await, 200);
    assert_eq!(statuses(&service, 4, || with_token("192.0.2.1", "a.b.c")).await, [401, 401, 401, 429]);
    assert_eq!(statuses(&service, 5, || with_token("192.0.2.1", &alice)).await, [200; 5]);
}
