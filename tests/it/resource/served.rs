//! The metadata over HTTP.

use axum::{Router, routing};
use http::{Method, Request, Response};
use tower::ServiceExt as _;
use tower_auth::{FullBody, Rejection, RejectionKind, resource::ProtectedResource};

use super::{RESOURCE, bearer, resource};
use crate::support::{get, text};

const ROOT: &str = "/.well-known/oauth-protected-resource";

async fn fetch(resource: &ProtectedResource, path: &str) -> Response<FullBody> {
    resource.clone().oneshot(get(path, &[])).await.unwrap()
}

fn of(resource: &str) -> ProtectedResource {
    ProtectedResource::builder(resource).issuer("https://id.example.com").build().unwrap()
}

#[tokio::test]
async fn both_addresses_are_answered_with_a_slash_or_without() {
    for (resource, paths) in [
        (RESOURCE, &["", "/", "/mcp", "/mcp/"][..]),
        ("https://a.test/mcp/", &["", "/", "/mcp", "/mcp/"]),
        ("https://a.test", &["", "/"]),
        ("https://a.test/", &["", "/"]),
        ("https://a.test/a/b", &["", "/a/b", "/a/b/"]),
    ] {
        let service = of(resource);
        for path in paths {
            let response = fetch(&service, &format!("{ROOT}{path}?a=b")).await;
            assert_eq!(response.status(), 200, "{resource} {path}");
            assert_eq!(response.headers()["content-type"], "application/json");
            assert_eq!(text(response).await, service.document());
        }
        for path in ["/other", "/mcp/x", "//", "x", "/MCP", "/a", "/mcp//"] {
            let response = fetch(&service, &format!("{ROOT}{path}")).await;
            assert_eq!(Rejection::of(&response).unwrap().kind(), RejectionKind::NotFound, "{resource} {path}");
            assert_eq!(response.headers()["access-control-allow-origin"], "*");
        }
        for path in ["/", "/mcp", "/.well-known", "/.well-known/openid-configuration"] {
            assert_eq!(fetch(&service, path).await.status(), 404, "{path}");
        }
    }
}

#[tokio::test]
async fn a_resource_beside_others_is_not_at_the_root() {
    let service = ProtectedResource::builder(RESOURCE).issuer("https://id.example.com").not_at_root().build().unwrap();
    for (path, status) in [("", 404), ("/", 404), ("/mcp", 200), ("/mcp/", 200)] {
        assert_eq!(fetch(&service, &format!("{ROOT}{path}")).await.status(), status, "{path}");
    }
}

#[tokio::test]
async fn a_client_that_has_the_document_is_told_so() {
    let service = resource();
    let first = fetch(&service, ROOT).await;
    assert_eq!(first.headers()["cache-control"], "public, max-age=300");
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    let again = service.clone().oneshot(get(ROOT, &[("if-none-match", &tag)])).await.unwrap();
    assert_eq!((again.status().as_u16(), &again.headers()["etag"]), (304, &first.headers()["etag"]));
    assert_eq!(text(again).await, "");
    assert_ne!(fetch(&of("https://a.test"), ROOT).await.headers()["etag"], tag, "another document");
}

#[tokio::test]
async fn any_website_may_read_it() {
    let service = resource();
    let ask = |method: Method, headers: &[(&str, &str)]| {
        let mut request = get(ROOT, headers);
        *request.method_mut() = method;
        service.clone().oneshot(request)
    };
    let read = ask(Method::GET, &[("origin", "https://app.test")]).await.unwrap();
    assert_eq!(read.headers()["access-control-allow-origin"], "*");
    assert_eq!(read.headers()["access-control-expose-headers"], "*");
    assert!(!read.headers().contains_key("access-control-allow-credentials"));
    let head = ask(Method::HEAD, &[]).await.unwrap();
    assert_eq!((head.status().as_u16(), &head.headers()["content-type"]), (200, &read.headers()["content-type"]));
    let preflight = [
        ("origin", "https://app.test"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "mcp-protocol-version"),
    ];
    let asked = ask(Method::OPTIONS, &preflight).await.unwrap();
    assert_eq!(asked.status().as_u16(), 204);
    assert_eq!(asked.headers()["access-control-allow-origin"], "*");
    assert_eq!(asked.headers()["access-control-allow-methods"], "GET, HEAD, OPTIONS");
    assert_eq!(asked.headers()["access-control-allow-headers"], "*, authorization");
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let refused = ask(method, &[]).await.unwrap();
        assert_eq!(Rejection::of(&refused).unwrap().kind(), RejectionKind::MethodNotAllowed);
        assert_eq!(refused.headers()["allow"], "GET, HEAD, OPTIONS");
    }
}

/// As the manual mounts it: the metadata are public, and the service is not.
#[tokio::test]
async fn it_is_mounted_beside_the_service() {
    let stack = tower_auth::AuthStack::builder().auth(bearer()).build().unwrap();
    let app = Router::new()
        .route_service(ROOT, resource())
        .route_service("/.well-known/oauth-protected-resource/{*path}", resource())
        .merge(Router::new().route("/mcp", routing::any(|| async { "secret" })).layer(stack));
    let ask = |path: &str| {
        let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
        app.clone().oneshot(request)
    };
    let refused = ask("/mcp").await.unwrap();
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
    let url = challenge.split("resource_metadata=\"").nth(1).unwrap().split('"').next().unwrap();
    let path = url.strip_prefix("https://api.example.com").unwrap();
    for path in [path, ROOT, "/.well-known/oauth-protected-resource/mcp/"] {
        let response = ask(path).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(text(response).await, resource().document());
    }
    // Inside `nest`, which removes the prefix, the service still knows what the client has asked for.
    let nested = Router::new().nest("/.well-known", Router::new().route_service("/{*path}", resource()));
    let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
    assert_eq!(nested.oneshot(request).await.unwrap().status(), 200);
}
