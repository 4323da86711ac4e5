//! p78: an organisation that is named twice is none.

use axum::{Router, extract::Path, routing};
use http::{HeaderName, Request};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    KeyRecord, RequireLayer,
    permission::{OrgSource, member_of},
};

use crate::support::{KEY, get, ok, store};

fn layer(source: OrgSource) -> RequireLayer {
    RequireLayer::new(member_of(source))
}

fn acme() -> tower_auth::ApiKeyLayer {
    let (scheme, store) = store(KeyRecord::new("k1", "acme").organizations(["acme", "organizations"]));
    tower_auth::ApiKeyLayer::new(scheme, store)
}

fn keyed(path: &str) -> Request<axum::body::Body> {
    get(path, &[("x-api-key", KEY)]).map(axum::body::Body::new)
}

#[tokio::test]
async fn p78_two_parameters_of_one_name_name_no_organisation() {
    let member = || layer(OrgSource::axum_param("org"));
    // A handler that takes the parameters into a map acts on the last.
    let last = || {
        routing::get(|Path(all): Path<Vec<(String, String)>>| async move { all.last().unwrap().1.clone() })
            .route_layer(member())
    };
    let nested: Router = Router::new().nest("/{org}", Router::new().route("/of/{org}", last())).layer(acme());
    let twice: Router = Router::new()
        .nest("/a/{org}", Router::new().nest("/b/{other}", Router::new().route("/c/{org}", last())))
        .layer(acme());
    let once: Router = Router::new().nest("/{other}", Router::new().route("/of/{org}", last())).layer(acme());
    let services: Router =
        Router::new().nest_service("/{org}", Router::<()>::new().route("/of/{org}", last())).layer(acme());
    for (app, path, status) in [
        (&nested, "/acme/of/other", 403),
        (&nested, "/other/of/acme", 403),
        (&nested, "/acme/of/acme", 403),
        (&nested, "/acme/of/%6Fther", 403),
        (&services, "/acme/of/other", 403),
        (&services, "/other/of/acme", 403),
        (&twice, "/a/acme/b/x/c/other", 403),
        (&once, "/other/of/acme", 200),
        (&once, "/acme/of/other", 403),
    ] {
        assert_eq!(app.clone().oneshot(keyed(path)).await.unwrap().status(), status, "{path}");
    }
}

#[tokio::test]
async fn p78_a_segment_that_stands_twice_in_any_spelling_names_no_organisation() {
    let layer = layer(OrgSource::path_after("organizations"));
    for (path, status) in [
        ("/organizations/acme", 200),
        ("/organizations/acme/", 200),
        ("/organizations/acme/x?organizations/other", 200),
        ("/organizations/acme/organizations/other", 403),
        ("/organizations/acme/%6Frganizations/other", 403),
        ("/%6frganizations/other/organizations/acme", 403),
        ("/organizations/acme/organizations", 403),
        ("/organizations/organizations", 403),
        ("/organizations/organization%73", 403),
        // Two readers could read them in two ways.
        ("/organizations/acme/../other", 403),
        ("/organizations/acme/%2e%2e/other", 403),
        ("/organizations/acme/..%2Fother", 403),
        ("/organizations/acme//organizations/other", 403),
        ("//organizations/acme", 403),
        ("/organizations/acme/x%2Forganizations%2Fother", 403),
        ("/organizations/acme%00", 403),
    ] {
        let answer = acme().layer(layer.layer(ok())).oneshot(get(path, &[("x-api-key", KEY)])).await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
    }
    // The outer one was taken off the path, and the handler can read it all the same.
    let inner = Router::new().route("/organizations/{id}", routing::get(|| async { "ok" })).route_layer(layer);
    let app: Router = Router::new().nest("/organizations/{org}", inner.clone()).nest("/api", inner).layer(acme());
    for (path, status) in [
        ("/organizations/other/organizations/acme", 403),
        ("/api/organizations/acme", 200),
        ("/api/organizations/x", 403),
    ] {
        assert_eq!(app.clone().oneshot(keyed(path)).await.unwrap().status(), status, "{path}");
    }
}

#[tokio::test]
async fn p78_a_header_that_stands_twice_names_no_organisation() {
    let layer = layer(OrgSource::header(HeaderName::from_static("x-org")));
    for (lines, status) in [
        (&["acme"][..], 200),
        (&["acme", "other"], 403),
        (&["other", "acme"], 403),
        (&["acme", "acme"], 403),
        (&["acme", ""], 403),
        (&["acme, other"], 403),
        (&["acme,"], 403),
        (&[""], 403),
        (&[], 403),
    ] {
        let headers: Vec<(&str, &str)> =
            lines.iter().map(|line| ("x-org", *line)).chain([("x-api-key", KEY)]).collect();
        let answer = acme().layer(layer.layer(ok())).oneshot(get("/", &headers)).await.unwrap();
        assert_eq!(answer.status(), status, "{lines:?}");
    }
}

/// The body has no name twice in any spelling, and the check reads the very bytes that the handler reads.
#[tokio::test]
async fn p78_a_body_that_names_two_organisations_is_refused() {
    #[derive(serde::Deserialize)]
    #[expect(dead_code, reason = "it is only read")]
    struct Prompt {
        #[serde(alias = "org")]
        organization_id: String,
    }
    let member = layer(OrgSource::body_field("organization_id"));
    let app: Router = Router::new().route("/", routing::post(|| async { "ok" })).layer(
        tower::ServiceBuilder::new()
            .layer(acme())
            .layer(tower_auth::StrictBodyLayer::<Prompt>::new().unwrap())
            .layer(member),
    );
    for (body, status) in [
        (r#"{"organization_id":"acme"}"#, 200),
        (r#"{"organization_id":"other"}"#, 403),
        (r#"{"organization_id":"acme","organization_id":"other"}"#, 400),
        (r#"{"organization_id":"acme","organization\u005fid":"other"}"#, 400),
        (r#"{"organization_id":"acme","org":"other"}"#, 422),
        (r#"{"org":"acme"}"#, 403),
    ] {
        let request = Request::post("/").header("x-api-key", KEY).header("content-type", "application/json");
        let answer = app.clone().oneshot(request.body(axum::body::Body::from(body)).unwrap()).await.unwrap();
        assert_eq!(answer.status(), status, "{body}");
    }
}
