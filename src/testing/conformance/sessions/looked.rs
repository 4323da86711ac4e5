use super::parts::of_alice;
use super::parts::{HOUR, at, create, cut_off, cut_off_of, deny, end, full, is_denied, look, next, rotate};
use crate::session::{CutOff, SessionEnd, SessionMark, SessionStore, TokenFacts};

/// Each combination of a session, a token and cut-offs. What a token does not name is not found.
pub(super) async fn a_look_finds_what_there_is(store: &impl SessionStore) {
    create(store, &of_alice("live")).await;
    create(store, &full("ended")).await;
    assert!(end(store, "ended", at(9), SessionEnd::Reused).await);
    deny(store, "denied", at(9)).await;
    cut_off(store, &CutOff::subject("carol"), at(3)).await;
    let sessions = [
        (None, None),
        (Some("unknown"), None),
        (Some("live"), Some(SessionMark::new(at(0), false))),
        (Some("ended"), Some(SessionMark::new(at(0), true))),
    ];
    let tokens = [(None, false), (Some("unknown"), false), (Some("denied"), true)];
    let organizations = ["org_1".to_owned(), "org_2".to_owned()];
    for (session, mark) in sessions {
        for (token, is_denied) in tokens {
            for (subject, cut) in [("alice", None), ("carol", Some(at(3))), ("", None)] {
                for (account, organizations) in [(None, &organizations[..0]), (Some("acme"), &organizations[..])] {
                    let facts = TokenFacts { subject, account, organizations, session, token, key: None };
                    let found = look(store, &facts).await;
                    assert_eq!((found.session, found.is_denied, found.cut_off), (mark, is_denied, cut), "{facts:?}");
                    assert!(found.key.is_none() && !found.is_suspended, "{facts:?}");
                    let found = look(store, &TokenFacts { key: Some("unknown"), ..facts }).await;
                    assert_eq!((found.session, found.key), (mark, None), "{facts:?}");
                }
            }
        }
    }
    // A replaced session is the same session, and an expired one has not ended.
    assert!(rotate(store, &next(&of_alice("live"))).await);
    let facts = TokenFacts { session: Some("live"), ..TokenFacts::default() };
    assert_eq!(look(store, &facts).await.session, Some(SessionMark::new(at(0), false)));
    assert!(end(store, "live", at(0) + 9 * HOUR, SessionEnd::LoggedOut).await);
    assert_eq!(look(store, &facts).await.session, Some(SessionMark::new(at(0), true)));
}

pub(super) async fn the_later_cut_off_counts(store: &impl SessionStore) {
    cut_off(store, &CutOff::subject("alice"), at(5)).await;
    assert_eq!((cut_off_of(store, "alice").await, cut_off_of(store, "bob").await), (Some(at(5)), None));
    cut_off(store, &CutOff::Everyone, at(3)).await;
    assert_eq!((cut_off_of(store, "alice").await, cut_off_of(store, "bob").await), (Some(at(5)), Some(at(3))));
    cut_off(store, &CutOff::Everyone, at(7)).await;
    assert_eq!((cut_off_of(store, "alice").await, cut_off_of(store, "bob").await), (Some(at(7)), Some(at(7))));
}

pub(super) async fn a_denied_token_is_found_by_its_id_only(store: &impl SessionStore) {
    create(store, &of_alice("one")).await;
    deny(store, "one", at(5)).await;
    let facts = TokenFacts { subject: "one", session: Some("one"), account: Some("one"), ..TokenFacts::default() };
    let found = look(store, &facts).await;
    assert_eq!((found.is_denied, found.cut_off), (false, None), "a session is no token");
    assert_eq!(found.session, Some(SessionMark::new(at(0), false)));
    assert!(is_denied(store, "one").await && !is_denied(store, "One").await && !is_denied(store, "").await);
}
