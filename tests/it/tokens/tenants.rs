//! What a log says of the tenant of a token, and what the principal has of it.

use serde_json::json;
use tower_auth::{
    TokenVerifier,
    token::{KeySet, Tenants, TokenError, TokenVerifierBuilder},
};

use super::{
    NOW, explained, judged,
    mint::{AUDIENCE, Object, claims, jwks, key},
};

fn builder() -> TokenVerifierBuilder {
    let keys = KeySet::from_json(jwks(&["es256"]).as_bytes()).unwrap();
    TokenVerifier::key_set("https://id.example.com/{tenant}/", keys).audience(AUDIENCE).tenants(Tenants::any())
}

/// The claims of a token whose `iss` names the tenant `acme`.
fn of_acme() -> Object {
    claims(NOW).text("iss", "https://id.example.com/acme/")
}

fn sealed(claims: &Object) -> String {
    key("es256").seal(key("es256").header(), claims)
}

#[tokio::test]
async fn the_log_shows_both_names_of_a_tenant() {
    let named = || builder().tenants(Tenants::any().claim("org"));
    for (builder, claims, told) in [
        (
            builder(),
            of_acme().text("tid", "beta"),
            "the token's tid is \"beta\", and the tenant in its iss is \"acme\"",
        ),
        (builder(), of_acme(), "the token has no tid that is a string, and the tenant in its iss is \"acme\""),
        (
            builder(),
            of_acme().raw("tid", json!(["acme"])),
            "the token has no tid that is a string, and the tenant in its iss is \"acme\"",
        ),
        (named(), of_acme().text("org", "be\nta"), "the token's org is \"be\\nta\", and the tenant in its iss is"),
    ] {
        let (error, said) = explained(builder, &sealed(&claims)).await.unwrap_err();
        assert!(matches!(error, TokenError::BadClaim(_)), "{error:?}");
        assert!(said.contains(told) && said.len() < 400, "{said}");
    }
    let long = of_acme().text("tid", &"x".repeat(4000));
    let (error, said) = explained(builder(), &sealed(&long)).await.unwrap_err();
    assert!(said.len() < 400 && !error.to_string().contains("acme"), "{said}");
}

/// The tenant is an organisation of the caller, once.
#[tokio::test]
async fn a_tenant_that_the_organisations_also_have_stands_once() {
    let token =
        |orgs: serde_json::Value| sealed(&of_acme().text("tid", "acme").raw("orgs", orgs).raw("more", json!(["d"])));
    let one = || builder().organizations_from("orgs");
    let two = || one().organizations_from("more");
    for (orgs, alone, merged) in [
        (json!(["acme", "b"]), &["acme", "b"][..], &["acme", "b", "d"][..]),
        (json!("acme"), &["acme"], &["acme", "d"]),
        (json!(["b"]), &["b", "acme"], &["b", "d", "acme"]),
        (json!(["ACME"]), &["ACME", "acme"], &["ACME", "d", "acme"]),
        (json!([]), &["acme"], &["d", "acme"]),
    ] {
        for (builder, expected) in [(one(), alone), (two(), merged)] {
            let found = judged(builder, &token(orgs.clone())).await.unwrap();
            assert_eq!(found.principal().organizations(), expected, "{orgs}");
        }
    }
}
