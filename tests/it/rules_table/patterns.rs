//! Which patterns can be read, what they mean, and how the table shows them.

use tower_auth::{
    Permission, Principal, Rules,
    permission::{any_scope, authenticated, from_fn, role, scope},
};

use super::{ask, build, stranger};

#[test]
fn r018_a_pattern_that_cannot_be_read_is_refused_when_the_stack_is_built() {
    for pattern in [
        "",
        " ",
        "GET",
        "GET ",
        "health",
        "GET health",
        "GET  /health",
        " /health",
        "get /health",
        "Get /health",
        "GET,POST /health",
        "G3T /health",
        "** /health",
        "GET *",
        "GET **",
        "/v1/{id",
        "/v1/id}",
        "/v1/{}",
        "/v1/{{id}}",
        "/v1/model-{id}",
        "/v1/{id}.json",
        "/v1/{a}{b}",
        "/v1/{a*}",
        "/v1/a*",
        "/v1/*a",
        "/v1/***",
        "/v1/a**",
        "/v1/**/files",
        "/**/files",
        "/v1/**/",
        "/v1//files",
        "//",
        "/v1/./files",
        "/v1/../files",
        "/v1/..",
        "/v1/a%2Fb",
        "/v1/%2e%2e/b",
        "/v1/%zz",
        "/v1/%",
        "/v1/a\\b",
        "/v1/%41",
    ] {
        let error = build(Rules::new().public(pattern)).expect_err(pattern).to_string();
        assert!(error.contains(&format!("{pattern:?}")), "{pattern:?} is not named: {error}");
        assert!(error.contains("help: "), "{error}");
        let error = build(Rules::new().public("/fine").require(pattern, scope("read")).public("/fine")).unwrap_err();
        assert!(error.to_string().contains(&format!("{pattern:?}")), "{error}");
    }
    // Of several, the first.
    let error = build(Rules::new().public("first").public("second")).unwrap_err().to_string();
    assert!(error.contains("\"first\"") && !error.contains("\"second\""), "{error}");
}

/// A rule that no request can ever meet protects nothing: what it was to protect falls to a rule further down. A
/// wildcard in the pattern makes it no better.
#[test]
fn r018_a_pattern_that_no_request_can_meet_is_refused_too() {
    let mut built = Vec::new();
    for pattern in [
        "/v1//*",
        "/v1//{id}/*",
        "/v1//files/**",
        "/v1/../*",
        "/v1/./{id}/**",
        "/v1/a%2Fb/*",
        "/v1/%2e%2e/**",
        "/*/..",
        "/v1/a\\b/**",
        "/v1/files?all=1",
        "/v1/files#top",
        "GET /v1/files ",
        "GET /v1/my files",
        "GET /v1/files\t",
    ] {
        match build(Rules::new().require(pattern, scope("admin")).require("/v1/**", scope("read"))) {
            Ok(_) => built.push(pattern),
            Err(error) => assert!(error.to_string().contains(&format!("{pattern:?}")), "{error}"),
        }
    }
    assert_eq!(built, Vec::<&str>::new());
}

#[test]
fn r018_patterns_that_are_fine() {
    for pattern in [
        "/",
        "* /",
        "GET /",
        "GET /v1/models/{id}",
        "/v1/models/*",
        "/v1/**",
        "* /**",
        "PURGE /cache/**",
        "M-SEARCH /",
        "/package.Service/Method",
        "/package.v1.Service/*",
        "/v1/{a}/{b}/*/**",
        "/v1/files/",
        "/.well-known/openid-configuration",
        "/v1/a.b/...",
        "/v1/caf%C3%A9",
        "/v1/a%20b",
        "/v1/~alice;v=1/a:b@c,d",
    ] {
        let built = build(Rules::new().public(pattern));
        assert!(built.is_ok(), "{pattern:?}: {built:?}");
    }
}

#[tokio::test]
async fn p06_whole_segments_are_compared() {
    let rules = Rules::new()
        .public("GET /health")
        .public("/v1/auth/login")
        .public("GET /files/{id}/meta")
        .public("/assets/*")
        .public("/docs/**")
        .public("/slash/");
    let stack = stranger(rules);
    for (path, open) in [
        ("/health", true),
        ("/health?x=/y", true),
        ("/healthz", false),
        ("/healthz-admin", false),
        ("/health-admin", false),
        ("/health/x", false),
        ("/health/", false),
        ("/Health", false),
        ("/x/health", false),
        ("/healt", false),
        ("/", false),
        ("/v1/auth/login", true),
        ("/v1/auth", false),
        ("/v1/auth/login/x", false),
        ("/v1/auth/loginx", false),
        ("/files/7/meta", true),
        ("/files/%20/meta", true),
        ("/files/7/metadata", false),
        ("/files/meta", false),
        ("/files/7/8/meta", false),
        ("/assets/a.css", true),
        ("/assets", false),
        ("/assets/", false),
        ("/assets/a/b", false),
        ("/docs", true),
        ("/docs/", true),
        ("/docs/a", true),
        ("/docs/a/b/", true),
        ("/docsx", false),
        ("/docs-internal/a", false),
        ("/slash/", true),
        ("/slash", false),
    ] {
        assert_eq!(ask(&stack, "GET", path).await, if open { 200 } else { 401 }, "{path}");
    }
    // `**` at the root means everything, and also nothing.
    let everything = stranger(Rules::new().public("/**"));
    for path in ["/", "/a", "/a/b/", "/a%20b"] {
        assert_eq!(ask(&everything, "GET", path).await, 200, "{path}");
    }
    let root = stranger(Rules::new().public("/"));
    assert_eq!((ask(&root, "GET", "/").await, ask(&root, "GET", "/a").await), (200, 401));
}

#[tokio::test]
async fn r012_get_means_head_and_no_other_method_means_another() {
    let stack = stranger(
        Rules::new().public("GET /get").public("POST /post").public("HEAD /head").public("* /any").public("/bare"),
    );
    for (path, methods) in [
        ("/get", &["GET", "HEAD"][..]),
        ("/post", &["POST"]),
        ("/head", &["HEAD"]),
        ("/any", &["GET", "HEAD", "POST", "OPTIONS", "DELETE", "PURGE", "get"]),
        ("/bare", &["GET", "HEAD", "POST", "OPTIONS", "DELETE", "PURGE", "get"]),
    ] {
        for method in ["GET", "HEAD", "POST", "OPTIONS", "DELETE", "PURGE", "get"] {
            let open = methods.contains(&method);
            assert_eq!(ask(&stack, method, path).await, if open { 200 } else { 401 }, "{method} {path}");
        }
    }
}

#[test]
fn r018_the_table_can_be_read_and_compared() {
    struct Quota;
    impl Permission for Quota {
        fn check(&self, _: &Principal, _: &tower_auth::RequestHead<'_>) -> tower_auth::permission::PermissionFuture {
            tower_auth::permission::PermissionFuture::ready(false.into())
        }
    }
    let rules = Rules::new()
        .public("GET /health")
        .require("/grpc.health.v1.Health/*", authenticated())
        .require("DELETE /v1/models/{id}", role("admin").and(scope("write")))
        .require("* /v1/organizations/{org}/**", any_scope(["write", "admin"]).or(role("owner")))
        .require("POST /v1/own", from_fn(|_, _| true))
        .require("POST /v1/quota", Quota);
    let lines = "GET     /health                     public\n\
                 *       /grpc.health.v1.Health/*    authenticated\n\
                 DELETE  /v1/models/{id}             role admin and scope write\n\
                 *       /v1/organizations/{org}/**  (scope write or admin or role owner)\n\
                 POST    /v1/own                     a closure\n\
                 POST    /v1/quota                   Quota\n";
    let last = |access: &str| format!("{lines}*       everything else             {access}\n");
    assert_eq!(rules.table(), last("denied"));
    assert_eq!(format!("{rules:?}"), rules.table());
    let otherwise = rules.clone().otherwise(scope("read"));
    assert_eq!(otherwise.table(), last("scope read"));
    assert_eq!(otherwise.otherwise_deny().table(), rules.table());
    assert_eq!(Rules::new().table(), "*       everything else  denied\n");
}

/// A table that is tried out says so, where it is read at start-up: nobody may take it for one that protects.
#[test]
fn r018_the_table_says_that_it_only_reports() {
    let rules = Rules::new().require("/v1/**", scope("read"));
    assert_ne!(rules.clone().report_only().table(), rules.table());
}
