//! Who may what: the first rule that matches, public routes, strangers, preflights, and guards further in.

use std::sync::{Arc, Mutex};

use http::{Method, Request, Response, StatusCode};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthStack, KeyRecord, Principal, Rejection, RejectionKind, RequestExt as _, RequireLayer,
    Rules,
    permission::{authenticated, scope},
    testing::{FakeAuth, FlakyKeyStore},
};

use super::{ask, known, stranger};
use crate::support::{Body, KEY, get, ok, store, strict};

const KEYED: [(&str, &str); 1] = [("x-api-key", KEY)];

#[tokio::test]
async fn r018_the_first_rule_that_matches_decides_and_everything_else_is_denied() {
    let rules = Rules::new()
        .require("/v1/files/secret", scope("admin"))
        .public("GET /v1/files/public")
        .require("/v1/files/*", scope("read"));
    let (alice, nobody) = (known(rules.clone()), stranger(rules.clone()));
    for (method, path, of_alice, of_nobody) in [
        ("GET", "/v1/files/secret", 403, 401),
        ("GET", "/v1/files/public", 200, 200),
        ("PUT", "/v1/files/public", 200, 401),
        ("GET", "/v1/files/other", 200, 401),
        ("GET", "/v1/files", 404, 401),
        ("GET", "/", 404, 401),
    ] {
        assert_eq!(ask(&alice, method, path).await, of_alice, "{method} {path}");
        assert_eq!(ask(&nobody, method, path).await, of_nobody, "{method} {path}");
    }
    assert_eq!(ask(&known(Rules::new()), "GET", "/").await, 404, "an empty table opens nothing");
    assert_eq!(ask(&stranger(Rules::new().otherwise_deny()), "GET", "/").await, 401);
    // What everything else requires, and that the last word counts.
    for (rules, of_alice) in [
        (rules.clone().otherwise(scope("read")), 200),
        (rules.clone().otherwise(scope("admin")), 403),
        (rules.otherwise(scope("read")).otherwise_deny(), 404),
    ] {
        assert_eq!(ask(&known(rules.clone()), "GET", "/unknown").await, of_alice);
        assert_eq!(ask(&stranger(rules), "GET", "/unknown").await, 401);
    }
}

async fn refusal(stack: &AuthStack, request: Request<Body>) -> (u16, String, RejectionKind) {
    let response = stack.layer(ok()).oneshot(request).await.unwrap();
    let kind = Rejection::of(&response).unwrap().kind();
    let grpc = response.headers().get("grpc-status").map(|status| status.to_str().unwrap().to_owned());
    (response.status().as_u16(), grpc.unwrap_or_default(), kind)
}

fn grpc(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut call = get(path, headers);
    *call.method_mut() = Method::POST;
    call.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    call.headers_mut().insert("te", "trailers".parse().unwrap());
    call
}

/// Every unknown caller gets the same response, whether the credential is ambiguous or not.
#[tokio::test]
async fn r018_an_unknown_path_tells_a_stranger_nothing() {
    let rules = || Rules::new().require("/known", scope("read")).require("/denied", scope("admin"));
    let (scheme, store) = store(KeyRecord::new("k1", "acme").scopes(["read"]));
    let keys = || ApiKeyLayer::new(scheme.clone(), store.clone());
    for auth in
        [AuthLayer::from(keys()), keys().optional(), AuthLayer::from(FakeAuth::never()).report_only().then(keys())]
    {
        let stack = AuthStack::builder().auth(auth).rules(rules()).build().unwrap();
        for path in ["/known", "/denied", "/unknown", "/a//b", "/a/%2e%2e/known"] {
            let seen = refusal(&stack, get(path, &[])).await;
            assert_eq!(seen, (401, String::new(), RejectionKind::MissingCredential), "{path}");
            let seen = refusal(&stack, grpc(path, &[])).await;
            assert_eq!(seen, (200, "16".to_owned(), RejectionKind::MissingCredential), "{path}");
        }
        let wrong = [("x-api-key", "ak_wrong")];
        assert_eq!(refusal(&stack, get("/unknown", &wrong)).await.0, 401);
        assert_eq!(refusal(&stack, grpc("/unknown", &wrong)).await.1, "16");
        for (path, http, code, kind) in [
            ("/unknown", 404, "12", RejectionKind::NotFound),
            ("/denied", 403, "7", RejectionKind::InsufficientPermissions),
            ("/a//b", 400, "3", RejectionKind::MalformedRequest),
        ] {
            assert_eq!(refusal(&stack, get(path, &KEYED)).await, (http, String::new(), kind), "{path}");
            assert_eq!(refusal(&stack, grpc(path, &KEYED)).await, (200, code.to_owned(), kind), "{path}");
        }
    }
}

/// What a handler saw: somebody, nobody, whether the key's header is marked sensitive, and whether a claimed name
/// came through.
type Seen = (bool, bool, Option<bool>, bool);

#[tokio::test]
async fn r017_a_public_route_asks_nobody_and_knows_nobody() {
    let rules = Rules::new().public("/health").require("/private", authenticated());
    let seen: Arc<Mutex<Option<Seen>>> = Arc::default();
    let inside = Arc::clone(&seen);
    let handler = strict(move |request: Request<Body>| {
        let sensitive = request.headers().get("x-api-key").map(http::HeaderValue::is_sensitive);
        let claimed = request.headers().contains_key("x-user-id");
        *inside.lock().unwrap() =
            Some((request.principal().is_ok(), request.anonymous().is_some(), sensitive, claimed));
        Response::new(Body::default())
    });
    for strip in [false, true] {
        let (scheme, memory) = store(KeyRecord::new("k1", "acme"));
        let store = FlakyKeyStore::new(memory);
        let auth = AuthLayer::from(ApiKeyLayer::new(scheme, store.clone()));
        let auth = auth.strip_headers([http::HeaderName::from_static("x-user-id")]);
        let auth = if strip { auth.strip_credentials() } else { auth };
        let stack = AuthStack::builder().auth(auth).rules(rules.clone()).expose_principal().build().unwrap();
        let ask = |path: &str, headers: &[(&str, &str)]| stack.layer(handler.clone()).oneshot(get(path, headers));
        let left = (!strip).then_some(true);
        for headers in [&[KEYED[0], ("x-user-id", "root")][..], &[("x-api-key", "ak_wrong")], &[KEYED[0], KEYED[0]]] {
            let response = ask("/health", headers).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK, "{headers:?}");
            assert!(response.extensions().get::<Principal>().is_none());
            assert!(!response.headers().contains_key("cache-control"), "it is nobody's own");
            assert_eq!(seen.lock().unwrap().take(), Some((false, true, left, false)), "{headers:?}");
        }
        store.fail();
        assert_eq!(ask("/health", &KEYED).await.unwrap().status(), StatusCode::OK, "the store is down");
        assert_eq!(store.asked(), 0, "a public route looks up nothing");
        assert_eq!(ask("/private", &KEYED).await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
        store.recover();
        let private = ask("/private", &KEYED).await.unwrap();
        assert!(private.status().is_success() && private.extensions().get::<Principal>().is_some());
        assert_eq!(store.asked(), 2);
        assert_eq!(seen.lock().unwrap().take(), Some((true, false, left, false)));
    }
}

#[tokio::test]
async fn r018_what_stands_further_in_still_refuses_on_a_public_route() {
    let rules = || Rules::new().public("/open");
    let keys = || {
        let (scheme, store) = store(KeyRecord::new("k1", "acme").scopes(["read"]));
        ApiKeyLayer::new(scheme, store)
    };
    let stack = AuthStack::builder().auth(keys()).rules(rules()).build().unwrap();
    for layer in [RequireLayer::new(authenticated()), RequireLayer::scope("read")] {
        for headers in [&[][..], &KEYED] {
            let response = stack.layer(layer.layer(ok())).oneshot(get("/open", headers)).await.unwrap();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
            assert_eq!(response.headers()["www-authenticate"], r#"ApiKey realm="api""#);
        }
    }
    // And what the stack requires of all requests is required of public ones.
    let stack = AuthStack::builder().auth(keys()).rules(rules()).require(authenticated()).build().unwrap();
    assert_eq!(ask(&stack, "GET", "/open").await, 401);
}

#[tokio::test]
async fn r016_p07_a_preflight_passes_the_table_only_where_declared() {
    let rules = || {
        Rules::new()
            .require("DELETE /v1/models/{id}", scope("admin"))
            .require("* /v1/files/{id}", scope("admin"))
            .public("OPTIONS /open")
    };
    let auth = || AuthLayer::from(FakeAuth::never());
    let passing = AuthStack::builder().auth(auth().allow_preflight()).rules(rules()).build().unwrap();
    let plain = AuthStack::builder().auth(auth()).rules(rules()).build().unwrap();
    let (origin, asks) = (("origin", "https://a.example"), ("access-control-request-method", "DELETE"));
    let request = |method: &str, path: &str, headers: &[(&str, &str)]| {
        let mut request = get(path, headers);
        *request.method_mut() = method.parse().unwrap();
        request
    };
    let handler = strict(|request: Request<Body>| {
        assert!(request.principal().is_err(), "a preflight is nobody's");
        Response::new(Body::default())
    });
    let status = async |stack: &AuthStack, request| {
        stack.layer(handler.clone()).oneshot(request).await.unwrap().status().as_u16()
    };
    // Where no rule, or one for any method, means the path, a handler for any method could run for it.
    for (path, passed) in [("/v1/models/7", 200), ("/v1/files/7", 401), ("/unknown", 401), ("/a//b", 401)] {
        assert_eq!(status(&passing, request("OPTIONS", path, &[origin, asks])).await, passed, "{path}");
        assert_eq!(status(&plain, request("OPTIONS", path, &[origin, asks])).await, 401, "{path}");
        for headers in [&[][..], &[origin], &[asks]] {
            assert_eq!(status(&passing, request("OPTIONS", path, headers)).await, 401, "{path} {headers:?}");
        }
        for method in ["GET", "DELETE", "POST"] {
            assert_eq!(status(&passing, request(method, path, &[origin, asks])).await, 401, "{method} {path}");
        }
    }
    assert_eq!(
        status(&plain, request("OPTIONS", "/open", &[])).await,
        200,
        "an OPTIONS of its own is a route like any"
    );
}
