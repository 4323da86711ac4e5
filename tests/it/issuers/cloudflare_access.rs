//! Cloudflare Access: people and service tokens, in a header of their own.

use serde_json::{Value, json};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_auth::{BearerLayer, Clock, issuers, token::TokenVerifierBuilder};

use super::documented::{Documented, Published, accept, assert_strict, assert_unbuilt, now, refuse};
use crate::tokens::mint::jwks;

const ISSUER: &str = "https://example.cloudflareaccess.com";
const TAG: &str = "4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2";

fn preset() -> TokenVerifierBuilder {
    issuers::cloudflare_access("example").audience(TAG)
}

fn token() -> Documented {
    let claims = json!({
        "aud": [TAG], "email": "alice@example.com", "exp": now() + 3600, "iat": now(), "nbf": now(), "iss": ISSUER, "type": "app",
        "identity_nonce": "6ei69kawdKzMIAPF", "sub": "7335d417-61da-459d-899c-0a01c76a2f94", "country": "US",
        "policy_id": "f174e90a-fafe-4643-bbbc-4a0ed4fc8415",
    });
    Documented::new("rs256", "JWT", claims)
}

fn service() -> Documented {
    let claims = json!({
        "type": "app", "aud": [TAG], "exp": now() + 3600, "iat": now(), "iss": ISSUER,
        "common_name": "e367826f93b8d71185e03fe518aff3b4.access", "sub": "",
    });
    Documented::new("rs256", "JWT", claims)
}

#[tokio::test]
async fn people_and_services_make_principals() {
    let claims = accept(preset(), &token()).await;
    let who = claims.principal();
    assert_eq!((who.subject(), who.issuer()), ("7335d417-61da-459d-899c-0a01c76a2f94", Some(ISSUER)));
    assert!(who.scopes().is_empty() && who.roles().is_empty());
    let claims = accept(preset(), &service()).await;
    assert_eq!(claims.principal().subject(), "service:e367826f93b8d71185e03fe518aff3b4.access");
    refuse(preset(), &service().without("common_name"), "the subject is missing").await;
    let people = || preset().forbid_claim("common_name", [false]);
    accept(people(), &token()).await;
    refuse(people(), &service(), "claim common_name is").await;
    assert_strict(preset, &token()).await;
}

#[tokio::test]
async fn sessions_and_tokens_for_others_are_refused() {
    refuse(preset(), &token().with("type", "org"), "claim type is \"org\"").await;
    refuse(preset(), &token().without("type"), "no claim type").await;
    refuse(preset(), &token().with("aud", json!(["0".repeat(64)])), "0000").await;
    refuse(preset(), &token().without("aud"), "no audience").await;
    refuse(preset(), &token().with("iss", "https://other.cloudflareaccess.com"), "other.cloudflareaccess.com").await;
}

#[tokio::test]
async fn the_token_is_in_a_header_of_its_own() {
    // The document of the keys has certificates too.
    let mut document: Value = serde_json::from_str(&jwks(&["rs256"])).unwrap();
    document["public_cert"] = json!({"kid": "rs256", "cert": "-----BEGIN CERTIFICATE-----"});
    document["public_certs"] = json!([{"kid": "rs256", "cert": "-----BEGIN CERTIFICATE-----"}]);
    let tokens = preset().keys_from(Published::new(document.to_string())).build().unwrap();
    assert!(tokens.verify(&token().sign(), &Clock::system()).await.is_ok());
    let app = BearerLayer::new(tokens)
        .header("Cf-Access-Jwt-Assertion")
        .layer(service_fn(|_: http::Request<()>| async { Ok::<_, std::convert::Infallible>(http::Response::new(())) }));
    for (name, value, status) in [
        ("cf-access-jwt-assertion", token().sign(), 200),
        ("authorization", format!("Bearer {}", token().sign()), 401),
        ("cf-access-jwt-assertion", format!("Bearer {}", token().sign()), 401),
    ] {
        let request = http::Request::get("/").header(name, value).body(()).unwrap();
        assert_eq!(app.clone().oneshot(request).await.unwrap().status().as_u16(), status, "{name}");
    }
}

#[test]
fn a_team_that_cannot_be_is_an_error_when_built() {
    assert_unbuilt(issuers::cloudflare_access("example"), "no audience");
    for odd in
        ["", "https://example.cloudflareaccess.com", "example.cloudflareaccess.com", "Example", "example/", "my team"]
    {
        assert_unbuilt(issuers::cloudflare_access(odd).audience(TAG), "issuers::cloudflare_access got");
    }
}
