//! What becomes of the claims: a principal, and a type of the service's own.

use http::{Request, Response};
use serde::Deserialize;
use serde_json::json;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    AuthMethod, BearerLayer, Clock, Principal, RequestExt as _,
    token::{Claims, TokenError, TokenVerifierBuilder},
};

use super::{
    NOW, hand, judged,
    mint::{Object, claims, key},
    stack_of, strict,
};
use crate::support::{Body, get, strict as service, text};

fn token(claims: &Object) -> String {
    key("rs256").seal(key("rs256").header(), claims)
}

async fn principal(builder: TokenVerifierBuilder, claims: &Object) -> Principal {
    judged(builder, &token(claims)).await.unwrap().principal().clone()
}

#[tokio::test]
async fn a_token_is_a_principal() {
    let who = principal(strict(), &claims(NOW)).await;
    assert_eq!((who.subject(), who.method(), who.credential_id()), ("user_1", &AuthMethod::Token, Some("token_1")));
    assert_eq!((who.scopes(), who.roles(), who.organizations()), (&["read".to_owned()][..], &[][..], &[][..]));
    assert_eq!((who.account(), who.plan(), who.credential_hint()), (None, None, None));
    assert_eq!(who.method().to_string(), "token");
    let bare = claims(NOW).without("jti").without("scope").without("client_id").without("iat");
    let who = principal(strict(), &bare).await;
    assert_eq!((who.credential_id(), who.scopes()), (None, &[][..]));
}

#[tokio::test]
async fn the_login_is_told_and_a_wrong_type_counts_as_missing() {
    use std::time::{Duration, SystemTime};

    let login = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    for (acr, time, expected) in [
        (json!("mfa"), json!(NOW - 60), (Some("mfa"), login(NOW - 60))),
        (json!(1), json!("yesterday"), (None, None)),
        (json!(null), json!(null), (None, None)),
        (json!(["mfa"]), json!({"a": 1}), (None, None)),
        (json!(""), json!(-1), (Some(""), None)),
    ] {
        let who = principal(strict(), &claims(NOW).raw("acr", &acr).raw("auth_time", &time)).await;
        assert_eq!((who.acr(), who.logged_in_at()), expected, "{acr} {time}");
    }
}

#[tokio::test]
async fn the_binding_of_a_token_is_told() {
    let bound = claims(NOW).raw("cnf", json!({"jkt": "thumb", "x5t#S256": "cert"}));
    let tokens = strict().build().unwrap();
    let claims_of = tokens.verify_bound(&token(&bound), &Clock::from(&hand())).await.unwrap();
    let bound = claims_of.confirmation().unwrap();
    assert_eq!((bound.jkt(), bound.certificate(), bound.is_unknown()), (Some("thumb"), Some("cert"), false));
    assert!(judged(strict(), &token(&claims(NOW))).await.unwrap().confirmation().is_none());
}

#[tokio::test]
async fn scopes_are_words_or_a_list() {
    for (value, expected) in [
        (json!("read"), &["read"][..]),
        (json!("read write"), &["read", "write"]),
        (json!("  read   write "), &["read", "write"]),
        (json!("read\twrite"), &["read\twrite"]),
        (json!(["read", "write"]), &["read", "write"]),
        (json!(["read write", "admin"]), &["read", "write", "admin"]),
        (json!(["read", "read"]), &["read", "read"]),
        (json!("Read READ"), &["Read", "READ"]),
        (json!("https://api.test/read urn:x:y"), &["https://api.test/read", "urn:x:y"]),
        (json!(""), &[]),
        (json!([]), &[]),
        (json!(null), &[]),
        (json!("\u{fc}ber"), &["über"]),
    ] {
        assert_eq!(principal(strict(), &claims(NOW).raw("scope", &value)).await.scopes(), expected, "{value}");
    }
    // Escapes are decoded before words are separated.
    let escaped = claims(NOW).raw("scope", r#""re\u0061d\u0020write""#);
    assert_eq!(principal(strict(), &escaped).await.scopes(), ["read", "write"]);
}

#[tokio::test]
async fn every_part_of_a_principal_has_a_claim() {
    let builder = || {
        strict()
            .subject_from("uid")
            .scopes_from("scp")
            .roles_from("groups")
            .organizations_from("https://issuer.test/orgs")
            .account_from("tenant")
            .plan_from("tier")
    };
    let full = claims(NOW)
        .text("uid", "u7")
        .raw("scp", json!(["write"]))
        .raw("groups", json!(["admin", "two words"]))
        .raw("https://issuer.test/orgs", json!("org_1"))
        .text("tenant", "acme")
        .text("tier", "gold");
    let who = principal(builder(), &full).await;
    assert_eq!((who.subject(), who.account(), who.plan()), ("u7", Some("acme"), Some("gold")));
    assert_eq!(
        (who.scopes(), who.roles()),
        (&["write".to_owned()][..], &["admin".to_owned(), "two words".to_owned()][..])
    );
    assert_eq!(who.organizations(), ["org_1"]);
    // Nothing stands in for a claim that is asked for by its name.
    assert!(judged(builder(), &token(&claims(NOW))).await.is_err(), "no uid");
    let little = principal(builder(), &claims(NOW).text("uid", "u7")).await;
    assert_eq!((little.scopes(), little.roles(), little.account()), (&[][..], &[][..], None));
    // What nobody asks for may be of any type.
    let odd = full.raw("sub", 7).raw("scope", json!({ "read": true }));
    assert_eq!(principal(builder(), &odd).await.subject(), "u7");
}

#[tokio::test]
async fn a_text_may_serve_twice() {
    let builder = || strict().subject_from("client_id").account_from("client_id").plan_from("jti");
    let who = principal(builder(), &claims(NOW)).await;
    assert_eq!((who.subject(), who.account()), ("the tests", Some("the tests")));
    assert_eq!((who.plan(), who.credential_id()), (Some("token_1"), Some("token_1")));
    assert!(judged(builder().rfc9068(), &token(&claims(NOW))).await.is_ok());
    assert!(judged(builder(), &token(&claims(NOW).without("client_id"))).await.is_err());
    // The same text may be a name and a list.
    let builder = || strict().organizations_from("client_id").roles_from("sid").scopes_from("jti");
    let who = principal(builder(), &claims(NOW).text("sid", "s1")).await;
    assert_eq!(
        (&who.organizations()[0], &who.roles()[0], &who.scopes()[0]),
        (&"the tests".into(), &"s1".into(), &"token_1".into())
    );
    assert_eq!(principal(builder(), &claims(NOW).without("client_id")).await.organizations(), &[] as &[String]);
}

/// The session and the client are read whether or not a setting reads the same claim, or a claim inside of it.
#[tokio::test]
async fn the_session_and_the_client_are_ids() {
    let ids = |claims: Claims| (claims.session_id().map(str::to_owned), claims.client_id().map(str::to_owned));
    let (none, some) = (None::<String>, |text: &str| Some(text.to_owned()));
    for (sid, client, expected) in [
        (json!("s1"), json!("app"), (some("s1"), some("app"))),
        (json!("\u{fc} \"1\""), json!(""), (some("\u{fc} \"1\""), some(""))),
        (json!(7), json!(["app"]), (none.clone(), none.clone())),
        (json!({ "id": "s1" }), json!(true), (none.clone(), none.clone())),
        (json!(null), json!(null), (none.clone(), none.clone())),
    ] {
        let token = token(&claims(NOW).raw("sid", &sid).raw("client_id", &client));
        for builder in [strict(), strict().cache(4), strict().account_from("/sid/id").plan_from("/client_id/id")] {
            let verifier = builder.build().unwrap();
            for _ in 0..2 {
                let found = verifier.verify(&token, &Clock::from(&hand())).await.unwrap();
                assert_eq!(ids(found), expected, "{sid} {client}");
            }
        }
    }
    let bare = token(&claims(NOW).without("client_id"));
    assert_eq!(ids(judged(strict(), &bare).await.unwrap()), (none.clone(), none));
    let asked = strict().subject_from("sid").account_from("client_id");
    let found = judged(asked, &token(&claims(NOW).text("sid", "s1"))).await.unwrap();
    assert_eq!(
        (found.principal().subject(), found.session_id(), found.client_id()),
        ("s1", Some("s1"), Some("the tests"))
    );
}

#[tokio::test]
async fn a_list_may_serve_twice() {
    let groups = claims(NOW).raw("groups", json!(["g1", "g2"]));
    let who = principal(strict().roles_from("groups").organizations_from("groups"), &groups).await;
    assert_eq!(
        (who.roles(), who.organizations()),
        (&["g1".to_owned(), "g2".to_owned()][..], &["g1".to_owned(), "g2".to_owned()][..])
    );
    let who = principal(strict().roles_from("scope"), &claims(NOW)).await;
    assert_eq!((who.roles(), who.scopes()), (&["read".to_owned()][..], &["read".to_owned()][..]));
}

#[tokio::test]
async fn the_subject_may_be_the_issuers_name() {
    let who = principal(strict().subject_from("iss"), &claims(NOW)).await;
    assert_eq!(who.subject(), "https://issuer.test/");
}

#[derive(Debug, Deserialize, PartialEq)]
struct Staff {
    department: String,
    #[serde(default)]
    level: u8,
}

fn staff(department: &str) -> Object {
    claims(NOW).text("department", department)
}

#[tokio::test]
async fn claims_are_read_into_a_type_of_ones_own() {
    let builder = || strict().claims::<Staff>();
    let who = principal(builder(), &staff("sales").raw("level", 3)).await;
    assert_eq!(who.claims::<Staff>(), Some(&Staff { department: "sales".to_owned(), level: 3 }));
    assert!(who.claims::<String>().is_none());
    assert!(principal(strict(), &staff("sales")).await.claims::<Staff>().is_none());
    assert!(!format!("{who:?}").contains("sales"));
    for (name, unfit) in [
        ("missing", claims(NOW)),
        ("a number", claims(NOW).raw("department", 1)),
        ("null", claims(NOW).raw("department", "null")),
        ("too large", staff("sales").raw("level", 256)),
        ("negative", staff("sales").raw("level", -1)),
    ] {
        let refused = judged(builder(), &token(&unfit)).await;
        assert!(matches!(refused, Err(TokenError::BadClaim(_))), "{name}: {refused:?}");
    }
    // What the service asks for counts no more than what the token has to say to be good.
    let other = judged(builder(), &token(&staff("sales").text("aud", "x"))).await;
    assert!(matches!(other, Err(TokenError::WrongAudience)));
}

#[tokio::test]
async fn a_type_that_wants_no_other_claims_gets_none() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "it is never filled")]
    struct Narrow {
        department: String,
    }
    let refused = judged(strict().claims::<Narrow>(), &token(&staff("sales"))).await;
    assert!(matches!(refused, Err(TokenError::BadClaim(_))), "{refused:?}");
}

/// The handler has the principal, and the principal has the claims.
#[tokio::test]
async fn a_handler_reads_both() {
    let layer = BearerLayer::new(strict().claims::<Staff>().cache(4).build().unwrap());
    let handler = service(|request: Request<Body>| {
        let who = request.principal().unwrap();
        let staff = who.claims::<Staff>().unwrap();
        Response::new(Body::from(format!("{} of {}", who.subject(), staff.department)))
    });
    let service = stack_of(layer).layer(handler);
    let field = format!("Bearer {}", token(&staff("sales")));
    for _ in 0..2 {
        let response = service.clone().oneshot(get("/", &[("authorization", &field)])).await.unwrap();
        assert_eq!(text(response).await, "user_1 of sales");
    }
}

#[tokio::test]
async fn claims_inside_others_are_found_by_a_pointer() {
    let keycloak = claims(NOW)
        .without("scope")
        .raw("realm_access", json!({ "roles": ["admin", "staff"], "tier": { "plan": "premium" } }))
        .raw("https://x.test/a~b", json!({ "org": "org_1", "scp": "read write", "who": "user_2" }));
    let builder = || {
        strict()
            .roles_from("/realm_access/roles")
            .plan_from("/realm_access/tier/plan")
            .organizations_from("/https:~1~1x.test~1a~0b/org")
            .scopes_from("/https:~1~1x.test~1a~0b/scp")
            .subject_from("/https:~1~1x.test~1a~0b/who")
            .account_from("/sub")
    };
    let who = principal(builder(), &keycloak).await;
    assert_eq!((who.roles(), who.plan()), (&["admin".to_owned(), "staff".to_owned()][..], Some("premium")));
    assert_eq!(
        (who.organizations(), who.scopes()),
        (&["org_1".to_owned()][..], &["read".to_owned(), "write".to_owned()][..])
    );
    assert_eq!((who.subject(), who.account()), ("user_2", Some("user_1")));

    // What is not there is missing, and what is there and wrong is refused.
    let who = principal(strict().roles_from("/realm_access/roles"), &claims(NOW)).await;
    assert_eq!(who.roles(), &[] as &[String]);
    for inside in [json!({}), json!(null), json!("text"), json!([]), json!({ "roles": null })] {
        let token = claims(NOW).raw("realm_access", &inside);
        let who = principal(strict().roles_from("/realm_access/roles"), &token).await;
        assert_eq!(who.roles(), &[] as &[String], "{inside}");
    }
    for inside in [json!({ "roles": 7 }), json!({ "roles": ["a", 7] }), json!({ "roles": { "a": "b" } })] {
        let token = token(&claims(NOW).raw("realm_access", &inside));
        let verdict = judged(strict().roles_from("/realm_access/roles"), &token).await;
        assert!(matches!(verdict, Err(TokenError::Malformed(_))), "{inside}: {verdict:?}");
    }
    // A name twice is refused inside too, and the outer claims that every token has are not looked for inside.
    let twice = token(&claims(NOW).raw("realm_access", r#"{"roles":["a"],"roles":["b"]}"#));
    assert!(judged(strict().roles_from("/realm_access/roles"), &twice).await.is_err());
    let missing = token(&claims(NOW).without("sub").raw("a", json!({ "sub": "user_1" })));
    assert!(judged(strict(), &missing).await.is_err());
    assert!(judged(strict().subject_from("/a/b"), &missing).await.is_err());
}
