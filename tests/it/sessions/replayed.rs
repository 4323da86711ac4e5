//! Every old token, presented again: none opens anything.

use tower_auth::{
    Peppers,
    session::{
        IssuedTokens, SessionEnd, SessionError, SessionFilter, SessionPolicy, Sessions, TokenIssuer, TokenRequest,
    },
    token::TokenStatus,
};

use super::{ISSUER, Issuing, now, peppers, rt};

/// A session that was refreshed so often, with a minute between.
fn refreshed(issuing: &Issuing, times: usize) -> Vec<IssuedTokens> {
    let mut all = vec![issuing.begin()];
    for _ in 0..times {
        issuing.pass(60);
        let next = issuing.refresh(rt(all.last().unwrap())).unwrap();
        all.push(next);
    }
    all
}

#[test]
fn r103_a_replaced_token_of_any_age_ends_its_session() {
    for age in 0..6 {
        let issuing = Issuing::new();
        let all = refreshed(&issuing, 6);
        let others = issuing.begin();
        issuing.pass(31);
        assert!(matches!(issuing.refresh(rt(&all[age])), Err(SessionError::Invalid(_))), "{age}");
        for (place, tokens) in all.iter().enumerate() {
            assert!(matches!(issuing.refresh(rt(tokens)), Err(SessionError::Invalid(_))), "{age} {place}");
        }
        assert_eq!(issuing.status(all[6].access_token.expose()), Some(TokenStatus::Revoked), "its access token too");
        assert!(issuing.is_good(&others) && issuing.refresh(rt(&others)).is_ok(), "another session of alice goes on");
        let family = now(issuing.sessions.list(&SessionFilter::subject("alice"))).unwrap();
        let ended = family.iter().filter(|session| session.ended().is_some());
        assert!(ended.map(|session| session.ended().unwrap().1).eq([SessionEnd::Reused]), "{age}");
    }
}

#[test]
fn after_a_log_out_no_token_of_the_session_is_good() {
    let issuing = Issuing::new();
    let all = refreshed(&issuing, 3);
    assert!(now(issuing.sessions.log_out(rt(&all[3]))).unwrap());
    for tokens in &all {
        assert!(issuing.refresh(rt(tokens)).is_err());
        assert_ne!(issuing.status(tokens.access_token.expose()), Some(TokenStatus::Valid));
    }
    assert!(!now(issuing.sessions.log_out(rt(&all[3]))).unwrap(), "it has ended");
    assert!(!now(issuing.sessions.log_out("rt_made-up")).unwrap());
}

#[test]
fn a_log_out_with_a_replaced_token_ends_the_session() {
    let issuing = Issuing::new();
    let all = refreshed(&issuing, 3);
    assert!(now(issuing.sessions.log_out(rt(&all[0]))).unwrap());
    assert!(issuing.refresh(rt(&all[3])).is_err());
}

#[test]
fn a_clock_that_is_set_back_or_forward_makes_no_old_token_good() {
    let issuing = Issuing::new();
    let all = refreshed(&issuing, 4);
    now(issuing.sessions.log_out(rt(&all[4]))).unwrap();
    for time in ["2027-01-15T07:00:00Z", "2020-01-01T00:00:00Z", "2027-01-15T08:02:01Z", "2027-02-01T00:00:00Z"] {
        issuing.clock.set(time);
        for tokens in &all {
            assert!(issuing.refresh(rt(tokens)).is_err(), "{time}");
            assert_ne!(issuing.status(tokens.access_token.expose()), Some(TokenStatus::Valid), "{time}");
        }
    }
}

#[test]
fn a_replaced_token_whose_time_is_forgotten_is_refused_at_any_time() {
    let issuing = Issuing::new();
    let all = refreshed(&issuing, 4);
    // Generations 0 to 2 were replaced before the grace of the last refresh.
    issuing.clock.set("2027-01-15T08:00:30Z");
    assert!(issuing.refresh(rt(&all[1])).is_err());
    assert!(issuing.refresh(rt(&all[4])).is_err(), "the session was ended");
}

#[test]
fn more_refreshes_than_a_session_remembers_are_no_hole() {
    let issuing = Issuing::new();
    let mut all = vec![issuing.begin()];
    for _ in 0..40 {
        let next = issuing.refresh(rt(all.last().unwrap())).unwrap();
        all.push(next);
    }
    // 32 replacements are remembered, so generation 8 is, and 7 is not.
    assert_eq!(rt(&issuing.refresh(rt(&all[8])).unwrap()), rt(&all[40]));
    assert!(issuing.refresh(rt(&all[7])).is_err());
    assert!(issuing.refresh(rt(&all[40])).is_err());
}

#[test]
fn there_is_no_way_from_a_refresh_token_to_an_access_check_nor_back() {
    let issuing = Issuing::new();
    let tokens = issuing.begin();
    let (access, refresh) = (tokens.access_token.expose(), rt(&tokens));
    assert!(issuing.claims(refresh).is_none());
    for access in [access.to_owned(), format!("rt_{access}")] {
        assert!(matches!(issuing.refresh(&access), Err(SessionError::Unknown)));
        assert!(!now(issuing.sessions.log_out(&access)).unwrap());
    }
    let body = refresh.strip_prefix("rt_").unwrap();
    for made in [body.to_owned(), format!("{body}.{body}.{body}"), format!("e30.{body}.{body}")] {
        assert!(issuing.claims(&made).is_none());
    }
    let exchange = now(issuing.sessions.exchange_token(refresh, None, &TokenRequest::new()));
    assert!(matches!(exchange, Err(SessionError::Subject(_))));
    assert!(issuing.refresh(refresh).is_ok());
}

#[test]
fn tokens_of_other_peppers_other_issuers_and_a_restored_store_are_refused_and_end_nothing() {
    let issuing = Issuing::new();
    let twin = Issuing::over(issuing.store.clone(), issuing.store.clone(), SessionPolicy::default());
    let tokens = issuing.begin();
    assert!(twin.refresh(rt(&tokens)).is_ok(), "the same peppers, issuer and store are another process of one service");
    let keys = issuing.sessions.issuer().keys().clone();
    let issuer = |name: &str| TokenIssuer::new(name, keys.clone()).unwrap();
    let other_peppers = Peppers::new(1, [8; 32]).unwrap();
    for (issuer, peppers) in [(issuer("https://test.example.com"), peppers()), (issuer(ISSUER), other_peppers)] {
        let stranger = Sessions::builder(issuer, issuing.store.clone(), &peppers).build().unwrap();
        let refused = now(stranger.refresh(rt(&tokens), &TokenRequest::new()));
        assert!(matches!(refused, Err(SessionError::Unknown)));
        assert!(!now(stranger.log_out(rt(&tokens))).unwrap());
    }
    assert!(issuing.refresh(rt(&tokens)).is_ok());

    // A store that was restored from a backup has an older generation than the token.
    let (first, second) = (Issuing::new(), Issuing::new());
    let tokens = first.begin();
    let sid = tokens.session.as_deref().unwrap();
    let stored = now(first.sessions.list(&SessionFilter::subject("alice"))).unwrap();
    let backup = stored.iter().find(|session| session.id() == sid).unwrap().clone();
    let next = first.refresh(rt(&tokens)).unwrap();
    now(async { tower_auth::session::SessionStore::create(&second.store, &backup).await }).unwrap();
    assert!(matches!(second.refresh(rt(&next)), Err(SessionError::Invalid(_))));
    assert!(second.refresh(rt(&tokens)).is_ok(), "the session that the backup has goes on");
}

#[test]
fn a_pepper_is_replaced_while_sessions_go_on() {
    let issuing = Issuing::new();
    let over = |peppers: &Peppers| {
        Sessions::builder(issuing.sessions.issuer().clone(), issuing.store.clone(), peppers).build().unwrap()
    };
    let both = over(&Peppers::new(2, [9; 32]).unwrap().accept(1, [7; 32]).unwrap());
    let only = over(&Peppers::new(2, [9; 32]).unwrap());
    let refresh = |sessions: &Sessions, token: &str| now(sessions.refresh(token, &TokenRequest::new()));

    let first = issuing.begin();
    let second = refresh(&both, rt(&first)).unwrap();
    assert_eq!(rt(&refresh(&both, rt(&first)).unwrap()), rt(&second), "a retry at a process that has both");
    let error = refresh(&issuing.sessions, rt(&first)).unwrap_err();
    assert!(error.to_string().contains("pepper"), "a process without the new pepper cannot repeat the answer: {error}");
    assert!(refresh(&only, rt(&first)).is_err(), "the old pepper is gone");
    let third = refresh(&only, rt(&second)).unwrap();
    issuing.pass(31);
    assert!(refresh(&only, rt(&third)).is_ok());
}
