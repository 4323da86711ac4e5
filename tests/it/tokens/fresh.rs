//! Fresh answers of a list of revoked tokens with a cache that has not heard of a revocation: rules 057 and 116.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http::{Request, Response};
use tower::{Layer, Service, ServiceExt as _};
use tower_auth::{
    AuthLayer, AuthStack, BearerLayer, BoxError, ClientIp, Limiter, MaybeReady, PeerAddr, Quota, RateLimitLayer, Rules,
    TokenVerifier,
    limit::{BucketKey, LimitFuture, LimitTime, Limits, MemoryLimiter, Reservation},
    permission::authenticated,
    token::{Claims, TokenRevocation, TokenStatus},
};

use super::{
    NOW, Published, hand,
    mint::{AUDIENCE, ISSUER, KIDS, jwks, key},
    strict,
};
use crate::support::{self, Body, get};

/// Says that a token is valid, unless it is asked past its cache.
#[derive(Clone)]
struct Cached {
    waits: bool,
    asked: Arc<[AtomicUsize; 2]>,
}

impl Cached {
    fn answer(&self, place: usize, status: TokenStatus) -> MaybeReady<Result<TokenStatus, BoxError>> {
        self.asked[place].fetch_add(1, Ordering::SeqCst);
        if !self.waits {
            return MaybeReady::ready(Ok(status));
        }
        MaybeReady::boxed(async move {
            tokio::task::yield_now().await;
            Ok(status)
        })
    }

    /// The number of checks by way of the cache and past it, since the last call.
    fn asked(&self) -> (usize, usize) {
        let [cached, fresh] = &*self.asked;
        (cached.swap(0, Ordering::SeqCst), fresh.swap(0, Ordering::SeqCst))
    }
}

impl TokenRevocation for Cached {
    fn status(&self, _: &Claims) -> MaybeReady<Result<TokenStatus, BoxError>> {
        self.answer(0, TokenStatus::Valid)
    }

    fn status_fresh(&self, _: &Claims) -> MaybeReady<Result<TokenStatus, BoxError>> {
        self.answer(1, TokenStatus::Revoked)
    }
}

/// A limiter that is waited for, and admits everything.
struct Distant;

impl Limiter for Distant {
    fn decide(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: LimitTime) -> LimitFuture {
        let decided = MemoryLimiter::new().try_acquire(bucket, limits, cost, now);
        MaybeReady::boxed(async move {
            tokio::task::yield_now().await;
            Ok(decided)
        })
    }

    fn refund(&self, _: BucketKey, _: &Reservation, _: LimitTime) {}
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tokens {
    Fixed,
    Remembered,
    /// The first check waits for the keys of the issuer.
    Fetched,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    No,
    Here,
    /// The budget of failed attempts is waited for.
    Elsewhere,
}

fn layer(tokens: Tokens, list: &Cached) -> BearerLayer {
    let tokens = match tokens {
        Tokens::Fixed => strict(),
        Tokens::Remembered => strict().cache(10),
        Tokens::Fetched => TokenVerifier::source(ISSUER, Published(jwks(&KIDS))).audience(AUDIENCE),
    };
    BearerLayer::new(tokens.build().unwrap()).revocation(Arc::new(list.clone()))
}

fn stack(auth: impl Into<AuthLayer>, counted: Counted) -> AuthStack {
    let rules = Rules::new().require("/**", authenticated()).fresh("GET /payouts/*");
    let stack = AuthStack::builder().auth(auth).rules(rules).clock(&hand());
    let budget = RateLimitLayer::failures(Quota::per_minute(100), ClientIp::peer());
    match counted {
        Counted::No => stack,
        Counted::Here => stack.limit(budget),
        Counted::Elsewhere => stack.limit(budget.limiter(Distant)),
    }
    .build()
    .unwrap()
}

/// The status, and which of both was asked.
async fn ask<L>(layer: &L, list: &Cached, token: &str, path: &str) -> (u16, (usize, usize))
where
    L: Layer<Plain>,
    L::Service: Service<Request<Body>, Response: Into<Answer>, Error: std::fmt::Debug>,
{
    let inner: fn(Request<Body>) -> Response<Body> = |_| Response::new(Body::default());
    let mut request = get(path, &[("authorization", &format!("Bearer {token}"))]);
    request.extensions_mut().insert(PeerAddr([192, 0, 2, 1].into()));
    let answer: Answer = layer.layer(support::strict(inner)).oneshot(request).await.unwrap().into();
    (answer.0, list.asked())
}

type Plain = support::Strict<fn(Request<Body>) -> Response<Body>>;

struct Answer(u16);

impl<B> From<Response<B>> for Answer {
    fn from(response: Response<B>) -> Self {
        Self(response.status().as_u16())
    }
}

#[tokio::test]
async fn r057_r116_a_fresh_layer_or_route_does_not_admit_what_a_cache_still_admits() {
    let token = key("es256").token(NOW);
    for waits in [false, true] {
        for tokens in [Tokens::Fixed, Tokens::Remembered, Tokens::Fetched] {
            for counted in [Counted::No, Counted::Here, Counted::Elsewhere] {
                let what = format!("{tokens:?}, counted: {counted:?}, waits: {waits}");
                let list = Cached { waits, asked: Arc::default() };
                let (by_route, optional) =
                    (stack(layer(tokens, &list), counted), stack(layer(tokens, &list).optional(), counted));
                let by_layer = stack(layer(tokens, &list).fresh(), counted);
                let alone = AuthLayer::from(layer(tokens, &list).fresh()).clock(&hand());
                // Twice: at the second time the signature may be remembered, and the keys are fetched.
                for _ in 0..2 {
                    for stack in [&by_route, &optional] {
                        assert_eq!(ask(stack, &list, &token, "/payouts/7").await, (401, (0, 1)), "{what}");
                        assert_eq!(ask(stack, &list, &token, "/models").await, (200, (1, 0)), "{what}");
                        assert_eq!(ask(stack, &list, &token, "//models").await, (401, (0, 1)), "{what}");
                    }
                    assert_eq!(ask(&by_layer, &list, &token, "/models").await, (401, (0, 1)), "{what}");
                    assert_eq!(ask(&alone, &list, &token, "/models").await, (401, (0, 1)), "{what}");
                }
            }
        }
    }
}

/// A list that keeps nothing needs no second method.
struct Nothing;

impl TokenRevocation for Nothing {
    fn status(&self, _: &Claims) -> MaybeReady<Result<TokenStatus, BoxError>> {
        MaybeReady::ready(Ok(TokenStatus::Valid))
    }
}

#[tokio::test]
async fn a_list_without_a_cache_is_fresh() {
    let bearer = BearerLayer::new(strict().build().unwrap()).revocation(Nothing).fresh();
    super::present(&super::stack_of(bearer), &key("es256").token(NOW)).await.assert_accepted();
}
