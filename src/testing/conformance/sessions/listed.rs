use super::parts::{at, create, end, full, grant, next, of_alice, rotate, session};
use crate::{
    AuthMethod, Principal,
    session::{Grant, Session, SessionEnd, SessionFilter, SessionStore},
};

async fn ids(store: &impl SessionStore, filter: &SessionFilter) -> Vec<String> {
    let listed = store.list(filter).await.expect("sessions are listed");
    listed.iter().map(|session| session.id().to_owned()).collect()
}

pub(super) async fn sessions_are_listed_the_newest_first(store: &impl SessionStore) {
    let alice = SessionFilter::subject("alice");
    assert!(ids(store, &alice).await.is_empty());
    // Neither in the order of their ids, nor in that of their creation in the store.
    let order = [("d", 3), ("a", 5), ("e", 1), ("c", 4), ("b", 2)];
    let all: Vec<Session> = order.iter().map(|(id, time)| session(id, &grant("alice"), at(*time))).collect();
    for session in &all {
        create(store, session).await;
    }
    create(store, &session("other", &grant("bob"), at(9))).await;
    // A use and an end change no place.
    assert!(rotate(store, &next(&all[2])).await && end(store, "a", at(9), SessionEnd::LoggedOut).await);
    assert_eq!(ids(store, &alice).await, ["a", "c", "d", "b", "e"]);
    for limit in 0..=6 {
        let some = ids(store, &alice.clone().limit(limit)).await;
        assert_eq!(some, ["a", "c", "d", "b", "e"][..limit.min(5)], "at most {limit}");
    }
    let listed = store.list(&alice.limit(usize::MAX)).await.expect("sessions are listed");
    assert_eq!(listed[0], all[1].clone().ended_at(at(9), SessionEnd::LoggedOut), "all of it");
    assert_eq!(listed[4], next(&all[2]));
}

pub(super) async fn selections_add_up(store: &impl SessionStore) {
    let of_key = |subject: &str, account: &str, key: &str| {
        let holder = Principal::builder(subject).account(account);
        Grant::of(&holder.method(AuthMethod::ApiKey).credential_id(key).build())
    };
    create(store, &session("1", &of_key("alice", "acme", "key_1"), at(1))).await;
    create(store, &session("2", &of_key("alice", "acme", "key_2"), at(2))).await;
    create(store, &session("3", &of_key("bob", "acme", "key_2"), at(3))).await;
    create(store, &session("4", &Grant::of(&Principal::builder("alice").account("other").build()), at(4))).await;
    create(store, &of_alice("0")).await;
    create(store, &full("5")).await;
    let (alice, acme, key) =
        (SessionFilter::subject("alice"), SessionFilter::account("acme"), SessionFilter::key("key_2"));
    let both = |one: &SessionFilter, other: &SessionFilter| {
        let mut both = one.clone();
        both.account = both.account.or(other.account.clone());
        both.key = both.key.or(other.key.clone());
        both
    };
    // Those of the same time are in any order.
    for (filter, expected) in [
        (alice.clone(), &["0", "1", "2", "4", "5"][..]),
        (acme.clone(), &["1", "2", "3", "5"]),
        (key.clone(), &["2", "3", "5"]),
        (both(&alice, &acme), &["1", "2", "5"]),
        (both(&alice, &key), &["2", "5"]),
        (both(&acme, &key), &["2", "3", "5"]),
        (both(&both(&alice, &acme), &key), &["2", "5"]),
        (SessionFilter::account("alice"), &[]),
        (SessionFilter::key("acme"), &[]),
        (SessionFilter::account(""), &[]),
        (SessionFilter::key(""), &[]),
    ] {
        let mut found = ids(store, &filter).await;
        found.sort_unstable();
        assert_eq!(found, expected, "{filter:?}");
    }
}
