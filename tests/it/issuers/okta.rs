//! Okta.

use serde_json::json;
use tower_auth::{
    issuers,
    token::{ClaimSource, TokenVerifierBuilder},
};

use super::{NOW, Token, accept, asks_at, refuse, rejects, token, usual_mistakes};

const CLIENT: &str = "0oa1b2c3d4E5f6G7h8i9";

fn preset() -> TokenVerifierBuilder {
    issuers::okta("example.okta.com", "default").audience("api://default")
}

fn of_user() -> Token {
    let claims = json!({
        "ver": 1,
        "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
        "iss": "https://example.okta.com/oauth2/default",
        "aud": "api://default",
        "iat": NOW - 60,
        "exp": NOW + 3540,
        "cid": CLIENT,
        "uid": "00ujmkLgagxeRrAg20g3",
        "scp": ["openid", "notes:read"],
        "auth_time": NOW - 120,
        "sub": "alice@example.com",
        "groups": ["Everyone", "Editors"],
    });
    token("rs256", json!({}), claims)
}

#[tokio::test]
async fn a_custom_server_makes_a_principal() {
    let claims = accept(preset(), &of_user()).await;
    assert_eq!(claims.principal().subject(), "alice@example.com");
    assert_eq!(claims.principal().issuer(), Some("https://example.okta.com/oauth2/default"));
    assert_eq!(claims.principal().scopes(), ["openid", "notes:read"]);
    assert!(claims.principal().roles().is_empty());
    let claims = accept(preset().client("cid", [CLIENT]).roles_from("groups"), &of_user()).await;
    assert_eq!(claims.client_id(), Some(CLIENT));
    assert_eq!(claims.principal().roles(), ["Everyone", "Editors"]);

    let machine = of_user().with("sub", CLIENT).without("uid").without("groups").without("auth_time");
    assert_eq!(accept(preset(), &machine).await.principal().subject(), CLIENT);
    let by_id = || preset().subject_from("uid").subject_from(ClaimSource::new("cid").prefix("client:"));
    assert_eq!(accept(by_id(), &of_user()).await.principal().subject(), "00ujmkLgagxeRrAg20g3");
    assert_eq!(accept(by_id(), &machine).await.principal().subject(), format!("client:{CLIENT}"));
}

#[tokio::test]
async fn mistakes_are_named() {
    usual_mistakes(preset, &of_user()).await;
    let id_token = of_user().with("aud", CLIENT).without("cid").without("scp");
    refuse(preset(), &id_token, CLIENT).await;
    refuse(preset(), &of_user().with("iss", "https://example.okta.com"), "https://example.okta.com").await;
    refuse(preset(), &of_user().with("iss", "https://example.okta.com/oauth2/aus1"), "oauth2/aus1").await;
    refuse(preset(), &of_user().header("typ", "application/okta-internal-at+jwt"), "okta-internal-at+jwt").await;
    refuse(preset(), &of_user().header("typ", "JWT"), "typ is \"JWT\"").await;
    refuse(preset().client("cid", [CLIENT]), &of_user().with("cid", "another"), "another").await;
}

#[test]
fn names_are_checked() {
    for odd in ["", "https://example.okta.com", "example.okta.com/oauth2/default", "EXAMPLE.okta.com"] {
        rejects(issuers::okta(odd, "default"), &format!("issuers::okta got {odd:?}"), "such as \"example.okta.com\"");
    }
    rejects(issuers::okta("example-admin.okta.com", "default"), "domain of the console", "without -admin");
    for odd in ["", "oauth2/default", "/default", "a b"] {
        rejects(issuers::okta("example.okta.com", odd), &format!("{odd:?} as the authorization server"), "\"default\"");
    }
    rejects(issuers::okta("example.okta.com", "default"), "has no audience", ".audience(..)");
}

#[test]
fn keys_are_looked_for_at_the_documented_place() {
    asks_at(preset(), &of_user(), "https://example.okta.com/oauth2/default/.well-known/openid-configuration");
}
