//! What a refresh gives, and to whom.

use std::time::Duration;

use tower_auth::session::{SessionError, SessionFilter, SessionPolicy, TokenRequest};

use super::{Issuing, now, rt};

#[test]
fn r102_every_refresh_gives_a_new_token_and_invalidates_the_old_one() {
    let issuing = Issuing::new();
    let mut tokens = issuing.begin();
    let session = tokens.session.clone();
    let mut seen = vec![rt(&tokens).to_owned()];
    for _ in 0..5 {
        issuing.pass(60);
        tokens = issuing.refresh(rt(&tokens)).unwrap();
        assert_eq!(tokens.session, session, "one family");
        assert!(issuing.is_good(&tokens));
        assert!(!seen.contains(&rt(&tokens).to_owned()));
        seen.push(rt(&tokens).to_owned());
    }
    let family = now(issuing.sessions.list(&SessionFilter::subject("alice"))).unwrap();
    assert_eq!((family.len(), family[0].generation()), (1, 5));
}

#[test]
fn r104_a_refresh_token_can_be_neither_guessed_nor_changed() {
    let issuing = Issuing::new();
    let tokens = issuing.begin();
    let token = rt(&tokens);
    assert!(token.len() > 64 && token.starts_with("rt_"));
    for place in 0..token.len() {
        let mut changed = token.as_bytes().to_vec();
        changed[place] = if changed[place] == b'x' { b'y' } else { b'x' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(matches!(issuing.refresh(&changed), Err(SessionError::Unknown)), "{place}");
    }
    for made_up in
        ["", "rt_", "rt", "x", &"rt_".repeat(1000), &format!("{token} "), &token.to_uppercase(), "rt_\0", "é"]
    {
        assert!(matches!(issuing.refresh(made_up), Err(SessionError::Unknown)), "{made_up:?}");
    }
    // None of these has done anything to the session.
    assert!(issuing.refresh(token).is_ok());
}

#[test]
fn r105_the_new_token_has_the_scope_of_the_old_one_whatever_was_asked() {
    let issuing = Issuing::new();
    let tokens = issuing.begin();
    let narrow = now(issuing.sessions.refresh(rt(&tokens), &TokenRequest::new().scope("read"))).unwrap();
    assert_eq!(narrow.scopes, ["read"]);
    let wide = issuing.refresh(rt(&narrow)).unwrap();
    assert_eq!(wide.scopes, ["read", "write"]);
}

#[test]
fn r106_a_scope_that_was_not_granted_is_refused_and_uses_nothing_up() {
    let issuing = Issuing::new();
    let tokens = now(issuing
        .sessions
        .begin(tower_auth::session::Grant::of(&super::alice()), &TokenRequest::new().scope("read")))
    .unwrap();
    for scope in ["write", "read write", "admin"] {
        let refused = now(issuing.sessions.refresh(rt(&tokens), &TokenRequest::new().scope(scope)));
        assert!(matches!(refused, Err(SessionError::Scope(_))), "{scope}");
    }
    issuing.pass(3600);
    assert!(issuing.refresh(rt(&tokens)).is_ok());
}

#[test]
fn r101_a_refresh_token_is_bound_to_its_client() {
    let issuing = Issuing::new();
    let key = issuing.key(|new| new);
    for (tokens, client) in [(issuing.begin(), "web"), (issuing.exchange(&key), key.credential_id().unwrap())] {
        let ask = |client: &str| now(issuing.sessions.refresh(rt(&tokens), &TokenRequest::new().client(client)));
        assert!(matches!(ask("another"), Err(SessionError::WrongClient)), "{client}");
        assert!(ask(client).is_ok(), "{client}: the token was not used up");
    }
}

#[test]
fn r107_a_session_ends_when_it_is_idle_and_when_its_time_is_over() {
    let mut policy = SessionPolicy::default();
    (policy.idle, policy.absolute) = (Duration::from_secs(1000), Duration::from_secs(2500));
    let issuing = Issuing::with(policy.clone());
    let idle = issuing.begin();
    assert_eq!(idle.refresh_expires_in, Some(Duration::from_secs(1000)));
    issuing.pass(1000);
    assert!(matches!(issuing.refresh(rt(&idle)), Err(SessionError::Expired)));

    let issuing = Issuing::with(policy);
    let mut busy = issuing.begin();
    for _ in 0..4 {
        issuing.pass(600);
        busy = issuing.refresh(rt(&busy)).unwrap();
    }
    // After 2400 of 2500 seconds, also the access token ends with the session.
    let left = Duration::from_secs(100);
    assert_eq!((busy.refresh_expires_in, busy.expires_in), (Some(left), left));
    issuing.pass(99);
    assert!(issuing.is_good(&busy));
    issuing.pass(1);
    assert!(!issuing.is_good(&busy));
    assert!(matches!(issuing.refresh(rt(&busy)), Err(SessionError::Expired)));
}

#[test]
fn r108_a_retry_within_the_grace_gets_the_same_successor() {
    let issuing = Issuing::new();
    let first = issuing.begin();
    let second = issuing.refresh(rt(&first)).unwrap();
    for seconds in [0, 1, 28] {
        issuing.pass(seconds);
        let again = issuing.refresh(rt(&first)).unwrap();
        assert_eq!(rt(&again), rt(&second));
        assert_ne!(again.access_token.expose(), second.access_token.expose());
        assert!(issuing.is_good(&again) && issuing.is_good(&second));
    }
    let third = issuing.refresh(rt(&second)).unwrap();
    let late = issuing.refresh(rt(&first)).unwrap();
    assert_eq!(rt(&late), rt(&third), "two behind, and within the grace: the newest one, for there is no other");
}

#[test]
fn p29_a_retry_never_forks_and_the_loser_kills_no_session() {
    let issuing = Issuing::new();
    let mut tokens = issuing.begin();
    for _ in 0..50 {
        let old = rt(&tokens).to_owned();
        let all: Vec<_> = (0..4).map(|_| issuing.refresh(&old).unwrap()).collect();
        assert!(all.iter().all(|one| rt(one) == rt(&all[0])), "one successor");
        tokens = all.into_iter().next_back().unwrap();
        issuing.pass(1);
    }
    let family = now(issuing.sessions.list(&SessionFilter::subject("alice"))).unwrap();
    assert_eq!((family.len(), family[0].generation(), family[0].ended()), (1, 50, None));
}

#[test]
fn without_a_grace_a_retry_ends_the_session() {
    let mut policy = SessionPolicy::default();
    policy.grace = Duration::ZERO;
    let issuing = Issuing::with(policy);
    let first = issuing.begin();
    let second = issuing.refresh(rt(&first)).unwrap();
    assert!(issuing.refresh(rt(&first)).is_err());
    assert!(issuing.refresh(rt(&second)).is_err());
}

#[test]
fn a_key_may_be_exchanged_without_a_refresh_token() {
    let mut policy = SessionPolicy::default();
    policy.refresh_for_keys = false;
    let issuing = Issuing::with(policy);
    let key = issuing.key(|new| new);
    let tokens = issuing.exchange(&key);
    assert!(tokens.refresh_token.is_none() && tokens.session.is_none());
    assert!(issuing.is_good(&tokens));
    assert!(issuing.begin().refresh_token.is_some(), "a sign-in has one");
    let none = now(issuing
        .sessions
        .begin(tower_auth::session::Grant::of(&super::alice()), &TokenRequest::new().without_refresh()));
    assert!(none.unwrap().refresh_token.is_none());
}

#[test]
fn a_person_who_has_lost_a_role_loses_it_at_the_next_refresh() {
    use std::sync::{Arc, Mutex};

    use tower_auth::{MaybeReady, Principal, session::Sessions};

    let issuing = Issuing::new();
    let users: Arc<Mutex<Option<Principal>>> = Arc::default();
    let found = Arc::clone(&users);
    let builder = Sessions::builder(issuing.sessions.issuer().clone(), issuing.store.clone(), &super::peppers());
    let sessions = builder.recheck(move |_| MaybeReady::ready(Ok(found.lock().unwrap().clone()))).build().unwrap();
    let refresh = |token: &str| now(sessions.refresh(token, &TokenRequest::new()));
    let admin = super::alice().to_builder().roles(["admin"]).build();
    let first = now(sessions.begin(tower_auth::session::Grant::of(&admin), &TokenRequest::new())).unwrap();

    let other = Principal::builder("mallory").account("acme").scopes(["read", "admin"]).roles(["reader"]).build();
    *users.lock().unwrap() = Some(other);
    let second = refresh(rt(&first)).unwrap();
    let claims = super::exchanged::payload(second.access_token.expose());
    assert_eq!((&claims["sub"], &claims["roles"]), (&"alice".into(), &serde_json::json!(["reader"])));
    assert_eq!(claims["scope"], "read", "what both have");

    // The account that the holder has by now counts.
    let suspended = tower_auth::registry::Holder::account("unpaid");
    now(issuing.registry.suspend(super::ops(), suspended)).unwrap();
    *users.lock().unwrap() = Some(super::alice().to_builder().account("unpaid").build());
    assert!(matches!(refresh(rt(&second)), Err(SessionError::Suspended)));

    *users.lock().unwrap() = None;
    assert!(matches!(refresh(rt(&second)), Err(SessionError::Invalid(_))));
    *users.lock().unwrap() = Some(admin);
    assert!(refresh(rt(&second)).is_err(), "it was ended");
    // The sessions of keys are judged by their keys.
    let key = issuing.key(|new| new);
    *users.lock().unwrap() = None;
    let tokens = now(sessions.exchange(&key, &TokenRequest::new())).unwrap();
    assert!(refresh(rt(&tokens)).is_ok());
}

#[test]
fn a_check_of_the_holder_that_fails_uses_nothing_up() {
    use tower_auth::{MaybeReady, session::Sessions};

    let issuing = Issuing::new();
    let builder = Sessions::builder(issuing.sessions.issuer().clone(), issuing.store.clone(), &super::peppers());
    let down = builder.recheck(|_| MaybeReady::ready(Err("the table of users is locked".into()))).build().unwrap();
    let tokens = issuing.begin();
    let refused = now(down.refresh(rt(&tokens), &TokenRequest::new()));
    assert!(matches!(refused, Err(SessionError::Store(why)) if why.contains("locked")));
    issuing.pass(60);
    assert!(issuing.refresh(rt(&tokens)).is_ok());
}
