use std::{
    fmt,
    ops::Deref,
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use http::{HeaderName, request::Parts};

use crate::{Clock, ConfigError, MaybeReady, Principal, Rejection, base::time_limit::TimeLimit};

/// What an authenticator answers: ready now ([`MaybeReady::ready`]), or a boxed future ([`MaybeReady::boxed`]).
///
/// ```
/// use tower_auth::{AuthFuture, AuthOutcome};
///
/// let nobody = AuthFuture::ready(AuthOutcome::NoCredential);
/// ```
pub type AuthFuture = MaybeReady<AuthOutcome>;

/// What one method of authentication found.
///
/// ```
/// use tower_auth::{AuthOutcome, Principal};
///
/// let found = AuthOutcome::Authenticated(Principal::builder("alice").build());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AuthOutcome {
    /// The request presents no credential of this method; the next method is asked.
    NoCredential,
    /// The credential is good, and this is who it stands for.
    Authenticated(Principal),
    /// The credential is bad, or nobody could tell; no other method is asked.
    Rejected(Rejection),
}

/// The head of a request as an authenticator sees it: method, path, headers, extensions, and the stack's time.
///
/// ```
/// use tower_auth::RequestHead;
///
/// fn session_cookie<'a>(request: &'a RequestHead<'_>) -> Option<&'a str> {
///     // HTTP/2 and HTTP/3 clients may send one `Cookie` line for each cookie (RFC 9113, section 8.2.3).
///     let lines = request.headers.get_all(http::header::COOKIE).iter().filter_map(|line| line.to_str().ok());
///     let mut cookies = lines.flat_map(|line| line.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
///     cookies.find_map(|(name, value)| (name == "session").then_some(value))
/// }
/// ```
#[derive(Clone, Copy)]
pub struct RequestHead<'a> {
    parts: &'a Parts,
    limit: &'a TimeLimit,
    /// Whether a method has asked the budget of failed attempts already.
    asked: &'a OnceLock<()>,
    /// The one header in which to look, where the method took it over from another one.
    only: Option<&'a HeaderName>,
}

impl<'a> RequestHead<'a> {
    pub(super) const fn new(parts: &'a Parts, limit: &'a TimeLimit, asked: &'a OnceLock<()>) -> Self {
        Self { parts, limit, asked, only: None }
    }

    /// The same, for a method that is to look in one header alone.
    pub(super) const fn only<'b>(&self, header: Option<&'b HeaderName>) -> RequestHead<'b>
    where
        'a: 'b,
    {
        RequestHead { parts: self.parts, limit: self.limit, asked: self.asked, only: header }
    }

    /// Whether the method may look in this header.
    pub(crate) fn may_read(&self, header: &HeaderName) -> bool {
        self.only.is_none_or(|only| only == header)
    }

    /// The time of day by the clock of the stack; read when asked for.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.limit.clock().now()
    }

    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    pub(crate) const fn clock_ref(&self) -> &'a Clock {
        self.limit.clock()
    }

    /// The failed attempts that whoever sends this has left, where somebody counts them.
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    pub(crate) fn attempts(&self) -> Option<&'a crate::context::attempts::Attempts> {
        self.parts.extensions.get()
    }

    /// Says that the method has asked the budget itself.
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    pub(crate) fn has_asked(&self) {
        let _ = self.asked.set(());
    }

    /// What a method answers, within the time limit: a later answer is 503.
    #[inline]
    pub(super) fn ask(&self, method: &Arc<dyn Authenticator>) -> AuthFuture {
        let answer = method.authenticate(self);
        if answer.is_bounded() {
            return answer;
        }
        let method = Arc::clone(method);
        self.limit.bound(answer, move |late| {
            let scheme = method.challenge().split(' ').next().unwrap_or_default();
            let cause = format!("the method of authentication {scheme:?} {late}");
            AuthOutcome::Rejected(Rejection::unavailable(cause))
        })
    }

    /// How long a method waits for what it has to ask.
    pub(crate) const fn time_limit(&self) -> &'a TimeLimit {
        self.limit
    }

    /// The clock of the stack, for a future that outlives the head.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.limit.clock().clone()
    }
}

/// Method and path alone: nobody has hidden the credentials in the headers yet, and a query may hold one too.
impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.parts.uri.path();
        f.debug_struct("RequestHead").field("method", &self.parts.method).field("path", &path).finish_non_exhaustive()
    }
}

impl Deref for RequestHead<'_> {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        self.parts
    }
}

/// One method of telling who is calling.
///
/// The [module page](crate::authenticate) has a whole one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no method of authentication: it does not implement `Authenticator`",
    note = "implement `authenticate` and `challenge` for it; the page of the module `authenticate` shows a whole one"
)]
pub trait Authenticator: Send + Sync + 'static {
    /// Looks for a credential, and tells whose it is.
    ///
    /// The future must own what it needs. It may be dropped at any await. It is dropped, and the request is refused with 503,
    /// when it takes longer than [`AuthLayer::decision_timeout`](crate::AuthLayer::decision_timeout), 5 s by default.
    fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture;

    /// What a 401 offers for this method, such as `ApiKey realm="api"` (RFC 9110, section 11.6.1).
    fn challenge(&self) -> &str;

    /// The headers in which its credentials stand. The layer refuses them where they are repeated, marks them
    /// sensitive, and keeps what they open out of shared caches. None by default.
    fn credential_headers(&self) -> &[HeaderName] {
        &[]
    }

    /// Whether the credential in the request has the form of this method's. It is asked only where another method reads
    /// the same header: then a method that does not recognise what stands there, while a later one does, is passed over.
    /// If the later one finds no credential after all, the one that was passed over decides. Always, by default.
    fn recognizes(&self, request: &RequestHead<'_>) -> bool {
        let _ = request;
        true
    }

    /// Whether the method was put together rightly; asked once, when a stack is built.
    ///
    /// # Errors
    /// What is wrong and how to mend it. A layer that is mounted all the same answers 500.
    fn check_config(&self) -> Result<(), ConfigError> {
        Ok(())
    }
}

impl<T: Authenticator + ?Sized> Authenticator for Arc<T> {
    fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
        (**self).authenticate(request)
    }

    fn challenge(&self) -> &str {
        (**self).challenge()
    }

    fn credential_headers(&self) -> &[HeaderName] {
        (**self).credential_headers()
    }

    fn recognizes(&self, request: &RequestHead<'_>) -> bool {
        (**self).recognizes(request)
    }

    fn check_config(&self) -> Result<(), ConfigError> {
        (**self).check_config()
    }
}
