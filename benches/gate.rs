//! The cost of the guards and the envelope per request, in time and allocations. They are compared with the bare service,
//! with a prototype that does the minimum work (the floor), and with other crates.
//!
//! `cargo bench --bench gate` takes 15 seconds, `cargo bench --bench gate -- --quick` one second. It reports times and
//! asserts none: only ratios within one run are meaningful, and on a busy machine only those of the quietest run.

mod support;

use std::{collections::HashMap, sync::Arc};

use axum::body::Body;
use http::{Method, StatusCode};
use tower::Layer;
use tower_auth::{
    ApiKeyLayer, AuthStack, ErrorEnvelopeLayer, KeyDigests, KeyFormat, KeyRecord, KeyScheme, KeyStore, MemoryKeyStore,
    Peppers, RequireLayer, StoreFuture, permission::scope, stack::AuthStackBuilder,
};

use self::support::{
    floor::Bare,
    harness::{Bench, Effort, Report, Row, target},
    peers::{self, Floor, Known},
    services::Template,
};

const KEY: &str = "ak_1234567890abcdef1234567890abcdef12345678";
const UNKNOWN: &str = "ak_0000000000abcdef1234567890abcdef12345678";
const OTHER_KEYS: usize = 1_000;

fn main() {
    let mut bench = Bench::default();
    let keys = Keys::new();
    let bare = bench.row("bare service", &with_key(KEY), StatusCode::OK, Bare);

    bench.over(bare);
    let accepted = accepted(&mut bench, &keys);
    slower_stores(&mut bench, &keys);
    let unknown = unknown(bench.without_floor(), &keys);
    refused_unasked(&mut bench, &keys);
    in_router(bench.without_floor(), &keys);

    let Some(effort) = Effort::from_args() else { return };
    let report = bench.report(effort);
    targets(&report, &accepted, &unknown);
}

/// The rows for a good key that have a target.
struct Accepted {
    floor: Row,
    floor_with_cache_headers: Row,
    bearer: Row,
    api_key: Row,
    stack: Row,
}

fn accepted(bench: &mut Bench, keys: &Keys) -> Accepted {
    let (request, ok) = (&with_key(KEY), StatusCode::OK);
    let floor = bench.row("accepted: floor", request, ok, Floor::new(Bare, keys.known()));
    bench.against(floor);
    let with_headers = Floor::new(Bare, keys.known()).with_cache_headers();
    let floor_with_cache_headers = bench.row("accepted: floor and cache headers", request, ok, with_headers);
    bench.row(
        "accepted: tower-http AsyncRequireAuthorization",
        request,
        ok,
        peers::async_require_authorization(Bare, keys.known()),
    );
    bench.row(
        "accepted: tower-http ValidateRequestHeader",
        request,
        ok,
        peers::validate_request_header(Bare, keys.known()),
    );
    bench.row("accepted: axum from_fn", request, ok, peers::from_fn(Bare, keys.known()));

    let bearer = bench.row("accepted: ApiKeyLayer, bearer", &with_bearer(), ok, keys.layer().bearer().layer(Bare));
    let stripped = keys.layer().bearer().strip_credentials().layer(Bare);
    bench.row("accepted: ApiKeyLayer, bearer, strip", &with_bearer(), ok, stripped);
    bench.against(floor_with_cache_headers);
    let api_key = bench.row("accepted: ApiKeyLayer", request, ok, keys.layer().layer(Bare));
    let required = keys.layer().layer(RequireLayer::scope("read").layer(Bare));
    bench.row("accepted: ApiKeyLayer, RequireLayer", request, ok, required);
    let guards = keys.stack().build().expect("the stack has an authentication layer").guards();
    bench.row("accepted: AuthStack::guards", request, ok, guards.layer(Bare));
    let stack = bench.row("accepted: AuthStack", request, ok, built(keys.stack()).layer(Bare));
    let required = built(keys.stack().require(scope("read"))).layer(Bare);
    bench.row("accepted: AuthStack, scope", request, ok, required);
    let observed = built(keys.stack().on_decision(|decision| assert!(decision.is_admitted()))).layer(Bare);
    bench.row("accepted: AuthStack, observer", request, ok, observed);
    bench.row("accepted: ErrorEnvelopeLayer alone", request, ok, ErrorEnvelopeLayer::detailed().layer(Bare));
    Accepted { floor, floor_with_cache_headers, bearer, api_key, stack }
}

/// Rows for other stores: one that answers with a future, and one that looks up the digest under the pepper.
fn slower_stores(bench: &mut Bench, keys: &Keys) {
    let (request, ok) = (&with_key(KEY), StatusCode::OK);
    let boxed = ApiKeyLayer::new(keys.scheme.clone(), Boxed(keys.store.clone())).layer(Bare);
    bench.row("accepted: ApiKeyLayer, store that boxes", request, ok, boxed);
    let keyed = Floor::keyed(Bare, keys.texts()).with_cache_headers();
    let floor = bench.row("accepted: floor, keyed digest, cache headers", request, ok, keyed);
    bench.against(floor);
    let table: Arc<dyn KeyStore> = Arc::new(Table::new(keys));
    let keyed = ApiKeyLayer::new(keys.scheme.clone(), table).layer(Bare);
    bench.row("accepted: ApiKeyLayer, keyed digest, dyn store", request, ok, keyed);
}

/// The rows for an unknown key that have a target.
struct Unknown {
    floor: Row,
    floor_with_reason: Row,
    api_key: Row,
    stack: Row,
}

fn unknown(bench: &mut Bench, keys: &Keys) -> Unknown {
    let (request, no) = (&with_key(UNKNOWN), StatusCode::UNAUTHORIZED);
    let floor = bench.row("unknown: floor", request, no, Floor::new(Bare, keys.known()));
    bench.against(floor);
    let with_reason = Floor::new(Bare, keys.known()).with_reason();
    let floor_with_reason = bench.row("unknown: floor, reason in extensions", request, no, with_reason);
    bench.row(
        "unknown: tower-http AsyncRequireAuthorization",
        request,
        no,
        peers::async_require_authorization(Bare, keys.known()),
    );
    bench.row(
        "unknown: tower-http ValidateRequestHeader",
        request,
        no,
        peers::validate_request_header(Bare, keys.known()),
    );
    bench.row("unknown: axum from_fn", request, no, peers::from_fn(Bare, keys.known()));
    bench.against(floor_with_reason);
    let api_key = bench.row("unknown: ApiKeyLayer", request, no, keys.layer().layer(Bare));
    let stack = bench.row("unknown: AuthStack, JSON", request, no, built(keys.stack()).layer(Bare));
    let observed = built(keys.stack().on_decision(|decision| assert!(!decision.is_admitted()))).layer(Bare);
    bench.row("unknown: AuthStack, JSON, observer", request, no, observed);
    Unknown { floor, floor_with_reason, api_key, stack }
}

/// The rows for requests that need no lookup.
fn refused_unasked(bench: &mut Bench, keys: &Keys) {
    let no = StatusCode::UNAUTHORIZED;
    for (name, request) in [("malformed", &with_key("ak_tooshort")), ("missing", &without_key())] {
        bench.without_floor();
        let mut row = |what, service: Floor<Bare>| bench.row(&format!("{name}: {what}"), request, no, service);
        // The floor has no key format: it hashes and looks up a malformed key.
        row("floor", Floor::new(Bare, keys.known()));
        let floor = row("floor, reason in extensions", Floor::new(Bare, keys.known()).with_reason());
        bench.against(floor);
        bench.row(&format!("{name}: ApiKeyLayer"), request, no, keys.layer().layer(Bare));
        bench.row(&format!("{name}: AuthStack, JSON"), request, no, built(keys.stack()).layer(Bare));
    }
    let forbidden = built(keys.stack().require(scope("write"))).layer(Bare);
    bench.without_floor().row("forbidden: AuthStack, scope, JSON", &with_key(KEY), StatusCode::FORBIDDEN, forbidden);
}

/// Rows in front of an axum router. The first row is the cost of the router alone.
fn in_router(bench: &mut Bench, keys: &Keys) {
    let (request, ok) = (&with_key(KEY), StatusCode::OK);
    let router = bench.row("bare axum Router", request, ok, peers::router());
    bench.over(router);
    bench.row("axum Router: from_fn", request, ok, peers::router_from_fn(keys.known()));
    bench.row("axum Router: ApiKeyLayer", request, ok, peers::router().layer(keys.layer()));
    bench.row("axum Router: AuthStack", request, ok, peers::router().layer(built(keys.stack())));
    bench.row("axum Router: AuthStack outside", request, ok, built(keys.stack()).layer(peers::router()));
}

/// Rows 1 and 2 of the table of targets.
fn targets(report: &Report, accepted: &Accepted, unknown: &Unknown) {
    let Accepted { floor, floor_with_cache_headers, bearer, api_key, stack } = *accepted;
    let allocations = |row| report.added_allocations(row);
    let times = |what: &str, row, floor| target(what, report.ratio(row, floor), 1.5, "x floor");
    times("gate and key accepted, bearer", bearer, floor);
    target("gate and key accepted, bearer", allocations(bearer), 3.0, "allocations");
    times("gate and key accepted, with cache headers", api_key, floor_with_cache_headers);
    // The first header of a response allocates its header map: two allocations, which the target counts for the envelope.
    target("gate and key accepted, with cache headers", allocations(api_key), 5.0, "allocations");
    target("envelope and cache headers", allocations(stack) - allocations(bearer), 4.0, "allocations");
    target("envelope accepted", report.added(stack) - report.added(api_key), 300.0, "ns");
    times("key refused before the envelope, reason in extensions", unknown.api_key, unknown.floor_with_reason);
    times("key refused before the envelope, no reason kept", unknown.api_key, unknown.floor);
    target("key refused in JSON", report.added(unknown.stack), 1_000.0, "ns");
}

fn with_key(key: &'static str) -> Template {
    template(("x-api-key", key))
}

fn with_bearer() -> Template {
    template(("authorization", "Bearer ak_1234567890abcdef1234567890abcdef12345678"))
}

fn without_key() -> Template {
    template(("accept-language", "en"))
}

fn template(fourth: (&'static str, &'static str)) -> Template {
    let headers = [("host", "api.example.com"), ("user-agent", "curl/8.9.1"), ("accept", "*/*"), fourth];
    Template::new(Method::GET, "/v1/models", &headers, Body::empty)
}

/// The stored keys, the same for every row: one that requests present, and others.
struct Keys {
    scheme: KeyScheme,
    store: MemoryKeyStore,
    others: Vec<String>,
}

impl Keys {
    fn new() -> Self {
        let scheme = KeyScheme::new(
            KeyFormat::prefixed("ak", 40).expect("the prefix is valid").without_checksum(),
            Peppers::new(1, [7; 32]).expect("the pepper is not all zeros"),
        );
        let others = (0..OTHER_KEYS).map(|n| format!("ak_{n:040}")).collect();
        let keys = Self { scheme, store: MemoryKeyStore::new(), others };
        for key in keys.texts() {
            keys.store.insert(&keys.scheme, key, record()).expect("the key has the format");
        }
        keys
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        self.others.iter().map(String::as_str).chain([KEY])
    }

    fn known(&self) -> Known {
        Known::new(self.texts())
    }

    fn layer(&self) -> ApiKeyLayer {
        ApiKeyLayer::new(self.scheme.clone(), self.store.clone())
    }

    fn stack(&self) -> AuthStackBuilder {
        AuthStack::builder().envelope(ErrorEnvelopeLayer::detailed()).auth(self.layer())
    }
}

fn built(stack: AuthStackBuilder) -> AuthStack {
    stack.build().expect("the stack has an authentication layer")
}

fn record() -> KeyRecord {
    KeyRecord::new("key_1", "acme").scopes(["read"])
}

/// A store that answers with a future, like a store over a network.
struct Boxed(MemoryKeyStore);

impl KeyStore for Boxed {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        let (store, key) = (self.0.clone(), key.clone());
        StoreFuture::boxed(async move { store.find(&key).await })
    }
}

/// A user-defined table of keyed digests.
struct Table(HashMap<Vec<u8>, KeyRecord>);

impl Table {
    fn new(keys: &Keys) -> Self {
        let row = |key: &str| {
            let digests = keys.scheme.digests(key.as_bytes()).expect("the key has the format");
            (digests.as_slices()[0].to_vec(), record())
        };
        Self(keys.texts().map(row).collect())
    }
}

impl KeyStore for Table {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        let found = key.as_slices().into_iter().find_map(|digest| self.0.get(digest).cloned());
        StoreFuture::ready(Ok(found))
    }
}
