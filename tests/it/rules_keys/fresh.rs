//! Fresh answers: what a layer, or a route, asks of a store with a cache that has not heard of a revocation (rule 085).

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http::{Method, Request};
use tower::{Layer, Service, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthFuture, AuthLayer, AuthOutcome, AuthStack, Authenticator, ClientIp, KeyDigests, KeyRecord,
    KeyRegistry, KeyScheme, KeyState, KeyStore, MemoryKeyStore, PeerAddr, Principal, Quota, RateLimitLayer,
    RequestHead, Rules, StoreFuture,
    permission::{authenticated, from_fn},
    testing::FlakyKeyStore,
};

use super::Slow;
use crate::support::{Body, KEY, ak, get};

/// A cache that still admits what the store has revoked, and counts which of its two was asked.
#[derive(Clone)]
struct Cached {
    store: MemoryKeyStore,
    record: KeyRecord,
    asked: Arc<[AtomicUsize; 2]>,
}

impl KeyStore for Cached {
    fn find(&self, _: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        self.asked[0].fetch_add(1, Ordering::SeqCst);
        StoreFuture::ready(Ok(Some(self.record.clone())))
    }

    fn find_fresh(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        self.asked[1].fetch_add(1, Ordering::SeqCst);
        self.store.find(key)
    }
}

/// The same behind a network: nothing happens before it is waited for.
struct Pending(Cached);

impl KeyStore for Pending {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        self.later(key, Cached::find)
    }

    fn find_fresh(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        self.later(key, Cached::find_fresh)
    }
}

impl Pending {
    fn later(
        &self,
        key: &KeyDigests,
        find: fn(&Cached, &KeyDigests) -> StoreFuture<Option<KeyRecord>>,
    ) -> StoreFuture<Option<KeyRecord>> {
        let (store, key) = (self.0.clone(), key.clone());
        StoreFuture::boxed(async move {
            tokio::task::yield_now().await;
            find(&store, &key).await
        })
    }
}

/// A key that was revoked, which the cache does not know.
fn revoked() -> (KeyScheme, Cached) {
    let (scheme, record) = (KeyScheme::ephemeral(ak()), KeyRecord::new("key_1", "acme").scopes(["read"]));
    let store = MemoryKeyStore::new().with(&scheme, KEY, record.clone().state(KeyState::Revoked)).unwrap();
    (scheme, Cached { store, record, asked: Arc::default() })
}

fn keys(scheme: &KeyScheme, store: &Cached, slow: bool) -> ApiKeyLayer {
    let (scheme, store) = (scheme.clone(), store.clone());
    if slow { ApiKeyLayer::new(scheme, Pending(store)) } else { ApiKeyLayer::new(scheme, store) }
}

impl Cached {
    /// The number of lookups by way of the cache and past it, since the last call.
    fn asked(&self) -> (usize, usize) {
        let [cached, fresh] = &*self.asked;
        (cached.swap(0, Ordering::SeqCst), fresh.swap(0, Ordering::SeqCst))
    }
}

fn request(method: &str, path: &str) -> Request<Body> {
    let mut request = get(path, &[("x-api-key", KEY)]);
    *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
    request
}

async fn status<L>(layer: &L, request: Request<Body>) -> u16
where
    L: Layer<crate::support::Strict<fn(Request<Body>) -> http::Response<Body>>>,
    L::Service: Service<Request<Body>, Response: Status>,
    <L::Service as Service<Request<Body>>>::Error: std::fmt::Debug,
{
    let inner: fn(Request<Body>) -> http::Response<Body> = |_| http::Response::new(Body::default());
    layer.layer(crate::support::strict(inner)).oneshot(request).await.unwrap().status()
}

trait Status {
    fn status(&self) -> u16;
}

impl<B> Status for http::Response<B> {
    fn status(&self) -> u16 {
        self.status().as_u16()
    }
}

#[tokio::test]
async fn r085_a_fresh_layer_does_not_admit_what_a_cache_still_admits() {
    let (scheme, store) = revoked();
    let layer = |fresh: bool, slow: bool| {
        let layer = keys(&scheme, &store, slow);
        if fresh { layer.fresh() } else { layer }
    };
    for slow in [false, true] {
        assert_eq!(status(&layer(false, slow), request("GET", "/")).await, 200);
        assert_eq!(store.asked(), (1, 0));
        assert_eq!(status(&layer(true, slow), request("GET", "/")).await, 401);
        assert_eq!(store.asked(), (0, 1));
        let stack = AuthStack::builder().auth(layer(true, slow).optional()).build().unwrap();
        assert_eq!(status(&stack, request("GET", "/")).await, 401, "optional is not lenient");
        assert_eq!(status(&stack, get("/", &[])).await, 200);
        assert_eq!(store.asked(), (0, 1));
    }
    let shown = format!("{:?}", layer(true, false));
    assert!(shown.contains("fresh: true"), "{shown}");
}

#[tokio::test]
async fn r085_wrappers_of_a_store_pass_fresh_lookups_on() {
    let (scheme, store) = revoked();
    let registry = KeyRegistry::new(scheme.clone(), store.store.clone());
    let wrapped = [
        ApiKeyLayer::new(scheme.clone(), registry.watch(store.clone())),
        ApiKeyLayer::new(scheme.clone(), FlakyKeyStore::new(store.clone())),
        ApiKeyLayer::new(scheme.clone(), Arc::new(store.clone())),
        ApiKeyLayer::new(scheme, Arc::new(registry.watch(Arc::new(store.clone()) as Arc<dyn KeyStore>))),
    ];
    for keys in wrapped {
        assert_eq!(status(&keys, request("GET", "/")).await, 200);
        assert_eq!(status(&keys.fresh(), request("GET", "/")).await, 401);
        assert_eq!(store.asked(), (1, 1));
    }
}

/// A store that keeps nothing needs no second method.
#[tokio::test]
async fn a_store_without_a_cache_is_fresh() {
    let (scheme, store) = crate::support::store(KeyRecord::new("key_1", "acme"));
    let keys = ApiKeyLayer::new(scheme, Slow(store)).fresh();
    assert_eq!(status(&keys, request("GET", "/")).await, 200);
}

fn rules() -> Rules {
    Rules::new()
        .fresh("POST /v1/keys")
        .public("GET /health")
        .require("/v1/**", authenticated())
        .require("/bank.v1.Payouts/*", authenticated())
        .fresh("GET /v1/exports/{id}")
        .fresh("/bank.v1.Payouts/Send")
        .fresh("/v1/caf%C3%A9-bar")
}

/// Routes, and whether they are fresh. A route that is not is admitted by the cache.
const ROUTES: [(&str, &str, bool); 17] = [
    ("POST", "/v1/keys", true),
    ("GET", "/v1/keys", false),
    ("POST", "/v1/keys/", false),
    ("POST", "/v1/keys?a=%2F", true),
    ("GET", "/v1/exports/1", true),
    ("HEAD", "/v1/exports/1", true),
    ("DELETE", "/v1/exports/1", false),
    ("GET", "/v1/exports/1/2", false),
    ("POST", "/bank.v1.Payouts/Send", true),
    ("POST", "/bank.v1.Payouts/List", false),
    // What two parsers could read differently, and encodings of a fresh route.
    ("POST", "/v1//keys", true),
    ("POST", "/v1/./keys", true),
    ("POST", "/v1/other/%2e%2e/keys", true),
    ("POST", "/v1/k%65ys", true),
    ("GET", "/v1/caf%c3%a9-bar", true),
    ("GET", "/v1/caf%C3%A9%2Dbar", true),
    ("GET", "/v1/caf%C3%A8-bar", false),
];

#[tokio::test]
async fn r085_a_fresh_route_does_not_admit_what_a_cache_still_admits() {
    let (scheme, store) = revoked();
    for slow in [false, true] {
        let keys = keys(&scheme, &store, slow);
        for (auth, rules) in [
            (AuthLayer::from(keys.clone()), rules()),
            (keys.clone().optional(), rules()),
            // A method that finds nothing, at once or after a wait.
            (AuthLayer::first(Nobody { waits: false, takes_over: false }).then(keys.clone()), rules()),
            (AuthLayer::first(Nobody { waits: true, takes_over: false }).then(keys.clone()), rules()),
            // A trial of the rules is no trial of the keys.
            (AuthLayer::from(keys.clone()), rules().report_only()),
        ] {
            let stack = AuthStack::builder().auth(auth).rules(rules).build().unwrap();
            for (method, path, fresh) in ROUTES {
                let status = status(&stack, request(method, path)).await;
                let (expected, asked) = if fresh { (401, (0, 1)) } else { (200, (1, 0)) };
                assert_eq!((status, store.asked()), (expected, asked), "{method} {path}, slow: {slow}");
            }
            assert_eq!(status(&stack, request("GET", "/health")).await, 200);
            assert_eq!(store.asked(), (0, 0), "public routes are not authenticated");
        }
        // Reported, and not enforced: looked up past the cache all the same.
        let auth = AuthLayer::from(keys).report_only();
        let stack = AuthStack::builder().auth(auth).rules(rules().otherwise(authenticated())).build().unwrap();
        assert_eq!(status(&stack, request("POST", "/v1/keys")).await, 401, "by the rules");
        assert_eq!(store.asked(), (0, 1));
    }
}

/// Finds no credential, at once or after a wait. With `takes_over` it recognises every credential.
struct Nobody {
    waits: bool,
    takes_over: bool,
}

impl Authenticator for Nobody {
    fn authenticate(&self, _: &RequestHead<'_>) -> AuthFuture {
        if !self.waits {
            return AuthFuture::ready(AuthOutcome::NoCredential);
        }
        AuthFuture::boxed(async {
            tokio::task::yield_now().await;
            AuthOutcome::NoCredential
        })
    }

    fn challenge(&self) -> &'static str {
        "Nobody"
    }

    fn credential_headers(&self) -> &[http::HeaderName] {
        const HEADERS: [http::HeaderName; 1] = [http::header::AUTHORIZATION];
        &HEADERS
    }

    fn recognizes(&self, _: &RequestHead<'_>) -> bool {
        self.takes_over
    }
}

/// The heads that are made anew: for a method that may read one header only, and for one that was skipped at first.
#[tokio::test]
async fn r085_methods_that_share_a_header_see_what_is_fresh() {
    let (scheme, store) = revoked();
    let ask = async |auth: AuthLayer, key: &str| {
        let stack = AuthStack::builder().auth(auth).rules(rules()).build().unwrap();
        let mut seen = Vec::new();
        for method in ["POST", "GET"] {
            let mut request = get("/v1/keys", &[("authorization", &format!("Bearer {key}"))]);
            *request.method_mut() = method.parse().unwrap();
            seen.push((status(&stack, request).await, store.asked()));
        }
        seen
    };
    for slow in [false, true] {
        let keys = || keys(&scheme, &store, slow).header("x-api-key").bearer();
        let fresh_then_cached = [(401, (0, 1)), (200, (1, 0))];
        for waits in [false, true] {
            // The keys take the header over, and may read nothing else.
            let auth = AuthLayer::first(Nobody { waits, takes_over: false }).then(keys());
            assert_eq!(ask(auth, KEY).await, fresh_then_cached);
            // The keys are skipped, and asked after all. They recognise no key of another format.
            let odd = KeyScheme::ephemeral(tower_auth::KeyFormat::opaque(16));
            let skipped = ApiKeyLayer::new(odd, Pending(store.clone())).bearer();
            let auth = AuthLayer::first(keys()).then(Nobody { waits, takes_over: true }).then(skipped);
            let seen = ask(auth, KEY).await;
            assert_eq!(seen, fresh_then_cached, "waits: {waits}, slow: {slow}");
        }
    }
}

/// A method and a policy of the service can read what the stack wants.
#[tokio::test]
async fn a_method_and_a_policy_are_told_what_is_fresh() {
    let asked: Arc<[AtomicUsize; 2]> = Arc::default();
    let count = Arc::clone(&asked);
    let policy = from_fn(move |_: &Principal, request: &RequestHead<'_>| {
        count[usize::from(request.wants_fresh())].fetch_add(1, Ordering::SeqCst);
        true
    });
    let (scheme, memory) = crate::support::store(KeyRecord::new("key_1", "acme"));
    // After the store was waited for, the guards run with another pass.
    let methods = [AuthLayer::from(ApiKeyLayer::new(scheme.clone(), memory.clone())), {
        ApiKeyLayer::new(scheme, Slow(memory)).into()
    }];
    for auth in methods {
        let stack = AuthStack::builder().auth(auth).rules(rules()).require(policy.clone()).build().unwrap();
        assert_eq!(status(&stack, request("POST", "/v1/keys")).await, 200);
        assert_eq!(status(&stack, request("GET", "/v1/keys")).await, 200);
        assert_eq!((asked[1].swap(0, Ordering::SeqCst), asked[0].swap(0, Ordering::SeqCst)), (1, 1));
    }
    assert!(!RequestHead::from(&request("POST", "/v1/keys")).wants_fresh(), "outside of a stack");
}

#[tokio::test]
async fn r089_a_budget_that_is_spent_reaches_no_store_for_fresh_routes_either() {
    let (scheme, store) = revoked();
    let keys = ApiKeyLayer::new(scheme, Pending(store.clone()));
    let budget = RateLimitLayer::failures(Quota::per_minute(2), ClientIp::peer());
    let stack = AuthStack::builder().auth(keys).rules(rules()).limit(budget).build().unwrap();
    let from = |mut request: Request<Body>| {
        request.extensions_mut().insert(PeerAddr([192, 0, 2, 1].into()));
        request
    };
    let guess = || {
        let mut guess = from(request("POST", "/v1/keys"));
        guess.headers_mut().insert("x-api-key", "ak_0000000000000000000000000000000000000000".parse().unwrap());
        guess
    };
    for expected in [401, 401, 429, 429] {
        assert_eq!(status(&stack, guess()).await, expected);
    }
    assert_eq!(store.asked().1, 2, "what is spent asks nobody");
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn r085_a_moved_path_is_fresh() {
    use axum::{Router, routing::get as route};

    let (scheme, store) = revoked();
    let keys = ApiKeyLayer::new(scheme, store.clone());
    let stack = |rules: Rules| AuthStack::builder().auth(keys.clone()).rules(rules).build().unwrap();
    let inner = || Router::new().route("/v1/keys", route(|| async {}).post(|| async {}));
    let ask = async |app: Router, method: &str| {
        let request = request(method, "/api/v1/keys").map(|_| axum::body::Body::empty());
        app.oneshot(request).await.unwrap().status().as_u16()
    };
    // The table cannot tell the route, so that it is fresh: a revoked key is refused before the table answers 500.
    let nested = |rules| Router::new().nest("/api", inner().layer(stack(rules)));
    assert_eq!((ask(nested(rules()), "GET").await, store.asked()), (401, (0, 1)));
    // Without fresh routes, nothing is.
    let plain = Rules::new().require("/v1/**", authenticated());
    assert_eq!((ask(nested(plain), "GET").await, store.asked()), (500, (1, 0)));
    // A table for rewritten paths reads them.
    let served = || Router::new().nest_service("/api", stack(rules().match_rewritten_path()).layer(inner()));
    assert_eq!((ask(served(), "GET").await, store.asked()), (200, (1, 0)));
    assert_eq!((ask(served(), "POST").await, store.asked()), (401, (0, 1)));
}
