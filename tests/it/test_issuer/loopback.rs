//! The issuer on a port: what real clients do with it.

use std::time::Duration;

use http::{Request, StatusCode, Version};
use serde_json::{Value, json};
use tower_auth::{
    Clock, TokenVerifier,
    jwks::JwksClient,
    testing::{ManualClock, TestIssuer, TestIssuerServer},
    token::TokenError,
};

use crate::support::{
    Body,
    client::{Answer, ask},
};

const API: &str = "https://api.test/mcp";
const BACK: &str = "http://localhost:1/callback?keep=1";
/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

async fn get(server: &TestIssuerServer, path: &str) -> Answer {
    ask(Version::HTTP_11, Request::get(format!("{}{path}", server.url())).body(Body::default()).unwrap()).await
}

async fn post(server: &TestIssuerServer, path: &str, body: String) -> Answer {
    ask(Version::HTTP_11, Request::post(format!("{}{path}", server.url())).body(Body::from(body)).unwrap()).await
}

fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

async fn register(server: &TestIssuerServer) -> String {
    let answer = post(server, "/register", json!({"client_name": "test", "redirect_uris": [BACK]}).to_string()).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.json()["client_name"], "test");
    answer.json()["client_id"].as_str().unwrap().to_owned()
}

/// Asks for a code, and returns the parameters of the redirect.
async fn authorize(server: &TestIssuerServer, client: &str, change: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut pairs = vec![
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", BACK),
        ("state", "a state"),
        ("scope", "notes:read notes:write"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("resource", API),
    ];
    pairs.retain(|(name, _)| !change.iter().any(|(changed, _)| changed == name));
    pairs.extend(change);
    let answer = get(server, &format!("/authorize?{}", form(&pairs))).await;
    assert_eq!(answer.status, StatusCode::FOUND, "{}", answer.text());
    let location = answer.header("location")[0].to_owned();
    let query = location.strip_prefix(BACK).unwrap();
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn of<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    pairs.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value)
}

async fn redeem(server: &TestIssuerServer, client: &str, change: &[(&str, &str)]) -> Answer {
    let mut pairs = vec![
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("redirect_uri", BACK),
        ("code_verifier", VERIFIER),
        ("resource", API),
    ];
    pairs.retain(|(name, _)| !change.iter().any(|(changed, _)| changed == name));
    pairs.extend(change);
    post(server, "/token", form(&pairs)).await
}

fn verifier(server: &TestIssuerServer) -> TokenVerifier {
    let keys = JwksClient::discover(server.url()).insecure_http();
    TokenVerifier::source(server.url().to_owned(), keys).audience(API).cooldown(Duration::ZERO).build().unwrap()
}

#[tokio::test]
async fn a_verifier_discovers_it_and_sees_its_outage() {
    let server = TestIssuer::named("https://another.test").serve().await;
    let tokens = verifier(&server);
    let token = server.issuer().token("alice").audience(API).sign();
    server.issuer().fail();
    assert!(matches!(tokens.verify(&token, &Clock::system()).await, Err(TokenError::Unavailable(_))));
    assert_eq!(get(&server, "/jwks.json").await.status, StatusCode::SERVICE_UNAVAILABLE);
    server.issuer().recover();
    let hand = ManualClock::at("2000-01-01T00:00:00Z");
    hand.set("2100-01-01T00:00:00Z");
    assert!(tokens.verify(&token, &Clock::from(&hand)).await.is_err(), "it has expired by then");
    let tokens = verifier(&server);
    assert!(tokens.verify(&token, &Clock::system()).await.is_ok());
    server.issuer().rotate();
    assert!(tokens.verify(&server.issuer().token("alice").audience(API).sign(), &Clock::system()).await.is_ok());
    for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
        let metadata = get(&server, path).await.json();
        assert_eq!(metadata["issuer"], server.url());
        assert_eq!(metadata["jwks_uri"], format!("{}/jwks.json", server.url()));
        assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    }
    assert_eq!(get(&server, "/other").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_client_gets_a_token_with_a_code() {
    let server = TestIssuer::new().serve_for("alice").await;
    let client = register(&server).await;
    let redirect = authorize(&server, &client, &[]).await;
    assert_eq!((of(&redirect, "state"), of(&redirect, "iss")), ("a state", server.url()));
    let code = of(&redirect, "code");
    let answer = redeem(&server, &client, &[("code", code)]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let tokens = answer.json();
    assert_eq!((&tokens["token_type"], &tokens["scope"]), (&json!("Bearer"), &json!("notes:read notes:write")));
    let access = tokens["access_token"].as_str().unwrap();
    let claims = verifier(&server).verify(access, &Clock::system()).await.unwrap();
    assert_eq!(claims.principal().subject(), "alice");
    assert!(claims.principal().has_scope("notes:write"));
    assert_eq!(
        redeem(&server, &client, &[("code", code)]).await.json()["error"],
        "invalid_grant",
        "a code is used once"
    );
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let refreshed = redeem(&server, &client, &[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await;
    assert_eq!(refreshed.json()["scope"], "notes:read notes:write");
    let again = redeem(&server, &client, &[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await;
    assert_eq!(again.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn a_client_that_makes_a_mistake_gets_no_token() {
    let server = TestIssuer::new().serve().await;
    let client = register(&server).await;
    for change in [("code_challenge", ""), ("code_challenge_method", "plain"), ("response_type", "token")] {
        let redirect = authorize(&server, &client, &[change]).await;
        assert!(
            of(&redirect, "error").ends_with(if change.0 == "response_type" { "type" } else { "request" }),
            "{redirect:?}"
        );
        assert_eq!(of(&redirect, "code"), "");
    }
    let stranger = form(&[("response_type", "code"), ("client_id", &client), ("redirect_uri", "http://evil.test/")]);
    let answer = get(&server, &format!("/authorize?{stranger}")).await;
    assert_eq!((answer.status, answer.header("location").len()), (StatusCode::BAD_REQUEST, 0));
    for (change, error) in [
        (("code_verifier", "another"), "invalid_grant"),
        (("redirect_uri", "http://localhost:1/"), "invalid_grant"),
        (("client_id", "another"), "invalid_grant"),
        (("grant_type", "password"), "unsupported_grant_type"),
        (("resource", "https://other.test"), "invalid_target"),
    ] {
        let redirect = authorize(&server, &client, &[]).await;
        let answer = redeem(&server, &client, &[("code", of(&redirect, "code")), change]).await;
        assert_eq!((answer.status, &answer.json()["error"]), (StatusCode::BAD_REQUEST, &json!(error)), "{change:?}");
    }
    for body in ["", "[]", "{}", r#"{"redirect_uris":[]}"#, r#"{"redirect_uris":[1]}"#] {
        assert_eq!(post(&server, "/register", body.to_owned()).await.status, StatusCode::BAD_REQUEST, "{body}");
    }
    let hand = ManualClock::at("2027-01-15T08:00:00Z");
    let server = TestIssuer::new().clock(&hand).serve().await;
    let client = register(&server).await;
    let redirect = authorize(&server, &client, &[]).await;
    hand.advance(Duration::from_secs(60));
    let answer = redeem(&server, &client, &[("code", of(&redirect, "code"))]).await;
    assert_eq!(answer.json()["error_description"], "the code has expired");
}

#[tokio::test]
async fn tokens_are_introspected() {
    let hand = ManualClock::at("2027-01-15T08:00:00Z");
    let server = TestIssuer::new().clock(&hand).serve().await;
    let issuer = server.issuer();
    let introspected =
        async |token: &str| -> Value { post(&server, "/introspect", form(&[("token", token)])).await.json() };
    let inactive = json!({"active": false});
    let alice = || issuer.token("alice").audience(API).scopes(["r"]);
    let (signed, opaque) = (alice().sign(), alice().opaque());
    for token in [&signed, &opaque] {
        let answer = introspected(token).await;
        assert_eq!((&answer["active"], &answer["sub"], &answer["scope"]), (&json!(true), &json!("alice"), &json!("r")));
        assert_eq!(answer["token_type"], "Bearer");
    }
    for token in [
        "",
        "unknown",
        &alice().by_stranger().sign(),
        &alice().unsigned().sign(),
        &alice().expired().sign(),
        &alice().expired().opaque(),
    ] {
        assert_eq!(introspected(token).await, inactive, "{token}");
    }
    for token in [&signed, &opaque] {
        issuer.revoke(token);
        assert_eq!(introspected(token).await, inactive, "{token}");
    }
    let (signed, opaque) = (alice().sign(), alice().opaque());
    hand.advance(Duration::from_secs(300));
    for token in [&signed, &opaque] {
        assert_eq!(introspected(token).await, inactive, "{token}");
    }
}

#[tokio::test]
async fn it_stops_when_it_is_dropped() {
    let server = TestIssuer::new().serve().await;
    assert_eq!(get(&server, "/jwks.json").await.status, StatusCode::OK);
    let address = server.address();
    drop(server);
    // The task ends at its next poll, which is soon.
    for _ in 0..1000 {
        if tokio::net::TcpStream::connect(address).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it still accepts connections");
}
