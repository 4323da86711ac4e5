//! What a service's author mounts beside the stack, and what the tests of a service use.

use std::convert::Infallible;

use axum::{Router, body::Body, extract::FromRequestParts as _, routing::get};
use http::{HeaderName, HeaderValue, Request, StatusCode, header};
use tower::{Layer as _, ServiceBuilder, ServiceExt as _, service_fn};
use tower_auth::{
    AuthLayer, AuthStack, ClientIp, PeerAddr, Plans, Principal, Quota, RateLimitLayer, RejectionKind, RequestExt as _,
    envelope::EnvelopeBody,
    testing::{FakeAuth, set_anonymous, set_principal},
};
use tower_http::cors::CorsLayer;

use crate::{pitfalls::keys, support::KEY};

/// What the page of the stack tells a CORS layer to expose.
fn exposed() -> Vec<HeaderName> {
    let page = include_str!("../../../../src/stack/layers.md");
    let list = page.split_once("const EXPOSED").unwrap().1.split_once("];").unwrap().0;
    let quoted = list.split('"').skip(1).step_by(2).map(|name| HeaderName::try_from(name).unwrap());
    let known = [("WWW_AUTHENTICATE", header::WWW_AUTHENTICATE), ("RETRY_AFTER", header::RETRY_AFTER)];
    quoted.chain(known.into_iter().filter(|(name, _)| list.contains(name)).map(|(_, header)| header)).collect()
}

/// A script reads these without being told (the Fetch standard's safelist), or never needs them.
const READ_ANYWAY: [HeaderName; 5] =
    [header::CACHE_CONTROL, header::CONTENT_LENGTH, header::CONTENT_TYPE, header::PRAGMA, header::VARY];

#[tokio::test]
async fn p85_the_page_of_the_stack_exposes_every_header_that_is_set() {
    let exposed = exposed();
    assert_eq!(exposed.len(), 9);
    let plans = Plans::new().fallback("one").plan("one", [Quota::per_minute(1)]).build().unwrap();
    let stack = AuthStack::builder()
        .auth(keys())
        .limit(RateLimitLayer::by_plan(&plans).unix_reset().x_retry_after().ietf_headers())
        .limit(RateLimitLayer::failures(Quota::per_minute(1), ClientIp::peer()))
        .build()
        .unwrap();
    let origin = HeaderValue::from_static("https://app.example");
    let cors = CorsLayer::new().allow_origin(origin.clone()).expose_headers(exposed.clone());
    let app = Router::new().route("/", get(|| async { "here" })).layer((cors, stack));
    let mut told = Vec::new();
    for (key, status) in [(KEY, 200), (KEY, 429), ("wrong", 401), ("wrong", 429)] {
        let mut request = Request::get("/").header("x-api-key", key).body(Body::empty()).unwrap();
        request.headers_mut().insert(header::ORIGIN, origin.clone());
        request.extensions_mut().insert(PeerAddr("192.0.2.7".parse().unwrap()));
        let response = app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), status, "{key}");
        let names = response.headers()[header::ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap().to_owned();
        assert!(exposed.iter().all(|name| names.contains(name.as_str())));
        told.extend(response.headers().keys().filter(|name| !name.as_str().starts_with("access-control-")).cloned());
    }
    for name in &told {
        assert!(exposed.contains(name) || READ_ANYWAY.contains(name), "{name} is set and not exposed");
    }
    for name in exposed {
        assert!(told.contains(&name), "{name} is exposed and never set");
    }
}

#[tokio::test]
async fn p85_a_stack_may_be_absent() {
    let stack = || AuthStack::builder().auth(keys()).build().unwrap();
    let status = |app: Router| async move { app.oneshot(Request::new(Body::empty())).await.unwrap().status() };
    let app = || Router::new().route("/", get(|| async { "here" }));
    for (enabled, expected) in [(true, StatusCode::UNAUTHORIZED), (false, StatusCode::OK)] {
        let guards = enabled.then(|| stack().guards());
        let behind = app().layer(ServiceBuilder::new().layer(stack().envelope()).option_layer(guards));
        assert_eq!(status(behind).await, expected);
        let boxed = |response: http::Response<EnvelopeBody<Body>>| response.map(Body::new);
        let whole = enabled.then(|| ServiceBuilder::new().map_response(boxed).layer(stack()));
        assert_eq!(status(app().layer(ServiceBuilder::new().option_layer(whole))).await, expected);
    }
}

#[tokio::test]
async fn p85_an_extractor_is_tested_with_a_principal_of_the_test() {
    let (mut parts, ()) = Request::new(()).into_parts();
    assert_eq!(parts.principal().unwrap_err().kind(), RejectionKind::Internal);
    set_principal(&mut parts.extensions, Principal::builder("alice").build());
    assert_eq!(Principal::from_request_parts(&mut parts, &()).await.unwrap().subject(), "alice");
    // The last one counts, as with layers inside each other.
    set_principal(&mut parts.extensions, Principal::builder("bob").build());
    assert_eq!(parts.principal().unwrap().subject(), "bob");
    set_anonymous(&mut parts.extensions);
    assert!(parts.anonymous().is_some());
    assert_eq!(parts.principal().unwrap_err().kind(), RejectionKind::MissingCredential);
    let mut call = tonic::Request::new(());
    set_principal(call.extensions_mut(), Principal::builder("carol").build());
    assert_eq!(call.principal().unwrap().subject(), "carol");
}

#[tokio::test]
async fn p85_a_fake_method_knows_a_principal_for_each_request() {
    let auth = AuthLayer::from(FakeAuth::from_fn(|request| {
        let name = request.headers().get("x-test-user")?.to_str().ok()?;
        Some(Principal::builder(name).build())
    }));
    let app = auth.layer(service_fn(|request: Request<()>| async move {
        Ok::<_, Infallible>(http::Response::new(request.principal().unwrap().subject().to_owned()))
    }));
    for name in ["alice", "bob"] {
        let request = Request::get("/").header("x-test-user", name).body(()).unwrap();
        assert_eq!(app.clone().oneshot(request).await.unwrap().body(), name);
    }
    let refused = app.oneshot(Request::new(())).await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.headers()[header::WWW_AUTHENTICATE], "Fake realm=\"test\"");
    assert!(format!("{:?}", FakeAuth::from_fn(|_| None)).contains("By(..)"));
}
