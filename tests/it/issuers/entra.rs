//! Microsoft Entra ID, and External ID.

use serde_json::json;
use tower_auth::{
    issuers,
    token::{Tenants, TokenVerifierBuilder},
};

use super::{NOW, Token, accept, asks_at, refuse, rejects, token, usual_mistakes};

const TENANT: &str = "5f0c1b7e-3a55-4c1c-8d0e-0c6b8a7e1f11";
const OTHER: &str = "9d2f4c66-1e0b-4a3f-b1c2-77aa02d9e5c3";
const API: &str = "b5a1d6d0-5f2c-4f5a-9a55-0f8a4c9a5a10";
const CLIENT: &str = "6e74172b-be56-4843-9ff4-e66a39bb12e3";

fn v2() -> TokenVerifierBuilder {
    issuers::entra(TENANT).audience(API)
}

fn v1() -> TokenVerifierBuilder {
    issuers::entra_v1(TENANT).audience(API).audience(format!("api://{API}"))
}

fn many() -> TokenVerifierBuilder {
    issuers::entra_tenants(Tenants::only([TENANT, OTHER])).audience(API)
}

fn external() -> TokenVerifierBuilder {
    issuers::entra_external("contoso", TENANT).audience(API)
}

fn of_v2() -> Token {
    let claims = json!({
        "aud": API,
        "iss": format!("https://login.microsoftonline.com/{TENANT}/v2.0"),
        "iat": NOW - 60,
        "nbf": NOW - 60,
        "exp": NOW + 4500,
        "aio": "AXQAi/8IAAAAtAaXL9yaOcAAAAA",
        "azp": CLIENT,
        "azpacr": "0",
        "idp": "https://sts.windows.net/9188040d-6c67-4c5b-b112-36a304b66dad/",
        "name": "Alice Example",
        "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474",
        "preferred_username": "alice@example.com",
        "rh": "I",
        "roles": ["Notes.Editor"],
        "groups": ["0c4a1d0e-1111-4a6b-8f1a-000000000001"],
        "scp": "Notes.Read Notes.Write",
        "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
        "tid": TENANT,
        "uti": "fqiBqXLPj0eQa82S-IYFAA",
        "ver": "2.0",
        "wids": ["b79fbf4d-3ef9-4689-8143-76b194e85509"],
        "xms_cc": ["cp1"],
    });
    token("rs256", json!({"typ": "JWT"}), claims)
}

/// A token that an application has got for itself.
fn of_application() -> Token {
    let mut token =
        of_v2().with("azpacr", "1").with("idtyp", "app").with("sub", "690222be-ff1a-4d56-abd1-7e4f7d38e474");
    for name in ["scp", "name", "preferred_username", "groups", "wids", "xms_cc"] {
        token = token.without(name);
    }
    token
}

fn of_v1() -> Token {
    let claims = json!({
        "aud": format!("api://{API}"),
        "iss": format!("https://sts.windows.net/{TENANT}/"),
        "iat": NOW - 60,
        "nbf": NOW - 60,
        "exp": NOW + 4500,
        "acr": "1",
        "aio": "AXQAi/8IAAAAtAaXL9yaOcAAAAA",
        "amr": ["pwd", "mfa"],
        "appid": CLIENT,
        "appidacr": "1",
        "family_name": "Example",
        "given_name": "Alice",
        "ipaddr": "203.0.113.7",
        "name": "Alice Example",
        "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474",
        "rh": "I",
        "scp": "user_impersonation",
        "sub": "5_J9rSss8-jvt_Icu6ueRNL8xXb8LF4Fsg_KooC2RJQ",
        "tid": TENANT,
        "unique_name": "alice@example.com",
        "upn": "alice@example.com",
        "uti": "fqiBqXLPj0eQa82S-IYFAA",
        "ver": "1.0",
    });
    token("rs256", json!({"typ": "JWT", "x5t": "i6lGk3FZzxRcUb2C3nEQ7syHJlY"}), claims)
}

fn of_external() -> Token {
    of_v2().with("iss", format!("https://{TENANT}.ciamlogin.com/{TENANT}/v2.0")).as_good()
}

#[tokio::test]
async fn a_user_and_an_application_are_principals() {
    let claims = accept(v2().client("azp", [CLIENT]), &of_v2()).await;
    let who = claims.principal();
    assert_eq!(claims.client_id(), Some(CLIENT));
    assert_eq!(who.subject(), "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ");
    assert_eq!(who.scopes(), ["Notes.Read", "Notes.Write"]);
    assert_eq!(who.roles(), ["Notes.Editor"], "neither groups nor wids");
    assert_eq!(who.organizations(), [TENANT]);
    let by_oid = accept(v2().subject_from("oid"), &of_v2()).await;
    assert_eq!(by_oid.principal().subject(), "690222be-ff1a-4d56-abd1-7e4f7d38e474");

    let claims = accept(v2(), &of_application()).await;
    assert!(claims.principal().scopes().is_empty());
    assert_eq!(claims.principal().roles(), ["Notes.Editor"]);
    let overage = of_v2().without("groups").with("_claim_names", json!({"groups": "src1"}));
    accept(v2(), &overage.with("_claim_sources", json!({"src1": {"endpoint": "https://graph.windows.net/x"}}))).await;

    let claims = accept(v1(), &of_v1()).await;
    assert_eq!(claims.principal().issuer(), Some(&*format!("https://sts.windows.net/{TENANT}/")));
    assert_eq!(claims.principal().scopes(), ["user_impersonation"]);
    assert_eq!(claims.principal().organizations(), [TENANT]);
    accept(v1(), &of_v1().with("aud", API)).await;
    accept(external(), &of_external()).await;
}

#[tokio::test]
async fn mistakes_are_named() {
    usual_mistakes(v2, &of_v2()).await;
    usual_mistakes(v1, &of_v1()).await;
    usual_mistakes(external, &of_external()).await;
    let id_token = of_v2().without("azp").without("azpacr").without("scp").with("nonce", "12345");
    refuse(v2(), &id_token, "no claim azpacr").await;
    refuse(external(), &of_external().without("azp").without("azpacr"), "no claim azpacr").await;
    refuse(v1(), &of_v1().without("appid").without("appidacr").without("scp"), "no claim appidacr").await;
    refuse(v2(), &of_v2().with("aud", CLIENT), CLIENT).await;
    refuse(v2(), &of_v2().with("aud", "00000003-0000-0000-c000-000000000000").header("nonce", "x"), "00000003").await;
    refuse(v2(), &of_v2().with("aud", format!("api://{API}")), "api://").await;
    refuse(v2(), &of_v2().with("iss", format!("https://login.microsoftonline.com/{OTHER}/v2.0")), OTHER).await;
    refuse(v2(), &of_v1(), "sts.windows.net").await;
    refuse(v1(), &of_v2(), "login.microsoftonline.com").await;
    refuse(v2(), &of_v2().with("ver", "1.0"), "claim ver is \"1.0\"").await;
    refuse(v1(), &of_v1().with("ver", "2.0"), "claim ver is \"2.0\"").await;
    refuse(external(), &of_external().with("iss", of_v2().claims["iss"].clone()), "login.microsoftonline.com").await;
    refuse(v2().client("azp", [CLIENT]), &of_v2().with("azp", OTHER), OTHER).await;
}

#[tokio::test]
async fn a_tenant_of_many_is_named_twice() {
    usual_mistakes(many, &of_v2()).await;
    let claims = accept(many(), &of_v2()).await;
    assert_eq!(claims.principal().organizations(), [TENANT]);
    assert_eq!(claims.principal().issuer(), of_v2().claims["iss"].as_str());
    let of = |tenant: &str| of_v2().with("iss", format!("https://login.microsoftonline.com/{tenant}/v2.0"));
    let claims = accept(many(), &of(OTHER).with("tid", OTHER)).await;
    assert_eq!(claims.principal().organizations(), [OTHER]);
    let (upper, personal) = (TENANT.to_uppercase(), "9188040d-6c67-4c5b-b112-36a304b66dad");
    refuse(many(), &of(OTHER), "tenant").await;
    refuse(many(), &of_v2().without("tid"), "tenant").await;
    refuse(many(), &of(personal).with("tid", personal), personal).await;
    for made_up in [&*upper, "{tenantid}", "common", "../x", ""] {
        refuse(many(), &of(made_up).with("tid", made_up), "issuer").await;
        let any = || issuers::entra_tenants(Tenants::any()).audience(API);
        refuse(any(), &of(made_up).with("tid", made_up), "issuer").await;
    }
    refuse(many(), &of_v1(), "sts.windows.net").await;
    refuse(many(), &of_v2().without("azpacr"), "no claim azpacr").await;
}

#[test]
fn a_tenant_is_a_guid() {
    let upper = TENANT.to_uppercase();
    for preset in [issuers::entra, issuers::entra_v1, |tenant: &str| issuers::entra_external("contoso", tenant)] {
        for odd in
            ["", "contoso.onmicrosoft.com", "https://sts.windows.net/", &upper, "5f0c1b7e3a554c1c8d0e0c6b8a7e1f11"]
        {
            rejects(preset(odd).audience(API), &format!("got {odd:?}"), "such as \"5f0c1b7e");
        }
        rejects(preset("common").audience(API), "stands for many", "entra_tenants");
        rejects(preset(TENANT), "has no audience", ".audience(..)");
    }
    for odd in ["", "contoso.ciamlogin.com", "Contoso", "a/b"] {
        rejects(issuers::entra_external(odd, TENANT).audience(API), &format!("got {odd:?}"), "contoso");
    }
    rejects(issuers::entra_tenants(Tenants::only(["contoso.com"])).audience(API), "contoso.com", "GUID");
    rejects(issuers::entra_tenants(Tenants::any()), "has no audience", ".audience(..)");
}

#[test]
fn keys_are_looked_for_at_the_documented_place() {
    asks_at(
        v2(),
        &of_v2(),
        &format!("https://login.microsoftonline.com/{TENANT}/v2.0/.well-known/openid-configuration"),
    );
    asks_at(v1(), &of_v1(), &format!("https://login.microsoftonline.com/{TENANT}/.well-known/openid-configuration"));
    asks_at(many(), &of_v2(), "https://login.microsoftonline.com/organizations/v2.0/.well-known/openid-configuration");
    asks_at(
        external(),
        &of_external(),
        &format!("https://contoso.ciamlogin.com/{TENANT}/v2.0/.well-known/openid-configuration"),
    );
}
