//! Limits in front of a service that does nothing, compared with other crates for limits, and our limiter compared with
//! `governor` alone.
//!
//! `README.md` next to this file says how to run it. All crates count one caller with a quota that is never used up, or, for
//! refusals, with a quota that one request uses up. All keep the buckets in memory. `governor` uses quanta's clock, which
//! reads the processor's counter; ours and tower-rate-tier ask the system for the time. Each crate sends its default
//! headers, or no headers if it can be configured so:
//!
//! | crate | counts by | headers of an accepted request | headers and body of a refusal |
//! |---|---|---|---|
//! | ours | the address; the plan of an authenticated caller | none, or limit, remaining, reset | `Retry-After`, `Cache-Control`, the same; no body without an envelope |
//! | `tower_governor` 0.8 | the address | none, or limit, remaining | `Retry-After`, `X-RateLimit-After`; with headers limit, remaining; a text |
//! | axum-governor 2 | the address | limit, remaining, reset, `RateLimit`, `RateLimit-Policy`: always | the same, `Retry-After`; a text |
//! | tower-rate-tier 0.3 | a name in a header, and a plan | limit, remaining, reset: always | the same, `Retry-After`; JSON |
//! | raw governor | the address | none, or limit, remaining | `Retry-After`, by hand |
//!
//! The documentation of all crates uses `Router::layer`, so some rows have a router. No crate needs a router, and its time
//! hides small differences. tower-rate-tier trusts a header, so ours by plan stands behind an authentication that reads
//! nothing. `tower_governor` and axum-governor create a clock of quanta's for each refusal, which asks the processor for its
//! features: in a virtual machine that takes many microseconds. The tasks with which axum-governor and tower-rate-tier
//! remove old buckets do not run here.

#[path = "../support/floor.rs"]
mod floor;
#[path = "../support/harness.rs"]
#[expect(dead_code, reason = "this benchmark has no target")]
mod harness;
#[path = "../support/limits/mod.rs"]
#[expect(dead_code, reason = "no row has two windows here")]
mod limits;
#[path = "../support/prepared.rs"]
mod prepared;
#[path = "../support/services.rs"]
mod services;
#[path = "../support/two_threads.rs"]
mod two_threads;

use std::{
    convert::Infallible,
    future::ready,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    time::{Duration, Instant},
};

use axum::{Router, body::Body, extract::ConnectInfo, routing::Route};
use axum_governor::extractor::PeerIp;
use governor::{
    RateLimiter,
    clock::{Clock, DefaultClock, MonotonicClock},
    middleware::{NoOpMiddleware, RateLimitingMiddleware, StateInformationMiddleware},
    state::keyed::{DashMapStateStore, HashMapStateStore},
};
use http::{Extensions, Method, Request, Response, StatusCode, header};
use tower::{Layer, Service, service_fn};
use tower_auth::{ClientIp, Plans, Quota, RateLimitLayer, limit::BucketKey};
use tower_governor::{GovernorLayer, governor::GovernorConfigBuilder};
use tower_rate_tier::{RateTier, TierIdentity, TierLimitLayer};

use self::{
    floor::Bare,
    harness::{Bench, Effort, Report, Row},
    limits::{
        ADDRESS, ADDRESSES, Connected, INTERVAL, NAME, NO, OK, PATH, PLAN, SIZE, ample, auth,
        buckets::{Floor, Key, Told, key_of},
        print_memory, print_our_memory, request, scant, spent,
        takes::{Keys, Takes, floor_takes, our_takes, print_takes},
    },
    services::Template,
};

fn main() {
    let mut bench = Bench::default();
    bench.work("one look at the system's clock", Instant::now);
    let quanta = DefaultClock::default();
    bench.work("one look at quanta's clock, governor's default", move || quanta.now());
    let takes: Vec<_> = Keys::ALL.into_iter().flat_map(|keys| takes(&mut bench, keys)).collect();
    let bases = Bases::new(&mut bench);
    let mut compared = Vec::new();
    for status in [OK, NO] {
        compared.extend(by_address(&mut bench, &bases, status));
        compared.extend(by_address_telling(&mut bench, &bases, status));
        compared.push(by_plan(&mut bench, &bases, status));
    }

    let Some(effort) = Effort::from_args() else { return };
    let report = bench.report(effort);
    print_takes(&takes, &report);
    memory();
    println!();
    for compared in &compared {
        compared.print(&report);
    }
}

/// A row for the service that does nothing, and one for a router in front of it.
#[derive(Clone, Copy)]
struct Pair {
    bare: Row,
    router: Row,
}

/// Ours and a peer.
struct Compared {
    what: String,
    ours: Pair,
    theirs: Pair,
}

impl Compared {
    fn print(&self, report: &Report) {
        let ratio = |of: fn(Pair) -> Row| report.ratio(of(self.ours), of(self.theirs));
        let (bare, router) = (ratio(|pair| pair.bare), ratio(|pair| pair.router));
        println!("- {}: ours takes {bare:.2} x as long, in a router {router:.2} x", self.what);
    }
}

/// A kind of request: its template, the required status, and its cost without a limit.
struct Kind {
    request: Template,
    status: StatusCode,
    base: Pair,
}

impl Kind {
    /// Adds the rows of a limit that is created again for each row, because a clone would share the used quota.
    fn rows<L>(&self, bench: &mut Bench, what: &str, layer: impl Fn() -> L) -> Pair
    where
        L: Layer<Bare, Service: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + 'static>
            + Layer<Route, Service: Routed>
            + Clone
            + Send
            + Sync
            + 'static,
        <<L as Layer<Route>>::Service as Service<Request<Body>>>::Future: Send + 'static,
    {
        let name = |place: &str| format!("{}{place}: {what}", self.outcome());
        bench.over(self.base.bare);
        let bare = self.row(bench, &name(""), Layer::<Bare>::layer(&layer(), Bare));
        bench.over(self.base.router);
        let router = self.row(bench, &name(", router"), router(|router| router.layer(layer())));
        Pair { bare, router }
    }

    fn row<S>(&self, bench: &mut Bench, name: &str, service: S) -> Row
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + 'static,
    {
        let mut service = connected(service);
        if self.status == NO {
            let first = Request::get(PATH).header(API_KEY, NAME).body(Body::empty()).expect("the request is valid");
            service = spent(service, first);
        }
        bench.row(name, &self.request, self.status, service)
    }
}

/// The service of a layer, with the traits that a router requires.
trait Routed:
    Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static
{
}

impl<T> Routed for T where
    T: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static
{
}

/// Puts the client address into a request, as axum does with `into_make_service_with_connect_info`.
fn connected<S>(inner: S) -> Connected<S, ConnectInfo<SocketAddr>> {
    limits::connected(inner, connect_info(ADDRESS))
}

fn connect_info(address: IpAddr) -> ConnectInfo<SocketAddr> {
    ConnectInfo(SocketAddr::new(address, 50_000))
}

/// Prepares the router like `axum::serve`; otherwise it would build the routes again for each request.
fn router(layers: impl FnOnce(Router) -> Router) -> Router {
    layers(Router::new().route_service(PATH, Bare)).with_state(())
}

/// The services without a limit, one per kind.
struct Bases {
    anybody: Pair,
    /// Behind an authentication that always finds the same caller.
    known: Pair,
    /// With a name in a header.
    named: Pair,
}

impl Bases {
    fn new(bench: &mut Bench) -> Self {
        bench.without_floor();
        let mut pair = |what: &str, request: &Template, known: bool| {
            let name = |place: &str| format!("{place}{what}");
            let (bare, router) = (name("bare service"), name("bare axum Router"));
            if known {
                return Pair {
                    bare: bench.row(&bare, request, OK, connected(auth().layer(Bare))),
                    router: bench.row(&router, request, OK, connected(self::router(|router| router.layer(auth())))),
                };
            }
            Pair {
                bare: bench.row(&bare, request, OK, connected(Bare)),
                router: bench.row(&router, request, OK, connected(self::router(|router| router))),
            }
        };
        Self {
            anybody: pair("", &request(), false),
            known: pair(" behind AuthLayer", &request(), true),
            named: pair(", a name in a header", &named(), false),
        }
    }
}

const API_KEY: &str = "x-api-key";

fn named() -> Template {
    Template::new(Method::GET, PATH, &[(API_KEY, NAME)], Body::empty)
}

/// Returns a quota that is never used up, or one that one request uses up.
fn quota(status: StatusCode) -> Quota {
    if status == OK { ample() } else { scant() }
}

/// The same quota as numbers: the time until another request fits, and the burst.
fn period(status: StatusCode) -> (Duration, u32) {
    if status == OK { (Duration::from_nanos(INTERVAL), SIZE) } else { (HOUR, 1) }
}

const HOUR: Duration = Duration::from_hours(1);

fn governors((period, size): (Duration, u32)) -> governor::Quota {
    let rate = governor::Quota::with_period(period).expect("the period is not zero");
    rate.allow_burst(NonZeroU32::new(size).expect("the burst is not zero"))
}

/// The rows of the floor, ours and the peers by address, without headers on an accepted request.
fn by_address(bench: &mut Bench, bases: &Bases, status: StatusCode) -> Vec<Compared> {
    let kind = Kind { request: request(), status, base: bases.anybody };
    floor(bench, &kind, Told::Nothing);
    let layer = || RateLimitLayer::by_address(quota(status), ClientIp::peer()).without_headers();
    let ours = kind.rows(bench, "RateLimitLayer by address, no headers", layer);
    let tower_governor = kind.rows(bench, "tower_governor", || {
        let (period, size) = period(status);
        let config = GovernorConfigBuilder::default().period(period).burst_size(size).finish();
        GovernorLayer::new(config.expect("the quota is valid"))
    });
    raw::<NoOpMiddleware<_>>(bench, &kind, "raw governor", |response, ()| response);
    vec![kind.compared("tower_governor", ours, tower_governor)]
}

/// The same rows with headers.
fn by_address_telling(bench: &mut Bench, bases: &Bases, status: StatusCode) -> Vec<Compared> {
    let kind = Kind { request: request(), status, base: bases.anybody };
    floor(bench, &kind, Told::Seconds);
    let layer = || RateLimitLayer::by_address(quota(status), ClientIp::peer());
    let ours = kind.rows(bench, "RateLimitLayer by address, three headers", layer);
    let five = kind.rows(bench, "RateLimitLayer by address, five headers", || layer().ietf_headers());
    let tower_governor = kind.rows(bench, "tower_governor, two headers", || {
        let (period, size) = period(status);
        let config = GovernorConfigBuilder::default().period(period).burst_size(size).use_headers().finish();
        GovernorLayer::new(config.expect("the quota is valid"))
    });
    let axum_governor = kind.rows(bench, "axum-governor, five headers", || {
        let config = axum_governor::GovernorConfigBuilder::default()
            .with_extractor(PeerIp::default())
            .expect_connect_info()
            .quota_default(governors(period(status)).into())
            .finish();
        axum_governor::GovernorLayer::new(config.expect("the settings are complete"))
    });
    raw::<StateInformationMiddleware>(bench, &kind, "raw governor, two headers", |mut response, snapshot| {
        let (size, rest) = (snapshot.quota().burst_size().get(), snapshot.remaining_burst_capacity());
        response.headers_mut().insert("x-ratelimit-limit", size.into());
        response.headers_mut().insert("x-ratelimit-remaining", rest.into());
        response
    });
    vec![
        kind.compared("tower_governor, two headers, ours three", ours, tower_governor),
        kind.compared("axum-governor, five headers", five, axum_governor),
    ]
}

/// The rows of ours by plan and of tower-rate-tier, which always sends the limit's state, with the reset as a Unix time.
fn by_plan(bench: &mut Bench, bases: &Bases, status: StatusCode) -> Compared {
    bench.without_floor();
    let kind = Kind { request: request(), status, base: bases.known };
    let ours = kind.rows(bench, "RateLimitLayer by plan, three headers, time of day", || {
        let plans = Plans::new().plan(PLAN, quota(status)).fallback(PLAN).build().expect("the plans are valid");
        (auth(), RateLimitLayer::by_plan(&plans).unix_reset())
    });
    let kind = Kind { request: named(), status, base: bases.named };
    let theirs = kind.rows(bench, "tower-rate-tier, three headers", || {
        let (period, size) = period(status);
        let quota = tower_rate_tier::Quota::with_window(size, period * size);
        let tier = RateTier::builder().tier(PLAN, quota).default_tier(PLAN).build();
        TierLimitLayer::new(tier).identifier_fn(|headers| {
            let name = headers.get(API_KEY)?.to_str().ok()?.to_owned();
            Some(TierIdentity::new(name, PLAN))
        })
    });
    kind.compared("tower-rate-tier, three headers, ours by plan", ours, theirs)
}

impl Kind {
    fn compared(&self, peer: &str, ours: Pair, theirs: Pair) -> Compared {
        Compared { what: format!("{}, {peer}", self.outcome()), ours, theirs }
    }

    fn outcome(&self) -> &'static str {
        if self.status == OK { "accepted" } else { "refused" }
    }
}

/// The minimum work. The following rows are compared with it.
fn floor(bench: &mut Bench, kind: &Kind, told: Told) {
    let floor = if kind.status == OK { Floor::ample(Bare) } else { Floor::scant(Bare) };
    let what = if told == Told::Nothing { "floor" } else { "floor, three headers" };
    let what = format!("{}: {what}", kind.outcome());
    bench.over(kind.base.bare);
    bench.without_floor();
    let floor = kind.row(bench, &what, floor.by(address).telling(told));
    bench.against(floor);
}

fn address(extensions: &Extensions) -> Option<Key> {
    key_of(extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip())
}

/// A check written by hand with `governor`.
fn raw<M>(bench: &mut Bench, kind: &Kind, what: &str, tell: fn(Response<Body>, M::PositiveOutcome) -> Response<Body>)
where
    M: RateLimitingMiddleware<<DefaultClock as Clock>::Instant, NegativeOutcome = NotUntil> + 'static,
{
    let limiter = RateLimiter::keyed(governors(period(kind.status))).with_middleware::<M>();
    bench.over(kind.base.bare);
    let clock = DefaultClock::default();
    let service = service_fn(move |request: Request<Body>| {
        let Some(ConnectInfo(from)) = request.extensions().get::<ConnectInfo<SocketAddr>>() else {
            panic!("every request has an address")
        };
        let response = Response::new(Body::empty());
        ready(Ok(match limiter.check_key(&from.ip()) {
            Ok(outcome) => tell(response, outcome),
            Err(until) => refusal(response, until.wait_time_from(clock.now())),
        }))
    });
    kind.row(bench, &format!("{}: {what}", kind.outcome()), service);
}

type NotUntil = governor::NotUntil<<DefaultClock as Clock>::Instant>;

fn refusal(mut response: Response<Body>, wait: Duration) -> Response<Body> {
    *response.status_mut() = NO;
    response.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().into());
    response
}

/// Limiters alone. `governor` uses the same keys as ours, with its default hash.
fn takes(bench: &mut Bench, keys: Keys) -> Vec<Takes> {
    let quota = || governors((Duration::from_nanos(1), 1_000_000_000));
    let key = |n: u32| BucketKey::new([n.to_string().as_str()]);
    let mut takes = vec![floor_takes(bench, keys), our_takes(bench, keys, 1), our_takes(bench, keys, 2)];
    let limiter = RateLimiter::dashmap(quota());
    takes.push(Takes::rows(bench, "governor, DashMap", keys, key, move |key| limiter.check_key(key).is_ok()));
    let limiter =
        RateLimiter::<_, DashMapStateStore<_>, _, NoOpMiddleware<_>>::dashmap_with_clock(quota(), MonotonicClock);
    takes.push(Takes::rows(bench, "governor, DashMap, system's clock", keys, key, move |key| {
        limiter.check_key(key).is_ok()
    }));
    let limiter = RateLimiter::<_, HashMapStateStore<_>, _>::hashmap(quota());
    takes.push(Takes::rows(bench, "governor, HashMap", keys, key, move |key| limiter.check_key(key).is_ok()));
    if matches!(keys, Keys::One) {
        let limiter = RateLimiter::direct(quota());
        takes.push(Takes::rows(bench, "governor, direct", keys, key, move |_| limiter.check().is_ok()));
        let limiter = RateLimiter::<_, _, _, NoOpMiddleware<_>>::direct_with_clock(quota(), MonotonicClock);
        takes.push(Takes::rows(bench, "governor, direct, system's clock", keys, key, move |_| limiter.check().is_ok()));
    }
    takes
}

/// The memory of many addresses.
fn memory() {
    for addresses in ADDRESSES {
        let quota = || governors((Duration::from_secs(36), 100));
        print_our_memory(addresses, connect_info);
        let limiter = RateLimiter::dashmap(quota());
        print_memory("governor, DashMap", addresses, |address| limiter.check_key(&address).is_ok());
        let limiter = RateLimiter::<_, HashMapStateStore<_>, _>::hashmap(quota());
        print_memory("governor, HashMap", addresses, |address| limiter.check_key(&address).is_ok());
    }
}
