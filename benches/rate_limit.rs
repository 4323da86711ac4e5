//! The cost of a limit per request: `RateLimitLayer` compared with the minimum work (the floor), the limiter alone in one
//! thread and in two, and the memory of the buckets.
//!
//! `cargo bench --bench rate_limit` takes a minute, `cargo bench --bench rate_limit -- --quick` a few seconds. It reports
//! times and asserts none: only ratios within one run are meaningful, and on a busy machine only those of the quietest run.
//! The rows with two threads are meaningful only if two cores are idle. `benches/peers` measures other crates in the same
//! way, and `governor` next to the limiter.
//!
//! In rows that count callers, an `AuthLayer` that reads nothing stands in front, also in front of the floor. All rows use
//! the system clock.

#[path = "support/floor.rs"]
mod floor;
#[path = "support/harness.rs"]
mod harness;
#[path = "support/limits/mod.rs"]
mod limits;
#[path = "support/prepared.rs"]
mod prepared;
#[path = "support/services.rs"]
mod services;
#[path = "support/two_threads.rs"]
mod two_threads;

use std::{collections::HashMap, sync::LazyLock};

use axum::body::Body;
use http::{Extensions, Method, Request};
use tower::Layer;
use tower_auth::{
    ApiKeyLayer, AuthStack, ClientIp, ErrorEnvelopeLayer, KeyFormat, KeyRecord, KeyScheme, MemoryKeyStore, PeerAddr,
    Peppers, Plans, Quota, RateLimitLayer, RequestExt as _,
    gate::Gate,
    limit::{BucketKey, LimitDecision, Limits, MemoryLimiter},
    stack::{AuthGuards, AuthStackBuilder},
};

use self::{
    floor::Bare,
    harness::{Bench, Effort, Report, Row, target},
    limits::{
        ADDRESS, ADDRESSES, Connected, NAME, NO, OK, PATH, PLAN, SIZE, ample, ample_too, auth,
        buckets::{Floor, Key, Told, key_of},
        connected, elapsed, hourly, print_memory, print_our_memory, request, scant, spent,
        takes::{Keys, floor_takes, our_takes, print_takes},
    },
    services::Template,
};

fn main() {
    let mut bench = Bench::default();
    let takes: Vec<_> = Keys::ALL
        .into_iter()
        .flat_map(|keys| {
            [floor_takes(&mut bench, keys), our_takes(&mut bench, keys, 1), our_takes(&mut bench, keys, 2)]
        })
        .collect();
    let bases = Bases::new(&mut bench);
    let callers = Callers::new(&mut bench, bases.known);
    let address = by_address(&mut bench, bases.address);
    let in_stack = in_stack(&mut bench, bases.stack);
    let failures = failures(&mut bench, bases.key);

    let Some(effort) = Effort::from_args() else { return };
    let report = bench.report(effort);
    print_takes(&takes, &report);
    memory();
    println!();
    callers.targets(&report);
    address.target(&report, "by address, no headers", 1.3);
    no_allocations(&report, "by address, no headers", address.ours);
    for (what, row) in [("a limit in a stack adds", in_stack), ("a budget of failures adds to a good key", failures)] {
        println!("- {what} {:.0} ns, {} allocations", report.added(row), report.added_allocations(row));
    }
}

/// The services without a limit, one of each kind.
struct Bases {
    known: Row,
    address: Row,
    stack: Row,
    key: Row,
}

impl Bases {
    fn new(bench: &mut Bench) -> Self {
        bench.without_floor();
        let request = &request();
        Self {
            known: bench.row("bare service behind AuthLayer", request, OK, known(Bare)),
            address: bench.row("bare service that knows the address", request, OK, from_address(Bare)),
            stack: bench.row("AuthStack::guards", request, OK, guards(stack()).layer(Bare)),
            key: bench.row("AuthStack::guards, key", &with_key(), OK, from_address(guards(key_stack()).layer(Bare))),
        }
    }
}

/// Two rows that a target compares.
#[derive(Clone, Copy)]
struct Compared {
    floor: Row,
    ours: Row,
}

impl Compared {
    fn target(self, report: &Report, what: &str, limit: f64) {
        target(&format!("accepted, {what}"), report.ratio(self.ours, self.floor), limit, "x floor");
    }
}

/// Reports a target of zero allocations. A percentage of zero is undefined, so none is printed.
fn no_allocations(report: &Report, what: &str, row: Row) {
    let added = report.added_allocations(row);
    let said = if added <= 0.0 { "met" } else { "MISSED" };
    println!("- {said}: accepted, {what}: {added} allocations, the limit is 0");
}

/// The rows for authenticated callers.
struct Callers {
    one: Compared,
    /// The floor that also looks up the caller and its plan.
    informed: Row,
    two: Compared,
    told: Compared,
    large: Compared,
    unix: Compared,
    /// A refusal, with and without headers.
    refused: [Row; 2],
}

impl Callers {
    fn new(bench: &mut Bench, base: Row) -> Self {
        bench.over(base);
        let (one, informed) = one_window(bench);
        let two = two_windows(bench);
        let told = headers(bench, "three headers", Told::Seconds, SIZE, |layer| layer);
        let ietf = by_plan(ample()).ietf_headers().layer(Bare);
        bench.row("accepted, five headers: RateLimitLayer", &request(), OK, known(ietf));
        // Five digits are more than most limits have.
        let large = headers(bench, "three headers, five digits", Told::Seconds, 50_000, |layer| layer);
        let unix = headers(bench, "three headers, time of day", Told::Unix, SIZE, RateLimitLayer::unix_reset);
        Self { one, informed, two, told, large, unix, refused: refused(bench) }
    }

    fn targets(&self, report: &Report) {
        for (what, compared) in
            [("by plan, one window, no headers", self.one), ("by plan, two windows, no headers", self.two)]
        {
            compared.target(report, what, 1.3);
            no_allocations(report, what, compared.ours);
        }
        let ratio = report.ratio(self.one.ours, self.informed);
        println!("- by plan, one window, no headers: {ratio:.2} x the floor that looks up the caller and the plan");
        self.told.target(report, "three headers", 1.0);
        self.large.target(report, "three headers, five digits", 1.0);
        self.unix.target(report, "three headers, time of day", 1.0);
        let accepted = [("three headers", self.told.ours), ("no headers", self.one.ours)];
        for ((what, accepted), refused) in accepted.into_iter().zip(self.refused) {
            target(&format!("refused, {what}"), report.added(refused), 400.0, "ns");
            println!("- refused, {what}: {:.2} x accepted", report.ratio(refused, accepted));
        }
    }
}

const OTHER_PLAN: &str = "premium";

/// A service behind an authentication that finds the same caller every time.
fn known<S>(inner: S) -> Gate<S> {
    auth().layer(inner)
}

fn by_plan(quotas: impl IntoIterator<Item = Quota>) -> RateLimitLayer {
    let plans = Plans::new().plan(PLAN, quotas).plan(OTHER_PLAN, ample()).fallback(PLAN);
    RateLimitLayer::by_plan(&plans.build().expect("the plans are valid"))
}

fn one_window(bench: &mut Bench) -> (Compared, Row) {
    bench.without_floor();
    let floor = bench.row("accepted: floor", &request(), OK, known(Floor::ample(Bare)));
    bench.against(floor);
    let informed = Floor::ample(Bare).by(plan_of_caller);
    let informed = bench.row("accepted: floor, caller and plan looked up", &request(), OK, known(informed));
    let ours = by_plan(ample()).without_headers().layer(Bare);
    let ours = bench.row("accepted: RateLimitLayer by plan", &request(), OK, known(ours));
    let bucket = BucketKey::new([NAME]);
    let own = RateLimitLayer::by_bucket(ample(), move |_, _| bucket).without_headers().layer(Bare);
    bench.row("accepted: RateLimitLayer by a rule of the service's", &request(), OK, known(own));
    (Compared { floor, ours }, informed)
}

/// Reads what determines the plan of a request: the caller and its plan.
fn plan_of_caller(extensions: &Extensions) -> Option<Key> {
    static PLANS: LazyLock<HashMap<&str, Key>> =
        LazyLock::new(|| HashMap::from([(PLAN, [11 << 56, 13]), (OTHER_PLAN, [17 << 56, 19])]));
    PLANS.get(extensions.principal().ok()?.plan()?).copied()
}

fn two_windows(bench: &mut Bench) -> Compared {
    bench.without_floor();
    let floor = Floor::ample_twice(Bare);
    let floor = bench.row("accepted, two windows: floor", &request(), OK, known(floor));
    bench.against(floor);
    let ours = by_plan([ample(), ample_too()]).without_headers().layer(Bare);
    let ours = bench.row("accepted, two windows: RateLimitLayer by plan", &request(), OK, known(ours));
    Compared { floor, ours }
}

fn headers(
    bench: &mut Bench,
    what: &str,
    told: Told,
    size: u32,
    layer: impl Fn(RateLimitLayer) -> RateLimitLayer,
) -> Compared {
    bench.without_floor();
    let floor = Floor::ample_of(Bare, size).telling(told);
    let floor = bench.row(&format!("accepted, {what}: floor"), &request(), OK, known(floor));
    bench.against(floor);
    let ours = known(layer(by_plan(ample().burst(size))).layer(Bare));
    let ours = bench.row(&format!("accepted, {what}: RateLimitLayer"), &request(), OK, ours);
    Compared { floor, ours }
}

/// The rows for a 429, with and without headers.
fn refused(bench: &mut Bench) -> [Row; 2] {
    let layers = [
        ("three headers", Told::Seconds, by_plan(scant())),
        ("no headers", Told::Nothing, by_plan(scant()).without_headers()),
    ];
    let rows = layers.map(|(what, told, layer)| {
        let name = |whose: &str| format!("refused, {what}: {whose}");
        bench.without_floor();
        let floor = spent(known(Floor::scant(Bare).telling(told)), Request::default());
        let floor = bench.row(&name("floor"), &request(), NO, floor);
        bench.against(floor);
        let ours = spent(known(layer.layer(Bare)), Request::default());
        bench.row(&name("RateLimitLayer"), &request(), NO, ours)
    });
    bench.without_floor();
    let limit = known(by_plan(scant()).layer(Bare));
    let service = spent(ErrorEnvelopeLayer::detailed().layer(limit), Request::default());
    bench.row("refused, JSON: RateLimitLayer, ErrorEnvelopeLayer", &request(), NO, service);
    rows
}

/// A service whose requests carry the address of the client.
fn from_address<S>(inner: S) -> Connected<S, PeerAddr> {
    connected(inner, PeerAddr(ADDRESS))
}

fn by_address(bench: &mut Bench, base: Row) -> Compared {
    bench.over(base);
    bench.without_floor();
    let floor = from_address(Floor::ample(Bare).by(address));
    let floor = bench.row("accepted, by address: floor", &request(), OK, floor);
    bench.against(floor);
    let layer = || RateLimitLayer::by_address(ample(), ClientIp::peer());
    let ours = from_address(layer().without_headers().layer(Bare));
    let ours = bench.row("accepted, by address: RateLimitLayer", &request(), OK, ours);
    let told = from_address(layer().layer(Bare));
    bench.row("accepted, by address, three headers: RateLimitLayer", &request(), OK, told);
    Compared { floor, ours }
}

fn address(extensions: &Extensions) -> Option<Key> {
    key_of(extensions.get::<PeerAddr>()?.0)
}

fn stack() -> AuthStackBuilder {
    AuthStack::builder().auth(auth())
}

fn guards(stack: AuthStackBuilder) -> AuthGuards {
    stack.build().expect("the stack has an authentication layer").guards()
}

/// Measures the limit as an additional guard of an existing gate.
fn in_stack(bench: &mut Bench, base: Row) -> Row {
    bench.over(base);
    bench.without_floor();
    let floor = guards(stack()).layer(Floor::ample(Bare));
    let floor = bench.row("AuthStack::guards: floor", &request(), OK, floor);
    bench.against(floor);
    let limited = guards(stack().limit(by_plan(ample()).without_headers())).layer(Bare);
    let row = bench.row("AuthStack::guards, limit by plan", &request(), OK, limited);
    let told = guards(stack().limit(by_plan(ample()))).layer(Bare);
    bench.row("AuthStack::guards, limit by plan, three headers", &request(), OK, told);
    row
}

const KEY: &str = "ak_1234567890abcdef1234567890abcdef12345678";

fn with_key() -> Template {
    Template::new(Method::GET, PATH, &[("x-api-key", KEY)], Body::empty)
}

/// A stack with one good key and its record in memory.
fn key_stack() -> AuthStackBuilder {
    let scheme = KeyScheme::new(
        KeyFormat::prefixed("ak", 40).expect("the prefix is valid").without_checksum(),
        Peppers::new(1, [7; 32]).expect("the pepper is not all zeros"),
    );
    let store = MemoryKeyStore::new();
    store.insert(&scheme, KEY, KeyRecord::new("key_1", "acme")).expect("the key has the format");
    AuthStack::builder().auth(ApiKeyLayer::new(scheme, store))
}

/// The cost of a budget of failed attempts for requests that do not fail.
fn failures(bench: &mut Bench, base: Row) -> Row {
    bench.over(base);
    bench.without_floor();
    let failures = || RateLimitLayer::failures(Quota::per_minute(30), ClientIp::peer());
    let service = |stack: AuthStackBuilder| from_address(guards(stack).layer(Bare));
    let budget = service(key_stack().limit(failures()));
    let row = bench.row("AuthStack::guards, key, budget of failures", &with_key(), OK, budget);
    let both = service(key_stack().limit(failures()).limit(by_plan(ample())));
    bench.row("AuthStack::guards, key, budget of failures, limit by plan, three headers", &with_key(), OK, both);
    row
}

/// The memory of many addresses.
fn memory() {
    for addresses in ADDRESSES {
        print_our_memory(addresses, PeerAddr);
        for (what, most) in [("MemoryLimiter", None), ("MemoryLimiter with room for a million", Some(1_000_000))] {
            let limits = Limits::new(hourly()).expect("the quota is valid");
            let limiter = most.into_iter().fold(MemoryLimiter::new(), MemoryLimiter::max_buckets);
            print_memory(what, addresses, |address| {
                let decided = limiter.try_acquire(BucketKey::from_ip(address), &limits, 1, elapsed());
                matches!(decided, LimitDecision::Admitted(_))
            });
            let (bytes, len, shared) = (limiter.memory_bytes(), limiter.len(), limiter.shared_bucket_count());
            println!("  - it says {bytes} bytes for {len} buckets; {shared} requests were counted in shared ones");
        }
    }
}
