//! Rules 014 to 018: what caches, browsers, strangers and routers see.

use axum::{Router, routing};
use http::{HeaderName, Method, Request, Response, StatusCode};
use tower::Layer as _;
use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthStack, ErrorEnvelopeLayer, KeyRecord, Principal, RequestExt as _, RequireLayer,
    permission::{OrgSource, authenticated, member_of},
    testing::ManualClock,
};

use super::{Named, answer};
use crate::support::{Body, KEY, get, ok, store, strict, text};

fn keys() -> ApiKeyLayer {
    let (scheme, store) = store(KeyRecord::new("k1", "acme").scopes(["read"]).organizations(["acme"]));
    ApiKeyLayer::new(scheme, store)
}

/// Status, header lines in their order, and body, without what differs from one request to the next.
async fn wire<B>(response: Response<B>) -> (StatusCode, Vec<(String, String)>, String)
where
    B: http_body::Body<Data = bytes::Bytes>,
    B::Error: std::fmt::Debug,
{
    let (head, body) = response.into_parts();
    let id = head.headers["x-request-id"].to_str().unwrap().to_owned();
    let lines = head.headers.iter().filter(|(name, _)| *name != "x-request-id");
    let lines = lines.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let body = text(Response::new(body)).await;
    assert!(body.contains(&id), "{body}");
    (head.status, lines, body.replace(&id, "ID"))
}

#[tokio::test]
async fn r014_a_masked_resource_looks_like_a_missing_one() {
    let clock = ManualClock::at("2025-01-15T10:30:00Z");
    let hidden = || RequireLayer::scope("admin").mask_as_not_found();
    for source in ["x-api-key", "authorization"] {
        let keys = if source == "authorization" { keys().bearer() } else { keys() };
        let key = if source == "authorization" { format!("Bearer {KEY}") } else { KEY.to_owned() };
        let stack = AuthStack::builder()
            .auth(keys)
            .envelope(ErrorEnvelopeLayer::detailed().adopt_foreign_errors())
            .clock(&clock)
            .build()
            .unwrap();
        let app: Router = Router::new()
            .route("/hidden", routing::get(|| async { "secret" }).layer(hidden()))
            .route("/own", routing::get(|| async { StatusCode::NOT_FOUND }))
            .route("/text", routing::get(|| async { (StatusCode::NOT_FOUND, "no such thing") }))
            .layer(stack);
        let mut answers = Vec::new();
        for path in ["/hidden", "/unknown", "/own", "/text"] {
            answers.push(wire(answer(app.clone(), get(path, &[(source, &key)])).await).await);
        }
        assert_eq!(answers[0].0, StatusCode::NOT_FOUND);
        for other in &answers[1..] {
            assert_eq!(&answers[0], other, "{source}");
        }
    }
}

#[tokio::test]
async fn r014_a_mask_hides_denials_alone() {
    let hidden = RequireLayer::scope("admin").mask_as_not_found();
    let optional = AuthLayer::first(keys()).optional();
    let granted = RequireLayer::scope("read").mask_as_not_found();
    let key = [("x-api-key", KEY)];
    assert_eq!(answer(keys().layer(granted.layer(ok())), get("/", &key)).await.status(), StatusCode::OK);
    let nobody = answer(optional.layer(hidden.layer(ok())), get("/", &[])).await;
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(answer(hidden.layer(ok()), get("/", &key)).await.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

/// The values of `Cache-Control` and of `Vary`, every line of them.
fn caching<B>(response: &Response<B>) -> (Vec<&str>, Vec<&str>) {
    let lines = |name| response.headers().get_all(name).iter().map(|line| line.to_str().unwrap()).collect();
    (lines("cache-control"), lines("vary"))
}

fn saying(lines: &'static [(&'static str, &'static str)]) -> impl Fn(Request<Body>) -> Response<Body> + Clone {
    move |_| {
        let response = lines.iter().fold(Response::builder(), |response, (name, value)| response.header(*name, *value));
        response.body(Body::default()).unwrap()
    }
}

#[tokio::test]
async fn r015_what_a_key_header_opened_is_kept_out_of_shared_caches() {
    let layer = keys();
    let ask = async |lines, headers: &[(&str, &str)]| {
        answer(AuthLayer::first(layer.clone()).optional().layer(strict(saying(lines))), get("/", headers)).await
    };
    let key = [("x-api-key", KEY)];
    assert_eq!(caching(&ask(&[], &key).await), (vec!["private"], vec!["x-api-key"]));
    let own = ask(&[("cache-control", "public, max-age=60")], &key).await;
    assert_eq!(caching(&own), (vec!["public, max-age=60"], vec!["x-api-key"]));
    assert_eq!(caching(&ask(&[("vary", "x-api-key")], &key).await), (vec!["private"], vec!["x-api-key"]));
    assert_eq!(caching(&ask(&[("vary", "*")], &key).await), (vec!["private"], vec!["*"]));
    assert_eq!(caching(&ask(&[("vary", "origin")], &key).await), (vec!["private"], vec!["origin", "x-api-key"]));
    // A visitor's answer may be shared with other visitors, and with nobody who brings a key.
    assert_eq!(caching(&ask(&[], &[]).await), (vec![], vec!["x-api-key"]));
}

/// Names in `Vary` have no case, and may stand in a list (RFC 9110, section 12.5.5).
#[tokio::test]
async fn r015_vary_is_not_said_twice() {
    for own in [&[("vary", "X-API-Key")][..], &[("vary", "origin, x-api-key")]] {
        let response = answer(keys().layer(strict(saying(own))), get("/", &[("x-api-key", KEY)])).await;
        assert_eq!(caching(&response).1, [own[0].1]);
    }
}

#[tokio::test]
async fn r015_authorization_needs_no_help() {
    let bearer = format!("Bearer {KEY}");
    let response = answer(keys().bearer().layer(ok()), get("/", &[("authorization", &bearer)])).await;
    assert_eq!(caching(&response), (vec![], vec![]));
    // Where both are on offer, the header that caches do not know is named.
    let layer = keys().header("x-api-key").bearer().header("api-key");
    let response = answer(layer.layer(ok()), get("/", &[("authorization", &bearer)])).await;
    assert_eq!(caching(&response), (vec!["private"], vec!["x-api-key, api-key"]));
}

#[tokio::test]
async fn r015_refusals_behind_a_key_are_kept_out_too() {
    let service = keys().layer(RequireLayer::scope("write").mask_as_not_found().layer(ok()));
    let response = answer(service, get("/", &[("x-api-key", KEY)])).await;
    assert_eq!((response.status(), caching(&response)), (StatusCode::NOT_FOUND, (vec!["private"], vec!["x-api-key"])));
    let stack = AuthStack::builder().auth(keys()).build().unwrap();
    let response = answer(stack.layer(ok()), get("/", &[])).await;
    assert_eq!(caching(&response).0, ["no-store"]);
}

fn options(headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = get("/", headers);
    *request.method_mut() = Method::OPTIONS;
    request
}

#[tokio::test]
async fn r016_a_preflight_passes_where_configured_and_has_no_identity() {
    let handler = strict(|request: Request<Body>| {
        assert!(request.principal().is_err());
        assert!(request.anonymous().is_some());
        Response::new(Body::default())
    });
    let preflight = [("origin", "https://a.example"), ("access-control-request-method", "GET")];
    let with_key = [preflight[0], preflight[1], ("x-api-key", KEY)];
    let guarded = RequireLayer::scope("write").layer(handler.clone());
    let passing = AuthLayer::first(keys()).allow_preflight();
    for headers in [&preflight[..], &with_key] {
        let response = answer(passing.layer(guarded.clone()), options(headers)).await;
        assert_eq!(response.status(), StatusCode::OK);
        let response = answer(keys().layer(handler.clone()), options(&preflight)).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "not configured");
    }
}

#[tokio::test]
async fn r016_what_only_looks_like_a_preflight_is_a_request_like_any() {
    let passing = AuthLayer::first(keys()).allow_preflight();
    let (origin, method) = (("origin", "https://a.example"), ("access-control-request-method", "GET"));
    for headers in [&[][..], &[origin], &[method]] {
        let response = answer(passing.layer(ok()), options(headers)).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{headers:?}");
    }
    assert_eq!(answer(passing.layer(ok()), get("/", &[origin, method])).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn r017_headers_that_claim_an_identity_are_removed() {
    let handler = strict(|request: Request<Body>| {
        let mut names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        Response::new(Body::from(names.join(" ")))
    });
    let claims = ["x-user", "x-forwarded-user"].map(HeaderName::from_static);
    let layer = AuthLayer::first(keys()).strip_headers(claims).optional().allow_preflight();
    let sent =
        [("x-user", "root"), ("X-User", "admin"), ("x-forwarded-user", "root"), ("accept", "a"), ("x-api-key", KEY)];
    let response = answer(layer.layer(handler.clone()), get("/", &sent)).await;
    assert_eq!(text(response).await, "accept x-api-key");
    let response = answer(layer.layer(handler.clone()), get("/", &sent[..4])).await;
    assert_eq!(text(response).await, "accept");
    let preflight = [sent[0], ("origin", "o"), ("access-control-request-method", "GET")];
    let response = answer(layer.layer(handler), options(&preflight)).await;
    assert_eq!(text(response).await, "access-control-request-method origin");
}

#[tokio::test]
async fn r017_a_principal_in_the_extensions_is_no_identity() {
    let handler = strict(|request: Request<Body>| {
        let status = request.principal().map_or_else(|refusal| refusal.status(), |_| StatusCode::OK);
        Response::builder().status(status).body(Body::default()).unwrap()
    });
    let smuggled = || {
        let mut request = get("/", &[]);
        request.extensions_mut().insert(Principal::builder("root").scopes(["read"]).build());
        request
    };
    let optional = AuthLayer::first(keys()).optional();
    let alone = answer(handler.clone(), smuggled()).await;
    assert_eq!(alone.status(), StatusCode::INTERNAL_SERVER_ERROR, "nobody authenticated");
    let guarded = RequireLayer::new(authenticated()).layer(handler.clone());
    assert_eq!(answer(guarded, smuggled()).await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer(keys().layer(handler.clone()), smuggled()).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(answer(optional.layer(handler), smuggled()).await.status(), StatusCode::UNAUTHORIZED, "a visitor");
}

#[tokio::test]
async fn r017_the_inner_gate_has_the_last_word() {
    let handler = strict(|request: Request<Body>| {
        let who = request.principal().map_or_else(|_| "nobody".to_owned(), |who| who.subject().to_owned());
        Response::new(Body::from(who))
    });
    let mesh = || AuthLayer::first(Named::new("x-mesh-id", "Mutual"));
    let key = ("x-api-key", KEY);
    let replaced = keys().layer(mesh().layer(handler.clone()));
    assert_eq!(text(answer(replaced.clone(), get("/", &[key, ("x-mesh-id", "billing")])).await).await, "billing");
    let refused = answer(replaced, get("/", &[key])).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(refused.extensions().get::<Principal>().is_none());
    let forgotten = keys().layer(mesh().optional().layer(handler.clone()));
    assert_eq!(text(answer(forgotten, get("/", &[key])).await).await, "nobody");
    // The inner layer finds no key where the outer one took it out.
    let stripped = keys().strip_credentials().layer(AuthLayer::first(keys()).optional().layer(handler));
    assert_eq!(text(answer(stripped, get("/", &[key])).await).await, "nobody");
}

#[tokio::test]
async fn r018_path_after_grants_nothing_that_is_spelled_otherwise() {
    let layer = RequireLayer::new(member_of(OrgSource::path_after("organizations")));
    for (path, status) in [
        ("/v1/organizations/acme", 200),
        ("/v1/organizations/acme/projects", 200),
        ("/v1/organizations/acme?organizations=x", 200),
        ("/v1/organizations/other", 403),
        ("/v1/organizations/%61cme", 403),
        ("/v1/organizations/ACME", 403),
        ("/v1/organizations/acme%2Fprojects", 403),
        ("/v1/organizations/acme;x=1", 403),
        ("/v1/organizations//acme", 403),
        ("/v1/organizations/./acme", 403),
        ("/v1/organizations/other/organizations/acme", 403),
        ("/v1/organizations/", 403),
        ("/v1/organizations", 500),
        ("/v1/Organizations/acme", 500),
        ("/v1/organizations2/acme", 500),
        ("/v1/x?/organizations/acme", 500),
    ] {
        let response = answer(keys().layer(layer.layer(ok())), get(path, &[("x-api-key", KEY)])).await;
        assert_eq!(response.status().as_u16(), status, "{path}");
    }
}

/// The policy and the handler read one and the same parameter.
#[tokio::test]
async fn r018_axum_param_sees_what_the_handler_sees() {
    let handler = routing::get(|axum::extract::Path(org): axum::extract::Path<String>| async move { org });
    let member = || RequireLayer::new(member_of(OrgSource::axum_param("org")));
    let flat = Router::new().route("/v1/organizations/{org}", handler.clone()).route_layer(member()).layer(keys());
    let projects = Router::new().route("/projects", handler).route_layer(member());
    let nested: Router = Router::new().nest("/v1/organizations/{org}", projects).layer(keys());
    for (org, status) in [("acme", 200), ("%61cme", 200), ("other", 403), ("ACME", 403), ("acme%2F", 403)] {
        for (app, path) in
            [(&flat, format!("/v1/organizations/{org}")), (&nested, format!("/v1/organizations/{org}/projects"))]
        {
            let response = answer(app.clone(), get(&path, &[("x-api-key", KEY)])).await;
            assert_eq!(response.status().as_u16(), status, "{path}");
            if status == 200 {
                assert_eq!(text(response).await, "acme");
            }
        }
    }
}

/// The client's own mistake is no fault of the service.
#[tokio::test]
async fn r018_a_parameter_that_is_no_text_is_the_clients_mistake() {
    let app: Router = Router::new()
        .route("/v1/organizations/{org}", routing::get(|| async { "secret" }))
        .route_layer(RequireLayer::new(member_of(OrgSource::axum_param("org"))))
        .layer(keys());
    let response = answer(app, get("/v1/organizations/%FF", &[("x-api-key", KEY)])).await;
    assert!(response.status().is_client_error(), "{}", response.status());
}

#[tokio::test]
async fn r018_inside_nest_path_after_finds_nothing_and_grants_nothing() {
    let member = RequireLayer::new(member_of(OrgSource::path_after("organizations")));
    let projects = Router::new().route("/projects", routing::get(|| async { "secret" })).route_layer(member);
    let app: Router = Router::new().nest("/v1/organizations/{org}", projects).layer(keys());
    let response = answer(app, get("/v1/organizations/acme/projects", &[("x-api-key", KEY)])).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}
