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

use crate::{
    support::{Body, KEY, get, store},
    tokens,
};

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

/// The handler that all stacks stand in front of, in a router.
fn router() -> axum::Router {
    axum::Router::new().route("/v1/models/{id}", axum::routing::get(|| async { "hello" }))
}

/// How many allocations one admitted request costs a finished router, or a stack around one.
fn count_in_router<S, B>(mut service: S, credential: (&str, &str)) -> u64
where
    S: Service<Request<axum::body::Body>, Response = Response<B>, Error = Infallible>,
    S::Future: Send,
{
    let mut last = 0;
    for _ in 0..2 {
        let mut request = get("/v1/models/7", &[credential, ("accept", "*/*"), ("host", "example.com")])
            .map(|_| axum::body::Body::empty());
        let peer = std::net::SocketAddr::from(([192, 0, 2, 1], 5_000));
        request.extensions_mut().insert(axum::extract::ConnectInfo(peer));
        let mut status = None;
        let mut context = Context::from_waker(Waker::noop());
        let pass = || {
            assert!(service.poll_ready(&mut context).is_ready());
            if let Poll::Ready(Ok(response)) = pin!(service.call(request)).poll(&mut context) {
                status = Some(response.status());
            }
        };
        let quiet = || tracing::dispatcher::with_default(&tracing::Dispatch::none(), pass);
        last = allocation_counter::measure(quiet).count_total;
        assert_eq!(status, Some(StatusCode::OK));
    }
    last
}

/// Key or token, rules, a plan with three headers, a budget of failures, and the envelope.
fn whole(auth: impl Into<tower_auth::AuthLayer>) -> AuthStack {
    use tower_auth::{ClientIp, Plans, Quota, RateLimitLayer, Rules};
    let plans = Plans::new().plan("standard", [Quota::per_minute(1_000)]).fallback("standard").build().unwrap();
    let rules = Rules::new().public("GET /health").require("GET /v1/models/{id}", permission::scope("read"));
    AuthStack::builder()
        .envelope(ErrorEnvelopeLayer::detailed().adopt_foreign_errors())
        .auth(auth)
        .rules(rules)
        .limit(RateLimitLayer::by_plan(&plans).unix_reset())
        .limit(RateLimitLayer::failures(Quota::per_minute(30), ClientIp::peer()))
        .clock(&tokens::hand())
        .build()
        .unwrap()
}

/// The five are the context of the request, the id, and the map of the response's headers, which grows once, in two parts; and
/// in a route the map of the request's extensions, which axum has filled.
#[test]
fn p04_each_stack_adds_at_most_five_in_a_router() {
    let bearer_layer = tower_auth::BearerLayer::new(tokens::strict().cache(16).build().unwrap());
    let cookie_layer = bearer_layer.clone().cookie("__Host-session");
    let bearer = format!("Bearer {}", tokens::mint::key("rs256").token(tokens::NOW));
    let token: (&str, &str) = ("authorization", &bearer);
    let session = bearer.replace("Bearer ", "theme=dark; __Host-session=");
    let cookie: (&str, &str) = ("cookie", &session);
    let guards = stack(keys(), 0).guards();
    let (alone, small, whole_key, whole_token) = (keys(), stack(keys(), 1), whole(keys()), whole(bearer_layer));
    let whole_cookie = whole(cookie_layer);
    for (what, most, around, within) in [
        ("a key alone", 1, around(&alone, HEADER), within(&alone, HEADER)),
        ("guards", 1, around(&guards, HEADER), within(&guards, HEADER)),
        ("a stack with a key", 3, around(&small, HEADER), within(&small, HEADER)),
        ("the whole with a key", 5, around(&whole_key, HEADER), within(&whole_key, HEADER)),
        ("the whole with a token", 5, around(&whole_token, token), within(&whole_token, token)),
        (
            "the whole with a token, and a cookie that is not sent",
            5,
            around(&whole_cookie, token),
            within(&whole_cookie, token),
        ),
        ("the whole with a cookie", 5, around(&whole_cookie, cookie), within(&whole_cookie, cookie)),
    ] {
        assert!(around <= most && within <= most, "{what}: {around} around a router, {within} in its routes");
    }
}

/// What a layer adds around a finished router.
fn around<L, B>(layer: &L, credential: (&str, &str)) -> u64
where
    L: Layer<axum::Router>,
    L::Service: Service<Request<axum::body::Body>, Response = Response<B>, Error = Infallible>,
    <L::Service as Service<Request<axum::body::Body>>>::Future: Send,
{
    count_in_router(layer.layer(router()), credential) - count_in_router(router(), credential)
}

/// What a layer adds to a layer that does nothing, in the routes of a router.
fn within<L, B>(layer: &L, credential: (&str, &str)) -> u64
where
    L: Layer<axum::routing::Route> + Clone + Send + Sync + 'static,
    L::Service: Service<Request<axum::body::Body>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync,
    <L::Service as Service<Request<axum::body::Body>>>::Future: Send + 'static,
    L::Service: 'static,
    B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<tower_auth::BoxError>,
{
    let nothing = router().layer(tower::layer::util::Identity::new()).with_state(());
    count_in_router(router().layer(layer.clone()).with_state(()), credential) - count_in_router(nothing, credential)
}
