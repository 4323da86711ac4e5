//! Google: id tokens, and the Identity-Aware Proxy.

use serde_json::json;
use tower_auth::{issuers, token::TokenVerifierBuilder};

use super::{NOW, Token, accept, asks_at, judge, refuse, rejects, token, usual_mistakes};

const CLIENT: &str = "1234567890-abc.apps.googleusercontent.com";
const BACKEND: &str = "/projects/123456789012/global/backendServices/1234567890123456789";

fn google() -> TokenVerifierBuilder {
    issuers::google().audience(CLIENT)
}

fn iap() -> TokenVerifierBuilder {
    issuers::google_iap().audience(BACKEND)
}

fn id_token() -> Token {
    let claims = json!({
        "iss": "https://accounts.google.com",
        "azp": CLIENT,
        "aud": CLIENT,
        "sub": "110169484474386276334",
        "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q",
        "hd": "example.com",
        "email": "alice@example.com",
        "email_verified": true,
        "nonce": "0394852-3190485-2490358",
        "name": "Alice",
        "iat": NOW - 60,
        "exp": NOW + 3540,
    });
    token("rs256", json!({"typ": "JWT"}), claims)
}

fn assertion() -> Token {
    let claims = json!({
        "iss": "https://cloud.google.com/iap",
        "aud": BACKEND,
        "sub": "accounts.google.com:110169484474386276334",
        "email": "alice@example.com",
        "hd": "example.com",
        "google": {"access_levels": ["accessPolicies/1/accessLevels/office"]},
        "iat": NOW - 30,
        "exp": NOW + 570,
    });
    token("es256", json!({"typ": "JWT"}), claims)
}

#[tokio::test]
async fn both_spellings_of_the_issuer_make_a_principal() {
    for issuer in ["https://accounts.google.com", "accounts.google.com"] {
        let claims = accept(google(), &id_token().with("iss", issuer)).await;
        let who = claims.principal();
        assert_eq!((who.subject(), who.issuer()), ("110169484474386276334", Some(issuer)));
        assert_eq!(who.organizations(), ["example.com"]);
        assert!(who.scopes().is_empty() && who.roles().is_empty());
    }
    assert!(accept(google(), &id_token().without("hd")).await.principal().organizations().is_empty());
}

#[tokio::test]
async fn mistakes_with_id_tokens_are_named() {
    usual_mistakes(google, &id_token()).await;
    refuse(google(), &id_token().with("aud", "another.apps.googleusercontent.com"), "another.apps").await;
    refuse(google(), &id_token().with("iss", "http://accounts.google.com"), "http://accounts.google.com").await;
    let staff = || google().require_claim("hd", ["example.com"]).require_claim("email_verified", [true]);
    accept(staff(), &id_token()).await;
    refuse(staff(), &id_token().with("hd", "example.org"), "example.org").await;
    refuse(staff(), &id_token().without("hd"), "no claim hd").await;
    refuse(staff(), &id_token().with("email_verified", "true"), "email_verified").await;
    let (_, told) = judge(google(), &id_token(), "ya29.a0AfH6SMBx").await.unwrap_err();
    assert!(told.contains("malformed"), "{told}");
    rejects(issuers::google(), "has no audience", ".audience(..)");
}

#[tokio::test]
async fn the_proxy_names_a_person() {
    let claims = accept(iap().roles_from("/google/access_levels"), &assertion()).await;
    let who = claims.principal();
    assert_eq!(who.subject(), "accounts.google.com:110169484474386276334");
    assert_eq!(who.organizations(), ["example.com"]);
    assert_eq!(who.roles(), ["accessPolicies/1/accessLevels/office"]);
}

#[tokio::test]
async fn mistakes_with_the_proxy_are_named() {
    usual_mistakes(iap, &assertion()).await;
    let other = "/projects/123456789012/global/backendServices/9";
    refuse(iap(), &assertion().with("aud", other), other).await;
    refuse(iap(), &assertion().with("exp", NOW + 3600), "max_lifetime").await;
    refuse(iap(), &assertion().without("iat"), "iat").await;
    refuse(iap(), &assertion().with("iss", "https://accounts.google.com"), "accounts.google.com").await;
    rejects(issuers::google_iap(), "has no audience", ".audience(..)");
}

#[test]
fn keys_are_looked_for_at_the_documented_place() {
    asks_at(google(), &id_token(), "https://accounts.google.com/.well-known/openid-configuration");
    asks_at(iap(), &assertion(), "https://www.gstatic.com/iap/verify/public_key-jwk");
}
