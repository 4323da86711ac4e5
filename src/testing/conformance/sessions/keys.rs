use super::parts::{at, create, cut_off, cut_off_of, find, look, session};
use crate::{
    AuthMethod, KeyRecord, KeyStatus, KeyStore, NewKey, Principal,
    registry::{Forget, Holder, RegistryStore},
    session::{CutOff, Grant, SessionFilter, SessionStore, TokenFacts},
    testing::conformance::trial::{HOUR, Trial, new},
};

async fn key(store: &impl SessionStore, id: &str) -> Option<KeyRecord> {
    look(store, &TokenFacts { subject: "alice", key: Some(id), ..TokenFacts::default() }).await.key
}

pub(super) async fn a_look_finds_a_key_as_guards_do<S>(it: &Trial<S>)
where
    S: SessionStore + KeyStore + RegistryStore + Clone,
{
    let (keys, admin) = (&it.keys, &it.admin);
    let plain = it.create(new()).await;
    let other = it.create(NewKey::named("b").account("other").id("key_of_other").expires_in(HOUR)).await;
    let second = it.noted(keys.rotate(admin, plain.key.id(), HOUR).await.expect("rotated"));
    for issued in [&plain, &other, &second] {
        let found = key(&it.store, issued.key.id()).await;
        assert!(found.is_some(), "{}: a key is found by its id", it.name);
        assert_eq!(found, it.find(&issued.secret).await, "{}: a guard is told the same", it.name);
    }
    for unknown in ["KEY_OF_OTHER", "key_of_othe", "other", "a\0b", ""] {
        assert_eq!(key(&it.store, unknown).await, None, "{}: {unknown:?}", it.name);
    }
    let facts = TokenFacts { subject: "key_of_other", token: Some("key_of_other"), ..TokenFacts::default() };
    let none = look(&it.store, &facts).await.key;
    assert!(none.is_none(), "{}: a token without a key has none", it.name);
}

pub(super) async fn the_state_of_a_key_holds_for_the_next_look<S>(it: &Trial<S>)
where
    S: SessionStore + KeyStore + RegistryStore + Clone,
{
    let (keys, admin, issued) = (&it.keys, &it.admin, it.create(new()).await);
    let id = issued.key.id();
    let status = async || Some(key(&it.store, id).await?.status(it.now()));
    assert_eq!(status().await, Some(KeyStatus::Active), "{}", it.name);
    keys.pause(admin, id).await.expect("paused");
    assert_eq!(status().await, Some(KeyStatus::Paused), "{}", it.name);
    keys.resume(admin, id).await.expect("resumed");
    for (holder, expected) in [
        (Holder::account("acme"), KeyStatus::AccountSuspended),
        (Holder::organization("org_1"), KeyStatus::OrganizationSuspended),
    ] {
        keys.suspend(admin, holder.clone()).await.expect("suspended");
        assert_eq!(status().await, Some(expected), "{}", it.name);
        keys.reinstate(admin, holder).await.expect("reinstated");
    }
    keys.suspend(admin, Holder::organization("acme")).await.expect("suspended");
    assert_eq!(status().await, Some(KeyStatus::Active), "{}: an organisation is no account", it.name);
    keys.revoke(admin, id).await.expect("revoked");
    assert_eq!(status().await, Some(KeyStatus::Revoked), "{}", it.name);
    let deleted = it.create(new()).await;
    keys.delete(admin, deleted.key.id()).await.expect("deleted");
    let found = key(&it.store, deleted.key.id()).await;
    assert!(found.is_some_and(|found| found.is_revoked()), "{}: a deleted key counts as revoked", it.name);
}

/// The account and the organisations of the token itself, whatever its key is.
pub(super) async fn a_suspended_account_or_organization_is_found<S>(it: &Trial<S>)
where
    S: SessionStore + KeyStore + RegistryStore + Clone,
{
    let (keys, admin) = (&it.keys, &it.admin);
    let is_suspended = async |account: Option<&str>, organizations: &[&str]| {
        let organizations: Vec<String> = organizations.iter().map(|&name| name.to_owned()).collect();
        let facts = TokenFacts { subject: "acme", account, organizations: &organizations, ..TokenFacts::default() };
        look(&it.store, &facts).await.is_suspended
    };
    assert!(!is_suspended(Some("acme"), &["org_1"]).await, "{}", it.name);
    keys.suspend(admin, Holder::account("acme")).await.expect("suspended");
    keys.suspend(admin, Holder::organization("org_1")).await.expect("suspended");
    for (account, organizations, expected) in [
        (Some("acme"), &[][..], true),
        (Some("acme"), &["org_2"], true),
        (None, &["org_1"], true),
        (Some("other"), &["org_2", "org_1"], true),
        (Some("other"), &["org_1", "org_2"], true),
        (None, &[], false),
        (Some("org_1"), &["acme"], false),
        (Some("Acme"), &["org_2", "a\0b", "\"]", "'"], false),
        (Some(""), &[""], false),
        (Some("a\0b"), &["org_1"], true),
    ] {
        assert_eq!(is_suspended(account, organizations).await, expected, "{}: {account:?} {organizations:?}", it.name);
    }
    keys.reinstate(admin, Holder::account("acme")).await.expect("reinstated");
    assert!(!is_suspended(Some("acme"), &[]).await && is_suspended(Some("acme"), &["org_1"]).await, "{}", it.name);
}

/// Their grants hold names. The cut-off of a subject stays, because a token without a session would be valid again.
pub(super) async fn an_erased_account_leaves_no_session<S>(it: &Trial<S>)
where
    S: SessionStore + KeyStore + RegistryStore + Clone,
{
    let store = &it.store;
    it.create(NewKey::named("ci").account("petra")).await;
    let of = |subject: &str, account: &str| Principal::builder(subject).account(account);
    for number in 0..5 {
        create(store, &session(&format!("petra-{number}"), &Grant::of(&of("petra", "petra").build()), at(number)))
            .await;
    }
    let of_key = of("bot", "petra").method(AuthMethod::ApiKey).credential_id("key_1").build();
    create(store, &session("key", &Grant::of(&of_key), at(0))).await;
    create(store, &session("other", &Grant::of(&of("petra", "other").build()), at(0))).await;
    cut_off(store, &CutOff::subject("bot"), at(5)).await;
    let what = Forget::Account { account: "petra".to_owned() };
    let mut batches = 0;
    while RegistryStore::forget(store, &what, 2).await.expect("the store answers") > 0 {
        batches += 1;
        assert!(batches < 50, "{}: it never ends", it.name);
    }
    let left = SessionStore::list(store, &SessionFilter::account("petra")).await.expect("sessions are listed");
    assert_eq!(left, [], "{}: an erased account has sessions", it.name);
    let facts = TokenFacts { session: Some("petra-1"), ..TokenFacts::default() };
    assert!(find(store, "petra-1").await.is_none() && look(store, &facts).await.session.is_none(), "{}", it.name);
    assert!(find(store, "other").await.is_some(), "{}: another account was touched", it.name);
    assert_eq!(cut_off_of(store, "bot").await, Some(at(5)), "{}: a cut-off was removed", it.name);
}
