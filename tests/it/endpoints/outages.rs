//! Rule 112: what cannot be answered now is answered 503 with `Retry-After`, and nothing is lost.

use serde_json::json;
use tower_auth::{
    BoxError, MaybeReady, RejectionKind,
    session::{
        CutOff, Findings, Outdated, Session, SessionEnd, SessionFilter, SessionFuture, SessionStore, TokenFacts,
    },
};

use super::{
    Arc, AtomicBool, Desk, MemoryKeyStore, Ordering, SystemTime, Told, ask, bare, error, foreign, form, post,
    refresh_token,
};

/// Sessions in memory that fail when they are told to.
#[derive(Clone)]
pub(super) struct Flaky(MemoryKeyStore, Arc<AtomicBool>);

impl Flaky {
    pub(super) fn new(store: MemoryKeyStore) -> Self {
        Self(store, Arc::default())
    }

    pub(super) fn set_failing(&self, failing: bool) {
        self.1.store(failing, Ordering::SeqCst);
    }

    fn or_fail<T>(&self, answer: impl FnOnce() -> SessionFuture<T>) -> SessionFuture<T> {
        if self.1.load(Ordering::SeqCst) {
            let error: BoxError = "the disk of the store is full".into();
            return MaybeReady::ready(Err(error));
        }
        answer()
    }
}

impl SessionStore for Flaky {
    fn create(&self, session: &Session) -> SessionFuture<()> {
        self.or_fail(|| SessionStore::create(&self.0, session))
    }

    fn find(&self, id: &str) -> SessionFuture<Option<Session>> {
        self.or_fail(|| SessionStore::find(&self.0, id))
    }

    fn rotate(&self, next: &Session) -> SessionFuture<bool> {
        self.or_fail(|| self.0.rotate(next))
    }

    fn end(&self, id: &str, at: SystemTime, why: SessionEnd) -> SessionFuture<bool> {
        self.or_fail(|| self.0.end(id, at, why))
    }

    fn cut_off(&self, whose: &CutOff, at: SystemTime) -> SessionFuture<()> {
        self.or_fail(|| self.0.cut_off(whose, at))
    }

    fn deny(&self, token: &str, until: SystemTime) -> SessionFuture<()> {
        self.or_fail(|| self.0.deny(token, until))
    }

    fn look(&self, token: &TokenFacts<'_>) -> SessionFuture<Findings> {
        self.or_fail(|| self.0.look(token))
    }

    fn list(&self, filter: &SessionFilter) -> SessionFuture<Vec<Session>> {
        self.or_fail(|| SessionStore::list(&self.0, filter))
    }

    fn forget(&self, what: &Outdated, limit: usize) -> SessionFuture<usize> {
        self.or_fail(|| SessionStore::forget(&self.0, what, limit))
    }
}

fn assert_temporary(told: &Told) {
    assert_eq!((told.status, told.header("retry-after")), (503, Some("1")), "{told:?}");
    assert_eq!(told.refusal.as_ref().unwrap().kind(), RejectionKind::Unavailable);
    let cause = told.refusal.as_ref().unwrap().private_cause().unwrap().to_string();
    assert!(cause.contains("the disk of the store is full") && !told.body.contains("disk"), "{told:?}");
}

#[tokio::test]
async fn r112_an_outage_is_told_and_the_request_can_be_repeated() {
    let desk = Desk::new();
    let session = desk.session(None).await;
    let (refresh, access) = (refresh_token(&session), session.access_token.expose());
    let token = json!({ "refresh_token": refresh });
    desk.flaky.set_failing(true);

    for told in [
        ask(&desk.endpoints, bare("/token", &desk.key())).await,
        desk.json("/refresh", &[], &token).await,
        desk.json("/logout", &[], &token).await,
    ] {
        assert_temporary(&told);
        assert_eq!(told.body, "");
    }
    for (path, parameters) in [
        ("/token", vec![("grant_type", "client_credentials")]),
        ("/token", vec![("grant_type", "refresh_token"), ("refresh_token", refresh)]),
        ("/revoke", vec![("token", refresh)]),
        ("/revoke", vec![("token", access)]),
        ("/introspect", vec![("token", access)]),
        ("/introspect", vec![("token", refresh), ("token_type_hint", "refresh_token")]),
    ] {
        // The keys are looked up in the same memory, which does not fail.
        let key = desk.key();
        let is_own = path == "/introspect" || parameters[0].1 == "client_credentials";
        let headers = if is_own { &key[..] } else { &[] };
        let told = desk.form(path, headers, &parameters).await;
        assert_temporary(&told);
        assert_eq!(told.error(), error(503, "temporarily_unavailable"), "{path}");
    }
    let exchange = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", &*foreign("ci")),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
    ];
    assert_temporary(&desk.form("/token", &[], &exchange).await);

    desk.flaky.set_failing(false);
    assert!(desk.is_active(access).await, "nothing was revoked");
    assert_eq!(desk.json("/refresh", &[], &token).await.status, 200);
}

/// RFC 7009, section 2.2.1: the client assumes that the token still exists, and comes again.
#[tokio::test]
async fn r112_a_revocation_that_failed_is_repeated() {
    let desk = Desk::new();
    let session = desk.session(None).await;
    let access = session.access_token.expose();
    let revoke = || post("/revoke", super::FORM, &[], form(&[("token", access)]));
    desk.flaky.set_failing(true);
    assert_temporary(&ask(&desk.endpoints, revoke()).await);
    desk.flaky.set_failing(false);
    assert!(desk.is_active(access).await);
    assert_eq!(ask(&desk.endpoints, revoke()).await.status, 200);
    assert!(!desk.is_active(access).await);
}

/// The store of keys is another one.
#[tokio::test]
async fn a_key_that_cannot_be_looked_up_is_no_wrong_key() {
    let desk = Desk::new();
    let keys = tower_auth::testing::FlakyKeyStore::new(desk.store.clone());
    let layer = tower_auth::ApiKeyLayer::new(desk.scheme.clone(), keys.clone());
    let endpoints = desk.endpoints.clone().keys(layer);
    keys.fail();
    let told = ask(&endpoints, bare("/token", &desk.key())).await;
    assert_eq!(told.kind(), (503, RejectionKind::Unavailable));
    let grant = form(&[("grant_type", "client_credentials"), ("client_secret", desk.key.expose())]);
    let told = ask(&endpoints, post("/token", super::FORM, &[], grant)).await;
    assert_eq!(told.error(), error(503, "temporarily_unavailable"));
    assert_eq!(told.header("retry-after"), Some("1"));
}
