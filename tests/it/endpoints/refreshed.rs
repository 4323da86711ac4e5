//! Refresh and log-out by a body: rules 101 and 106, and the grant `refresh_token` of OAuth.

use std::time::Duration;

use tower_auth::RejectionKind;

use super::{Desk, claims, error, json, refresh_token};

const GRANT: (&str, &str) = ("grant_type", "refresh_token");

#[tokio::test]
async fn a_refresh_answers_the_next_tokens() {
    let desk = Desk::new();
    let first = desk.exchanged().await;
    let told = desk.json("/refresh", &[], &json!({ "refresh_token": first["refresh_token"] })).await;
    let next = told.json();
    assert_eq!(next.as_object().unwrap().len(), 5);
    assert_eq!((&next["token_type"], &next["expires_in"]), (&json!("Bearer"), &json!(900)));
    assert_eq!(next["scope"], "read write inspect");
    assert_ne!(next["refresh_token"], first["refresh_token"]);
    let sid = |tokens: &super::Value| claims(tokens["access_token"].as_str().unwrap())["sid"].clone();
    assert_eq!(sid(&next), sid(&first));

    let by_form = desk.form("/token", &[], &[GRANT, ("refresh_token", next["refresh_token"].as_str().unwrap())]).await;
    assert_eq!(by_form.json().as_object().unwrap().len(), 5, "{by_form:?}");
    assert_eq!(sid(&by_form.json()), sid(&first));
}

#[tokio::test]
async fn a_refresh_token_that_cannot_be_used_is_refused_alike() {
    let desk = Desk::new();
    let first = desk.exchanged().await["refresh_token"].as_str().unwrap().to_owned();
    desk.json("/refresh", &[], &json!({ "refresh_token": first })).await;
    desk.hand.advance(Duration::from_secs(31));
    let changed = format!("{}A", &first[..first.len() - 1]);
    let mut bodies = Vec::new();
    for token in [&*first, &changed, "rt_", "", "ak_1", desk.key.expose(), "rt_\u{1F511}\u{0}"] {
        let told = desk.json("/refresh", &[], &json!({ "refresh_token": token })).await;
        assert_eq!(told.kind(), (401, RejectionKind::InvalidToken), "{token}");
        if token.bytes().all(|byte| byte.is_ascii_graphic()) && !token.is_empty() {
            let told = desk.form("/token", &[], &[GRANT, ("refresh_token", token)]).await;
            assert_eq!(told.error(), error(400, "invalid_grant"), "{token}");
            assert_eq!(told.refusal.as_ref().unwrap().status().as_u16(), 401, "it may be a guess");
            bodies.push(told.body);
        }
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    let missing = desk.form("/token", &[], &[GRANT, ("refresh_token", "")]).await;
    assert_eq!(missing.error(), error(400, "invalid_request"));
}

#[tokio::test]
async fn an_expired_session_says_so() {
    let desk = Desk::new();
    let session = desk.session(None).await;
    desk.hand.advance(Duration::from_secs(15 * 24 * 3600));
    let told = desk.json("/refresh", &[], &json!({ "refresh_token": refresh_token(&session) })).await;
    assert_eq!(told.kind(), (401, RejectionKind::ExpiredToken));
    let told = desk.form("/token", &[], &[GRANT, ("refresh_token", refresh_token(&session))]).await;
    assert_eq!(told.error(), error(400, "invalid_grant"));
}

#[tokio::test]
async fn r101_a_refresh_token_is_bound_to_its_client() {
    let desk = Desk::new();
    let other = desk.other_key("key_2");
    let of_key = desk.exchanged().await["refresh_token"].as_str().unwrap().to_owned();
    let of_page = desk.session(Some("web-app")).await;
    let (of_key, of_page) = (&*of_key, refresh_token(&of_page));
    let stranger = [("x-api-key", other.expose())];
    for (headers, parameters) in [
        (&stranger[..], vec![("refresh_token", of_key)]),
        (&[], vec![("refresh_token", of_key), ("client_id", "key_2")]),
        (&[], vec![("refresh_token", of_key), ("client_secret", other.expose())]),
        (&stranger[..], vec![("refresh_token", of_page)]),
        (&[], vec![("refresh_token", of_page), ("client_id", "another-app")]),
    ] {
        let told = desk.form("/token", headers, &[&[GRANT], &parameters[..]].concat()).await;
        assert_eq!(told.error(), error(400, "invalid_grant"), "{parameters:?}");
    }
    let own = desk.grant(&[GRANT, ("refresh_token", of_key), ("client_id", "key_1")]).await;
    assert_eq!(own.status, 200, "another client's attempt changes nothing");
    let own = desk.form("/token", &[], &[GRANT, ("refresh_token", of_page), ("client_id", "web-app")]).await;
    assert_eq!(claims(&own.text("access_token"))["client_id"], "web-app");
}

/// A client that sends its key with every request, whoever has signed in.
#[tokio::test]
async fn r101_a_session_of_no_client_belongs_to_whoever_has_its_token() {
    let desk = Desk::new();
    let session = desk.session(None).await;
    let next = desk.grant(&[GRANT, ("refresh_token", refresh_token(&session))]).await;
    assert_eq!(next.status, 200, "{next:?}");
    for token in [next.text("access_token"), next.text("refresh_token")] {
        assert_eq!(desk.form("/revoke", &desk.key(), &[("token", &token)]).await.status, 200);
        assert!(!desk.is_active(&token).await);
    }
}

/// Both keys are valid until the overlap of a rotation ends.
#[tokio::test]
async fn r101_a_key_and_its_successor_are_one_client() {
    use tower_auth::{KeyRegistry, NewKey, Principal};
    let desk = Desk::new();
    let registry = KeyRegistry::new(desk.scheme.clone(), desk.store.clone());
    let admin = Principal::builder("admin").build();
    let first = registry.create(&admin, NewKey::named("ci").account("acme").scopes(["read"])).await.unwrap();
    // The registry has the time of the system, which is not that of the desk.
    let years = Duration::from_secs(3650 * 24 * 3600);
    let second = registry.rotate(&admin, first.key.id(), years).await.unwrap();
    let keys = [("x-api-key", first.secret.expose()), ("x-api-key", second.secret.expose())];
    for (owner, other) in [(0, 1), (1, 0)] {
        let told = super::ask(&desk.endpoints, super::bare("/token", &keys[owner..=owner])).await;
        let told =
            desk.form("/token", &keys[other..=other], &[GRANT, ("refresh_token", &told.text("refresh_token"))]).await;
        assert_eq!(told.status, 200, "{told:?}");
        let stranger = desk.grant(&[GRANT, ("refresh_token", &told.text("refresh_token"))]).await;
        assert_eq!(stranger.error(), error(400, "invalid_grant"));
        for token in [told.text("access_token"), told.text("refresh_token")] {
            assert_eq!(desk.form("/revoke", &keys[other..=other], &[("token", &token)]).await.status, 200);
        }
    }
}

#[tokio::test]
async fn r101_a_wrong_key_beside_a_good_refresh_token_is_told() {
    let desk = Desk::new();
    let session = desk.session(None).await;
    let headers = [("x-api-key", "ak_0000000000000000000000000000000000000000")];
    let told = desk.form("/token", &headers, &[GRANT, ("refresh_token", refresh_token(&session))]).await;
    assert_eq!(told.error(), error(401, "invalid_client"));
}

#[tokio::test]
async fn r106_a_refresh_asks_for_a_part_of_the_scopes() {
    let desk = Desk::new();
    let session = desk.session(None).await;
    let mut token = refresh_token(&session).to_owned();
    for (asked, granted) in [("read", "read"), ("write", "write"), ("read write", "read write"), ("", "read write")] {
        let told = desk.form("/token", &[], &[GRANT, ("refresh_token", &token), ("scope", asked)]).await;
        assert_eq!(told.text("scope"), granted);
        token = told.text("refresh_token");
    }
    for asked in ["read admin", "admin", "READ"] {
        let told = desk.form("/token", &[], &[GRANT, ("refresh_token", &token), ("scope", asked)]).await;
        assert_eq!(told.error(), error(400, "invalid_scope"), "{asked}");
    }
    let told = desk.form("/token", &[], &[GRANT, ("refresh_token", &token)]).await;
    assert_eq!(told.text("scope"), "read write", "the refused requests have not used the token up");
}

#[tokio::test]
async fn a_log_out_ends_the_session_and_never_says_whether_there_was_one() {
    let desk = Desk::new();
    let session = desk.session(None).await;
    let body = json!({ "refresh_token": refresh_token(&session) });
    assert!(desk.is_active(session.access_token.expose()).await);
    for body in [&body, &body, &json!({ "refresh_token": "rt_unknown" }), &json!({ "refresh_token": "" })] {
        let told = desk.json("/logout", &[], body).await;
        assert_eq!((told.status, &told.json()["success"]), (200, &json!(true)));
        assert!(told.json()["message"].is_string() && told.json()["logged_out_at"].is_string());
        assert_eq!(told.header("set-cookie"), None);
    }
    assert!(!desk.is_active(session.access_token.expose()).await);
    assert_eq!(desk.json("/refresh", &[], &body).await.kind(), (401, RejectionKind::InvalidToken));
}
