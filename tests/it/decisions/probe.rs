//! The readiness probe finds the layers that it is there to find (pitfall p01).

use std::convert::Infallible;

use axum::{Router, routing};
use http::{Request, Response, StatusCode};
use tower::{Layer as _, Service, ServiceExt as _};
use tower_auth::{AuthStack, Disclosure, ErrorEnvelopeLayer, RequireLayer, Rules, testing::AssertReady};

use super::{KEYED, keys, record};
use crate::support::{Body, Careless, get};

fn probe()
-> AssertReady<impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send>
{
    AssertReady::new(tower::service_fn(async |_: Request<Body>| Ok(Response::new(Body::default()))))
}

#[tokio::test]
#[should_panic(expected = "called without being polled ready")]
async fn p01_the_probe_panics_under_a_careless_layer() {
    let _ = Careless(probe()).oneshot(get("/", &[])).await;
}

#[tokio::test]
#[should_panic(expected = "called without being polled ready")]
async fn p01_the_probe_panics_the_second_time_too() {
    let mut probe = probe();
    probe.ready().await.unwrap().call(get("/", &[])).await.unwrap();
    let _ = probe.call(get("/", &[])).await;
}

#[tokio::test]
async fn p01_the_probe_is_content_with_every_layer_of_ours() {
    let stack = AuthStack::builder()
        .auth(keys(record()).disclose(Disclosure::State))
        .rules(Rules::new().public("/"))
        .build()
        .unwrap();
    let mut service =
        ErrorEnvelopeLayer::detailed().layer(stack.layer(RequireLayer::scope("read").report_only().layer(probe())));
    for _ in 0..3 {
        let response = service.ready().await.unwrap().call(get("/", &KEYED)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
    let app: Router = Router::new().route("/", routing::get(|| async { "ok" })).layer(keys(record()));
    assert_eq!(app.oneshot(get("/", &KEYED)).await.unwrap().status(), StatusCode::OK);
}
