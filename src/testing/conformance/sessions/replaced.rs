use super::parts::{create, end, find, full, grant, next, of_alice, rotate, with};
use crate::session::{SessionEnd, SessionStore};

pub(super) async fn a_session_is_replaced_by_its_next_generation(store: &impl SessionStore) {
    let (mut known, other) = (full("one"), of_alice("other"));
    create(store, &known).await;
    create(store, &other).await;
    for _ in 0..3 {
        known = next(&known);
        assert!(rotate(store, &known).await);
        assert_eq!(find(store, "one").await.as_ref(), Some(&known));
    }
    // The latest times that are kept may become fewer, and the expiry earlier.
    let fewer = with(&next(&known), |row| {
        row.replaced = "[5]".into();
        row.expires_at = row.created_at;
    });
    assert!(rotate(store, &fewer).await);
    assert_eq!(find(store, "one").await.as_ref(), Some(&fewer));
    // What a session was created with stays.
    let others = with(&next(&fewer), |row| {
        row.grant = grant("mallory").to_json().to_string();
        (row.created_at, row.ends_at) = (1, 2);
    });
    let again = next(&fewer);
    assert!(rotate(store, &others).await, "an expired session can be replaced: a store decides nothing");
    assert_eq!(find(store, "one").await, Some(again), "only what a rotation changes");
    assert_eq!(find(store, "other").await, Some(other));
}

pub(super) async fn no_other_generation_replaces_a_session(store: &impl SessionStore) {
    let first = of_alice("one");
    let second = next(&first);
    let third = next(&second);
    assert!(!rotate(store, &second).await, "there is none");
    assert_eq!(find(store, "one").await, None);
    create(store, &first).await;
    assert!(!rotate(store, &third).await, "one is left out");
    assert!(!rotate(store, &first).await, "the same generation");
    assert_eq!(find(store, "one").await.as_ref(), Some(&first));
    assert!(rotate(store, &second).await);
    let again = with(&second, |row| row.digest = vec![9; 32]);
    for old in [&second, &again, &first] {
        assert!(!rotate(store, old).await, "generation {}", old.generation());
        assert_eq!(find(store, "one").await.as_ref(), Some(&second), "nothing is changed");
    }
    let last = with(&first, |row| {
        row.id = "last".into();
        row.generation = i64::from(u32::MAX) - 1;
    });
    create(store, &last).await;
    assert!(rotate(store, &next(&last)).await, "the last generation");
}

pub(super) async fn an_ended_session_is_not_replaced(store: &impl SessionStore) {
    for why in SessionEnd::ALL {
        let session = of_alice(why.as_str());
        create(store, &session).await;
        let ended_at = session.created_at();
        assert!(end(store, session.id(), ended_at, *why).await);
        assert!(!rotate(store, &next(&session)).await, "{why}");
        assert_eq!(find(store, session.id()).await, Some(session.ended_at(ended_at, *why)));
    }
}
