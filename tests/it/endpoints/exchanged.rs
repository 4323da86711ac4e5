//! Token exchange (RFC 8693): rules 097 to 099.

use super::{Desk, SECONDS, claims, error, foreign, json, mint, sealed};

const EXCHANGE: (&str, &str) = ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";
const ID: &str = "urn:ietf:params:oauth:token-type:id_token";
const SAML: &str = "urn:ietf:params:oauth:token-type:saml2";

#[tokio::test]
async fn r098_a_token_of_another_issuer_is_exchanged() {
    let desk = Desk::new();
    let token = foreign("ci");
    for kind in [JWT, ACCESS, ID] {
        let told = desk.form("/token", &[], &[EXCHANGE, ("subject_token", &token), ("subject_token_type", kind)]).await;
        let body = told.json();
        assert_eq!((told.status, body.as_object().unwrap().len()), (200, 5), "{body}");
        assert_eq!((&body["issued_token_type"], &body["token_type"]), (&json!(ACCESS), &json!("Bearer")));
        assert_eq!((&body["expires_in"], &body["scope"]), (&json!(900), &json!("read deploy")));
        let claims = claims(body["access_token"].as_str().unwrap());
        assert_eq!((&claims["sub"], &claims["client_id"]), (&json!("ext:ci"), &json!(super::ISSUER)));
        assert!(claims.get("act").is_none());
    }
    for (requested, issued) in [(ACCESS, ACCESS), (JWT, JWT)] {
        let parameters = [
            EXCHANGE,
            ("subject_token", &token),
            ("subject_token_type", JWT),
            ("requested_token_type", requested),
            ("scope", "read"),
            ("audience", "https://two.test"),
        ];
        let told = desk.form("/token", &[], &parameters).await;
        assert_eq!((told.text("issued_token_type"), told.text("scope")), (issued.to_owned(), "read".to_owned()));
        assert_eq!(claims(&told.text("access_token"))["aud"], "https://two.test");
    }
}

#[tokio::test]
async fn r097_what_a_request_needs() {
    let desk = Desk::new();
    let (token, robot) = (foreign("ci"), foreign("robot"));
    let (subject, kind) = (("subject_token", &*token), ("subject_token_type", JWT));
    let (actor, actor_kind) = (("actor_token", &*robot), ("actor_token_type", JWT));
    for parameters in [
        vec![],
        vec![subject],
        vec![kind],
        vec![subject, ("subject_token_type", SAML)],
        vec![subject, ("subject_token_type", "jwt")],
        vec![subject, ("subject_token_type", "")],
        vec![("subject_token", ""), kind],
        vec![subject, kind, actor],
        vec![subject, kind, actor_kind],
        vec![subject, kind, actor, ("actor_token_type", SAML)],
        vec![subject, kind, ("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")],
        vec![subject, kind, ("requested_token_type", SAML)],
        vec![subject, subject, kind],
        vec![subject, kind, kind],
    ] {
        let told = desk.form("/token", &[], &[&[EXCHANGE], &parameters[..]].concat()).await;
        assert_eq!(told.error(), error(400, "invalid_request"), "{parameters:?}");
    }
    let told = desk.form("/token", &[], &[EXCHANGE, subject, kind, actor, actor_kind]).await;
    assert_eq!(claims(&told.text("access_token"))["act"], json!({ "sub": "robot" }));
}

#[tokio::test]
async fn r099_tokens_that_no_rule_accepts() {
    let desk = Desk::new();
    let good = mint::claims(SECONDS).text("sub", "ci");
    let stranger = mint::attackers()[1].seal(mint::key("es256").header(), &good);
    let own = desk.session(None).await;
    for token in [
        foreign("another"),
        sealed(&good.clone().text("iss", "https://another.test/")),
        sealed(&good.clone().text("aud", "another")),
        sealed(&good.clone().raw("exp", SECONDS - 100)),
        stranger,
        own.access_token.expose().to_owned(),
        desk.key.expose().to_owned(),
        "a.b.c".to_owned(),
        "x".to_owned(),
    ] {
        let told = desk.form("/token", &[], &[EXCHANGE, ("subject_token", &token), ("subject_token_type", JWT)]).await;
        assert_eq!(told.error(), error(400, "invalid_request"), "{token}");
        assert_eq!(told.refusal.unwrap().status().as_u16(), 401, "it may be a guess");
    }
    let actor = [
        EXCHANGE,
        ("subject_token", &*foreign("ci")),
        ("subject_token_type", JWT),
        ("actor_token", &*foreign("ci")),
        ("actor_token_type", JWT),
    ];
    assert_eq!(desk.form("/token", &[], &actor).await.error(), error(400, "invalid_request"), "ci may not act");
}

#[tokio::test]
async fn r099_targets_and_scopes_that_are_not_granted() {
    let desk = Desk::new();
    let token = foreign("ci");
    let good = [EXCHANGE, ("subject_token", &*token), ("subject_token_type", JWT)];
    for (parameter, code) in [
        (("audience", "https://three.test"), "invalid_target"),
        (("resource", "https://three.test/api"), "invalid_target"),
        (("scope", "read write"), "invalid_scope"),
    ] {
        let told = desk.form("/token", &[], &[&good[..], &[parameter]].concat()).await;
        assert_eq!(told.error(), error(400, code), "{parameter:?}");
    }
}

/// The `client_id` of a token is one that was verified.
#[tokio::test]
async fn only_an_authenticated_client_gets_into_the_token() {
    let desk = Desk::new();
    let token = foreign("ci");
    let good = [EXCHANGE, ("subject_token", &*token), ("subject_token_type", JWT)];
    let claimed = desk.form("/token", &[], &[&good[..], &[("client_id", "key_1")]].concat()).await;
    assert_eq!(claims(&claimed.text("access_token"))["client_id"], super::ISSUER);
    let proved = desk.grant(&good).await;
    let claims = claims(&proved.text("access_token"));
    assert_eq!((&claims["client_id"], &claims["sub"]), (&json!("key_1"), &json!("ext:ci")));
    assert!(claims.get("key").is_none(), "the token is not the key's");
}
