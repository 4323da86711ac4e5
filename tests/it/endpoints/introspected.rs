//! Introspection (RFC 7662): rule 113.

use tower_auth::{
    AuthEndpoints, KeyState, Principal,
    permission::{Verdict, from_fn},
};

use super::{Desk, FORM, JSON, SECONDS, ask, basic, error, form, json, post, refresh_token};

#[tokio::test]
async fn r113_an_active_token_is_described() {
    let desk = Desk::new();
    let session = desk.session(Some("web-app")).await;
    let by_basic = basic("key_1", desk.key.expose());
    let access = [("token", session.access_token.expose())];
    let posted = [access[0], ("client_secret", desk.key.expose()), ("token_type_hint", "refresh_token")];
    for (headers, parameters) in
        [(&desk.key()[..], &access[..]), (&[("authorization", &*by_basic)][..], &access[..]), (&[], &posted[..])]
    {
        let told = desk.form("/introspect", headers, parameters).await;
        let body = told.json();
        assert_eq!((told.status, &body["active"], &body["token_type"]), (200, &json!(true), &json!("Bearer")));
        assert_eq!((&body["sub"], &body["client_id"]), (&json!("alice"), &json!("web-app")));
        assert_eq!((&body["scope"], &body["exp"]), (&json!("read write"), &json!(SECONDS + 900)));
        assert_eq!(body["aud"], json!(["https://one.test", "https://two.test"]));
    }
}

/// A service that asks whether a bearer token is good must not admit a refresh token.
#[tokio::test]
async fn r113_a_refresh_token_is_active_only_for_a_caller_that_asks_for_one() {
    let desk = Desk::new();
    let session = desk.session(Some("web-app")).await;
    let token = ("token", refresh_token(&session));
    let hint = |hint: &'static str| ("token_type_hint", hint);
    for parameters in [vec![token], vec![token, hint("access_token")], vec![token, hint("unheard_of")]] {
        let told = desk.form("/introspect", &desk.key(), &parameters).await;
        assert_eq!((told.status, &*told.body), (200, r#"{"active":false}"#), "{parameters:?}");
    }
    let told = desk.form("/introspect", &desk.key(), &[token, hint("refresh_token")]).await;
    let body = told.json();
    assert_eq!((&body["active"], &body["token_use"]), (&json!(true), &json!("refresh_token")));
    assert_eq!((&body["sub"], &body["client_id"], body.get("token_type")), (&json!("alice"), &json!("web-app"), None));
}

#[tokio::test]
async fn r113_of_a_token_that_cannot_be_used_nothing_is_said() {
    let desk = Desk::new();
    let session = desk.session(None).await;
    let ended = desk.session(None).await;
    desk.json("/logout", &[], &json!({ "refresh_token": refresh_token(&ended) })).await;
    let old = session.access_token.expose().to_owned();
    let inactive = [ended.access_token.expose(), refresh_token(&ended), "x", "rt_x", "a.b.c", desk.key.expose()];
    for token in inactive {
        let told = desk.form("/introspect", &desk.key(), &[("token", token)]).await;
        assert_eq!((told.status, &*told.body), (200, r#"{"active":false}"#), "{token}");
        let hinted = [("token", token), ("token_type_hint", "refresh_token")];
        let told = desk.form("/introspect", &desk.key(), &hinted).await;
        assert_eq!((told.status, &*told.body), (200, r#"{"active":false}"#), "{token}");
    }
    desk.hand.advance(std::time::Duration::from_secs(1000));
    let told = desk.form("/introspect", &desk.key(), &[("token", &old)]).await;
    assert_eq!((told.status, &*told.body), (200, r#"{"active":false}"#));
}

#[tokio::test]
async fn r113_the_caller_is_authenticated_and_permitted() {
    let desk = Desk::new();
    let other = desk.other_key("key_2");
    let token = desk.session(None).await;
    let parameters = [("token", token.access_token.expose())];

    let nobody = desk.form("/introspect", &[], &parameters).await;
    assert_eq!(nobody.error(), error(401, "invalid_client"));
    assert_eq!(nobody.header("www-authenticate"), Some("ApiKey realm=\"api\""));
    let wrong = desk.form("/introspect", &[("authorization", &basic("key_1", "ak_x"))], &parameters).await;
    assert_eq!(wrong.error(), error(401, "invalid_client"));
    assert_eq!(wrong.header("www-authenticate"), Some("Basic realm=\"api\""));
    let by_itself = format!("Bearer {}", token.access_token.expose());
    let by_itself = desk.form("/introspect", &[("authorization", &by_itself)], &parameters).await;
    assert_eq!(by_itself.error(), error(401, "invalid_client"), "a token does not authenticate its holder here");
    let denied = desk.form("/introspect", &[("x-api-key", other.expose())], &parameters).await;
    assert_eq!(denied.error(), error(403, "unauthorized_client"));
    let holder = denied.refusal.unwrap();
    assert_eq!(holder.kind(), tower_auth::RejectionKind::InsufficientPermissions);
    assert!(desk.store.set_state("key_1", KeyState::Revoked));
    assert_eq!(desk.form("/introspect", &desk.key(), &parameters).await.error(), error(401, "invalid_client"));
}

#[tokio::test]
async fn r113_it_is_a_form_with_a_token() {
    let desk = Desk::new();
    for parameters in [vec![], vec![("token", "")], vec![("token", "a"), ("token", "b")]] {
        let told = desk.form("/introspect", &desk.key(), &parameters).await;
        assert_eq!(told.error(), error(400, "invalid_request"), "{parameters:?}");
    }
    let told = ask(&desk.endpoints, post("/introspect", JSON, &desk.key(), r#"{"token":"a"}"#)).await;
    assert_eq!(told.error(), error(415, "invalid_request"));
}

#[tokio::test]
async fn a_policy_that_cannot_decide_is_no_denial() {
    let desk = Desk::new();
    let undecided = from_fn(|_: &Principal, _: &tower_auth::RequestHead<'_>| Verdict::Undecided("it is down".into()));
    let endpoints = desk.endpoints.clone().introspection(undecided);
    let told = ask(&endpoints, post("/introspect", FORM, &desk.key(), form(&[("token", "x")]))).await;
    assert_eq!(told.error(), error(503, "temporarily_unavailable"));
    let without = AuthEndpoints::new(desk.sessions.clone()).keys(desk.keys.clone());
    assert_eq!(ask(&without, post("/introspect", FORM, &desk.key(), form(&[("token", "x")]))).await.status, 404);
}
