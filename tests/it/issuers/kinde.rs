//! Kinde: scopes and permissions as lists, with and without an audience.

use serde_json::json;
use tower_auth::{
    issuers,
    token::{ClaimSource, TokenVerifierBuilder},
};

use super::documented::{Documented, accept, assert_strict, assert_unbuilt, now, refuse};

const ISSUER: &str = "https://example.kinde.com";
const CLIENT: &str = "1c2b5e8d0d2f4f3f8d3f";
const API: &str = "https://api.example.com";

fn preset() -> TokenVerifierBuilder {
    issuers::kinde("example.kinde.com").audience(API)
}

fn token() -> Documented {
    let claims = json!({
        "aud": [API], "azp": CLIENT, "exp": now() + 86400, "iat": now(), "iss": ISSUER, "jti": "27daa125-2fb2-4e14-9270-742cd56e764b",
        "org_code": "org_1234", "permissions": ["read:invoices"], "scp": ["openid", "profile"], "sub": "kp_1",
        "feature_flags": {"dark": {"t": "b", "v": true}}, "roles": [{"id": "1", "key": "admin", "name": "Admin"}],
    });
    Documented::new("rs256", "JWT", claims)
}

#[tokio::test]
async fn scopes_and_permissions_make_a_principal() {
    let who = accept(preset(), &token()).await.principal().clone();
    assert_eq!((who.subject(), who.issuer()), ("kp_1", Some(ISSUER)));
    assert_eq!(who.scopes(), ["openid", "profile", "read:invoices"]);
    assert_eq!(who.organizations(), ["org_1234"]);
    assert!(who.roles().is_empty());
    assert_strict(preset, &token()).await;
    let machine = token().without("sub").without("org_code").with("gty", json!(["client_credentials"]));
    refuse(preset(), &machine, "the subject is missing").await;
    let named = preset().subject_from("sub").subject_from(ClaimSource::new("azp").prefix("client:"));
    assert_eq!(accept(named, &machine).await.principal().subject(), format!("client:{CLIENT}"));
}

#[tokio::test]
async fn tokens_for_others_are_refused() {
    refuse(preset(), &token().with("aud", json!([])), "no audience").await;
    refuse(preset(), &token().with("aud", json!(["https://other.example.com"])), "other.example.com").await;
    let either = || preset().client("azp", [CLIENT]).audience_or_client();
    accept(either(), &token().with("aud", json!([]))).await;
    refuse(either(), &token().with("aud", json!([])).with("azp", "another"), "\"another\"").await;
    // An id token: its audience is the client.
    let id =
        token().with("aud", json!([CLIENT])).without("scp").with("at_hash", "x").with("email", "alice@example.com");
    refuse(either(), &id, CLIENT).await;
    refuse(preset(), &id, CLIENT).await;
    refuse(preset(), &token().with("iss", "https://other.kinde.com"), "other.kinde.com").await;
    refuse(preset(), &token().with("permissions", json!({"read": true})), "permissions").await;
}

#[test]
fn a_host_that_cannot_be_is_an_error_when_built() {
    assert_unbuilt(issuers::kinde("example.kinde.com"), "no audience");
    for odd in ["", "https://example.kinde.com", "example.kinde.com/", "Example.kinde.com", "example"] {
        assert_unbuilt(issuers::kinde(odd).audience(API), "issuers::kinde got");
    }
}
