use std::time::SystemTime;

use super::parts::{
    HOUR, at, create, cut_off, cut_off_of, deny, end, find, forget, grant, is_denied, of_alice, session,
};
use crate::session::{CutOff, Outdated, SessionEnd, SessionFilter, SessionStore, TokenFacts};

/// Nothing is older than this.
const NOTHING: SystemTime = SystemTime::UNIX_EPOCH;

pub(super) async fn old_sessions_are_forgotten(store: &impl SessionStore) {
    let tick = std::time::Duration::from_micros(1);
    // They expire an hour later.
    for (id, time) in [("expired", at(0)), ("boundary", at(1)), ("live", at(9)), ("ended", at(9)), ("just", at(9))] {
        create(store, &session(id, &grant("alice"), time)).await;
    }
    create(store, &of_alice("both")).await;
    let before = at(1) + HOUR;
    assert!(end(store, "ended", before - tick, SessionEnd::Reused).await);
    assert!(end(store, "just", before, SessionEnd::Reused).await);
    assert!(end(store, "both", before + HOUR, SessionEnd::LoggedOut).await, "it has expired before it was ended");
    assert_eq!(forget(store, Outdated::new(before, before), 100).await, 3);
    for gone in ["expired", "ended", "both"] {
        assert_eq!(find(store, gone).await, None, "{gone}");
        let facts = TokenFacts { session: Some(gone), ..TokenFacts::default() };
        assert_eq!(store.look(&facts).await.expect("a token is looked up").session, None, "{gone}");
    }
    for kept in ["boundary", "live", "just"] {
        assert!(find(store, kept).await.is_some(), "{kept}");
    }
    let left = store.list(&SessionFilter::subject("alice")).await.expect("sessions are listed");
    assert_eq!(left.len(), 3);
    // A session with the id of one that is forgotten is a new one.
    create(store, &of_alice("expired")).await;
    assert_eq!(find(store, "expired").await, Some(of_alice("expired")));
}

pub(super) async fn denials_are_forgotten_when_the_token_has_expired(store: &impl SessionStore) {
    for (token, until) in [("old", at(1)), ("boundary", at(5)), ("later", at(9)), ("twice", at(9)), ("again", at(1))] {
        deny(store, token, until).await;
    }
    // The later time is kept.
    deny(store, "twice", at(2)).await;
    deny(store, "again", at(7)).await;
    assert_eq!(forget(store, Outdated::new(at(5), NOTHING), 100).await, 1);
    for (token, denied) in [("old", false), ("boundary", true), ("later", true), ("twice", true), ("again", true)] {
        assert_eq!(is_denied(store, token).await, denied, "{token}");
    }
    assert_eq!(forget(store, Outdated::new(at(8), at(8)), 100).await, 2);
    assert_eq!(forget(store, Outdated::new(at(10), NOTHING), 100).await, 2);
    assert!(!is_denied(store, "twice").await);
}

pub(super) async fn cut_offs_have_a_time_of_their_own(store: &impl SessionStore) {
    let subjects = [("old", at(1)), ("boundary", at(5)), ("later", at(9))];
    for (subject, time) in subjects {
        cut_off(store, &CutOff::subject(subject), time).await;
    }
    cut_off(store, &CutOff::Everyone, at(0)).await;
    assert_eq!(forget(store, Outdated::new(at(100), NOTHING), 100).await, 0);
    assert_eq!(cut_off_of(store, "old").await, Some(at(1)), "it is kept longer than sessions");
    assert_eq!(forget(store, Outdated::new(NOTHING, at(5)), 100).await, 1);
    // That of everyone stays.
    let kept = [("old", at(0)), ("boundary", at(5)), ("later", at(9)), ("a stranger", at(0))];
    for (subject, time) in kept {
        assert_eq!(cut_off_of(store, subject).await, Some(time), "{subject}");
    }
    // An earlier one is one again.
    cut_off(store, &CutOff::subject("old"), at(1)).await;
    assert_eq!(cut_off_of(store, "old").await, Some(at(1)));
}

pub(super) async fn a_cut_off_stays_while_it_voids_a_session(store: &impl SessionStore) {
    cut_off(store, &CutOff::subject("alice"), at(4)).await;
    // Another process had begun it before, and wrote it late.
    create(store, &session("late", &grant("alice"), at(3))).await;
    assert_eq!(forget(store, Outdated::new(NOTHING, at(9)), 100).await, 0);
    assert_eq!(cut_off_of(store, "alice").await, Some(at(4)));
    assert!(end(store, "late", at(5), SessionEnd::LoggedOut).await);
    assert_eq!(forget(store, Outdated::new(NOTHING, at(9)), 100).await, 1);
    assert_eq!(cut_off_of(store, "alice").await, None);
}

pub(super) async fn much_is_forgotten_in_batches(store: &impl SessionStore) {
    const ROWS: usize = 12;
    for number in 0..ROWS {
        let (id, subject) = (format!("session-{number}"), format!("subject-{}", number % 5));
        create(store, &session(&id, &grant(&subject), at(0))).await;
        if number % 2 == 0 {
            assert!(end(store, &id, at(1), SessionEnd::LoggedOut).await);
        }
        deny(store, &id, at(1)).await;
        cut_off(store, &CutOff::subject(format!("other-{number}")), at(1)).await;
    }
    create(store, &session("kept", &grant("subject-1"), at(0) + 9 * HOUR)).await;
    let what = Outdated::new(at(0) + 2 * HOUR, at(2));
    let first = store.forget(&what, 2).await.expect("rows are removed");
    // So many of each kind.
    assert!((1..=8).contains(&first), "{first} rows in a batch of 2");
    assert_eq!(first + forget(store, what, 2).await, 3 * ROWS);
    for number in 0..ROWS {
        let id = format!("session-{number}");
        assert!(find(store, &id).await.is_none() && !is_denied(store, &id).await, "{id}");
    }
    assert!(find(store, "kept").await.is_some());
}
