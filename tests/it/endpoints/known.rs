//! The well-known documents: the key set, and the metadata of RFC 8414.

use http::{Method, Request, Response};
use tower::ServiceExt as _;
use tower_auth::{
    AuthEndpoints, FullBody, MemoryKeyStore, Peppers, RejectionKind, TokenVerifier,
    endpoints::WellKnown,
    session::{
        Sessions, TokenIssuer,
        signing::{SigningKeys, SigningPolicy},
    },
    token::KeySet,
};

use super::{Body, Desk, JSON, Told, Value, json, told};

const BASE: &str = "https://api.test/v1/auth";

async fn get(documents: &WellKnown, path: &str, headers: &[(&str, &str)]) -> Told {
    told(documents.clone().oneshot(crate::support::get(path, headers)).await.unwrap()).await
}

fn sessions(issuer: &str) -> Sessions {
    let keys = SigningKeys::in_memory(SigningPolicy::default(), tower_auth::Clock::system()).unwrap();
    let issuer = TokenIssuer::new(issuer, keys).unwrap();
    Sessions::builder(issuer, MemoryKeyStore::new(), &Peppers::ephemeral().unwrap()).build().unwrap()
}

#[tokio::test]
async fn the_key_set_verifies_the_tokens_of_the_service() {
    let desk = Desk::new();
    let documents = WellKnown::new(&desk.sessions, BASE).unwrap();
    let told = get(&documents, "/.well-known/jwks.json", &[]).await;
    assert_eq!((told.status, told.header("content-type")), (200, Some(JSON)));
    assert_eq!(told.header("cache-control"), Some("public, max-age=300"));
    assert!(!told.body.contains("\"d\""), "{}", told.body);
    let keys = KeySet::from_json(told.body.as_bytes()).unwrap();
    let verifier = TokenVerifier::key_set(super::ISSUER, keys).audience("https://one.test").build().unwrap();
    let session = desk.session(None).await;
    let claims = verifier.verify(session.access_token.expose(), &(&desk.hand).into()).await.unwrap();
    assert_eq!(claims.principal().subject(), "alice");
}

#[tokio::test]
async fn a_client_that_has_the_document_is_told_so() {
    let desk = Desk::new();
    let documents = WellKnown::new(&desk.sessions, BASE).unwrap();
    for path in ["/.well-known/jwks.json", "/.well-known/oauth-authorization-server"] {
        let tag = get(&documents, path, &[]).await.header("etag").unwrap().to_owned();
        for known in [&tag, &format!("W/{tag}"), &format!("\"x\", {tag}"), "*"] {
            let told = get(&documents, path, &[("if-none-match", known)]).await;
            assert_eq!((told.status, &*told.body, told.header("etag")), (304, "", Some(&*tag)), "{known}");
            assert_eq!(told.header("cache-control"), Some("public, max-age=300"));
        }
        for other in ["\"x\"", "", "x"] {
            assert_eq!(get(&documents, path, &[("if-none-match", other)]).await.status, 200);
        }
    }
}

#[tokio::test]
async fn the_metadata_say_what_there_is() {
    let desk = Desk::new();
    let path = "/.well-known/oauth-authorization-server";
    let document = async |documents: WellKnown| -> Value { get(&documents, path, &[]).await.json() };
    let plain = document(WellKnown::new(&desk.sessions, "https://api.test/v1/auth/").unwrap()).await;
    assert_eq!(
        plain,
        json!({
            "issuer": "https://api.test",
            "token_endpoint": "https://api.test/v1/auth/token",
            "jwks_uri": "https://api.test/.well-known/jwks.json",
            "response_types_supported": [],
            "grant_types_supported": ["refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"],
            "token_endpoint_auth_methods_supported": ["none"],
            "revocation_endpoint": "https://api.test/v1/auth/revoke",
            "revocation_endpoint_auth_methods_supported": ["none"],
        })
    );
    let all = WellKnown::new(&desk.sessions, BASE).unwrap().endpoints(&desk.endpoints).scopes(["read", "write"]);
    let all = document(all).await;
    let methods = json!(["client_secret_basic", "client_secret_post", "none"]);
    assert_eq!(all["introspection_endpoint"], "https://api.test/v1/auth/introspect");
    assert_eq!(
        all["introspection_endpoint_auth_methods_supported"],
        json!(["client_secret_basic", "client_secret_post"])
    );
    assert_eq!(
        (&all["token_endpoint_auth_methods_supported"], &all["scopes_supported"]),
        (&methods, &json!(["read", "write"]))
    );
    assert_eq!(all["grant_types_supported"][2], "client_credentials");
    let bare = sessions("https://api.test");
    let without = WellKnown::new(&bare, BASE).unwrap().endpoints(&AuthEndpoints::new(bare.clone()));
    assert_eq!(document(without).await["grant_types_supported"], json!(["refresh_token"]));
}

#[tokio::test]
async fn the_document_of_an_issuer_with_a_path_is_under_its_path() {
    for (issuer, found, missing) in [
        ("https://api.test", "", "/shop"),
        ("https://api.test/", "", "/"),
        ("https://api.test/shop", "/shop", ""),
        ("https://api.test/shop/", "/shop", "/shop/"),
        ("https://api.test/a/b", "/a/b", "/a"),
        ("http://localhost:3000/a", "/a", "/a/b"),
    ] {
        let documents = WellKnown::new(&sessions(issuer), BASE).unwrap();
        let path = |path: &str| format!("/.well-known/oauth-authorization-server{path}");
        let told = get(&documents, &path(found), &[]).await;
        assert_eq!((told.status, told.text("issuer")), (200, issuer.to_owned()));
        assert_eq!(get(&documents, &path(missing), &[]).await.kind(), (404, RejectionKind::NotFound), "{issuer}");
        assert_eq!(get(&documents, &path("/other"), &[]).await.status, 404);
        for other in
            ["/", "/.well-known/", "/.well-known/jwks.json/", "/jwks.json", "/.well-known/openid-configuration"]
        {
            assert_eq!(get(&documents, other, &[]).await.status, 404, "{other}");
        }
    }
}

#[tokio::test]
async fn only_get_and_head_are_answered() {
    let documents = WellKnown::new(&sessions("https://api.test"), BASE).unwrap();
    let ask = async |method: Method| -> Response<FullBody> {
        let request = Request::builder().method(method).uri("/.well-known/jwks.json").body(Body::default()).unwrap();
        documents.clone().oneshot(request).await.unwrap()
    };
    assert_eq!(ask(Method::HEAD).await.status().as_u16(), 200);
    for method in [Method::POST, Method::OPTIONS, Method::DELETE] {
        let told = told(ask(method).await).await;
        assert_eq!((told.kind(), told.header("allow")), ((405, RejectionKind::MethodNotAllowed), Some("GET, HEAD")));
    }
}

#[test]
fn addresses_that_no_client_could_use_are_errors() {
    let good = sessions("https://api.test");
    for base in [
        "",
        "api.test/auth",
        "/v1/auth",
        "http://api.test/auth",
        "ftp://api.test",
        "https://api.test/a?b",
        "https://api.test/#a",
    ] {
        let error = WellKnown::new(&good, base).unwrap_err().to_string();
        assert!(error.contains("the URL of the endpoints"), "{base}: {error}");
    }
    for base in ["http://127.0.0.1:3000/auth", "http://[::1]:1/auth", "http://localhost/auth", "https://a.test"] {
        assert!(WellKnown::new(&good, base).is_ok(), "{base}");
    }
    for issuer in ["my service", "http://api.test", "https://api.test?x"] {
        let error = WellKnown::new(&sessions(issuer), BASE).unwrap_err().to_string();
        assert!(error.contains("the issuer of the tokens"), "{issuer}: {error}");
    }
}
