//! Logto: ES384, and the type of RFC 9068.

use serde_json::json;
use tower_auth::{issuers, token::TokenVerifierBuilder};

use super::documented::{Documented, accept, assert_strict, assert_unbuilt, now, refuse};

const ISSUER: &str = "https://example.logto.app/oidc";
const API: &str = "https://api.example.com";

fn preset() -> TokenVerifierBuilder {
    issuers::logto("example.logto.app").audience(API)
}

fn token() -> Documented {
    let claims = json!({
        "jti": "VovNyqJ5_tuYac89eTbpF", "sub": "rkxl1ops7gs1", "iat": now(), "exp": now() + 3600, "scope": "read:notes write:notes",
        "client_id": "3wjxxsdyrr3y6vo5yqt", "iss": ISSUER, "aud": API, "organization_id": "kfb1dcv9p1mw",
    });
    Documented::new("es384", "at+jwt", claims)
}

#[tokio::test]
async fn an_access_token_makes_a_principal() {
    let claims = accept(preset(), &token()).await;
    let who = claims.principal();
    assert_eq!((who.subject(), who.issuer()), ("rkxl1ops7gs1", Some(ISSUER)));
    assert_eq!((who.scopes().len(), who.has_scope("write:notes")), (2, true));
    assert_eq!(
        (who.organizations(), claims.client_id()),
        (&["kfb1dcv9p1mw".to_owned()][..], Some("3wjxxsdyrr3y6vo5yqt"))
    );
    assert_strict(preset, &token()).await;
    let organization = preset().audience("urn:logto:organization:kfb1dcv9p1mw");
    accept(organization, &token().with("aud", "urn:logto:organization:kfb1dcv9p1mw")).await;
}

#[tokio::test]
async fn id_tokens_and_tokens_for_others_are_refused() {
    refuse(preset(), &token().header("typ", "JWT"), "typ is \"JWT\"").await;
    refuse(preset(), &token().without_header("typ"), "no typ").await;
    refuse(preset(), &token().with("aud", "3wjxxsdyrr3y6vo5yqt"), "3wjxxsdyrr3y6vo5yqt").await;
    refuse(preset(), &token().with("aud", "urn:logto:organization:other"), "organization:other").await;
    refuse(preset(), &token().with("aud", "https://api.example.com/"), "https://api.example.com/").await;
    refuse(preset(), &token().with("iss", "https://other.logto.app/oidc"), "other.logto.app").await;
    refuse(preset(), &token().with("organization_id", 7), "organization_id").await;
}

#[test]
fn a_host_that_cannot_be_is_an_error_when_built() {
    assert_unbuilt(issuers::logto("example.logto.app"), "no audience");
    for odd in ["", "https://example.logto.app", "example.logto.app/oidc", "Example.logto.app", "example"] {
        assert_unbuilt(issuers::logto(odd).audience(API), "issuers::logto got");
    }
}
