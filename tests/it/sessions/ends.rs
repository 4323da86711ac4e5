//! What ends tokens before their time, and what is known of a token.

use std::time::Duration;

use serde_json::json;
use tower_auth::{
    registry::{Holder, KeyUpdate},
    session::{Grant, SessionError, SessionFilter, SessionPolicy, TokenRequest},
    token::TokenStatus,
};

use super::{ISSUER, Issuing, alice, now, ops, rt};

#[test]
fn r115_a_log_out_denies_the_access_tokens_of_the_session_at_once() {
    let issuing = Issuing::new();
    let tokens = issuing.begin();
    let next = issuing.refresh(rt(&tokens)).unwrap();
    let others = issuing.begin();
    assert!([&tokens, &next, &others].iter().all(|tokens| issuing.is_good(tokens)));
    now(issuing.sessions.log_out(rt(&next))).unwrap();
    for tokens in [&tokens, &next] {
        assert_eq!(issuing.status(tokens.access_token.expose()), Some(TokenStatus::Revoked));
    }
    assert!(issuing.is_good(&others));
    assert!(now(issuing.sessions.end(others.session.as_deref().unwrap())).unwrap());
    assert!(!issuing.is_good(&others));
}

#[test]
fn r115_one_call_ends_all_sessions_of_a_subject_and_one_all() {
    let issuing = Issuing::new();
    let key = issuing.key(|new| new);
    let stateless =
        || now(issuing.sessions.begin(Grant::of(&alice()), &TokenRequest::new().without_refresh())).unwrap();
    let old = [issuing.begin(), issuing.begin()];
    let (bare, of_key) = (stateless(), issuing.exchange(&key));
    now(issuing.sessions.end_all_of("alice")).unwrap();
    for tokens in &old {
        assert!(!issuing.is_good(tokens));
        assert!(matches!(issuing.refresh(rt(tokens)), Err(SessionError::Invalid(_))));
    }
    assert!(!issuing.is_good(&bare), "a token without a session too");
    assert!(issuing.is_good(&of_key), "another subject goes on");
    issuing.clock.advance(Duration::from_millis(1));
    let new = issuing.begin();
    assert!(
        issuing.is_good(&new) && issuing.refresh(rt(&new)).is_ok(),
        "a session that begins later, in the same second"
    );
    issuing.pass(1);
    assert!(issuing.is_good(&stateless()));

    now(issuing.sessions.end_all()).unwrap();
    for tokens in [&new, &of_key] {
        assert!(!issuing.is_good(tokens) && issuing.refresh(rt(tokens)).is_err());
    }
    for filter in [SessionFilter::subject("alice"), SessionFilter::subject("acme")] {
        let listed = now(issuing.sessions.list(&filter)).unwrap();
        assert!(!listed.is_empty() && listed.iter().all(|session| session.ended().is_some()));
    }
    issuing.pass(1);
    assert!(issuing.is_good(&issuing.exchange(&key)));
}

#[test]
fn a_session_of_a_process_whose_clock_is_ahead_is_ended_too() {
    let (ahead, behind) = (Issuing::new(), Issuing::new());
    let behind = Issuing::over(ahead.store.clone(), ahead.store.clone(), behind.sessions.policy().clone());
    ahead.pass(20);
    let tokens = ahead.begin();
    now(behind.sessions.end_all_of("alice")).unwrap();
    assert!(ahead.refresh(rt(&tokens)).is_err());
    // The sign-in that follows is good, although the cut-off is in the future of this process.
    let new = behind.begin();
    assert!(behind.is_good(&new) && behind.refresh(rt(&new)).is_ok());
    let bare = now(behind.sessions.begin(Grant::of(&alice()), &TokenRequest::new().without_refresh())).unwrap();
    assert!(behind.is_good(&bare));
}

#[test]
fn what_is_forgotten_makes_nothing_good_again() {
    let mut short = SessionPolicy::default();
    (short.idle, short.absolute) = (Duration::from_secs(3600), Duration::from_secs(3600));
    let issuing = Issuing::new();
    let housekeeper = Issuing::over(issuing.store.clone(), issuing.store.clone(), short);
    let (alice, of_key) = (issuing.begin(), issuing.exchange(&issuing.key(|new| new)));
    let out = issuing.begin();
    now(issuing.sessions.log_out(rt(&out))).unwrap();
    now(issuing.sessions.end_all()).unwrap();
    issuing.pass(1);
    let live = issuing.begin();
    now(async {
        let upkeep = housekeeper.sessions.start();
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        housekeeper.clock.advance(Duration::from_secs(3 * 3600));
        while now_listed(&issuing) > 2 {
            tokio::task::yield_now().await;
        }
        upkeep.stop().await;
    });
    for tokens in [&alice, &of_key, &out] {
        assert!(issuing.refresh(rt(tokens)).is_err(), "ended for ever");
        assert!(!issuing.is_good(tokens));
    }
    assert!(issuing.refresh(rt(&live)).is_ok());
}

/// How many sessions of alice are stored.
fn now_listed(issuing: &Issuing) -> usize {
    use futures_util::FutureExt as _;
    let listed = issuing.sessions.list(&SessionFilter::subject("alice")).now_or_never();
    listed.unwrap().unwrap().len()
}

#[test]
fn r116_a_revoked_or_paused_key_and_a_suspended_account_block_everything_at_once() {
    let issuing = Issuing::new();
    let key = issuing.key(|new| new);
    let id = key.credential_id().unwrap();
    let tokens = issuing.exchange(&key);
    let status = || issuing.status(tokens.access_token.expose()).unwrap();
    let refresh = || issuing.refresh(rt(&tokens)).map(drop);
    now(issuing.registry.pause(ops(), id)).unwrap();
    assert_eq!(status(), TokenStatus::Revoked);
    assert!(matches!(refresh(), Err(SessionError::KeyInactive)));
    now(issuing.registry.resume(ops(), id)).unwrap();
    assert_eq!(status(), TokenStatus::Valid);
    for holder in [Holder::account("acme"), Holder::organization("org")] {
        now(issuing.registry.suspend(ops(), holder.clone())).unwrap();
        assert_eq!(status(), TokenStatus::Suspended);
        assert!(matches!(refresh(), Err(SessionError::Suspended)));
        now(issuing.registry.reinstate(ops(), holder)).unwrap();
        assert_eq!(status(), TokenStatus::Valid);
    }
    let expiry = KeyUpdate::new().expires_at(Some(issuing.clock.now() + Duration::from_secs(10)));
    now(issuing.registry.update(ops(), id, expiry)).unwrap();
    issuing.pass(10);
    assert_eq!(status(), TokenStatus::Revoked, "an expiry that was moved");
    now(issuing.registry.update(ops(), id, KeyUpdate::new().expires_at(None))).unwrap();
    assert!(refresh().is_ok(), "nothing of it has used the token up");
    now(issuing.registry.revoke(ops(), id)).unwrap();
    assert_eq!(status(), TokenStatus::Revoked);
    assert!(matches!(refresh(), Err(SessionError::KeyInactive)));
}

#[test]
fn r116_a_suspended_account_blocks_the_sessions_of_people_too() {
    let issuing = Issuing::new();
    let tokens = issuing.begin();
    now(issuing.registry.suspend(ops(), Holder::account("acme"))).unwrap();
    assert_eq!(issuing.status(tokens.access_token.expose()), Some(TokenStatus::Suspended));
    assert!(matches!(issuing.refresh(rt(&tokens)), Err(SessionError::Suspended)));
    let again = now(issuing.sessions.begin(Grant::of(&alice()), &TokenRequest::new()));
    assert!(matches!(again, Err(SessionError::Suspended)));
}

#[test]
fn a_deleted_key_ends_its_tokens() {
    let issuing = Issuing::new();
    let key = issuing.key(|new| new);
    let tokens = issuing.exchange(&key);
    now(issuing.registry.delete(ops(), key.credential_id().unwrap())).unwrap();
    assert!(!issuing.is_good(&tokens) && issuing.refresh(rt(&tokens)).is_err());
}

#[test]
fn a_rotated_key_keeps_its_tokens_until_the_overlap_ends() {
    let issuing = Issuing::new();
    let key = issuing.key(|new| new);
    let tokens = issuing.exchange(&key);
    now(issuing.registry.rotate(ops(), key.credential_id().unwrap(), Duration::from_secs(120))).unwrap();
    issuing.pass(119);
    assert!(issuing.is_good(&tokens));
    let next = issuing.refresh(rt(&tokens)).unwrap();
    assert_eq!(next.expires_in, Duration::from_secs(1));
    issuing.pass(1);
    assert!(!issuing.is_good(&tokens) && !issuing.is_good(&next) && issuing.refresh(rt(&next)).is_err());
}

#[test]
fn r111_a_revoked_refresh_token_ends_its_session_and_a_revoked_access_token_only_itself() {
    let issuing = Issuing::new();
    let tokens = issuing.begin();
    let next = issuing.refresh(rt(&tokens)).unwrap();
    let revoke = |token: &str| now(issuing.sessions.revoke(token, None)).unwrap();
    assert!(revoke(tokens.access_token.expose()));
    assert_eq!(issuing.status(tokens.access_token.expose()), Some(TokenStatus::Revoked));
    assert!(issuing.is_good(&next), "another token of the session");
    assert!(revoke(rt(&next)));
    assert!(!issuing.is_good(&next) && issuing.refresh(rt(&next)).is_err());
    for unknown in [rt(&next), "", "rt_", "a.b.c", "made up"] {
        assert!(!revoke(unknown), "{unknown:?}");
    }
}

#[test]
fn r110_a_token_of_another_client_is_not_revoked() {
    let issuing = Issuing::new();
    let tokens = issuing.begin();
    for token in [rt(&tokens), tokens.access_token.expose()] {
        let refused = now(issuing.sessions.revoke(token, Some("another")));
        assert!(matches!(refused, Err(SessionError::WrongClient)));
        assert!(issuing.is_good(&tokens));
    }
    assert!(now(issuing.sessions.revoke(rt(&tokens), Some("web"))).unwrap());
}

#[test]
fn r113_of_a_token_that_cannot_be_used_nothing_is_said() {
    let issuing = Issuing::new();
    let tokens = issuing.begin();
    let inspect = |token: &str| now(issuing.sessions.introspect(token)).unwrap().to_json();
    let inspect_refresh = |token: &str| now(issuing.sessions.introspect_refresh_token(token)).unwrap().to_json();
    let access = inspect(tokens.access_token.expose());
    assert_eq!((&access["active"], &access["token_type"]), (&json!(true), &json!("Bearer")));
    assert_eq!(
        (&access["sub"], &access["iss"], &access["client_id"]),
        (&json!("alice"), &json!(ISSUER), &json!("web"))
    );
    assert_eq!((&access["scope"], &access["exp"]), (&json!("read write"), &json!(1_800_000_900)));
    let refresh = inspect_refresh(rt(&tokens));
    assert_eq!((&refresh["active"], &refresh["sid"]), (&json!(true), &json!(tokens.session)));
    assert_eq!((&refresh["token_use"], refresh.get("token_type")), (&json!("refresh_token"), None));

    let inactive = json!({ "active": false });
    assert_eq!(inspect(rt(&tokens)), inactive, "no path from a refresh token to an access check");
    assert_eq!(inspect_refresh(tokens.access_token.expose()), inactive, "nor the other way round");
    let next = issuing.refresh(rt(&tokens)).unwrap();
    assert_eq!(inspect_refresh(rt(&tokens)), inactive, "a replaced one");
    for token in ["", "a.b.c", "rt_x"] {
        assert_eq!((inspect(token), inspect_refresh(token)), (inactive.clone(), inactive.clone()), "{token:?}");
    }
    issuing.pass(900);
    assert_eq!(inspect(next.access_token.expose()), inactive, "an expired one");
    let last = issuing.refresh(rt(&next)).unwrap();
    now(issuing.sessions.log_out(rt(&last))).unwrap();
    for token in [last.access_token.expose(), rt(&last)] {
        assert_eq!((inspect(token), inspect_refresh(token)), (inactive.clone(), inactive.clone()), "after the log-out");
    }
}

#[test]
fn a_token_of_another_issuer_is_none_of_its_business() {
    use tower_auth::{BearerLayer, token::TokenRevocation as _};
    let issuing = Issuing::new();
    let key = crate::tokens::mint::key("es256");
    let verifier = crate::tokens::strict().build().unwrap();
    let token = key.token(crate::tokens::NOW);
    let claims = now(async { verifier.verify(&token, &(&issuing.clock).into()).await }).unwrap();
    now(issuing.sessions.end_all()).unwrap();
    let status = now(async { issuing.sessions.status(&claims).await }).unwrap();
    assert_eq!(status, TokenStatus::Valid);
    let _layer = BearerLayer::new(verifier).or(issuing.own.clone()).revocation(issuing.sessions.clone());
}
