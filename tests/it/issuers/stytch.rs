//! Stytch: an issuer that is no URL, and claims whose names are URLs.

use serde_json::json;
use tower_auth::{issuers, token::TokenVerifierBuilder};

use super::documented::{Documented, accept, assert_strict, assert_unbuilt, now, refuse};

const PROJECT: &str = "project-live-c60c0abe-c25a-472a-a9ed-320c6667d317";
const ISSUER: &str = "stytch.com/project-live-c60c0abe-c25a-472a-a9ed-320c6667d317";

fn consumers() -> TokenVerifierBuilder {
    issuers::stytch(PROJECT)
}

fn business() -> TokenVerifierBuilder {
    issuers::stytch_b2b(PROJECT)
}

fn token() -> Documented {
    let claims = json!({
        "aud": [PROJECT], "exp": now() + 300, "iat": now(), "nbf": now(), "iss": ISSUER, "sub": "user-live-fde03dd1",
        "https://stytch.com/session": {
            "id": "session-live-fe6c042b", "started_at": "2027-01-15T08:00:00Z", "roles": ["stytch_user", "editor"],
            "attributes": {"ip_address": "", "user_agent": ""}, "authentication_factors": [{"type": "magic_link"}],
        },
    });
    Documented::new("rs256", "JWT", claims)
}

fn member() -> Documented {
    token()
        .with("sub", "member-live-1")
        .with("https://stytch.com/organization", json!({"organization_id": "organization-live-1", "slug": "acme"}))
}

#[tokio::test]
async fn sessions_make_principals() {
    let who = accept(consumers(), &token()).await.principal().clone();
    assert_eq!((who.subject(), who.issuer()), ("user-live-fde03dd1", Some(ISSUER)));
    assert_eq!(who.roles(), ["stytch_user", "editor"]);
    assert!(who.organizations().is_empty());
    let who = accept(business(), &member()).await.principal().clone();
    assert_eq!((who.subject(), who.organizations()), ("member-live-1", &["organization-live-1".to_owned()][..]));
    assert!(accept(consumers(), &member()).await.principal().organizations().is_empty());
    assert_strict(consumers, &token()).await;
    assert_strict(business, &member()).await;
}

#[tokio::test]
async fn tokens_of_others_are_refused() {
    let test = "project-test-c60c0abe-c25a-472a-a9ed-320c6667d317";
    refuse(consumers(), &token().with("iss", format!("stytch.com/{test}")).with("aud", json!([test])), "project-test")
        .await;
    refuse(consumers(), &token().with("aud", json!([test])), "project-test").await;
    refuse(consumers(), &token().without("aud"), "no audience").await;
    refuse(consumers(), &token().with("iss", format!("https://{ISSUER}")), "https://stytch.com").await;
    refuse(
        consumers(),
        &token().with("https://stytch.com/session", json!({"roles": "x", "id": 1})).header("typ", "x"),
        "typ",
    )
    .await;
    refuse(consumers(), &token().with("https://stytch.com/session", json!({"roles": 1})), "roles").await;
}

#[test]
fn a_project_that_cannot_be_is_an_error_when_built() {
    consumers().build().unwrap();
    issuers::stytch_b2b("project-test-1").build().unwrap();
    for odd in
        ["", "c60c0abe-c25a-472a-a9ed-320c6667d317", "stytch.com/project-live-1", "project-live-1/", "project live"]
    {
        assert_unbuilt(issuers::stytch(odd), "issuers::stytch got");
        assert_unbuilt(issuers::stytch_b2b(odd), "issuers::stytch_b2b got");
    }
}
