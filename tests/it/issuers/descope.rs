//! Descope: an issuer that is the id of a project, and tenants as members of an object.

use serde_json::json;
use tower_auth::{
    issuers,
    token::{ClaimSource, TokenVerifierBuilder},
};

use super::documented::{Documented, accept, assert_strict, assert_unbuilt, now, refuse};

const PROJECT: &str = "P2abcdefghijklmnopqrstuvwxyz";

fn preset() -> TokenVerifierBuilder {
    issuers::descope(PROJECT).accept_any_audience()
}

fn token() -> Documented {
    let claims = json!({
        "amr": ["email"], "drn": "DS", "dct": "T2acme", "exp": now() + 600, "iat": now(), "iss": PROJECT, "sub": "U2alice",
        "rexp": "2027-02-15T08:00:00Z", "permissions": ["notes:read"], "roles": ["editor"],
        "tenants": {"T2acme": {"roles": ["admin"], "permissions": ["SSO Admin"]}, "T2beta": {}},
    });
    Documented::new("rs256", "JWT", claims)
}

#[tokio::test]
async fn a_session_makes_a_principal() {
    let who = accept(preset(), &token()).await.principal().clone();
    assert_eq!((who.subject(), who.issuer()), ("U2alice", Some(PROJECT)));
    assert_eq!((who.scopes(), who.roles()), (&["notes:read".to_owned()][..], &["editor".to_owned()][..]));
    assert_eq!(who.organizations(), ["T2acme", "T2beta"]);
    let url = format!("https://api.descope.com/{PROJECT}");
    assert_eq!(accept(preset(), &token().with("iss", &*url)).await.principal().issuer(), Some(&*url));
    let inside = preset().roles_from(ClaimSource::path(["tenants", "T2acme", "roles"]).prefix("T2acme:"));
    assert_eq!(accept(inside, &token()).await.principal().roles(), ["editor", "T2acme:admin"]);
    accept(preset(), &token().without("tenants").without("roles").without("permissions")).await;
    assert_strict(preset, &token()).await;
}

#[tokio::test]
async fn refresh_tokens_and_tokens_of_others_are_refused() {
    refuse(preset(), &token().with("drn", "DSR"), "claim drn is \"DSR\"").await;
    refuse(preset(), &token().without("drn"), "no claim drn").await;
    refuse(preset(), &token().with("iss", "P2other"), "P2other").await;
    refuse(preset(), &token().with("tenants", json!(["T2acme"])), "tenants").await;
    let named = || issuers::descope(PROJECT).audience("https://api.example.com");
    refuse(named(), &token(), "no audience").await;
    accept(named(), &token().with("aud", json!(["https://api.example.com"]))).await;
}

#[test]
fn a_project_that_cannot_be_is_an_error_when_built() {
    assert_unbuilt(issuers::descope(PROJECT), "no audience");
    for odd in ["", "https://api.descope.com/P2abc", "P2abc/", "P2 abc", "."] {
        assert_unbuilt(issuers::descope(odd).accept_any_audience(), "issuers::descope got");
    }
}
