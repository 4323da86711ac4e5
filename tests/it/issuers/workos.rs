//! WorkOS: sessions without an audience, and Connect.

use serde_json::json;
use tower_auth::{issuers, token::TokenVerifierBuilder};

use super::documented::{Documented, accept, assert_strict, assert_unbuilt, now, refuse};

const SESSIONS: &str = "https://api.workos.com";
const CONNECT: &str = "https://example.authkit.app";
const API: &str = "https://api.example.com/mcp";

fn sessions() -> TokenVerifierBuilder {
    issuers::workos_session("client_01HXYZ")
}

fn session() -> Documented {
    let claims = json!({
        "iss": SESSIONS, "sub": "user_01HBEQ", "sid": "session_01HQSX", "jti": "01HQSXZGF8FHF7A9ZZFCW4387R", "org_id": "org_01HRDM",
        "role": "member", "roles": ["member", "auditor"], "permissions": ["posts:read", "posts:write"], "entitlements": ["audit-logs"],
        "exp": now() + 300, "iat": now(),
    });
    Documented::new("rs256", "JWT", claims)
}

fn connect() -> TokenVerifierBuilder {
    issuers::workos_connect("example.authkit.app").audience(API)
}

fn access() -> Documented {
    let claims = json!({
        "iss": CONNECT, "aud": API, "sub": "user_01HBEQ", "client_id": "client_01CONNECT", "sid": "app_consent_01", "org_id": "org_01HRDM",
        "scope": "openid notes:read", "jti": "01", "exp": now() + 300, "iat": now(),
    });
    Documented::new("rs256", "JWT", claims)
}

#[tokio::test]
async fn a_session_makes_a_principal() {
    let claims = accept(sessions(), &session()).await;
    let who = claims.principal();
    assert_eq!((who.subject(), who.issuer()), ("user_01HBEQ", Some(SESSIONS)));
    assert_eq!(who.scopes(), ["posts:read", "posts:write"]);
    assert!(who.has_role("member") && who.has_role("auditor"));
    assert_eq!(who.organizations(), ["org_01HRDM"]);
    assert_eq!(claims.session_id(), Some("session_01HQSX"));
    accept(sessions(), &session().without_header("typ")).await;
    let own = accept(sessions(), &session().with("iss", "https://api.workos.com/user_management/client_01HXYZ")).await;
    assert_eq!(own.principal().subject(), "user_01HBEQ");
    assert_strict(sessions, &session()).await;
    refuse(sessions(), &session().with("iss", "https://api.workos.com/user_management/client_OTHER"), "client_OTHER")
        .await;
    refuse(sessions(), &access(), "example.authkit.app").await;
    refuse(sessions(), &session().header("typ", "at+jwt"), "typ is \"at+jwt\"").await;
    let nobody_else = sessions().forbid_claim("/act/sub", [false]);
    refuse(nobody_else, &session().with("act", json!({"sub": "admin@example.com"})), "claim /act/sub is").await;
}

#[tokio::test]
async fn a_token_of_connect_needs_its_resource() {
    let claims = accept(connect(), &access()).await;
    let who = claims.principal();
    assert_eq!((who.subject(), who.issuer()), ("user_01HBEQ", Some(CONNECT)));
    assert_eq!((who.scopes().len(), who.has_scope("notes:read")), (2, true));
    assert_eq!((who.organizations(), claims.client_id()), (&["org_01HRDM".to_owned()][..], Some("client_01CONNECT")));
    accept(connect(), &access().without("sid").with("sub", "client_01CONNECT").header("typ", "at+jwt")).await;
    assert_strict(connect, &access()).await;
    refuse(connect(), &access().with("aud", "client_01HXYZ"), "client_01HXYZ").await;
    refuse(connect(), &access().without("aud"), "no audience").await;
    refuse(connect(), &session(), "api.workos.com").await;
}

#[test]
fn names_that_cannot_be_are_errors_when_built() {
    sessions().build().unwrap();
    assert_unbuilt(sessions().audience("api"), "accept_any_audience");
    assert_unbuilt(issuers::workos_connect("example.authkit.app"), "no audience");
    for odd in ["", "https://api.workos.com/sso/jwks/client_01", "client_01/", "client 01", "..", "client_01?x=1"] {
        assert_unbuilt(issuers::workos_session(odd), "issuers::workos_session got");
    }
    for odd in ["", "https://example.authkit.app", "example.authkit.app/", "Example.authkit.app"] {
        assert_unbuilt(issuers::workos_connect(odd).audience(API), "issuers::workos_connect got");
    }
}
