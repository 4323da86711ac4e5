//! Auth0.

use serde_json::json;
use tower_auth::{issuers, token::TokenVerifierBuilder};

use super::{NOW, Token, accept, asks_at, judge, refuse, rejects, token, usual_mistakes};

const API: &str = "https://api.example.com";
const APPLICATION: &str = "lXuSpwPwZC3TeeGS9oLjDNnIX1TdBmeM";

fn preset() -> TokenVerifierBuilder {
    issuers::auth0("example.eu.auth0.com").audience(API)
}

/// The profile of Auth0.
fn of_auth0() -> Token {
    let claims = json!({
        "iss": "https://example.eu.auth0.com/",
        "sub": "auth0|65a8c8d5e1f0a1b2c3d4e5f6",
        "aud": [API, "https://example.eu.auth0.com/userinfo"],
        "iat": NOW - 60,
        "exp": NOW + 86_340,
        "scope": "openid profile read:notes",
        "gty": "password",
        "azp": APPLICATION,
        "permissions": ["read:notes", "write:notes"],
        "org_id": "org_9ybsU1dN2dKfDkBi",
        "org_name": "acme",
    });
    token("rs256", json!({"typ": "JWT"}), claims)
}

/// The profile of RFC 9068, for a machine.
fn of_rfc9068() -> Token {
    let claims = json!({
        "iss": "https://example.eu.auth0.com/",
        "sub": format!("{APPLICATION}@clients"),
        "aud": API,
        "iat": NOW - 60,
        "exp": NOW + 86_340,
        "jti": "KTMkpLnY1eWyBw5bHqVZQ4",
        "client_id": APPLICATION,
        "scope": "read:notes",
    });
    token("rs256", json!({"typ": "at+jwt"}), claims)
}

#[tokio::test]
async fn both_profiles_make_a_principal() {
    let claims = accept(preset(), &of_auth0()).await;
    let who = claims.principal();
    assert_eq!(who.subject(), "auth0|65a8c8d5e1f0a1b2c3d4e5f6");
    assert_eq!(who.issuer(), Some("https://example.eu.auth0.com/"));
    assert_eq!(who.scopes(), ["openid", "profile", "read:notes"], "permissions are not scopes");
    assert_eq!(who.roles(), ["read:notes", "write:notes"]);
    assert_eq!(who.organizations(), ["org_9ybsU1dN2dKfDkBi"]);

    let claims = accept(preset(), &of_rfc9068()).await;
    assert_eq!(claims.client_id(), Some(APPLICATION));
    assert_eq!(claims.principal().subject(), format!("{APPLICATION}@clients"));
    assert_eq!(claims.principal().scopes(), ["read:notes"]);

    let merged = preset().scopes_from("scope").scopes_from("permissions");
    assert!(accept(merged, &of_auth0()).await.principal().has_scope("write:notes"));
}

#[tokio::test]
async fn mistakes_are_named() {
    usual_mistakes(preset, &of_auth0()).await;
    usual_mistakes(preset, &of_rfc9068()).await;
    let id_token = of_auth0().with("aud", APPLICATION).with("nonce", "n-0S6_WzA2Mj").without("azp");
    refuse(preset(), &id_token, APPLICATION).await;
    refuse(preset(), &of_auth0().with("aud", "https://example.eu.auth0.com/userinfo"), "userinfo").await;
    refuse(preset(), &of_auth0().without("aud"), "aud").await;
    refuse(preset(), &of_auth0().with("iss", "https://other.eu.auth0.com/"), "other.eu.auth0.com").await;
    refuse(preset(), &of_auth0().header("typ", serde_json::Value::Null), "no typ").await;
    let (_, told) = judge(preset(), &of_auth0(), "an-opaque-token-of-auth0").await.unwrap_err();
    assert!(told.contains("malformed"), "{told}");

    let restricted = || preset().client("azp", [APPLICATION]);
    accept(restricted(), &of_auth0()).await;
    refuse(restricted(), &of_auth0().with("azp", "another"), "another").await;
}

#[test]
fn a_domain_is_a_name() {
    for odd in [
        "",
        "https://example.eu.auth0.com",
        "example.eu.auth0.com/",
        "Example.eu.auth0.com",
        "a b.auth0.com",
        "example",
    ] {
        rejects(
            issuers::auth0(odd).audience(API),
            &format!("issuers::auth0 got {odd:?}"),
            "such as \"example.eu.auth0.com\"",
        );
    }
    rejects(issuers::auth0("example.eu.auth0.com"), "has no audience", ".audience(..)");
}

#[test]
fn keys_are_looked_for_at_the_documented_place() {
    asks_at(preset(), &of_auth0(), "https://example.eu.auth0.com/.well-known/jwks.json");
}
