//! Which operation needs what, and the mistakes in a table.

use http::{Method, Request, StatusCode};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    AuthLayer, Principal, Rejection, RejectionKind, mcp::McpScopes, permission::ScopeHierarchy,
    strict_body::ReplayBody, testing::FakeAuth,
};

use super::{Answer, PASSED, call, needs, post, refused, scopes, send};
use crate::support::Body;

pub(super) fn message(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#)
}

#[tokio::test]
async fn a_call_needs_all_scopes_of_its_tool() {
    let layer = scopes().build().unwrap();
    for (tool, held, wanted) in [
        ("read", &["r"] as &[&str], PASSED),
        ("read", &["w"], needs("r")),
        ("write", &["r", "w"], PASSED),
        ("write", &["w"], needs("r w")),
        ("write", &[], needs("r w")),
        ("whoami", &[], PASSED),
        ("unlisted", &["r"], needs("r w")),
        ("unlisted", &["r", "w"], PASSED),
        ("Write", &["r"], needs("r w")),
        (" read", &["r"], needs("r w")),
    ] {
        assert_eq!(send(&layer, held, post(call(tool))).await, wanted, "{tool} with {held:?}");
    }
}

#[tokio::test]
async fn methods_are_open_only_if_they_show_nothing() {
    let layer = scopes().build().unwrap();
    for method in [
        "initialize",
        "ping",
        "server/discover",
        "logging/setLevel",
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
        "subscriptions/listen",
    ] {
        assert_eq!(send(&layer, &[], post(message(method, "{}"))).await, PASSED, "{method}");
    }
    for method in ["notifications/initialized", "notifications/cancelled"] {
        let body = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{{}}}}"#);
        assert_eq!(send(&layer, &[], post(body)).await, PASSED, "{method}");
    }
    for method in [
        "tools/call",
        "prompts/get",
        "resources/read",
        "resources/subscribe",
        "completion/complete",
        "tasks/get",
        "tasks/result",
        "Subscriptions/listen",
        "Initialize",
        "TOOLS/LIST",
        "tools/list/",
        "",
        "notifications",
        "x",
    ] {
        assert_eq!(send(&layer, &["r"], post(message(method, "{}"))).await, needs("r w"), "{method}");
    }
}

#[tokio::test]
async fn rows_of_methods_are_for_what_has_no_row_of_its_own() {
    let layer = scopes()
        .method("tools/call", ["call"])
        .method("tools/list", ["list"])
        .method("notifications/initialized", ["list"])
        .otherwise(["other"])
        .build()
        .unwrap();
    for (body, wanted) in [
        (call("read"), needs("r")),
        (call("whoami"), PASSED),
        (call("unlisted"), needs("call")),
        (call("Read"), needs("r w call list other")),
        (message("tools/list", "{}"), needs("list")),
        (message("notifications/initialized", "{}"), needs("list")),
        (message("Tools/call", "{}"), needs("r w call list other")),
        (message("prompts/get", r#"{"name":"p"}"#), needs("other")),
        (message("prompts/get", "{}"), needs("r w call list other")),
        (message("x/y", "{}"), needs("other")),
        (message("ping", "{}"), PASSED),
    ] {
        assert_eq!(send(&layer, &[], post(body.clone())).await, wanted, "{body}");
    }
    // With an empty list, authentication is enough for what is clear, and for nothing else.
    let layer = scopes().otherwise([]).build().unwrap();
    assert_eq!(send(&layer, &[], post(call("unlisted"))).await, PASSED);
    assert_eq!(send(&layer, &[], post(message("tools/call", "{}"))).await, needs("r w"));
}

#[tokio::test]
async fn prompts_and_resources_have_rows() {
    let layer = McpScopes::new()
        .prompt("summary", ["p"])
        .resource("notes://one", ["one"])
        .method("resources/read", ["read"])
        .build()
        .unwrap();
    let all = "p one read";
    for (method, params, wanted) in [
        ("prompts/get", r#"{"name":"summary"}"#, needs("p")),
        ("prompts/get", r#"{"uri":"summary"}"#, needs(all)),
        ("prompts/get", r#"{"name":"other"}"#, needs(all)),
        ("resources/read", r#"{"uri":"notes://one"}"#, needs("one")),
        ("resources/subscribe", r#"{"uri":"notes://one"}"#, needs("one")),
        ("resources/unsubscribe", r#"{"uri":"notes://one"}"#, needs("one")),
        ("resources/read", r#"{"uri":"notes://two/three.md"}"#, needs("read")),
        ("resources/subscribe", r#"{"uri":"notes://two"}"#, needs(all)),
        ("resources/read", r#"{"name":"notes://one"}"#, needs(all)),
        // Other spellings of the row.
        ("resources/read", r#"{"uri":"notes://ONE"}"#, needs(all)),
        ("resources/read", r#"{"uri":"notes://one/"}"#, needs(all)),
        ("resources/read", r#"{"uri":"notes://%6fne"}"#, needs(all)),
        ("resources/read", r#"{"uri":"notes://x/../one"}"#, needs(all)),
        ("resources/read", r#"{"uri":"notes://./one"}"#, needs(all)),
        ("resources/read", r#"{"uri":"notes://x//one"}"#, needs(all)),
        ("resources/read", r#"{"uri":"notes://one?x"}"#, needs(all)),
        ("resources/read", r#"{"uri":"notes://one#x"}"#, needs(all)),
        ("resources/read", r#"{"uri":"notes:\\\\one"}"#, needs(all)),
        ("resources/read", r#"{"uri":"notes://öne"}"#, needs(all)),
        // Parsers drop an empty user and an empty port.
        ("resources/read", r#"{"uri":"notes://@one"}"#, needs(all)),
        ("resources/read", r#"{"uri":"notes://one:"}"#, needs(all)),
        ("resources/read", r#"{"uri":"notes:/one"}"#, needs(all)),
        ("resources/read", r#"{"uri":"notes:////one"}"#, needs(all)),
        ("resources/read", r#"{"uri":"notes://two/{one}"}"#, needs(all)),
        ("resources/read", r#"{"uri":"notes:two"}"#, needs("read")),
        ("resources/read", r#"{"uri":"two"}"#, needs("read")),
    ] {
        assert_eq!(send(&layer, &[], post(message(method, params))).await, wanted, "{method} {params}");
    }
    let open = McpScopes::new().method("resources/read", []).resource("file:///a/b", ["x"]);
    let layer = open.resource("https://a.test/b", ["y"]).build().unwrap();
    for (uri, expected) in [
        ("file:///a/c", PASSED),
        ("https://a.test/c", PASSED),
        ("file:/a/b", needs("x y")),
        ("file://localhost/a/b", needs("x y")),
        ("file:////a/b", needs("x y")),
        ("https:a.test/b", needs("x y")),
        ("https:/a.test/b", needs("x y")),
        ("https:///a.test/b", needs("x y")),
        ("HTTPS:///a.test/b", needs("x y")),
        ("https://a.test:443/b", needs("x y")),
        ("https://me@a.test/b", needs("x y")),
    ] {
        let asked = post(message("resources/read", &format!(r#"{{"uri":"{uri}"}}"#)));
        assert_eq!(send(&layer, &[], asked).await, expected, "{uri}");
    }
    // Without a row for a resource, all are what the method is.
    let layer = McpScopes::new().method("resources/read", ["read"]).prompt("summary", ["p"]).build().unwrap();
    assert_eq!(send(&layer, &[], post(message("resources/read", r#"{"uri":"a?b"}"#))).await, needs("read"));
}

#[tokio::test]
async fn a_broader_scope_counts_for_the_narrower() {
    let hierarchy =
        ScopeHierarchy::new(["admin", "w", "r"]).implies("admin", ["w"]).unwrap().implies("w", ["r"]).unwrap();
    let layer = scopes().hierarchy(hierarchy).build().unwrap();
    for (held, tool, wanted) in [
        (&["w"] as &[&str], "write", PASSED),
        (&["admin"], "write", PASSED),
        (&["admin"], "unlisted", PASSED),
        (&["r"], "write", needs("r w")),
        (&["r"], "read", PASSED),
    ] {
        assert_eq!(send(&layer, held, post(call(tool))).await, wanted, "{tool} with {held:?}");
    }
}

#[tokio::test]
async fn requests_without_a_body_need_authentication() {
    let bodyless = |method: Method| Request::builder().method(method).uri("/mcp").body(Body::default()).unwrap();
    let layer = scopes().build().unwrap();
    for method in [Method::GET, Method::DELETE, Method::HEAD] {
        assert_eq!(send(&layer, &[], bodyless(method)).await, PASSED);
    }
    assert_eq!(send(&layer, &["r", "w"], bodyless(Method::POST)).await, refused(StatusCode::BAD_REQUEST));
    let layer = scopes().streams(["stream"]).build().unwrap();
    assert_eq!(send(&layer, &[], bodyless(Method::GET)).await, needs("stream"));
    assert_eq!(send(&layer, &["stream"], bodyless(Method::DELETE)).await, PASSED);
    // A body is judged, whatever the method is.
    let (mut parts, body) = post(call("read")).into_parts();
    parts.method = Method::DELETE;
    assert_eq!(send(&layer, &["r"], Request::from_parts(parts.clone(), body.clone())).await, needs("r stream"));
    assert_eq!(send(&layer, &["r", "stream"], Request::from_parts(parts, body)).await, PASSED);
}

/// The refusal for callers of other kinds.
async fn kind(auth: AuthLayer, request: Request<Body>) -> (RejectionKind, bool) {
    let server = tower::service_fn(|_: Request<ReplayBody<Body>>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(Body::default()))
    });
    let response = auth.layer(scopes().build().unwrap().layer(server)).oneshot(request).await.unwrap();
    let challenged = response.headers().contains_key("www-authenticate");
    (Rejection::of(&response).unwrap().kind(), challenged)
}

#[tokio::test]
async fn without_a_caller_nothing_passes() {
    let anonymous = AuthLayer::from(FakeAuth::never()).optional();
    for request in [post(call("whoami")), post("{"), Request::get("/mcp").body(Body::default()).unwrap()] {
        assert_eq!(kind(anonymous.clone(), request).await, (RejectionKind::MissingCredential, true));
    }
    // A key has no challenge to step up.
    let key = AuthLayer::from(FakeAuth::always(Principal::builder("alice").build()));
    assert_eq!(kind(key, post(call("read"))).await, (RejectionKind::InsufficientPermissions, false));
    // Without an authentication layer, the service is at fault.
    let server = tower::service_fn(|_: Request<ReplayBody<Body>>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(Body::default()))
    });
    let response = scopes().build().unwrap().layer(server).oneshot(post(call("whoami"))).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn a_preflight_passes_and_has_no_body() {
    let auth = AuthLayer::from(FakeAuth::never()).allow_preflight();
    let server = tower::service_fn(|_: Request<ReplayBody<Body>>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(Body::default()))
    });
    let app = auth.layer(scopes().streams(["stream"]).build().unwrap().layer(server));
    let preflight =
        || Request::options("/mcp").header("origin", "https://a.test").header("access-control-request-method", "POST");
    let response = app.clone().oneshot(preflight().body(Body::default()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let smuggled = preflight().header("content-type", "application/json").body(Body::from(call("whoami"))).unwrap();
    assert_eq!(app.oneshot(smuggled).await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[test]
fn a_mistake_in_the_table_is_found_when_it_is_built() {
    for (table, wanted) in [
        (McpScopes::new(), "names no scope"),
        (McpScopes::new().tool("a", []), "names no scope"),
        (scopes().tool("read", ["x"]), "two rows for the tool \"read\""),
        (scopes().method("ping", ["x"]).method("ping", []), "two rows for the method \"ping\""),
        (scopes().tool("a", ["r w"]), "\"r w\""),
        (scopes().prompt("a", [""]), "\"\""),
        (scopes().resource("", ["x"]), "empty name"),
        (scopes().otherwise(["a\"b"]), "not a scope"),
        (scopes().hierarchy(ScopeHierarchy::new(["r"])), "\"w\" is not declared"),
    ] {
        let error = table.build().unwrap_err().to_string();
        assert!(error.contains(wanted), "{wanted}: {error}");
    }
    // A tool and a prompt may have the same name.
    assert_eq!(scopes().prompt("read", ["p"]).build().unwrap().scopes().collect::<Vec<_>>(), ["r", "w", "p"]);
}

#[test]
fn answers_can_be_compared() {
    assert_ne!(PASSED, Answer { scopes: Some(String::new()), ..PASSED });
}
