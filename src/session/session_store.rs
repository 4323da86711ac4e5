use std::{sync::Arc, time::SystemTime};

use super::{Session, SessionEnd};
use crate::{BoxError, KeyRecord, MaybeReady};

/// The result of a [`SessionStore`]: ready, or a boxed future.
///
/// ```
/// use tower_auth::session::{Session, SessionFuture};
///
/// let nothing: SessionFuture<Option<Session>> = SessionFuture::ready(Ok(None));
/// ```
pub type SessionFuture<T> = MaybeReady<Result<T, BoxError>>;

/// Where [`Sessions`](super::Sessions) keeps its sessions and what was revoked, such as the tables of a database.
///
/// A store decides nothing: it reads, and it replaces a row if nobody else has. All futures own their data: clone a
/// pool into them. A future that is dropped before it has answered leaves everything or nothing of its change. What a
/// call has written is on disk, and every later read sees it, from every process: read from the primary, not from a
/// replica.
///
/// `testing::conformance` checks an implementation, such as your own.
///
/// ```
/// use tower_auth::{MemoryKeyStore, session::SessionStore};
///
/// async fn is_there(store: &dyn SessionStore, id: &str) -> bool {
///     store.find(id).await.is_ok_and(|found| found.is_some())
/// }
/// # drop(is_there(&MemoryKeyStore::new(), "none"));
/// ```
pub trait SessionStore: Send + Sync + 'static {
    /// Adds a session. No two have the same id: ids are random.
    ///
    /// # Errors
    /// If the store does not answer, or has a session with this id.
    fn create(&self, session: &Session) -> SessionFuture<()>;

    /// Returns the session with this id, also one that has ended or expired.
    ///
    /// # Errors
    /// If the store does not answer, or the session cannot be read.
    fn find(&self, id: &str) -> SessionFuture<Option<Session>>;

    /// Replaces a session by its next generation in one atomic step: the generation, the digest, the times of the
    /// latest replacements, the last use and the expiry. Returns `false`, and changes nothing, unless the stored
    /// generation is exactly one less and the session has not ended. Of many calls at once, one returns `true`.
    ///
    /// # Errors
    /// If the store does not answer. The step may have been carried out.
    fn rotate(&self, next: &Session) -> SessionFuture<bool>;

    /// Ends a session. Returns `false` if there is none, or if it has ended before: the first end stays.
    ///
    /// # Errors
    /// If the store does not answer. The session may have ended.
    fn end(&self, id: &str, at: SystemTime, why: SessionEnd) -> SessionFuture<bool>;

    /// Voids all sessions and tokens of a subject, or all there are, that began before: keeps the later of this time
    /// and of the newest creation of these sessions, unless a later cut-off is kept. The creations count because
    /// another process may have a clock that is ahead.
    ///
    /// The sessions of a subject are ended too, in the same transaction ([`SessionEnd::LoggedOut`]), so that lists show
    /// it. Those of everyone are not: they may be millions, and the call must not take long.
    ///
    /// # Errors
    /// If the store does not answer. The sessions may have ended.
    fn cut_off(&self, whose: &CutOff, at: SystemTime) -> SessionFuture<()>;

    /// Denies the access token with this id until this time, at which it expires. A later time replaces an earlier one.
    ///
    /// # Errors
    /// If the store does not answer. The token may be denied.
    fn deny(&self, token: &str, until: SystemTime) -> SessionFuture<()>;

    /// Reads all that decides whether a token is still good, in one round trip if possible: it is called for every
    /// request with an access token.
    ///
    /// # Errors
    /// If the store does not answer.
    fn look(&self, token: &TokenFacts<'_>) -> SessionFuture<Findings>;

    /// Does the same without a cache: the answer is not older than the call. A store that wraps another one passes the call
    /// on; the default calls [`look`](Self::look).
    ///
    /// # Errors
    /// As [`look`](Self::look).
    fn look_fresh(&self, token: &TokenFacts<'_>) -> SessionFuture<Findings> {
        self.look(token)
    }

    /// Lists the selected sessions, the newest first, also ended and expired ones that are still stored.
    ///
    /// # Errors
    /// If the store does not answer.
    fn list(&self, filter: &SessionFilter) -> SessionFuture<Vec<Session>>;

    /// Removes one batch of rows, at most about so many, and returns how many. Zero means that nothing is left.
    ///
    /// # Errors
    /// If the store does not answer.
    fn forget(&self, what: &Outdated, limit: usize) -> SessionFuture<usize>;
}

/// Whose sessions end.
///
/// ```
/// use tower_auth::session::CutOff;
///
/// assert_ne!(CutOff::subject("alice"), CutOff::Everyone);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CutOff {
    /// Those of one subject.
    Subject(String),
    /// All.
    Everyone,
}

impl CutOff {
    /// Those of this subject.
    #[must_use]
    pub fn subject(subject: impl Into<String>) -> Self {
        Self::Subject(subject.into())
    }
}

/// What a token says about itself, for a [`SessionStore`].
///
/// ```
/// use tower_auth::session::TokenFacts;
///
/// let mut token = TokenFacts::default();
/// (token.subject, token.session) = ("alice", Some("a session's id"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenFacts<'a> {
    /// The subject.
    pub subject: &'a str,
    /// The account of the holder.
    pub account: Option<&'a str>,
    /// The organisations of the holder.
    pub organizations: &'a [String],
    /// The session (`sid`).
    pub session: Option<&'a str>,
    /// The id of the token (`jti`).
    pub token: Option<&'a str>,
    /// The API key for which the token was exchanged.
    pub key: Option<&'a str>,
}

/// What a [`SessionStore`] knows of a token.
///
/// ```
/// use tower_auth::session::Findings;
///
/// let mut findings = Findings::default();
/// findings.is_denied = true;
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Findings {
    /// The creation of the session, if there is one with the id, and whether it has ended. An expired one has not
    /// ended.
    pub session: Option<SessionMark>,
    /// Whether the token is denied.
    pub is_denied: bool,
    /// The later cut-off of the subject's and everyone's.
    pub cut_off: Option<SystemTime>,
    /// The key, if there is one with the id, even if it was deleted: what a guard is told of it.
    pub key: Option<KeyRecord>,
    /// Whether the account or one of the organisations is suspended.
    pub is_suspended: bool,
}

/// The life of a session, for [`Findings`].
///
/// ```
/// use std::time::SystemTime;
/// use tower_auth::session::SessionMark;
///
/// assert!(SessionMark::new(SystemTime::now(), true).has_ended);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionMark {
    /// When it began.
    pub created_at: SystemTime,
    /// Whether it ended before its time.
    pub has_ended: bool,
}

impl SessionMark {
    /// Creates the mark of a session.
    #[must_use]
    pub const fn new(created_at: SystemTime, has_ended: bool) -> Self {
        Self { created_at, has_ended }
    }
}

/// Which sessions are listed. Selections add up.
///
/// ```
/// use tower_auth::session::SessionFilter;
///
/// let filter = SessionFilter::subject("alice").limit(20);
/// assert_eq!((filter.subject.as_deref(), filter.limit), (Some("alice"), 20));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionFilter {
    /// Those of this subject.
    pub subject: Option<String>,
    /// Those of this account.
    pub account: Option<String>,
    /// Those of this API key.
    pub key: Option<String>,
    /// The most that are listed.
    pub limit: usize,
}

impl SessionFilter {
    const ALL: Self = Self { subject: None, account: None, key: None, limit: 100 };

    /// The sessions of this subject.
    #[must_use]
    pub fn subject(subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..Self::ALL }
    }

    /// The sessions of this account.
    #[must_use]
    pub fn account(account: impl Into<String>) -> Self {
        Self { account: Some(account.into()), ..Self::ALL }
    }

    /// The sessions of this API key.
    #[must_use]
    pub fn key(id: impl Into<String>) -> Self {
        Self { key: Some(id.into()), ..Self::ALL }
    }

    /// Lists at most so many: 100 by default.
    #[must_use]
    pub const fn limit(mut self, most: usize) -> Self {
        self.limit = most;
        self
    }
}

/// What is no longer needed.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_auth::session::Outdated;
///
/// let now = SystemTime::now();
/// let outdated = Outdated::new(now - Duration::from_secs(3600), now - Duration::from_secs(90 * 86_400));
/// assert!(outdated.cut_offs < outdated.sessions);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outdated {
    /// Sessions that expired or ended before this time, and denials of tokens that expired before it.
    pub sessions: SystemTime,
    /// Cut-offs of subjects before this time, unless the subject has a session that began before the cut-off and has
    /// not ended. A cut-off of everyone is kept for ever.
    pub cut_offs: SystemTime,
}

impl Outdated {
    /// Creates the selection.
    #[must_use]
    pub const fn new(sessions: SystemTime, cut_offs: SystemTime) -> Self {
        Self { sessions, cut_offs }
    }
}

impl<S: SessionStore + ?Sized> SessionStore for Arc<S> {
    fn create(&self, session: &Session) -> SessionFuture<()> {
        (**self).create(session)
    }

    fn find(&self, id: &str) -> SessionFuture<Option<Session>> {
        (**self).find(id)
    }

    fn rotate(&self, next: &Session) -> SessionFuture<bool> {
        (**self).rotate(next)
    }

    fn end(&self, id: &str, at: SystemTime, why: SessionEnd) -> SessionFuture<bool> {
        (**self).end(id, at, why)
    }

    fn cut_off(&self, whose: &CutOff, at: SystemTime) -> SessionFuture<()> {
        (**self).cut_off(whose, at)
    }

    fn deny(&self, token: &str, until: SystemTime) -> SessionFuture<()> {
        (**self).deny(token, until)
    }

    fn look(&self, token: &TokenFacts<'_>) -> SessionFuture<Findings> {
        (**self).look(token)
    }

    fn look_fresh(&self, token: &TokenFacts<'_>) -> SessionFuture<Findings> {
        (**self).look_fresh(token)
    }

    fn list(&self, filter: &SessionFilter) -> SessionFuture<Vec<Session>> {
        (**self).list(filter)
    }

    fn forget(&self, what: &Outdated, limit: usize) -> SessionFuture<usize> {
        (**self).forget(what, limit)
    }
}
