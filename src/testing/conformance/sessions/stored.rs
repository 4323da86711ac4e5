use super::parts::{at, bound, create, cut_off, cut_off_of, find, full, grant, of_alice, session, with};
use super::parts::{deny, end, is_denied, next, rotate};
use crate::session::{CutOff, Session, SessionEnd, SessionFilter, SessionStore};

/// Every column, to the microsecond and to the last bit.
pub(super) async fn a_session_comes_back_as_it_was(store: &impl SessionStore) {
    let plain = of_alice("plain");
    let mut all = vec![plain.clone(), full("full"), session("client", &grant("alice").client("web-app"), at(1))];
    for why in SessionEnd::ALL {
        all.push(of_alice(why.as_str()).ended_at(at(9), *why));
    }
    all.push(with(&plain, |row| {
        row.id = "extreme".into();
        (row.created_at, row.used_at, row.expires_at, row.ends_at) = (-1, 0, 1, 253_402_300_799_999_999);
        row.generation = u32::MAX.into();
        row.digest = (0..32).map(|byte| if byte % 2 == 0 { 0 } else { 255 }).collect();
        row.replaced = "[3,2,-1]".into();
    }));
    assert_eq!(find(store, "plain").await, None);
    for session in &all {
        create(store, session).await;
    }
    for session in &all {
        let found = find(store, session.id()).await.expect("a session that was created is there");
        assert_eq!((&found, found.to_row()), (session, session.to_row()));
    }
    for unknown in ["Plain", "plai", "plain ", "", "%"] {
        assert_eq!(find(store, unknown).await, None, "{unknown:?}");
    }
}

/// The key that a refresh must prove to have. A store that loses it would let a stolen refresh token be used.
pub(super) async fn a_session_stays_bound_to_its_key(store: &impl SessionStore) {
    const KEY: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    let (free, bound) = (of_alice("free"), bound(&of_alice("bound"), KEY));
    for (session, key) in [(&free, None), (&bound, Some(KEY))] {
        create(store, session).await;
        let found = find(store, session.id()).await.expect("a session that was created is there");
        assert_eq!(found.proof_key(), key, "the grant is stored as it is");
        assert!(rotate(store, &next(session)).await);
        let found = find(store, session.id()).await.expect("a session that was replaced is there");
        assert_eq!((found.proof_key(), found.generation()), (key, 1), "no replacement changes the key");
        assert!(end(store, session.id(), at(9), SessionEnd::LoggedOut).await);
    }
    let mut listed = store.list(&SessionFilter::subject("alice")).await.expect("sessions are listed");
    listed.sort_by(|one, other| one.id().cmp(other.id()));
    let keys: Vec<_> = listed.iter().map(|session| (session.id(), session.proof_key())).collect();
    assert_eq!(keys, [("bound", Some(KEY)), ("free", None)]);
}

pub(super) async fn an_id_is_that_of_one_session(store: &impl SessionStore) {
    let first = of_alice("one");
    create(store, &first).await;
    for other in [first.clone(), session("one", &grant("bob"), at(1))] {
        assert!(store.create(&other).await.is_err(), "there is a session with this id");
        assert_eq!(find(store, "one").await, Some(first.clone()), "the first one stays");
    }
    let bobs = store.list(&SessionFilter::subject("bob")).await.expect("sessions are listed");
    assert_eq!(bobs, []);
}

/// Texts that a store may confuse, cut, or take for SQL. It may refuse a text, and then it has kept nothing of it.
pub(super) async fn any_text_comes_back_or_is_refused(store: &impl SessionStore) {
    let long: String = (0..10_000_u32)
        .filter_map(|number| char::from_u32(33 + (number.wrapping_mul(2_654_435_761) >> 9) % 90))
        .collect();
    let texts = [
        "\0",
        "a\0b",
        "'; DROP TABLE sessions; --",
        "\"quoted\" \\ \\u0000 {} $1 ?1 %",
        " ",
        "\u{202e}abc\u{200b}\u{feff}",
        "e\u{301}",
        "é",
        "🔑\u{10ffff}",
        "line\r\nline\t",
        &long,
    ];
    for (number, text) in texts.into_iter().enumerate() {
        let of = grant(text).client(text).acting(text).scopes([text]);
        a_text(store, text, &session(&format!("session-{number}"), &of, at(0))).await;
    }
    create(store, &of_alice("plain")).await;
    assert_eq!(cut_off_of(store, "alice").await, None, "a text is no other");
}

async fn a_text(store: &impl SessionStore, text: &str, session: &Session) {
    let (named, shown) = (with(session, |row| row.id = text.into()), text.get(..30).unwrap_or(text));
    assert_eq!(find(store, text).await, None, "{shown:?}");
    assert!(!rotate(store, &next(&named)).await && !end(store, text, at(1), SessionEnd::Revoked).await, "{shown:?}");
    let created = store.create(session).await;
    assert_eq!(find(store, session.id()).await.as_ref(), created.is_ok().then_some(session), "{shown:?}");
    let listed = store.list(&SessionFilter::subject(text)).await.expect("sessions are listed");
    assert_eq!(listed.first(), created.is_ok().then_some(session), "{shown:?}");
    let denied = store.deny(text, at(9)).await.is_ok();
    assert_eq!(is_denied(store, text).await, denied, "{shown:?}");
    if created.is_ok() {
        cut_off(store, &CutOff::subject(text), at(9)).await;
        deny(store, text, at(9)).await;
        let ended = find(store, session.id()).await.and_then(|session| session.ended());
        assert_eq!(ended, Some((at(9), SessionEnd::LoggedOut)), "{shown:?}");
    }
    let cut_off = store.cut_off(&CutOff::subject(text), at(9)).await;
    assert_eq!(cut_off_of(store, text).await, cut_off.is_ok().then_some(at(9)), "{shown:?}");
}
