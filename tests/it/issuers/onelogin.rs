//! OneLogin: tokens of API authorization servers.

use serde_json::json;
use tower_auth::{issuers, token::TokenVerifierBuilder};

use super::documented::{Documented, accept, assert_strict, assert_unbuilt, now, refuse};

const ISSUER: &str = "https://example.onelogin.com/oidc/2";
const API: &str = "https://api.example.com";

fn preset() -> TokenVerifierBuilder {
    issuers::onelogin("example").audience(API)
}

fn token() -> Documented {
    let claims = json!({
        "jti": "NbLKzI", "sub": "12345678", "iss": ISSUER, "iat": now(), "exp": now() + 1800, "scope": "notes:read", "aud": API,
        "groups": ["staff"],
    });
    Documented::new("rs256", "JWT", claims)
}

#[tokio::test]
async fn an_access_token_makes_a_principal() {
    let who = accept(preset(), &token()).await.principal().clone();
    assert_eq!((who.subject(), who.issuer()), ("12345678", Some(ISSUER)));
    assert_eq!((who.scopes(), who.roles()), (&["notes:read".to_owned()][..], &["staff".to_owned()][..]));
    accept(preset(), &token().without_header("typ").without("groups")).await;
    assert_strict(preset, &token()).await;
}

#[tokio::test]
async fn tokens_for_others_are_refused() {
    refuse(preset(), &token().with("aud", "a-client"), "a-client").await;
    refuse(preset(), &token().without("aud"), "no audience").await;
    refuse(preset(), &token().with("iss", "https://other.onelogin.com/oidc/2"), "other.onelogin.com").await;
    refuse(preset(), &token().header("typ", "at+jwt"), "typ is \"at+jwt\"").await;
}

#[test]
fn a_name_that_cannot_be_is_an_error_when_built() {
    assert_unbuilt(issuers::onelogin("example"), "no audience");
    for odd in ["", "https://example.onelogin.com", "example.onelogin.com", "Example", "example/", "my name"] {
        assert_unbuilt(issuers::onelogin(odd).audience(API), "issuers::onelogin got");
    }
}
