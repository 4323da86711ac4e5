//! p86: a table decides by the path that the router behind it matches, or refuses to decide.

use axum::{Router, body::Body, routing};
use http::Request;
use tower::{Layer, ServiceExt as _, util::MapRequestLayer};
use tower_auth::{AuthStack, Principal, Rules, permission::scope, testing::FakeAuth};

use crate::no_leak::Logs;

fn rules() -> Rules {
    Rules::new()
        .public("GET /health")
        .require("GET /items", scope("read"))
        .require("GET /files/7/of/secret/a", scope("admin"))
        .require("GET /files/{id}/of/**", scope("read"))
        .require("* /admin/**", scope("admin"))
        .otherwise_deny()
}

fn stack(rules: Rules) -> AuthStack {
    let alice = Principal::builder("alice").scopes(["read"]).build();
    AuthStack::builder().auth(FakeAuth::always(alice)).rules(rules).build().unwrap()
}

/// Answers with the route.
fn routes() -> Router {
    Router::new()
        .route("/health", routing::get(|| async { "health" }))
        .route("/items", routing::get(|| async { "items" }))
        .route("/admin/keys", routing::get(|| async { "keys" }))
        .route("/files/{id}/of/{*path}", routing::get(|| async { "files" }))
        .route("/files/{{id}}", routing::get(|| async { "braces" }))
}

/// Another path, by this rule.
fn rewriting(
    rewrite: fn(&str) -> String,
) -> MapRequestLayer<impl Fn(Request<Body>) -> Request<Body> + Clone + Send + Sync + 'static> {
    MapRequestLayer::new(move |mut request: Request<Body>| {
        *request.uri_mut() = rewrite(request.uri().path()).parse().unwrap();
        request
    })
}

fn without_slash(path: &str) -> String {
    match path.trim_end_matches('/') {
        "" => "/".to_owned(),
        path => path.to_owned(),
    }
}

fn without_prefix(path: &str) -> String {
    path.strip_prefix("/api").unwrap_or(path).to_owned()
}

async fn status(app: &Router, path: &str) -> u16 {
    let request = Request::get(path).body(Body::empty()).unwrap();
    app.clone().oneshot(request).await.unwrap().status().as_u16()
}

/// The outer router has matched no route: the inner one decides by the rewritten path, and so does the table, around the
/// inner router or among its layers.
#[tokio::test]
async fn p86_behind_an_outer_router_that_matched_nothing_the_rewritten_path_decides() {
    for (rewrite, around) in [without_slash as fn(&str) -> String, without_prefix]
        .into_iter()
        .flat_map(|rewrite| [(rewrite, true), (rewrite, false)])
    {
        let outer = Router::new().route("/outer", routing::get(|| async { "outer" }));
        let app = if around {
            outer.fallback_service(rewriting(rewrite).layer(stack(rules()).layer(routes())))
        } else {
            outer.fallback_service(rewriting(rewrite).layer(routes().layer(stack(rules()))))
        };
        let (before, behind) = if rewrite("/x/") == "/x" { ("", "/") } else { ("/api", "") };
        for (path, expected) in [
            ("/health", 200),
            ("/items", 200),
            ("/admin/keys", 403),
            ("/other", 404),
            ("/files/7/of/a/b", 200),
            ("/files/7/of/secret/a", 403),
            ("/files/a%20b/of/caf%C3%A9/x", 200),
        ] {
            assert_eq!(status(&app, path).await, expected, "{path}");
            let written = format!("{before}{path}{behind}");
            assert_eq!(status(&app, &written).await, expected, "{written}");
        }
        assert_eq!(status(&app, "/outer").await, 200);
    }
    // Around everything, it was fine before.
    let outside = rewriting(without_slash).layer(stack(rules()).layer(routes()));
    for (path, expected) in [("/items/", 200), ("/admin/keys/", 403), ("/admin/", 403)] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(outside.clone().oneshot(request).await.unwrap().status(), expected, "{path}");
    }
}

/// A route was chosen by the path before it was rewritten: the table would decide about another.
#[tokio::test]
async fn p86_behind_a_route_that_another_path_has_chosen_nothing_is_decided() {
    let stack = stack(rules());
    let secret = || routing::get(|| async { "secret" });
    // Inside `Router::layer`.
    let layers = tower::ServiceBuilder::new().layer(rewriting(without_prefix)).layer(stack.clone());
    let layered = Router::new().route("/api/health", secret()).route("/health", secret()).layer(layers);
    // The same, where the path before and the path behind mean one route.
    let layers = tower::ServiceBuilder::new().layer(rewriting(without_prefix)).layer(stack.clone());
    let wild = Router::new().route("/{*path}", secret()).layer(layers);
    let layers = tower::ServiceBuilder::new().layer(rewriting(|_| "/health".to_owned())).layer(stack.clone());
    let one = Router::new().route("/{one}/{two}", secret()).layer(layers);
    // Behind a route of an outer router, and inside `nest`.
    let routed = Router::new().route_service("/api/{*rest}", rewriting(without_prefix).layer(stack.layer(routes())));
    let nested: Router = Router::new().nest("/api", routes().layer(stack.clone()));
    let service: Router = Router::new().nest_service("/api", stack.layer(routes()));
    let fallback = Router::new().fallback(|| async { "secret" }).layer(stack.clone());
    let fallback: Router = Router::new().nest("/api", fallback);
    for app in [&layered, &wild, &one, &routed, &nested, &service, &fallback] {
        let logs = Logs::capture();
        assert_eq!(status(app, "/api/health").await, 500);
        let text = logs.text();
        for words in ["nest", "rewrites paths", "match_rewritten_path"] {
            assert!(text.contains(words), "{text}");
        }
    }
    // What an encoding hides is no proof that the path is the same.
    let layers = tower::ServiceBuilder::new()
        .layer(rewriting(|path| path.replace("%2F", "/").replace("%68", "h")))
        .layer(stack.clone());
    let decoding = Router::new().route("/{one}", secret()).route("/{one}/{*two}", secret()).layer(layers);
    for path in ["/%68ealth", "/files/7%2Fof%2Fa", "/files/7/of%2Fa"] {
        assert_eq!(status(&decoding, path).await, 500, "{path}");
    }
    assert_eq!(status(&layered, "/health").await, 200, "where nothing was rewritten, nothing is wrong");
}

#[tokio::test]
async fn p86_an_author_can_say_that_the_rules_are_written_for_rewritten_paths() {
    let stack = stack(rules().match_rewritten_path());
    let routed: Router =
        Router::new().route_service("/api/{*rest}", rewriting(without_prefix).layer(stack.layer(routes())));
    let service: Router = Router::new().nest_service("/api", stack.layer(routes()));
    let deeper: Router = Router::new().nest("/v1", Router::new().nest_service("/api", stack.layer(routes())));
    for (app, prefix) in [(&routed, "/api"), (&service, "/api"), (&deeper, "/v1/api")] {
        for (path, expected) in
            [("/health", 200), ("/items", 200), ("/admin/keys", 403), ("/admin/%2e%2e/health", 400), ("/other", 404)]
        {
            assert_eq!(status(app, &format!("{prefix}{path}")).await, expected, "{path}");
        }
    }
}
