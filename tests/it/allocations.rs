//! What the ready road costs: allocations over those of the bare inner service, counted on the test's own thread.

use std::{
    convert::Infallible,
    future::{Future as _, Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use http::{Request, Response, StatusCode, header};
use tower::{Layer, Service};
use tower_auth::{ApiKeyLayer, AuthStack, ErrorEnvelopeLayer, KeyRecord, RequireLayer, permission};

use crate::support::{Body, KEY, get, store};

/// Answers 200 in a future that is not boxed: with one header, as any real service does, or with none.
#[derive(Clone, Copy)]
struct Bare {
    headers: bool,
}

impl Service<Request<Body>> for Bare {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        let mut response = Response::new(Body::default());
        if self.headers {
            response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain"));
        }
        ready(Ok(response))
    }
}

/// How many allocations one admitted request costs; the request itself is made before.
fn count<S, B>(service: S, key: (&str, &str)) -> u64
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    // Whatever listens to the log elsewhere in this binary does not count.
    count_at("/", service, key, &tracing::Dispatch::none())
}

/// The same for a path, while this reads the log.
fn count_at<S, B>(path: &str, mut service: S, key: (&str, &str), log: &tracing::Dispatch) -> u64
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    let mut last = 0;
    // The first request fetches random bytes and registers the log's call sites: once a process, not once a request.
    for _ in 0..2 {
        let request = get(path, &[key, ("accept", "*/*"), ("host", "example.com"), ("user-agent", "test")]);
        let mut status = None;
        let mut context = Context::from_waker(Waker::noop());
        let pass = || {
            assert!(service.poll_ready(&mut context).is_ready());
            // The ready road ends at the first poll.
            if let Poll::Ready(Ok(response)) = pin!(service.call(request)).poll(&mut context) {
                status = Some(response.status());
            }
        };
        let logged = || tracing::dispatcher::with_default(log, pass);
        last = allocation_counter::measure(logged).count_total;
        assert_eq!(status, Some(StatusCode::OK));
    }
    last
}

/// The allocations that a layer adds to those of the service under it.
fn added<L, B>(layer: &L, inner: Bare, key: (&str, &str)) -> u64
where
    L: Layer<Bare>,
    L::Service: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    count(layer.layer(inner), key) - count(inner, key)
}

fn keys() -> ApiKeyLayer {
    let (scheme, store) = store(KeyRecord::new("key_1", "acme").scopes(["read"]));
    ApiKeyLayer::new(scheme, store)
}

/// A stack with this many policies behind the key.
fn stack(keys: ApiKeyLayer, policies: usize) -> AuthStack {
    let builder = AuthStack::builder().auth(keys).envelope(ErrorEnvelopeLayer::detailed().adopt_foreign_errors());
    (0..policies).fold(builder, |builder, _| builder.require(permission::scope("read"))).build().unwrap()
}

const INNER: Bare = Bare { headers: true };
const HEADER: (&str, &str) = ("x-api-key", KEY);
const BEARER: (&str, &str) = ("authorization", "Bearer ak_1234567890abcdef1234567890abcdef12345678");

#[test]
fn the_counter_counts() {
    let info = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(info.count_total, 1);
    assert_eq!(count(Bare { headers: false }, HEADER), 0);
}

/// The three are the principal in an empty extension map: the map, its bucket, the box.
#[test]
fn p04_ready_road_boxes_nothing() {
    let without_headers = Bare { headers: false };
    let all = [
        ("a key in a header", 3, added(&keys(), INNER, HEADER)),
        ("a bearer key", 3, added(&keys().bearer(), INNER, BEARER)),
        ("key and policy", 3, added(&stack(keys(), 1).guards(), INNER, HEADER)),
        ("a bearer key, a response without headers", 3, added(&keys().bearer(), without_headers, BEARER)),
        // A response that has no header yet gets a map for `Vary` and `Cache-Control`, in two parts.
        ("a key in a header, a response without headers", 5, added(&keys(), without_headers, HEADER)),
    ];
    for (what, most, added) in all {
        assert!(added <= most, "{what}: {added} allocations");
    }
}

#[test]
fn p04_the_envelope_around_an_admitted_request_adds_at_most_four() {
    for inner in [INNER, Bare { headers: false }] {
        for (keys, key) in [(keys(), HEADER), (keys().bearer(), BEARER)] {
            let stack = stack(keys, 1);
            let (whole, guards) = (added(&stack, inner, key), added(&stack.guards(), inner, key));
            assert!(whole <= 7, "{whole}");
            assert!(whole <= guards + 4, "{whole} with the envelope, {guards} without");
        }
    }
}

#[test]
fn p04_a_ready_policy_costs_nothing() {
    let alone = added(&stack(keys(), 0), INNER, HEADER);
    assert_eq!(added(&stack(keys(), 3), INNER, HEADER), alone);
    let behind_a_layer = count(keys().layer(RequireLayer::scope("read").layer(INNER)), HEADER);
    assert_eq!(behind_a_layer, count(keys().layer(INNER), HEADER));
}

/// A path whose bytes nobody shares yet: the first who keeps it makes them shareable, by one allocation.
const PATH: &str = "/v1/organizations/acme/files?page=2";

/// Where nobody reads the log and nobody observes, nothing is kept of a request.
#[test]
fn p84_an_unwatched_gate_keeps_no_path() {
    let quiet = tracing::Dispatch::none();
    let at = |path: &str, alone: bool| {
        let inner = count_at(path, INNER, HEADER, &quiet);
        let whole = if alone {
            count_at(path, keys().layer(INNER), HEADER, &quiet)
        } else {
            count_at(path, stack(keys(), 1).layer(INNER), HEADER, &quiet)
        };
        whole - inner
    };
    for alone in [true, false] {
        assert_eq!(at(PATH, alone), at("/", alone));
    }
    assert!(at(PATH, true) <= 3 && at(PATH, false) <= 7);
}

/// What it costs to name the request of a refusal from further in: at most one allocation, however many layers keep it.
#[test]
fn p84_a_watched_request_costs_at_most_one_allocation_more() {
    drop(crate::no_leak::Logs::capture());
    let reader = tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::INFO);
    let reader = tracing::Dispatch::new(reader.with_writer(std::io::sink).finish());
    let quiet = tracing::Dispatch::none();
    let observed = || AuthStack::builder().auth(keys()).on_decision(|_| {}).build().unwrap();
    for (log, most) in [(&quiet, 1), (&reader, 1)] {
        let cost = |path| count_at(path, observed().layer(INNER), HEADER, log) - count_at(path, INNER, HEADER, log);
        assert!(cost("/") <= 7 && cost(PATH) <= 7 + most, "{} {}", cost("/"), cost(PATH));
    }
    let layers = || ErrorEnvelopeLayer::detailed().layer(keys().layer(RequireLayer::scope("read").layer(INNER)));
    let more = count_at(PATH, layers(), HEADER, &reader) - count_at(PATH, layers(), HEADER, &quiet);
    assert!(more <= 1, "{more}");
}
