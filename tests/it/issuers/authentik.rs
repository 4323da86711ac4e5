//! authentik: id tokens that look like access tokens.

use serde_json::json;
use tower_auth::{
    Secret, issuers,
    token::{Algorithm, TokenVerifierBuilder, VerifyingKey},
};

use super::documented::{Documented, accept, assert_strict, assert_unbuilt, now, refuse};
use crate::tokens::mint::secret;

const ISSUER: &str = "https://id.example.com/application/o/my-app/";
const CLIENT: &str = "kpF2mY0w";

fn preset() -> TokenVerifierBuilder {
    issuers::authentik(ISSUER, CLIENT)
}

fn token() -> Documented {
    let claims = json!({
        "iss": ISSUER, "sub": "52f1a3", "aud": CLIENT, "exp": now() + 300, "iat": now(), "auth_time": now() - 5, "amr": ["pwd", "mfa"],
        "acr": "goauthentik.io/providers/oauth2/default", "sid": "abc", "email": "alice@example.com", "email_verified": true,
        "name": "Alice", "groups": ["staff", "authentik Admins"], "azp": CLIENT, "uid": "h5H9x", "scope": "openid notes:read",
    });
    Documented::new("rs256", "JWT", claims)
}

#[tokio::test]
async fn an_access_token_makes_a_principal() {
    let claims = accept(preset(), &token()).await;
    let who = claims.principal();
    assert_eq!((who.subject(), who.issuer(), claims.client_id()), ("52f1a3", Some(ISSUER), Some(CLIENT)));
    assert_eq!(who.roles(), ["staff", "authentik Admins"]);
    assert!(who.has_scope("notes:read"));
    assert_strict(preset, &token()).await;
}

#[tokio::test]
async fn id_tokens_and_tokens_of_others_are_refused() {
    let id = token().without("azp").without("uid").without("scope").with("at_hash", "x").with("nonce", "y");
    refuse(preset(), &id, "azp").await;
    refuse(preset(), &token().with("aud", "other").with("azp", "other"), "\"other\"").await;
    refuse(preset(), &token().with("iss", "https://id.example.com/application/o/other/"), "/other/").await;
    refuse(preset(), &token().with("iss", "https://id.example.com/"), "https://id.example.com/").await;
    let shared = || token().under("hs256").without_header("kid");
    refuse(preset(), &shared(), "no key of the issuer").await;
    let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new(secret("hs256"))).unwrap();
    accept(preset().also_keys([key]), &shared()).await;
}

#[test]
fn names_that_cannot_be_are_errors_when_built() {
    preset().build().unwrap();
    for odd in [
        "",
        "id.example.com",
        "https://id.example.com/",
        "https://id.example.com/application/o/my-app",
        "https://id.example.com/application/o/",
        "https://id.example.com/application/o/a/b/",
        "https://ID.example.com/application/o/a/",
    ] {
        assert_unbuilt(issuers::authentik(odd, CLIENT), "issuers::authentik got");
    }
    for odd in ["", " ", "id "] {
        assert_unbuilt(issuers::authentik(ISSUER, odd), "issuers::authentik got");
    }
}
