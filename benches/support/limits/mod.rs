//! Tools to measure limits: quotas, requests with a client address, and the memory per address. `buckets` has the minimum
//! work for a limit (the floor), `takes` the buckets shared by two threads.

pub(crate) mod buckets;
pub(crate) mod takes;

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use allocation_counter::measure;
use axum::body::Body;
use http::{Method, Request, Response, StatusCode};
use tower::{Layer as _, Service};
use tower_auth::{AuthLayer, ClientIp, Clock, Principal, Quota, RateLimitLayer, testing::FakeAuth};

use super::{
    floor::Bare,
    prepared::{Prepare, Prepared},
    services::{Template, answer},
};

pub(crate) const OK: StatusCode = StatusCode::OK;
pub(crate) const NO: StatusCode = StatusCode::TOO_MANY_REQUESTS;
/// The path of every request.
pub(crate) const PATH: &str = "/v1/models";
/// The client address of every request.
pub(crate) const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
/// A limit that is never reached: a burst of a thousand, and another request every ten nanoseconds.
pub(crate) const SIZE: u32 = 1_000;
pub(crate) const INTERVAL: u64 = 10;

/// A quota that no client on this machine can use up.
pub(crate) fn ample() -> Quota {
    Quota::per_second(100_000_000).burst(SIZE)
}

/// A second such quota, with a larger window.
pub(crate) fn ample_too() -> Quota {
    Quota::per_minute(3_000_000_000).burst(10 * SIZE)
}

/// A quota that no address uses up.
pub(crate) fn hourly() -> Quota {
    Quota::per_hour(100)
}

/// A quota that one request uses up for the whole benchmark.
pub(crate) fn scant() -> Quota {
    Quota::per_hour(1)
}

/// Requests without a header, so that mostly the limit is measured.
pub(crate) fn request() -> Template {
    Template::new(Method::GET, PATH, &[], Body::empty)
}

/// The name of the caller.
pub(crate) const NAME: &str = "alice";
/// The caller's plan.
pub(crate) const PLAN: &str = "standard";

/// An authentication that reads nothing and finds the same caller every time.
pub(crate) fn auth() -> AuthLayer {
    AuthLayer::from(FakeAuth::always(Principal::builder(NAME).plan(PLAN).build()))
}

/// A service whose requests carry the client address, as after `accept` in a server.
pub(crate) type Connected<S, T> = Prepared<S, ClientAddress<T>>;

/// Puts the client address into a request. `T` is the type in which a server does that.
#[derive(Clone)]
pub(crate) struct ClientAddress<T>(T);

impl<T: Clone + Send + Sync + 'static> Prepare for ClientAddress<T> {
    #[inline]
    fn prepare<B>(&mut self, request: &mut Request<B>) {
        request.extensions_mut().insert(self.0.clone());
    }
}

pub(crate) fn connected<S, T>(inner: S, told: T) -> Connected<S, T> {
    Prepared { inner, prepare: ClientAddress(told) }
}

/// Returns the service after one request, which used up its limit.
pub(crate) fn spent<S, B, R>(mut service: S, request: Request<B>) -> S
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
{
    assert_eq!(answer(&mut service, request).status(), OK, "the first request is let through");
    service
}

/// Returns the time of our own limiter's clock.
#[inline]
pub(crate) fn elapsed() -> Duration {
    Clock::system().elapsed()
}

/// Numbers of addresses: the first nearly fills the tables of most maps, the second makes them grow to twice the size.
pub(crate) const ADDRESSES: [u32; 2] = [850_000, 1_000_000];

/// Prints the memory that is allocated to count these addresses: after each has sent one request, and at the peak. `take`
/// returns false for a refusal.
pub(crate) fn print_memory(what: &str, addresses: u32, mut take: impl FnMut(IpAddr) -> bool) {
    let mut refused = 0;
    let memory = measure(|| {
        let all = (0..addresses).map(|n| IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n)));
        refused = all.filter(|address| !take(*address)).count();
    });
    // At most a few hundred megabytes, so it fits into a `u32`.
    let each = |bytes: u64| f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / f64::from(addresses);
    let held = each(u64::try_from(memory.bytes_current).unwrap_or(0));
    let most = each(memory.bytes_max);
    println!("- {addresses} addresses, {what}: {held:.1} bytes each, {most:.1} on the way, {refused} refused");
}

/// Prints the memory of our layer, behind a server that puts the address into a request as `told` says.
pub(crate) fn print_our_memory<T>(addresses: u32, told: impl Fn(IpAddr) -> T)
where
    T: Clone + Send + Sync + 'static,
{
    let layer = RateLimitLayer::by_address(hourly(), ClientIp::peer());
    let mut service = connected(layer.layer(Bare), told(ADDRESS));
    print_memory("RateLimitLayer by address", addresses, |address| {
        service.prepare = ClientAddress(told(address));
        answer(&mut service, Request::new(Body::empty())).status() == OK
    });
}
