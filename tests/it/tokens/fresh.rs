//! Fresh answers of a list of revoked tokens with a cache that has not heard of a revocation: rules 057 and 116.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    AuthLayer, AuthStack, BearerLayer, BoxError, ClientIp, MaybeReady, PeerAddr, Quota, RateLimitLayer, Rules,
    permission::authenticated,
    token::{Claims, TokenRevocation, TokenStatus},
};

use super::{NOW, hand, mint::key, strict};
use crate::support::{get, ok};

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

/// A GET with a good token.
fn request(path: &str) -> http::Request<crate::support::Body> {
    let mut request = get(path, &[("authorization", &format!("Bearer {}", key("es256").token(NOW)))]);
    request.extensions_mut().insert(PeerAddr([192, 0, 2, 1].into()));
    request
}

#[tokio::test]
async fn r057_r116_a_fresh_layer_or_route_does_not_admit_what_a_cache_still_admits() {
    let rules = || Rules::new().require("/**", authenticated()).fresh("GET /payouts/*");
    for (waits, remembers, counted) in (0..8).map(|bits| (bits & 1 > 0, bits & 2 > 0, bits & 4 > 0)) {
        let list = Cached { waits, asked: Arc::default() };
        let tokens = if remembers { strict().cache(10) } else { strict() };
        let bearer = BearerLayer::new(tokens.build().unwrap()).revocation(Arc::new(list.clone()));
        let stack = |auth: AuthLayer| {
            let stack = AuthStack::builder().auth(auth).rules(rules()).clock(&hand());
            let budget = RateLimitLayer::failures(Quota::per_minute(100), ClientIp::peer());
            if counted { stack.limit(budget) } else { stack }.build().unwrap()
        };
        let ask = async |stack: &AuthStack, path: &str| {
            let response = stack.layer(ok()).oneshot(request(path)).await.unwrap();
            (response.status().as_u16(), list.asked())
        };
        let by_route = stack(bearer.clone().into());
        let by_layer = stack(bearer.clone().fresh().into());
        let optional = stack(bearer.clone().optional());
        // Twice: the second time, the signature may be remembered.
        for turn in 0..2 {
            let what = format!("waits: {waits}, remembers: {remembers}, counted: {counted}, turn {turn}");
            for stack in [&by_route, &optional] {
                assert_eq!(ask(stack, "/models").await, (200, (1, 0)), "{what}");
                assert_eq!(ask(stack, "/payouts/7").await, (401, (0, 1)), "{what}");
                assert_eq!(ask(stack, "//models").await.1, (0, 1), "{what}");
            }
            assert_eq!(ask(&by_layer, "/models").await, (401, (0, 1)), "{what}");
            let alone = AuthLayer::from(bearer.clone().fresh()).clock(&hand());
            let response = alone.layer(ok()).oneshot(request("/models")).await.unwrap();
            assert_eq!((response.status().as_u16(), list.asked()), (401, (0, 1)), "{what}");
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
