//! The exchange of the caller's key without a form; methods and paths.

use http::{Method, Request};
use tower::Layer as _;
use tower_auth::{
    ApiKeyLayer, AuthEndpoints, BearerLayer, KeyRecord, KeyState, Rejection, RejectionKind, Restrictions, Secret,
};

use super::{Body, Desk, JSON, Value, ask, bare, claims, json, post, told};

#[tokio::test]
async fn r095_a_key_is_exchanged_for_tokens() {
    let desk = Desk::new();
    for request in [bare("/token", &desk.key()), post("/token", JSON, &desk.key(), "{}")] {
        let told = ask(&desk.endpoints, request).await;
        let body = told.json();
        let members: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        for member in ["access_token", "token_type", "expires_in", "refresh_token", "scope"] {
            assert!(members.contains(&member), "{member}");
        }
        assert_eq!(members.len(), 5);
        assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(900)));
        assert_eq!(body["scope"], "read write inspect");
        let claims = claims(body["access_token"].as_str().unwrap());
        assert_eq!((&claims["sub"], &claims["client_id"]), (&json!("acme"), &json!("key_1")));
    }
}

#[tokio::test]
async fn some_of_the_scopes_can_be_asked() {
    let desk = Desk::new();
    for (asked, granted) in
        [(json!("read"), "read"), (json!("write read"), "write read"), (Value::Null, "read write inspect")]
    {
        let told = desk.json("/token", &desk.key(), &json!({ "scope": asked })).await;
        assert_eq!(told.text("scope"), granted);
    }
    let told = desk.json("/token", &desk.key(), &json!({ "scope": "read admin" })).await;
    assert_eq!((told.status, told.refusal.unwrap().code().unwrap()), (400, "INVALID_SCOPE"));
}

fn pointers(refusal: &Rejection) -> String {
    let detail = refusal.details().find(|(name, _)| *name == "fields").unwrap().1;
    format!("{detail:?}")
}

#[tokio::test]
async fn bodies_are_strict() {
    let desk = Desk::new();
    for (path, body, status, kind, shown) in [
        ("/token", r#"{"scopes":"read"}"#, 422, RejectionKind::InvalidFields, "/scopes"),
        ("/token", r#"{"scope":["read"]}"#, 422, RejectionKind::InvalidFields, "/scope"),
        ("/token", r#"{"scope":"read","key":"ak_1"}"#, 422, RejectionKind::InvalidFields, "/key"),
        ("/token", r#"["read"]"#, 422, RejectionKind::InvalidFields, ""),
        ("/token", r#"{"scope":"read","scope":"write"}"#, 400, RejectionKind::InvalidJson, ""),
        ("/token", r#"{"scope":"read""#, 400, RejectionKind::InvalidJson, ""),
        ("/token", r#"{"scope":"\ud800"}"#, 400, RejectionKind::InvalidJson, ""),
        ("/token", "\u{feff}{}", 400, RejectionKind::InvalidJson, ""),
        ("/token", "{} {}", 400, RejectionKind::InvalidJson, ""),
        ("/refresh", "{}", 422, RejectionKind::InvalidFields, "/refresh_token"),
        ("/refresh", r#"{"refresh_token":null}"#, 422, RejectionKind::InvalidFields, "/refresh_token"),
        ("/refresh", r#"{"refreshToken":"rt_x"}"#, 422, RejectionKind::InvalidFields, "/refreshToken"),
        ("/refresh", r#"{"refresh_token":"a","refresh_token":"b"}"#, 400, RejectionKind::InvalidJson, ""),
        ("/logout", r#"{"refresh_token":7}"#, 422, RejectionKind::InvalidFields, "/refresh_token"),
        ("/logout", "", 400, RejectionKind::InvalidJson, ""),
    ] {
        let told = ask(&desk.endpoints, post(path, JSON, &desk.key(), body)).await;
        assert_eq!(told.kind(), (status, kind), "{path} {body}");
        if kind == RejectionKind::InvalidFields {
            let found = pointers(told.refusal.as_ref().unwrap());
            assert!(found.contains(&format!("{shown:?}")), "{body}: {found}");
        }
    }
}

#[tokio::test]
async fn the_caller_has_to_present_a_good_key() {
    let desk = Desk::new();
    let without = ask(&desk.endpoints, bare("/token", &[])).await;
    assert_eq!(without.kind(), (401, RejectionKind::MissingCredential));
    assert_eq!(without.header("www-authenticate"), Some("ApiKey realm=\"api\""));
    let wrong = ask(&desk.endpoints, bare("/token", &[("x-api-key", "ak_wrong")])).await;
    assert_eq!(wrong.kind(), (401, RejectionKind::InvalidKey));
    assert_eq!(wrong.header("www-authenticate"), Some("ApiKey realm=\"api\""));
    assert_eq!(wrong.header("connection"), None, "there is no body that was not read");
    let unread = post("/token", JSON, &[("x-api-key", "ak_wrong")], "{}");
    assert_eq!(ask(&desk.endpoints, unread).await.header("connection"), Some("close"));
    let unread = post("/token", JSON, &[], "{}");
    assert_eq!(ask(&desk.endpoints, unread).await.header("connection"), Some("close"));
    let twice = [("x-api-key", desk.key.expose()), ("x-api-key", desk.key.expose())];
    assert_eq!(ask(&desk.endpoints, bare("/token", &twice)).await.kind(), (400, RejectionKind::MalformedRequest));
    let in_query = format!("/token?x-api-key={0}&client_secret={0}&access_token={0}", desk.key.expose());
    assert_eq!(ask(&desk.endpoints, bare(&in_query, &[])).await.kind(), (401, RejectionKind::MissingCredential));
    assert!(desk.store.set_state("key_1", KeyState::Revoked));
    assert_eq!(ask(&desk.endpoints, bare("/token", &desk.key())).await.kind(), (401, RejectionKind::InvalidKey));
}

#[tokio::test]
async fn a_key_with_restrictions_and_a_static_key_are_not_exchanged() {
    let desk = Desk::new();
    let bound =
        KeyRecord::new("key_2", "acme").restrictions(Restrictions::new().origins(["https://shop.test"]).unwrap());
    let bound = desk.store.create(&desk.scheme, bound).unwrap();
    let headers = [("x-api-key", bound.expose()), ("origin", "https://shop.test")];
    let told = ask(&desk.endpoints, bare("/token", &headers)).await;
    assert_eq!((told.status, told.refusal.unwrap().code().unwrap()), (403, "API_KEY_RESTRICTED"));
    let keys = ApiKeyLayer::static_key("ops", Secret::new("0123456789abcdef")).unwrap();
    let endpoints = AuthEndpoints::new(desk.sessions.clone()).keys(keys);
    let told = ask(&endpoints, bare("/token", &[("x-api-key", "0123456789abcdef")])).await;
    assert_eq!(told.kind(), (401, RejectionKind::InvalidKey), "it is in no store, and would outlive its removal");
}

/// The address is found as in a stack.
#[tokio::test]
async fn a_key_with_networks_is_used_from_its_networks_only() {
    use tower_auth::{ClientIp, PeerAddr};
    let desk = Desk::new();
    let bound = Restrictions::new().networks(["192.0.2.0/24"]).unwrap();
    let bound = KeyRecord::new("key_2", "acme").scopes(["inspect"]).restrictions(bound);
    let bound = desk.store.create(&desk.scheme, bound).unwrap();
    let header = [("x-api-key", bound.expose())];
    let from = |mut request: Request<Body>, address: &str| {
        request.extensions_mut().insert(PeerAddr(address.parse().unwrap()));
        request
    };
    let endpoints = desk.endpoints.clone().client_ip(ClientIp::peer());
    let told = ask(&endpoints, from(bare("/token", &header), "192.0.2.7")).await;
    assert_eq!((told.status, told.refusal.unwrap().code().unwrap()), (403, "API_KEY_RESTRICTED"));
    let elsewhere = ask(&endpoints, from(bare("/token", &header), "198.51.100.7")).await;
    assert_eq!(elsewhere.kind(), (403, RejectionKind::Restricted));
    let inspect = |address| from(post("/introspect", super::FORM, &header, "token=x"), address);
    assert_eq!(ask(&endpoints, inspect("192.0.2.7")).await.status, 200);
    assert_eq!(ask(&endpoints, inspect("198.51.100.7")).await.error(), super::error(400, "unauthorized_client"));
    let unset = ask(&desk.endpoints, from(bare("/token", &header), "192.0.2.7")).await;
    assert_eq!(unset.kind(), (500, RejectionKind::Internal), "nothing says how the address is found");
}

/// `curl -X POST -d ''` declares an empty form.
#[tokio::test]
async fn an_empty_form_is_no_body() {
    let desk = Desk::new();
    let told = ask(&desk.endpoints, post("/token", super::FORM, &desk.key(), "")).await;
    assert_eq!((told.status, told.text("token_type")), (200, "Bearer".to_owned()));
    assert!(told.json().get("refresh_token").is_some());
    let without = ask(&desk.endpoints, post("/token", super::FORM, &[], "")).await;
    assert_eq!(without.kind(), (401, RejectionKind::MissingCredential));
}

/// Without keys of their own, the endpoints use the caller that the guards in front have found.
#[tokio::test]
async fn a_guard_in_front_can_authenticate_the_caller() {
    let desk = Desk::new();
    let endpoints = AuthEndpoints::new(desk.sessions.clone());
    let guarded = desk.keys.layer(endpoints.clone());
    let answer = |request| async { told(tower::ServiceExt::oneshot(guarded.clone(), request).await.unwrap()).await };
    assert_eq!(answer(bare("/token", &desk.key())).await.status, 200);
    assert_eq!(answer(bare("/token", &[])).await.status, 401);

    let unguarded = ask(&endpoints, bare("/token", &desk.key())).await;
    assert_eq!(unguarded.kind(), (500, RejectionKind::Internal), "nobody says who the caller is");

    let tokens = BearerLayer::new(desk.sessions.issuer().verifier().build().unwrap()).clone();
    let session = desk.session(None).await;
    let token = format!("Bearer {}", session.access_token.expose());
    let by_token = tower::ServiceExt::oneshot(
        tower_auth::AuthLayer::from(tokens).clock(&desk.hand).layer(endpoints),
        bare("/token", &[("authorization", &*token)]),
    );
    let told = told(by_token.await.unwrap()).await;
    assert_eq!((told.status, told.refusal.unwrap().code().unwrap()), (403, "API_KEY_REQUIRED"));
}

#[tokio::test]
async fn only_documented_paths_and_methods_exist() {
    let desk = Desk::new();
    for path in ["/", "/tokens", "/token/", "/Token", "/tok%65n", "/token/x", "//", "/token;x"] {
        let told = ask(&desk.endpoints, bare(path, &desk.key())).await;
        assert_eq!(told.kind(), (404, RejectionKind::NotFound), "{path}");
    }
    for path in ["/token", "/v1/auth/token", "/a//token", "/token?a=b"] {
        assert_eq!(ask(&desk.endpoints, bare(path, &desk.key())).await.status, 200, "{path}");
    }
    for path in ["/token", "/refresh", "/logout", "/revoke", "/introspect"] {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE, Method::TRACE] {
            let request = Request::builder().method(method.clone()).uri(path).body(Body::default()).unwrap();
            let told = ask(&desk.endpoints, request).await;
            assert_eq!(told.kind(), (405, RejectionKind::MethodNotAllowed), "{method} {path}");
            assert_eq!(told.header("allow"), Some("POST"));
        }
    }
    let without = AuthEndpoints::new(desk.sessions.clone());
    assert_eq!(ask(&without, bare("/introspect", &[])).await.kind(), (404, RejectionKind::NotFound));
}
