//! Keycloak: roles of realm and client, organisations, and the claim that tells the kinds of tokens apart.

use serde_json::json;
use tower_auth::{
    issuers,
    token::{ClaimSource, TokenVerifierBuilder},
};

use super::documented::{Documented, accept, assert_strict, assert_unbuilt, now, refuse};

const ISSUER: &str = "https://id.example.com/realms/main";
const USER: &str = "8d2f3a52-8e07-4a4b-9d4f-5a1f3f7f9a10";

fn preset() -> TokenVerifierBuilder {
    issuers::keycloak(ISSUER)
        .audience("billing")
        .roles_from(ClaimSource::path(["resource_access", "billing", "roles"]).prefix("billing:"))
        .organizations_from(ClaimSource::new("organization").member_names())
}

fn token() -> Documented {
    let claims = json!({
        "exp": now() + 300, "iat": now(), "auth_time": now() - 20, "jti": "onrtac:6a3c4b1e-b3c3-4f4e-8d39-5c1d7f8c4a11",
        "iss": ISSUER, "aud": ["billing", "account"], "sub": USER, "typ": "Bearer", "azp": "web",
        "sid": "0f9d2c62-7a0e-4f8f-9a55-0f8a4c9a5a10", "acr": "1", "allowed-origins": ["https://app.example.com"],
        "realm_access": {"roles": ["offline_access", "staff"]},
        "resource_access": {"billing": {"roles": ["admin"]}, "account": {"roles": ["view-profile"]}},
        "scope": "openid email invoices:read", "email_verified": true, "preferred_username": "alice",
        "organization": {"acme": {"id": "42c3e46f-2477-44d7-a85b-d3b43f6b31fa", "tier": ["gold"]}},
    });
    Documented::new("rs256", "JWT", claims)
}

#[tokio::test]
async fn an_access_token_of_the_documented_shape_makes_a_principal() {
    let claims = accept(preset(), &token()).await;
    let who = claims.principal();
    assert_eq!((who.subject(), who.issuer(), who.acr()), (USER, Some(ISSUER), Some("1")));
    assert!(who.has_scope("invoices:read") && !who.has_scope("invoices"));
    assert_eq!(who.roles(), ["offline_access", "staff", "billing:admin"]);
    assert_eq!(who.organizations(), ["acme"]);
    assert_eq!(claims.session_id(), Some("0f9d2c62-7a0e-4f8f-9a55-0f8a4c9a5a10"));
    accept(preset(), &token().header("typ", "at+jwt")).await;
    let empty = accept(preset(), &token().with("organization", json!({"acme": {}}))).await;
    assert_eq!(empty.principal().organizations(), ["acme"]);
    let outsider = accept(preset(), &token().without("organization").without("resource_access")).await;
    assert_eq!(outsider.principal().organizations().len(), 0);
    assert_eq!(outsider.principal().roles(), ["offline_access", "staff"]);
    assert_strict(preset, &token()).await;
}

#[tokio::test]
async fn other_kinds_of_tokens_are_refused_by_the_claim_typ() {
    for kind in ["ID", "Refresh", "Offline", "Serialized-ID", "Logout", "bearer"] {
        refuse(preset(), &token().with("typ", kind), &format!("claim typ is {kind:?}")).await;
    }
    refuse(preset(), &token().without("typ"), "no claim typ").await;
    refuse(preset(), &token().with("typ", json!(["Bearer"])), "claim typ is a list").await;
    refuse(preset(), &token().header("typ", "logout+jwt"), "typ is \"logout+jwt\"").await;
    // An id token's audience is the client that asked for it.
    refuse(preset(), &token().with("aud", "web").with("typ", "ID"), "\"web\"").await;
    // The tokens that only their refreshing server can check.
    refuse(preset(), &token().with("typ", "Refresh").under("hs512"), "no key of the issuer").await;
}

#[tokio::test]
async fn tokens_for_others_are_refused() {
    refuse(preset(), &token().with("aud", "account"), "\"account\"").await;
    refuse(preset(), &token().without("aud"), "aud").await;
    refuse(preset(), &token().with("iss", "https://id.example.com/realms/other"), "realms/other").await;
    refuse(preset(), &token().with("iss", "https://internal:8080/realms/main"), "internal:8080").await;
    refuse(preset(), &token().without("sub"), "the subject is missing").await;
    refuse(preset(), &token().with("organization", json!(["acme"])), "organization: expected an object").await;
    // Without a mapper there is no audience, and the client decides.
    let by_client = || issuers::keycloak(ISSUER).client("azp", ["web"]);
    let claims = accept(by_client(), &token().without("aud")).await;
    assert_eq!(claims.client_id(), Some("web"));
    refuse(by_client(), &token().without("aud").with("azp", "other"), "\"other\"").await;
    refuse(by_client(), &token(), "\"billing\"").await;
    // Names, where the mapper writes them.
    let names = issuers::keycloak(ISSUER).audience("billing").organizations_from("organization");
    assert_eq!(
        accept(names, &token().with("organization", json!(["acme"]))).await.principal().organizations(),
        ["acme"]
    );
}

#[test]
fn an_issuer_that_cannot_be_is_an_error_when_built() {
    assert_unbuilt(issuers::keycloak(ISSUER), "no audience");
    for old in ["https://id.example.com/auth/realms/main", "https://id.example.com:8443/realms/main"] {
        issuers::keycloak(old).audience("billing").build().unwrap();
    }
    for odd in [
        "",
        "id.example.com",
        "https://id.example.com",
        "https://id.example.com/realms/",
        "https://id.example.com/realms/main/",
        "https://ID.example.com/realms/main",
        "https://id.example.com/realms/my realm",
        "ftp://id.example.com/realms/main",
        "https://id.example.com/realms/main/.well-known/openid-configuration",
        "https://user@id.example.com/realms/main",
        "https://id.example.com/realms/main?x=1",
        "https:///realms/main",
        "https://id.example.com/realms/..",
    ] {
        assert_unbuilt(issuers::keycloak(odd).audience("billing"), "issuers::keycloak got");
    }
}
