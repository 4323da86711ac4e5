//! The cost of counting a request, and of writing the counts.
//!
//! `cargo bench --bench usage` takes a minute, `-- --quick` some seconds. It reports times and asserts none: only ratios within
//! one run are meaningful. The rows with two threads are meaningful only if two cores are idle.
//!
//! The rows of a pair differ in the observer only: one does nothing, the other counts. Both stacks keep what an observer may
//! ask for.
//!
//! At the end, the counts of 100,000 keys are written to an SQLite file and, if there is a server on the machine, to
//! PostgreSQL. The floor is the same rows written by the bare statements, in transactions as long as those of the library. Both
//! write twice: new rows, and then the same ones again.

#[path = "support/flush.rs"]
mod flush;
#[path = "support/harness.rs"]
#[allow(dead_code, reason = "no row has a floor")]
mod harness;
#[path = "support/services.rs"]
mod services;
/// The servers of the tests.
#[path = "../tests/it/support"]
#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "the tests use all of it, as tests do"
)]
mod support {
    pub(crate) mod postgres;
    pub(crate) mod process;
    pub(crate) mod server;
}
#[path = "support/two_threads.rs"]
mod two_threads;

use std::time::Instant;

use axum::body::Body;
use http::{Method, Request, Response, StatusCode};
use tower::{Layer, service_fn};
use tower_auth::{
    ApiKeyLayer, AuthStack, KeyFormat, KeyRecord, KeyScheme, KeyState, MemoryKeyStore, Usage, stack::AuthStackBuilder,
};

use self::{
    harness::{Bench, Effort, Report, Row, target},
    services::{Template, answer},
};

const KEY: &str = "ak_1234567890abcdef1234567890abcdef12345678";
/// The keys that were counted before, so that the table is not empty.
const OTHER_KEYS: usize = 1_000;
/// The requests of one call of a row with two threads.
const AT_ONCE: usize = 256;
/// The nanoseconds that counting may take.
const LIMIT: f64 = 60.0;

fn main() {
    let mut bench = Bench::default();
    let admitted = pair(&mut bench, "admitted", KeyState::Active, StatusCode::OK);
    let refused = pair(&mut bench, "refused: paused", KeyState::Paused, StatusCode::UNAUTHORIZED);
    let threads = in_two_threads(&mut bench);

    let effort = Effort::from_args();
    if let Some(effort) = effort {
        let report = bench.report(effort);
        admitted.target(&report, "an admitted request", 1.0);
        refused.target(&report, "a refused request", 1.0);
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        threads.target(&report, "two threads on one key, an admitted request", AT_ONCE as f64);
        println!();
    }
    let keys = if effort.is_some() { 100_000 } else { 100 };
    written(keys);
    flush::all(keys);
}

/// A row without counting, and one with.
struct Pair {
    without: Row,
    with: Row,
}

impl Pair {
    /// `calls` is the number of requests of a call.
    fn target(&self, report: &Report, what: &str, calls: f64) {
        let more = (report.added(self.with) - report.added(self.without)) / calls;
        target(&format!("counting {what}"), more, LIMIT, "ns");
        let allocated = report.added_allocations(self.with) - report.added_allocations(self.without);
        println!("- {:.3} more allocations a request", allocated / calls);
    }
}

fn scheme() -> KeyScheme {
    KeyScheme::ephemeral(KeyFormat::prefixed("ak", 40).expect("the format is right").without_checksum())
}

fn builder(state: KeyState) -> AuthStackBuilder {
    let scheme = scheme();
    let record = KeyRecord::new("key_0123456789abcdefghijkl", "acme").organizations(["org_1"]).state(state);
    let store = MemoryKeyStore::new().with(&scheme, KEY, record).expect("the key has the format");
    AuthStack::builder().auth(ApiKeyLayer::new(scheme, store))
}

/// A stack that counts, and has counted other keys before.
fn counting(state: KeyState) -> (Usage, AuthStack) {
    let usage = Usage::new(MemoryKeyStore::new());
    count_others(&usage, OTHER_KEYS);
    let stack = builder(state).on_decision(usage.observer()).build().expect("the stack is right");
    (usage, stack)
}

fn silent(state: KeyState) -> AuthStack {
    builder(state).on_decision(|_| {}).build().expect("the stack is right")
}

fn pair(bench: &mut Bench, name: &str, state: KeyState, status: StatusCode) -> Pair {
    let request =
        Template::new(Method::GET, "/v1/models", &[("x-api-key", KEY), ("user-agent", "curl/8.5.0")], Body::empty);
    let without =
        bench.row(&format!("{name}: an observer that does nothing"), &request, status, service(&silent(state)));
    let (usage, stack) = counting(state);
    let with = bench.row(&format!("{name}: counted"), &request, status, service(&stack));
    drop(usage);
    Pair { without, with }
}

macro_rules! handler {
    () => {
        service_fn(|_: Request<Body>| async { Ok::<_, std::convert::Infallible>(Response::new(Body::empty())) })
    };
}

fn service(
    stack: &AuthStack,
) -> impl tower::Service<Request<Body>, Response = Response<impl Sized>, Error = std::convert::Infallible> + 'static {
    stack.layer(handler!())
}

fn request() -> Request<Body> {
    Request::get("/v1/models").header("x-api-key", KEY).body(Body::empty()).expect("the request is right")
}

fn in_two_threads(bench: &mut Bench) -> Pair {
    let mut row = |name: &str, stack: &AuthStack| {
        let work = |stack: &AuthStack| {
            let mut service = stack.layer(handler!());
            move || (0..AT_ONCE).for_each(|_| drop(answer(&mut service, request())))
        };
        bench.in_two_threads(name, work(stack), work(stack))
    };
    let without = row("two threads, one key: an observer that does nothing", &silent(KeyState::Active));
    let (_usage, stack) = counting(KeyState::Active);
    let with = row("two threads, one key: counted", &stack);
    Pair { without, with }
}

/// Counts one request of each of so many keys, and returns the bytes that the counts take.
fn count_others(usage: &Usage, keys: usize) -> i64 {
    let (scheme, store) = (scheme(), MemoryKeyStore::new());
    let stack = AuthStack::builder().auth(ApiKeyLayer::new(scheme.clone(), store.clone()));
    let stack = stack.on_decision(usage.observer()).build().expect("the stack is right");
    let mut service = stack.layer(handler!());
    let secrets: Vec<_> = (0..keys)
        .map(|number| {
            let record = KeyRecord::new(format!("key_{number}"), format!("account_{}", number / 100));
            store.create(&scheme, record.organizations(["org_1"])).expect("the key is created")
        })
        .collect();
    let counting = || {
        for secret in &secrets {
            let request = Request::get("/").header("x-api-key", secret.expose()).body(Body::empty());
            drop(answer(&mut service, request.expect("the request is right")));
        }
    };
    allocation_counter::measure(counting).bytes_current
}

/// Asks once with each key of a stack that knows a key by its number in the path.
fn count_of(stack: &AuthStack, keys: usize) {
    let mut service = stack.layer(handler!());
    for number in 0..keys {
        let request = Request::get(format!("/{number}")).body(Body::empty()).expect("the request is right");
        assert_eq!(answer(&mut service, request).status(), StatusCode::OK);
    }
}

/// The memory of counts, and the time to write them.
fn written(keys: usize) {
    let usage = Usage::new(MemoryKeyStore::new());
    let bytes = count_others(&usage, keys);
    println!("- {keys} keys: {} B of counts a key", bytes / i64::try_from(keys).unwrap_or(i64::MAX));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("the runtime starts");
    let started = Instant::now();
    runtime.block_on(usage.flush()).expect("the store answers");
    println!("- {keys} keys: added up and written to memory in {:.0} ms", started.elapsed().as_secs_f64() * 1e3);
}
