//! Supabase: users, the two keys of a project, and the shared secret of before.

use serde_json::json;
use tower_auth::{
    Secret, issuers,
    token::{Algorithm, TokenVerifierBuilder, VerifyingKey},
};

use super::documented::{Documented, accept, assert_strict, assert_unbuilt, now, refuse};
use crate::tokens::mint::secret;

const ISSUER: &str = "https://abcdefghijklmnopqrst.supabase.co/auth/v1";
const USER: &str = "0f9d2c62-7a0e-4f8f-9a55-0f8a4c9a5a10";

fn preset() -> TokenVerifierBuilder {
    issuers::supabase("abcdefghijklmnopqrst").roles_from("/app_metadata/roles")
}

fn token() -> Documented {
    let claims = json!({
        "iss": ISSUER, "aud": "authenticated", "exp": now() + 3600, "iat": now(), "sub": USER, "role": "authenticated",
        "aal": "aal1", "session_id": "b5a1d6d0-5f2c-4f5a-9a55-0f8a4c9a5a10", "email": "alice@example.com", "phone": "",
        "is_anonymous": false, "jti": "a-1", "app_metadata": {"provider": "email", "roles": ["staff"]},
        "user_metadata": {"roles": ["admin"], "role": "service_role"}, "amr": [{"method": "password", "timestamp": now()}],
    });
    Documented::new("es256", "JWT", claims)
}

/// The key of a project, as it was before.
fn project_key(role: &str) -> Documented {
    let claims = json!({"iss": "supabase", "ref": "abcdefghijklmnopqrst", "role": role, "iat": now(), "exp": now() + 315_360_000});
    Documented::new("hs256", "JWT", claims).without_header("kid")
}

fn legacy() -> TokenVerifierBuilder {
    preset().also_keys([VerifyingKey::hmac(Algorithm::Hs256, &Secret::new(secret("hs256"))).unwrap()])
}

#[tokio::test]
async fn a_user_of_the_documented_shape_makes_a_principal() {
    let claims = accept(preset(), &token()).await;
    let who = claims.principal();
    assert_eq!((who.subject(), who.issuer()), (USER, Some(ISSUER)));
    assert_eq!(who.roles(), ["staff"], "what users write themselves is not read");
    assert!(who.scopes().is_empty() && who.organizations().is_empty());
    accept(preset(), &token().with("aud", json!(["authenticated"]))).await;
    for kid in ["es256", "rs256"] {
        accept(preset(), &token().under(kid).without_header("kid")).await;
    }
    assert_strict(preset, &token()).await;
}

#[tokio::test]
async fn the_keys_of_a_project_are_nobody() {
    for role in ["anon", "service_role"] {
        refuse(preset(), &project_key(role), "\"supabase\"").await;
        refuse(legacy(), &project_key(role), "\"supabase\"").await;
        refuse(legacy(), &project_key(role).with("iss", ISSUER), "aud").await;
        refuse(preset(), &token().with("role", role), &format!("claim role is {role:?}")).await;
    }
    refuse(preset(), &token().with("aud", "anon"), "\"anon\"").await;
    refuse(preset(), &token().without("role"), "no claim role").await;
    refuse(preset(), &token().with("iss", "https://zzzzzzzzzzzzzzzzzzzz.supabase.co/auth/v1"), "zzzz").await;
    let named = || preset().forbid_claim("is_anonymous", [true]);
    accept(named(), &token()).await;
    refuse(named(), &token().with("is_anonymous", true), "claim is_anonymous is true").await;
    let two = preset().require_claim("aal", ["aal2"]);
    refuse(two, &token(), "claim aal is \"aal1\"").await;
}

#[tokio::test]
async fn a_shared_secret_is_good_only_where_it_is_named() {
    let old = token().under("hs256").without_header("kid");
    refuse(preset(), &old, "no key of the issuer").await;
    assert_eq!(accept(legacy(), &old).await.principal().subject(), USER);
    accept(legacy(), &token().under("hs256")).await;
    accept(legacy(), &token()).await;
}

#[test]
fn a_reference_that_cannot_be_is_an_error_when_built() {
    preset().build().unwrap();
    for odd in ["", "https://abc.supabase.co", "abc.supabase.co", "ABC", "abc/", "a b", "-abc"] {
        assert_unbuilt(issuers::supabase(odd), "issuers::supabase got");
    }
}
