//! Sessions over a store with a cache that has not heard of a revocation: rule 116 where there are caches.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use futures_util::FutureExt as _;
use tower_auth::{
    MemoryKeyStore,
    registry::Holder,
    session::{
        CutOff, Findings, Outdated, Session, SessionEnd, SessionError, SessionFilter, SessionFuture, SessionPolicy,
        SessionStore, TokenFacts, TokenRequest,
    },
    token::{TokenRevocation as _, TokenStatus},
};

use super::{Issuing, alice, now, ops, rt};

/// A cache that keeps what it has found for ever.
#[derive(Clone)]
struct Stale {
    store: MemoryKeyStore,
    kept: Arc<Mutex<HashMap<String, Findings>>>,
}

impl SessionStore for Stale {
    fn create(&self, session: &Session) -> SessionFuture<()> {
        SessionStore::create(&self.store, session)
    }

    fn find(&self, id: &str) -> SessionFuture<Option<Session>> {
        SessionStore::find(&self.store, id)
    }

    fn rotate(&self, next: &Session) -> SessionFuture<bool> {
        self.store.rotate(next)
    }

    fn end(&self, id: &str, at: SystemTime, why: SessionEnd) -> SessionFuture<bool> {
        self.store.end(id, at, why)
    }

    fn cut_off(&self, whose: &CutOff, at: SystemTime) -> SessionFuture<()> {
        self.store.cut_off(whose, at)
    }

    fn deny(&self, token: &str, until: SystemTime) -> SessionFuture<()> {
        self.store.deny(token, until)
    }

    fn look(&self, token: &TokenFacts<'_>) -> SessionFuture<Findings> {
        // Whatever the session and the token: a cache may keep the parts apart.
        let name = format!("{:?} {:?} {:?}", token.subject, token.account, token.key);
        let look = || self.store.look(token).now_or_never().unwrap().unwrap();
        SessionFuture::ready(Ok(self.kept.lock().unwrap().entry(name).or_insert_with(look).clone()))
    }

    fn look_fresh(&self, token: &TokenFacts<'_>) -> SessionFuture<Findings> {
        self.store.look(token)
    }

    fn list(&self, filter: &SessionFilter) -> SessionFuture<Vec<Session>> {
        SessionStore::list(&self.store, filter)
    }

    fn forget(&self, what: &Outdated, limit: usize) -> SessionFuture<usize> {
        SessionStore::forget(&self.store, what, limit)
    }
}

fn issuing() -> Issuing {
    let store = MemoryKeyStore::new();
    Issuing::over(store.clone(), Stale { store, kept: Arc::default() }, SessionPolicy::default())
}

#[test]
fn r116_a_cache_lets_no_refresh_pass() {
    let issuing = issuing();
    let key = issuing.key(|new| new);
    let tokens = issuing.exchange(&key);
    assert!(issuing.is_good(&tokens), "and the cache keeps this");
    now(issuing.registry.revoke(ops(), key.credential_id().unwrap())).unwrap();
    let claims = issuing.claims(tokens.access_token.expose()).unwrap();
    let fresh = || now(async { issuing.sessions.status_fresh(&claims).await }).unwrap();
    assert!(issuing.is_good(&tokens), "the cache does not know it");
    assert_eq!(fresh(), TokenStatus::Revoked);
    assert!(matches!(issuing.refresh(rt(&tokens)), Err(SessionError::KeyInactive)));
    let again = now(issuing.sessions.exchange(&key, &TokenRequest::new()));
    assert!(matches!(again, Err(SessionError::KeyInactive)));
    assert!(!now(issuing.sessions.introspect(tokens.access_token.expose())).unwrap().is_active());
    assert!(!now(issuing.sessions.introspect_refresh_token(rt(&tokens))).unwrap().is_active());
    assert!(issuing.is_good(&tokens), "none of these calls has filled the cache");
}

#[test]
fn r116_a_cache_begins_no_session_of_a_suspended_account() {
    let issuing = issuing();
    let tokens = issuing.begin();
    assert!(issuing.is_good(&tokens));
    now(issuing.registry.suspend(ops(), Holder::account("acme"))).unwrap();
    assert!(issuing.is_good(&tokens), "the cache does not know it");
    assert!(matches!(issuing.refresh(rt(&tokens)), Err(SessionError::Suspended)));
    let grant = tower_auth::session::Grant::of(&alice());
    assert!(matches!(now(issuing.sessions.begin(grant, &TokenRequest::new())), Err(SessionError::Suspended)));
}

#[test]
fn a_log_out_and_a_list_see_past_the_cache() {
    let issuing = issuing();
    let tokens = issuing.begin();
    assert!(issuing.is_good(&tokens));
    assert!(now(issuing.sessions.list(&SessionFilter::subject("alice"))).unwrap()[0].ended().is_none());
    now(issuing.sessions.end_all()).unwrap();
    assert!(issuing.is_good(&tokens), "the cache does not know it");
    assert!(now(issuing.sessions.list(&SessionFilter::subject("alice"))).unwrap()[0].ended().is_some());
    assert!(issuing.refresh(rt(&tokens)).is_err());
    assert!(!now(issuing.sessions.introspect(tokens.access_token.expose())).unwrap().is_active());
    assert!(now(issuing.sessions.log_out_by_access_token(tokens.access_token.expose())).unwrap());
    assert!(!now(issuing.sessions.log_out(rt(&tokens))).unwrap(), "it has ended already");
}
