//! Firebase: users, and apps.

use serde_json::json;
use tower_auth::{
    issuers,
    token::{ClaimSource, TokenVerifierBuilder},
};

use super::{NOW, Token, accept, asks_at, refuse, rejects, token, usual_mistakes};

const PROJECT: &str = "example-1a2b3";
const APP: &str = "1:123456789012:web:0a1b2c3d4e5f";

fn users() -> TokenVerifierBuilder {
    issuers::firebase(PROJECT)
}

fn apps() -> TokenVerifierBuilder {
    issuers::firebase_app_check("123456789012")
}

fn of_user() -> Token {
    let claims = json!({
        "name": "Alice",
        "admin": true,
        "level": 3,
        "iss": format!("https://securetoken.google.com/{PROJECT}"),
        "aud": PROJECT,
        "auth_time": NOW - 120,
        "user_id": "Xb3kQ9dLm2fYz1",
        "sub": "Xb3kQ9dLm2fYz1",
        "iat": NOW - 60,
        "exp": NOW + 3540,
        "email": "alice@example.com",
        "email_verified": true,
        "firebase": {
            "identities": {"google.com": ["110169484474386276334"], "email": ["alice@example.com"]},
            "sign_in_provider": "google.com",
            "tenant": "acme-x1y2z",
        },
    });
    token("rs256", json!({"typ": "JWT"}), claims)
}

fn of_app() -> Token {
    let claims = json!({
        "sub": APP,
        "aud": ["projects/123456789012", "projects/example-1a2b3"],
        "provider": "recaptcha_enterprise",
        "iss": "https://firebaseappcheck.googleapis.com/123456789012",
        "exp": NOW + 3540,
        "iat": NOW - 60,
        "jti": "K8XlNqLmF1Zk",
    });
    token("rs256", json!({"typ": "JWT"}), claims)
}

#[tokio::test]
async fn a_user_is_a_principal() {
    let claims = accept(users().roles_from(ClaimSource::new("admin").name_if_true()), &of_user()).await;
    let who = claims.principal();
    assert_eq!(who.subject(), "Xb3kQ9dLm2fYz1");
    assert_eq!((who.roles(), who.organizations()), (&["admin".to_owned()][..], &["acme-x1y2z".to_owned()][..]));
    assert!(who.scopes().is_empty() && who.logged_in_at().is_some());
    let plain = of_user().with("firebase", json!({"identities": {}, "sign_in_provider": "anonymous"}));
    assert!(accept(users(), &plain).await.principal().organizations().is_empty());
    let known = || users().forbid_claim("/firebase/sign_in_provider", ["anonymous"]);
    accept(known(), &of_user()).await;
    refuse(known(), &plain, "anonymous").await;
}

#[tokio::test]
async fn mistakes_with_users_are_named() {
    usual_mistakes(users, &of_user()).await;
    refuse(users(), &of_user().with("aud", "another-project"), "another-project").await;
    refuse(users(), &of_user().with("iss", "https://securetoken.google.com/another"), "another").await;
    let cookie = format!("https://session.firebase.google.com/{PROJECT}");
    refuse(users(), &of_user().with("iss", cookie), "session.firebase.google.com").await;
    let custom = "firebase-adminsdk@example-1a2b3.iam.gserviceaccount.com";
    refuse(users(), &of_user().with("iss", custom).with("sub", custom), custom).await;
    refuse(users(), &of_app(), "firebaseappcheck").await;
}

#[tokio::test]
async fn an_app_is_a_principal() {
    usual_mistakes(apps, &of_app()).await;
    assert_eq!(accept(apps(), &of_app()).await.principal().subject(), APP);
    refuse(apps(), &of_app().with("iss", "https://firebaseappcheck.googleapis.com/999"), "/999").await;
    refuse(apps(), &of_app().with("aud", json!(["projects/999"])), "projects/999").await;
    refuse(apps(), &of_user(), "securetoken").await;
    let one = || apps().require_claim("sub", [APP]);
    accept(one(), &of_app()).await;
    refuse(one(), &of_app().with("sub", "1:123456789012:ios:ffff"), "ios:ffff").await;
}

#[test]
fn projects_are_checked() {
    for odd in ["", "https://example.firebaseio.com", "example/", "a b"] {
        rejects(issuers::firebase(odd), &format!("got {odd:?}"), "example-1a2b3");
    }
    for odd in ["", "example-1a2b3", "projects/123456789012", "12 34"] {
        rejects(issuers::firebase_app_check(odd), &format!("got {odd:?}"), "123456789012");
    }
}

#[test]
fn keys_are_looked_for_at_the_documented_place() {
    asks_at(
        users(),
        &of_user(),
        "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
    );
    asks_at(apps(), &of_app(), "https://firebaseappcheck.googleapis.com/v1/jwks");
}
