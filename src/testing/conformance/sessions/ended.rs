use std::time::SystemTime;

use super::parts::{HOUR, at, create, cut_off, cut_off_of, end, find, grant, next, of_alice, rotate, session, with};
use crate::session::{CutOff, SessionEnd, SessionStore};

async fn ended(store: &impl SessionStore, id: &str) -> Option<(SystemTime, SessionEnd)> {
    find(store, id).await.expect("the session is there").ended()
}

pub(super) async fn a_session_ends_once(store: &impl SessionStore) {
    assert!(!end(store, "reused", at(1), SessionEnd::Reused).await, "there is none");
    for why in SessionEnd::ALL {
        let session = of_alice(why.as_str());
        create(store, &session).await;
        assert!(end(store, session.id(), at(5), *why).await);
        for (later, other) in [(at(5), *why), (at(4), SessionEnd::Revoked), (at(6), SessionEnd::LoggedOut)] {
            assert!(!end(store, session.id(), later, other).await, "it has ended before");
        }
        assert_eq!(find(store, session.id()).await, Some(session.ended_at(at(5), *why)), "the first end stays");
    }
    let expired = of_alice("expired");
    create(store, &expired).await;
    assert!(end(store, "expired", expired.expires_at() + HOUR, SessionEnd::LoggedOut).await, "an expired one, too");
}

pub(super) async fn all_sessions_of_a_subject_end(store: &impl SessionStore) {
    for (id, subject) in [("a1", "alice"), ("a2", "alice"), ("gone", "alice"), ("b", "bob"), ("c", "Alice")] {
        create(store, &session(id, &grant(subject), at(0))).await;
    }
    assert!(rotate(store, &next(&of_alice("a2"))).await);
    assert!(end(store, "gone", at(1), SessionEnd::Reused).await);
    let alice = CutOff::subject("alice");
    cut_off(store, &alice, at(5)).await;
    let logged_out = Some((at(5), SessionEnd::LoggedOut));
    assert_eq!(ended(store, "a1").await, logged_out);
    assert_eq!(find(store, "a2").await, Some(next(&of_alice("a2")).ended_at(at(5), SessionEnd::LoggedOut)));
    assert_eq!(ended(store, "gone").await, Some((at(1), SessionEnd::Reused)), "the first end stays");
    assert_eq!((ended(store, "b").await, ended(store, "c").await), (None, None), "other subjects");
    assert_eq!((cut_off_of(store, "alice").await, cut_off_of(store, "bob").await), (Some(at(5)), None));
    // Sessions that begin afterwards.
    let later = session("later", &grant("alice"), at(6));
    create(store, &later).await;
    assert!(rotate(store, &next(&later)).await && !rotate(store, &next(&of_alice("a1"))).await);
    cut_off(store, &CutOff::subject("nobody"), at(5)).await;
    assert_eq!(cut_off_of(store, "nobody").await, Some(at(5)), "a subject without sessions, but perhaps with tokens");
}

/// Sessions may be millions, so a cut-off of everyone is one row.
pub(super) async fn a_cut_off_of_everyone_is_that_of_each_subject(store: &impl SessionStore) {
    for (id, subject) in [("a", "alice"), ("b", "bob"), ("everyone", "everyone"), ("empty", "")] {
        create(store, &session(id, &grant(subject), at(0))).await;
    }
    assert!(end(store, "b", at(1), SessionEnd::Revoked).await);
    // A subject is not everyone, whatever its name is.
    for subject in ["everyone", ""] {
        cut_off(store, &CutOff::subject(subject), at(2)).await;
    }
    assert_eq!((ended(store, "a").await, cut_off_of(store, "alice").await), (None, None));
    cut_off(store, &CutOff::Everyone, at(5)).await;
    for subject in ["alice", "bob", "a stranger", ""] {
        assert_eq!(cut_off_of(store, subject).await, Some(at(5)), "{subject}");
    }
    assert_eq!(find(store, "a").await, Some(session("a", &grant("alice"), at(0))), "no session is changed");
    assert_eq!(ended(store, "b").await, Some((at(1), SessionEnd::Revoked)));
    assert_eq!(ended(store, "empty").await, Some((at(2), SessionEnd::LoggedOut)));
}

pub(super) async fn a_cut_off_is_never_earlier_than_another(store: &impl SessionStore) {
    for (whose, from) in [(CutOff::subject("alice"), 0), (CutOff::Everyone, 10)] {
        for (time, kept) in [(5, 5), (3, 5), (5, 5), (7, 7)] {
            cut_off(store, &whose, at(from + time)).await;
            assert_eq!(cut_off_of(store, "alice").await, Some(at(from + kept)), "{whose:?}");
        }
    }
    // An earlier cut-off ends what a process whose clock is behind has created meanwhile.
    create(store, &session("behind", &grant("alice"), at(1))).await;
    cut_off(store, &CutOff::subject("alice"), at(2)).await;
    assert_eq!(ended(store, "behind").await, Some((at(2), SessionEnd::LoggedOut)));
    assert_eq!(cut_off_of(store, "alice").await, Some(at(17)));
}

/// The creation of a session is later than the time of the call, because another process has created it.
pub(super) async fn a_session_of_a_clock_that_is_ahead_is_cut_off(store: &impl SessionStore) {
    let (alice, bob) = (CutOff::subject("alice"), CutOff::subject("bob"));
    create(store, &session("ahead", &grant("alice"), at(30))).await;
    create(store, &session("far", &grant("bob"), at(60))).await;
    create(store, &of_alice("behind")).await;
    cut_off(store, &alice, at(5)).await;
    assert_eq!(cut_off_of(store, "alice").await, Some(at(30)), "the newest creation, of this subject");
    assert_eq!(ended(store, "ahead").await, Some((at(5), SessionEnd::LoggedOut)), "ended at the time of the call");
    assert_eq!(cut_off_of(store, "bob").await, None);
    cut_off(store, &CutOff::Everyone, at(6)).await;
    assert_eq!(cut_off_of(store, "alice").await, Some(at(60)), "the newest creation of all");
    // A later use does not count: its tokens have the same session, which has ended.
    let used = with(&session("used", &grant("carol"), at(0)), |row| row.used_at += 500_000_000);
    create(store, &used).await;
    cut_off(store, &CutOff::subject("carol"), at(70)).await;
    assert_eq!(cut_off_of(store, "carol").await, Some(at(70)));
    cut_off(store, &bob, at(80)).await;
    assert_eq!(cut_off_of(store, "bob").await, Some(at(80)));
}
