//! Revocation (RFC 7009): rules 109 to 111.

use super::{Desk, FORM, JSON, ask, basic, error, form, json, post, refresh_token};

#[tokio::test]
async fn r109_both_kinds_of_tokens_are_revoked_by_a_form() {
    let desk = Desk::new();
    for hint in [None, Some("access_token"), Some("refresh_token"), Some("unheard_of")] {
        for of_refresh in [true, false] {
            let session = desk.session(None).await;
            let (access, refresh) = (session.access_token.expose(), refresh_token(&session));
            let token = if of_refresh { refresh } else { access };
            let hint = hint.map(|hint| ("token_type_hint", hint));
            let parameters: Vec<_> = [("token", token)].into_iter().chain(hint).collect();
            let told = desk.form("/revoke", &[], &parameters).await;
            assert_eq!((told.status, &*told.body, told.header("content-type")), (200, "", None), "{hint:?}");
            assert!(!desk.is_active(token).await, "{hint:?}");
        }
    }
}

#[tokio::test]
async fn r109_other_bodies_and_missing_tokens_are_refused() {
    let desk = Desk::new();
    for parameters in [vec![], vec![("token", "")], vec![("token", "a"), ("token", "a")], vec![("Token", "a")]] {
        assert_eq!(desk.form("/revoke", &[], &parameters).await.error(), error(400, "invalid_request"));
    }
    for (media, body) in
        [(JSON, "{\"token\":\"a\"}"), ("text/plain", "token=a"), ("multipart/form-data; boundary=x", "")]
    {
        let told = ask(&desk.endpoints, post("/revoke", media, &[], body)).await;
        assert_eq!(told.error(), error(415, "invalid_request"), "{media}");
        assert_eq!(told.header("accept"), Some(FORM));
    }
}

#[tokio::test]
async fn r110_unknown_tokens_are_answered_like_known_ones() {
    let desk = Desk::new();
    let session = desk.session(None).await;
    let token = refresh_token(&session);
    let (changed, expired) = (format!("{token}A"), desk.session(None).await);
    desk.hand.advance(std::time::Duration::from_secs(3600));
    for token in [token, token, &changed, expired.access_token.expose(), "x", "a.b.c", desk.key.expose()] {
        let told = desk.form("/revoke", &[], &[("token", token)]).await;
        assert_eq!((told.status, &*told.body), (200, ""), "{token}");
    }
}

#[tokio::test]
async fn r110_a_token_of_another_client_is_refused() {
    let desk = Desk::new();
    let other = desk.other_key("key_2");
    let session = desk.exchanged().await;
    let by_basic = basic("key_2", other.expose());
    for token in ["access_token", "refresh_token"].map(|name| session[name].as_str().unwrap()) {
        for (headers, parameters) in [
            (vec![("x-api-key", other.expose())], vec![]),
            (vec![("authorization", &*by_basic)], vec![]),
            (vec![], vec![("client_secret", other.expose())]),
            (vec![], vec![("client_id", "key_2")]),
        ] {
            let told = desk.form("/revoke", &headers, &[&[("token", token)], &parameters[..]].concat()).await;
            assert_eq!(told.error(), error(400, "invalid_grant"), "{headers:?} {parameters:?}");
            assert!(desk.is_active(token).await);
        }
        let wrong = desk.form("/revoke", &[("x-api-key", "ak_wrong")], &[("token", token)]).await;
        assert_eq!(wrong.error(), error(401, "invalid_client"));
        assert!(desk.is_active(token).await);
        assert_eq!(desk.form("/revoke", &desk.key(), &[("token", token)]).await.status, 200);
        assert!(!desk.is_active(token).await);
    }
}

#[tokio::test]
async fn r111_a_revocation_takes_effect_at_once_and_for_the_whole_session() {
    let desk = Desk::new();
    let session = desk.session(Some("web-app")).await;
    let (access, refresh) = (session.access_token.expose(), refresh_token(&session));
    let next = desk.json("/refresh", &[], &json!({ "refresh_token": refresh })).await;
    assert!(desk.is_active(access).await);
    let told = desk.form("/revoke", &[], &[("token", &next.text("refresh_token")), ("client_id", "web-app")]).await;
    assert_eq!(told.status, 200);
    for access in [access, &next.text("access_token")] {
        let introspected = desk.form("/introspect", &desk.key(), &[("token", access)]).await;
        assert_eq!(introspected.body, r#"{"active":false}"#);
    }
    let again = desk.json("/refresh", &[], &json!({ "refresh_token": next.text("refresh_token") })).await;
    assert_eq!(again.status, 401);

    let alone = desk.session(None).await;
    let revoke = post("/revoke", FORM, &[], form(&[("token", alone.access_token.expose())]));
    assert_eq!(ask(&desk.endpoints, revoke).await.status, 200);
    assert!(!desk.is_active(alone.access_token.expose()).await);
    let refreshed = desk.json("/refresh", &[], &json!({ "refresh_token": refresh_token(&alone) })).await;
    assert_eq!(refreshed.status, 200, "the session of a revoked access token goes on");
}
