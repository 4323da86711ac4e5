//! p71: two headers of a preflight open nothing that the table closes.

use axum::{Router, routing};
use http::{Request, Response};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    AuthLayer, AuthStack, RequestExt as _, RequireLayer, Rules,
    permission::{authenticated, scope},
    testing::FakeAuth,
};

use crate::support::{Body, get, strict};

fn preflight(path: &str, wanted: &str, more: &[(&str, &str)]) -> Request<Body> {
    let headers = [&[("origin", "https://a.example"), ("access-control-request-method", wanted)], more].concat();
    let mut request = get(path, &headers);
    *request.method_mut() = http::Method::OPTIONS;
    request
}

fn stack(rules: Rules) -> AuthStack {
    AuthStack::builder().auth(AuthLayer::from(FakeAuth::never()).allow_preflight()).rules(rules).build().unwrap()
}

/// What a stranger's preflight is answered by a handler for any method.
async fn asked(rules: &Rules, path: &str, wanted: &str) -> u16 {
    let handler = strict(|request: Request<Body>| {
        assert!(request.principal().is_err(), "a preflight is nobody's");
        Response::new(Body::default())
    });
    let response = stack(rules.clone()).layer(handler).oneshot(preflight(path, wanted, &[])).await.unwrap();
    response.status().as_u16()
}

#[tokio::test]
async fn p71_a_preflight_passes_where_the_table_says_so_or_says_nothing() {
    let rules = || {
        Rules::new()
            .require("GET /v1/files/{id}", scope("read"))
            .require("* /v1/files/{id}", scope("admin"))
            .require("GET /v1/models/{id}", scope("read"))
            .require("GET /v1/keys", scope("read"))
            .require("OPTIONS /v1/keys", scope("admin"))
            .public("OPTIONS /v1/open")
            .require("* /v1/open", scope("admin"))
            .public("* /v1/public")
            .require("POST /v1/deep/**", scope("write"))
            .require("DELETE /v1/deep/er/*", scope("write"))
            .require("* /v1/deep/er/**", scope("write"))
            .require("/package.Service/*", scope("call"))
            .require("POST /package.Bound/Method", scope("call"))
    };
    for rules in [rules(), rules().otherwise_deny()] {
        for (path, passes) in [
            ("/v1/files/7", false),
            ("/v1/models/7", true),
            ("/v1/keys", false),
            ("/v1/open", true),
            ("/v1/public", true),
            ("/v1/deep/x", true),
            ("/v1/deep", true),
            ("/v1/deep/er/x", false),
            ("/v1/deep/er", false),
            ("/package.Service/Method", false),
            ("/package.Bound/Method", true),
            ("/package.Bound/Other", false),
            ("/unknown", false),
            ("/v1/models", false),
            ("/v1/models/7/", false),
            ("/v1//models/7", false),
            ("/v1/models/%2e%2e", false),
            ("/v1/models/a%2Fb", false),
        ] {
            // Which method a stranger names opens nothing and closes nothing.
            for wanted in ["GET", "POST", "DELETE", "OPTIONS", "get", "*"] {
                let status = asked(&rules, path, wanted).await;
                assert_eq!(status, if passes { 200 } else { 401 }, "{wanted} {path}");
            }
        }
    }
    // What everything else requires, an OPTIONS requires too.
    let rules = Rules::new().require("GET /v1/models/{id}", scope("read")).otherwise(authenticated());
    assert_eq!(asked(&rules, "/v1/models/7", "GET").await, 401);
    assert_eq!(asked(&rules.public("OPTIONS /v1/models/{id}"), "/v1/models/7", "GET").await, 200);
}

/// The same in axum, where a route for any method is behind a rule for any method.
#[tokio::test]
async fn p71_a_route_for_any_method_is_not_opened_by_two_headers() {
    let rules = Rules::new()
        .require("GET /v1/files/{id}", scope("read"))
        .require("* /v1/files/{id}", scope("admin"))
        .require("GET /v1/models/{id}", scope("read"));
    let stack = stack(rules);
    let routes = Router::new()
        .route("/files/{id}", routing::any(|| async { "secret" }))
        .route("/models/{id}", routing::get(|| async { "secret" }));
    let whole: Router = Router::new().nest("/v1", routes.clone()).layer(stack.clone());
    // By the router: it has no OPTIONS of its own there.
    for (path, status) in [("/v1/files/7", 401), ("/v1/models/7", 405), ("/v1/other", 401)] {
        let answer = whole.clone().oneshot(preflight(path, "GET", &[]).map(axum::body::Body::new)).await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
    }
    // Inside `nest` it is a mounting error, for preflights too.
    let inside: Router = Router::new().nest("/v1", routes.layer(stack.guards()));
    for path in ["/v1/files/7", "/v1/models/7"] {
        let answer = inside.clone().oneshot(preflight(path, "GET", &[]).map(axum::body::Body::new)).await.unwrap();
        assert_eq!(answer.status(), 500, "{path}");
    }
}

/// A credential makes it a request like any, which passes where its holder may.
#[tokio::test]
async fn p71_a_call_of_a_grpc_method_is_not_opened_by_two_headers() {
    let rules = Rules::new().require("/package.Service/Method", scope("call"));
    let handler = strict(|_: Request<Body>| -> Response<Body> { panic!("a handler for any method ran") });
    let call = preflight("/package.Service/Method", "POST", &[("content-type", "application/grpc")]);
    let answer = stack(rules).layer(handler).oneshot(call).await.unwrap();
    assert_eq!(answer.status(), 401);
}

/// What is hidden from callers stays hidden: a preflight learns of a path what the table says of it, and no more.
#[tokio::test]
async fn p71_a_masked_route_behind_a_table_is_hidden_from_preflights_that_it_rules() {
    let rules = Rules::new().require("GET /v1/secret", authenticated()).require("* /v1/secret", authenticated());
    let masked = RequireLayer::scope("root").mask_as_not_found();
    let handler = strict(|_: Request<Body>| -> Response<Body> { panic!("a handler for any method ran") });
    let stack = stack(rules);
    for path in ["/v1/secret", "/v1/none"] {
        let answer = stack.layer(masked.layer(handler.clone())).oneshot(preflight(path, "GET", &[])).await.unwrap();
        assert_eq!(answer.status(), 401, "{path}");
    }
}
