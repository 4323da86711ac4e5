//! Azure AD B2C.

use serde_json::json;
use tower_auth::{issuers, token::TokenVerifierBuilder};

use super::{NOW, Token, accept, asks_at, refuse, rejects, token, usual_mistakes};

const HOST: &str = "contoso.b2clogin.com";
const TENANT: &str = "5f0c1b7e-3a55-4c1c-8d0e-0c6b8a7e1f11";
const API: &str = "b5a1d6d0-5f2c-4f5a-9a55-0f8a4c9a5a10";
const CLIENT: &str = "6e74172b-be56-4843-9ff4-e66a39bb12e3";

fn preset() -> TokenVerifierBuilder {
    issuers::azure_b2c(HOST, TENANT, "B2C_1_sign_in").audience(API).client("azp", [CLIENT])
}

fn with_policy() -> TokenVerifierBuilder {
    issuers::azure_b2c_tfp(HOST, TENANT, "b2c_1_sign_in").audience(API).client("azp", [CLIENT])
}

fn of_policy() -> Token {
    let claims = json!({
        "iss": format!("https://{HOST}/{TENANT}/v2.0/"),
        "exp": NOW + 3540,
        "nbf": NOW - 60,
        "aud": API,
        "idp": "google.com",
        "sub": "884408e1-2918-4cz0-b12d-3aa027d7563b",
        "oid": "884408e1-2918-4cz0-b12d-3aa027d7563b",
        "tid": TENANT,
        "name": "Alice",
        "extension_Plan": "gold",
        "tfp": "B2C_1_sign_in",
        "nonce": "anyRandomValue",
        "scp": "notes.read notes.write",
        "azp": CLIENT,
        "ver": "1.0",
        "iat": NOW - 60,
    });
    token("rs256", json!({"typ": "JWT"}), claims)
}

fn of_issuer() -> Token {
    of_policy().with("iss", format!("https://{HOST}/tfp/{TENANT}/b2c_1_sign_in/v2.0/")).as_good()
}

#[tokio::test]
async fn both_issuers_make_a_principal() {
    let claims = accept(preset().plan_from("extension_Plan"), &of_policy()).await;
    assert_eq!(claims.client_id(), Some(CLIENT));
    assert_eq!(claims.principal().subject(), "884408e1-2918-4cz0-b12d-3aa027d7563b");
    assert_eq!(claims.principal().scopes(), ["notes.read", "notes.write"]);
    assert_eq!(claims.principal().plan(), Some("gold"));
    accept(with_policy(), &of_issuer()).await;
}

#[tokio::test]
async fn mistakes_are_named() {
    usual_mistakes(preset, &of_policy()).await;
    usual_mistakes(with_policy, &of_issuer()).await;
    refuse(preset(), &of_policy().with("tfp", "B2C_1_edit_profile"), "B2C_1_edit_profile").await;
    refuse(preset(), &of_policy().without("tfp").with("acr", "b2c_1_sign_in"), "no claim tfp").await;
    refuse(preset(), &of_policy().without("azp").without("scp"), "azp").await;
    refuse(preset(), &of_policy().with("aud", CLIENT), CLIENT).await;
    refuse(preset(), &of_issuer(), "/tfp/").await;
    let other = format!("https://{HOST}/tfp/{TENANT}/b2c_1_edit_profile/v2.0/");
    refuse(with_policy(), &of_issuer().with("iss", other), "b2c_1_edit").await;
    refuse(with_policy(), &of_policy(), "/v2.0/").await;
}

#[test]
fn names_are_checked() {
    for preset in [issuers::azure_b2c, issuers::azure_b2c_tfp] {
        rejects(preset("https://contoso.b2clogin.com", TENANT, "B2C_1_a"), "name of a host", HOST);
        rejects(preset(HOST, "contoso.onmicrosoft.com", "B2C_1_a"), "as the tenant", "5f0c1b7e");
        rejects(preset(HOST, TENANT, "B2C_1_a/v2.0"), "as the policy", "B2C_1_sign_in");
        rejects(preset(HOST, TENANT, ""), "as the policy", "B2C_1_sign_in");
        rejects(preset(HOST, TENANT, "B2C_1_a"), "has no audience", ".audience(..)");
    }
}

#[test]
fn keys_are_looked_for_at_the_documented_place() {
    asks_at(
        preset(),
        &of_policy(),
        &format!("https://{HOST}/{TENANT}/B2C_1_sign_in/v2.0/.well-known/openid-configuration"),
    );
    asks_at(
        with_policy(),
        &of_issuer(),
        &format!("https://{HOST}/{TENANT}/b2c_1_sign_in/v2.0/.well-known/openid-configuration"),
    );
}
