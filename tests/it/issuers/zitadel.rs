//! Zitadel: roles as names of members, by project.

use serde_json::json;
use tower_auth::{issuers, token::TokenVerifierBuilder};

use super::documented::{Documented, accept, assert_strict, assert_unbuilt, now, refuse};

const ISSUER: &str = "https://example.zitadel.cloud";
const PROJECT: &str = "69234237810729019";
const ROLES: &str = "urn:zitadel:iam:org:project:69234237810729019:roles";

fn preset() -> TokenVerifierBuilder {
    issuers::zitadel("example.zitadel.cloud", PROJECT)
}

fn token() -> Documented {
    let claims = json!({
        "iss": ISSUER, "sub": "163840776835432705", "aud": ["69234237810729234@app", PROJECT], "exp": now() + 3600,
        "iat": now(), "nbf": now(), "jti": "69234237813329048", "client_id": "69234237810729234@app",
        "urn:zitadel:iam:org:project:roles": {"owner": {"1": "other.example.com"}},
        "urn:zitadel:iam:org:project:69234237810729000:roles": {"root": {"1": "other.example.com"}},
        ROLES: {"admin": {"178204173316174381": "acme.example.com"}, "staff": {"178204173316174381": "acme.example.com"}},
        "urn:zitadel:iam:user:resourceowner:id": "178204173316174381",
        "urn:zitadel:iam:user:resourceowner:name": "Acme",
    });
    Documented::new("rs256", "JWT", claims)
}

#[tokio::test]
async fn roles_of_the_project_make_a_principal() {
    let claims = accept(preset(), &token()).await;
    let who = claims.principal();
    assert_eq!((who.subject(), who.issuer()), ("163840776835432705", Some(ISSUER)));
    assert_eq!(who.roles(), ["admin", "staff"], "the roles of other projects are not read");
    assert_eq!(who.organizations(), ["178204173316174381"]);
    assert_eq!(claims.client_id(), Some("69234237810729234@app"));
    // The same in a list, as one version of the documentation shows it.
    let listed = token().with(ROLES, json!([{"admin": {"1": "a.example.com"}}, {"staff": {"1": "a.example.com"}}]));
    assert_eq!(accept(preset(), &listed).await.principal().roles(), ["admin", "staff"]);
    let none = accept(preset(), &token().without(ROLES)).await;
    assert!(none.principal().roles().is_empty());
    assert_strict(preset, &token()).await;
}

#[tokio::test]
async fn id_tokens_and_tokens_of_others_are_refused() {
    refuse(preset(), &token().with("at_hash", "Fnu0X3eXnKVyBd1"), "claim at_hash is").await;
    refuse(preset(), &token().with("nonce", "n-0S6_WzA2Mj"), "claim nonce is").await;
    refuse(preset(), &token().with("aud", json!(["69234237810729234@app"])), "69234237810729234@app").await;
    refuse(preset(), &token().without("aud"), "aud").await;
    refuse(preset(), &token().with("iss", "https://other.zitadel.cloud"), "other.zitadel.cloud").await;
    refuse(preset(), &token().with(ROLES, "admin"), "expected an object").await;
    let by_client = preset().audience("69234237810729234@app");
    accept(by_client, &token().with("aud", json!(["69234237810729234@app"]))).await;
}

#[test]
fn names_that_cannot_be_are_errors_when_built() {
    preset().build().unwrap();
    for odd in ["", "https://example.zitadel.cloud", "example.zitadel.cloud/", "Example.zitadel.cloud"] {
        assert_unbuilt(issuers::zitadel(odd, PROJECT), "issuers::zitadel got");
    }
    for odd in ["", "a b", "a/b", "urn:zitadel"] {
        assert_unbuilt(issuers::zitadel("example.zitadel.cloud", odd), "issuers::zitadel got");
    }
}
