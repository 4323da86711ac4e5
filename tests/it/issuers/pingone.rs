//! PingOne: three forms of the type, during a change that was announced.

use serde_json::json;
use tower_auth::{issuers, token::TokenVerifierBuilder};

use super::documented::{Documented, accept, assert_strict, assert_unbuilt, now, refuse};

const ENVIRONMENT: &str = "5caa81af-ec05-41ff-a709-c7378007a99c";
const ISSUER: &str = "https://auth.pingone.eu/5caa81af-ec05-41ff-a709-c7378007a99c/as";
const API: &str = "https://api.example.com";

fn preset() -> TokenVerifierBuilder {
    issuers::pingone("eu", ENVIRONMENT).audience(API)
}

fn token() -> Documented {
    let claims = json!({
        "client_id": "f9ee5b4d", "iss": ISSUER, "jti": "6f3e", "iat": now(), "exp": now() + 3600, "aud": [API], "scope": "notes:read",
        "sub": "9ad15e9e", "sid": "6d0e", "auth_time": now(), "acr": "Single_Factor", "env": ENVIRONMENT, "org": "8c5e3e9d", "p1.rid": "1",
    });
    Documented::new("rs256", "at+jwt", claims)
}

#[tokio::test]
async fn an_access_token_makes_a_principal() {
    let claims = accept(preset(), &token()).await;
    let who = claims.principal();
    assert_eq!((who.subject(), who.issuer(), claims.client_id()), ("9ad15e9e", Some(ISSUER), Some("f9ee5b4d")));
    assert_eq!((who.scopes(), who.acr()), (&["notes:read".to_owned()][..], Some("Single_Factor")));
    assert!(who.organizations().is_empty(), "`org` is the owner of the environment");
    accept(preset(), &token().header("typ", "JWT")).await;
    accept(preset(), &token().without_header("typ")).await;
    assert_strict(preset, &token()).await;
    refuse(preset().typ(["at+jwt"]), &token().header("typ", "JWT"), "typ is \"JWT\"").await;
}

#[tokio::test]
async fn tokens_for_others_are_refused() {
    refuse(preset(), &token().with("aud", json!(["https://api.pingone.eu"])), "https://api.pingone.eu").await;
    refuse(preset(), &token().with("aud", "f9ee5b4d").header("typ", "JWT"), "f9ee5b4d").await; // an id token
    refuse(preset(), &token().with("iss", ISSUER.replace(".eu/", ".com/")), "auth.pingone.com").await;
    refuse(preset(), &token().with("iss", ISSUER.replace("5caa", "6caa")), "6caa").await;
    refuse(preset(), &token().header("typ", "id+jwt"), "typ is \"id+jwt\"").await;
}

#[test]
fn names_that_cannot_be_are_errors_when_built() {
    assert_unbuilt(issuers::pingone("eu", ENVIRONMENT), "no audience");
    for region in ["", "EU", "europe", "eu/", "auth.pingone.eu", "https://auth.pingone.eu"] {
        assert_unbuilt(issuers::pingone(region, ENVIRONMENT).audience(API), "issuers::pingone got");
    }
    for odd in ["", "a b", "5caa/as", "https://auth.pingone.eu/5caa/as"] {
        assert_unbuilt(issuers::pingone("eu", odd).audience(API), "issuers::pingone got");
    }
}
