//! Clerk: two versions of session tokens, origins, and sign-ins that are not complete.

use serde_json::json;
use tower_auth::{issuers, token::TokenVerifierBuilder};

use super::documented::{Documented, accept, assert_strict, assert_unbuilt, now, refuse};

const ISSUER: &str = "https://clerk.example.com";
const ORIGIN: &str = "https://app.example.com";

fn preset() -> TokenVerifierBuilder {
    issuers::clerk("clerk.example.com").client("azp", [ORIGIN])
}

fn version_2() -> Documented {
    let claims = json!({
        "azp": ORIGIN, "exp": now() + 60, "fva": [2, -1], "iat": now(), "iss": ISSUER, "jti": "a3f0", "nbf": now() - 10,
        "fea": "o:billing,o:reports,u:drafts", "pla": "o:pro",
        "o": {"id": "org_2", "slg": "acme", "rol": "admin", "per": "read,manage", "fpm": "3,1"},
        "sid": "sess_1", "sts": "active", "sub": "user_1", "v": 2,
    });
    Documented::new("rs256", "JWT", claims).header("cat", "cl_B7d4PD111AAA").header("oiat", now())
}

fn version_1() -> Documented {
    let claims = json!({
        "azp": ORIGIN, "exp": now() + 60, "iat": now(), "iss": ISSUER, "nbf": now() - 10, "sid": "sess_1", "sub": "user_1",
        "org_id": "org_1", "org_slug": "acme", "org_role": "org:admin",
        "org_permissions": ["org:billing:read", "org:billing:manage"],
    });
    Documented::new("rs256", "JWT", claims)
}

#[tokio::test]
async fn both_versions_make_principals() {
    let claims = accept(preset(), &version_2()).await;
    let who = claims.principal();
    assert_eq!(
        (who.subject(), who.organizations(), who.roles()),
        ("user_1", &["org_2".to_owned()][..], &["org:admin".to_owned()][..])
    );
    assert_eq!((claims.session_id(), claims.client_id()), (Some("sess_1"), Some(ORIGIN)));
    assert!(who.scopes().is_empty(), "a permission without its feature is none: {:?}", who.scopes());
    let claims = accept(preset(), &version_1()).await;
    let who = claims.principal();
    assert_eq!((who.organizations(), who.roles()), (&["org_1".to_owned()][..], &["org:admin".to_owned()][..]));
    assert_eq!(who.scopes(), ["org:billing:read", "org:billing:manage"]);
    let alone = accept(preset(), &version_2().without("o").without("sts")).await;
    assert!(alone.principal().organizations().is_empty() && alone.principal().roles().is_empty());
    assert_strict(preset, &version_2()).await;
    assert_strict(preset, &version_1()).await;
}

#[tokio::test]
async fn a_sign_in_that_is_not_complete_is_refused() {
    refuse(preset(), &version_2().with("sts", "pending"), "claim sts is \"pending\"").await;
    refuse(preset(), &version_1().with("sts", "pending"), "claim sts is \"pending\"").await;
    refuse(preset(), &version_2().with("sts", json!(["pending"])), "claim sts is a list").await;
    let act = json!({"iss": "https://dashboard.clerk.com", "sid": "sess_9", "sub": "user_9"});
    let nobody_else = || preset().forbid_claim("/act/sub", [false]);
    accept(nobody_else(), &version_2()).await;
    refuse(nobody_else(), &version_2().with("act", act), "claim /act/sub is \"user_9\"").await;
}

#[tokio::test]
async fn tokens_of_other_front_ends_and_instances_are_refused() {
    for azp in [
        "https://evil.example.com",
        "http://app.example.com",
        "https://app.example.com/",
        "https://app.example.com:8443",
    ] {
        refuse(preset(), &version_2().with("azp", azp), azp).await;
    }
    refuse(preset(), &version_2().without("azp"), "azp").await;
    refuse(preset(), &version_2().with("aud", "https://other.example.com"), "https://other.example.com").await;
    refuse(preset(), &version_2().with("iss", "https://other.clerk.accounts.dev"), "other.clerk").await;
    refuse(preset(), &version_2().header("typ", "at+jwt"), "typ is \"at+jwt\"").await;
    let native = issuers::clerk("clerk.example.com").accept_any_audience();
    accept(native, &version_2().without("azp")).await;
}

#[test]
fn a_host_that_cannot_be_is_an_error_when_built() {
    assert_unbuilt(issuers::clerk("clerk.example.com"), ".client(..)");
    for odd in
        ["", "https://clerk.example.com", "clerk.example.com/", "Clerk.example.com", "clerk", "clerk example.com"]
    {
        assert_unbuilt(issuers::clerk(odd).client("azp", [ORIGIN]), "issuers::clerk got");
    }
}
