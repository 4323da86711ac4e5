//! Sessions, and calls that must succeed.

use std::time::{Duration, SystemTime};

use crate::{
    AuthMethod, Principal, Quota,
    limit::Limits,
    registry::micros,
    session::{CutOff, Findings, Grant, Outdated, Session, SessionEnd, SessionRow, SessionStore, TokenFacts},
};

pub(super) const HOUR: Duration = Duration::from_secs(3_600);

/// Noon of 2 June 2026, UTC, and so many seconds and seven microseconds.
pub(super) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros((1_780_401_600 + seconds) * 1_000_000 + 7)
}

pub(super) fn grant(subject: &str) -> Grant {
    Grant::of(&Principal::builder(subject).build())
}

/// A session of 30 days, of which one hour may pass without a refresh.
pub(super) fn session(id: &str, grant: &Grant, created_at: SystemTime) -> Session {
    let row = SessionRow {
        id: id.to_owned(),
        grant: grant.to_json().to_string(),
        created_at: micros(created_at),
        used_at: micros(created_at),
        expires_at: micros(created_at + HOUR),
        ends_at: micros(created_at + 720 * HOUR),
        digest: vec![7; 32],
        replaced: "[]".to_owned(),
        ..SessionRow::default()
    };
    row.into_session().expect("the row is right")
}

/// A session of alice.
pub(super) fn of_alice(id: &str) -> Session {
    session(id, &grant("alice"), at(0))
}

/// A session with everything, of a key.
pub(super) fn full(id: &str) -> Session {
    let limits = Limits::new([Quota::per_minute(60), Quota::per_calendar_month(1_000)]).expect("the limits are right");
    let holder = Principal::builder("alice")
        .account("acme")
        .organizations(["org_1", "org_2"])
        .scopes(["read", "write"])
        .roles(["admin"])
        .plan("premium")
        .limits(Some(limits))
        .method(AuthMethod::ApiKey)
        .credential_id("key_2")
        .credential_hint("ak_…1234")
        .first_id("key_1".to_owned())
        .build();
    next(&next(&session(id, &Grant::of(&holder).acting("support"), at(0))))
}

/// A session that is bound to this key.
pub(super) fn bound(session: &Session, key: &str) -> Session {
    with(session, |row| {
        let mut grant: serde_json::Value = serde_json::from_str(&row.grant).expect("the grant is JSON");
        grant["proof_key"] = key.into();
        row.grant = grant.to_string();
    })
}

/// Changes the columns of a session.
pub(super) fn with(session: &Session, change: impl FnOnce(&mut SessionRow)) -> Session {
    let mut row = session.to_row();
    change(&mut row);
    row.into_session().expect("the row is right")
}

/// The next generation, one minute later.
pub(super) fn next(session: &Session) -> Session {
    with(session, |row| {
        let mut replaced: Vec<i64> = serde_json::from_str(&row.replaced).expect("a list of times");
        row.used_at += 60_000_000;
        row.expires_at += 60_000_000;
        row.generation += 1;
        row.digest = vec![u8::try_from(row.generation % 251).expect("small"); 32];
        replaced.insert(0, row.used_at);
        row.replaced = serde_json::to_string(&replaced).expect("a list of times");
    })
}

pub(super) async fn create(store: &impl SessionStore, session: &Session) {
    store.create(session).await.expect("a session is created");
}

pub(super) async fn find(store: &impl SessionStore, id: &str) -> Option<Session> {
    store.find(id).await.expect("a session is read")
}

pub(super) async fn rotate(store: &impl SessionStore, next: &Session) -> bool {
    store.rotate(next).await.expect("a session is replaced")
}

pub(super) async fn end(store: &impl SessionStore, id: &str, at: SystemTime, why: SessionEnd) -> bool {
    store.end(id, at, why).await.expect("a session is ended")
}

pub(super) async fn cut_off(store: &impl SessionStore, whose: &CutOff, at: SystemTime) {
    store.cut_off(whose, at).await.expect("sessions are ended");
}

pub(super) async fn deny(store: &impl SessionStore, token: &str, until: SystemTime) {
    store.deny(token, until).await.expect("a token is denied");
}

pub(super) async fn look(store: &impl SessionStore, token: &TokenFacts<'_>) -> Findings {
    store.look(token).await.expect("a token is looked up")
}

/// Returns the cut-off that holds for a subject.
pub(super) async fn cut_off_of(store: &impl SessionStore, subject: &str) -> Option<SystemTime> {
    look(store, &TokenFacts { subject, ..TokenFacts::default() }).await.cut_off
}

pub(super) async fn is_denied(store: &impl SessionStore, token: &str) -> bool {
    look(store, &TokenFacts { token: Some(token), ..TokenFacts::default() }).await.is_denied
}

/// Forgets everything in batches, and returns how many rows that were.
pub(super) async fn forget(store: &impl SessionStore, what: Outdated, limit: usize) -> usize {
    let mut all = 0;
    // A store that never says zero would go on for ever.
    for _ in 0..100 {
        match store.forget(&what, limit).await.expect("rows are removed") {
            0 => return all,
            count => all += count,
        }
    }
    panic!("{what:?} never ends");
}
