//! The head of a request, as guards, authenticators and policies read it.

use std::{fmt, net::IpAddr, sync::OnceLock, time::SystemTime};

use http::{Extensions, HeaderMap, HeaderName, Method, Request, Uri, Version, request::Parts};

use super::{
    asked, attempts::Attempts, client_ip::ClientIp, pass::Pass, peer::PeerAddr, request::RequestContext,
    request_id::RequestId,
};
use crate::{
    Clock, Principal, Rejection, TraceId,
    base::{
        protocol,
        time_limit::{self, TimeLimit},
    },
};

/// The head of a request, as authenticators, policies and the closures of limits read it: method, URI, headers,
/// extensions, and the results of the layers further out.
///
/// It borrows from the request. In a unit test, make it from a request or from its parts:
///
/// ```
/// use tower_auth::RequestHead;
///
/// fn session_cookie<'a>(request: &RequestHead<'a>) -> Option<&'a str> {
///     // HTTP/2 and HTTP/3 clients may send one `Cookie` line for each cookie (RFC 9113, section 8.2.3).
///     let lines = request.headers().get_all(http::header::COOKIE).iter().filter_map(|line| line.to_str().ok());
///     let mut cookies = lines.flat_map(|line| line.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
///     cookies.find_map(|(name, value)| (name == "session").then_some(value))
/// }
///
/// let request = http::Request::get("/").header("cookie", "theme=dark; session=7f").body(()).unwrap();
/// assert_eq!(session_cookie(&RequestHead::from(&request)), Some("7f"));
/// ```
#[derive(Clone, Copy)]
pub struct RequestHead<'a> {
    method: &'a Method,
    uri: &'a Uri,
    version: Version,
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
    context: Option<&'a RequestContext>,
    pass: Option<&'a Pass<'a>>,
    /// For an authenticator: its timeout.
    limit: Option<&'a TimeLimit>,
    /// For an authenticator: set when the authenticator has checked the budget of failed attempts itself.
    asked: Option<&'a OnceLock<()>>,
    /// For an authenticator: the only header that it may read, if it took this header over from another method.
    only: Option<&'a HeaderName>,
}

impl<'a> RequestHead<'a> {
    /// Returns the method.
    #[must_use]
    pub const fn method(&self) -> &'a Method {
        self.method
    }

    /// Returns the URI as this service sees it: inside axum's `nest`, without the prefix.
    #[must_use]
    pub const fn uri(&self) -> &'a Uri {
        self.uri
    }

    /// Returns the path of the [`uri`](Self::uri).
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.uri.path()
    }

    /// Returns the HTTP version.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Returns the headers.
    #[must_use]
    pub const fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// Returns the extensions.
    #[must_use]
    pub const fn extensions(&self) -> &'a Extensions {
        self.extensions
    }

    /// Returns the time of day by the clock of the stack. The system's clock is read once for all guards of a gate.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        let clock = self.clock_ref();
        self.pass.map_or_else(|| clock.now(), |pass| pass.now(clock))
    }

    /// Returns the clock of the stack, for a future that outlives the head.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock_ref().clone()
    }

    fn clock_ref(&self) -> &'a Clock {
        match (self.limit, self.pass) {
            (None, Some(pass)) => pass.clock,
            (_, _) => self.time_limit().clock(),
        }
    }

    /// Returns the trace id, if an envelope stands in front.
    #[must_use]
    pub fn trace_id(&self) -> Option<TraceId> {
        Some(self.context?.request_id.as_ref()?.trace_id())
    }

    /// Returns the id that the client reads in `x-request-id`, if an envelope stands in front.
    #[must_use]
    pub fn request_id(&self) -> Option<&'a RequestId> {
        self.context?.request_id.as_ref()
    }

    /// Returns the caller, if an authentication layer further out has authenticated one.
    #[must_use]
    pub fn principal(&self) -> Option<&'a Principal> {
        self.context?.principal()
    }

    /// Returns the address of the other end of the connection, if the host or the service provides it; see
    /// [`PeerAddr`].
    #[must_use]
    pub fn peer_ip(&self) -> Option<IpAddr> {
        PeerAddr::of(self.extensions).map(|peer| peer.0)
    }

    /// Returns the address of the client, by the [`ClientIp`](crate::ClientIp) of the stack; `None` if the stack has
    /// none, or if the address of the connection is unknown.
    #[must_use]
    pub fn client_ip(&self) -> Option<IpAddr> {
        match self.pass.and_then(|pass| pass.client_ip) {
            Some(client_ip) => Some(client_ip.find(self.headers, self.extensions).ok()?.address),
            None => self.attempts().map(Attempts::client),
        }
    }

    /// Returns whether the stack wants answers that are not from a cache: the request matches a
    /// [`Rules::fresh`](crate::Rules::fresh). A method of authentication, or a policy, that keeps answers asks its source again
    /// then. Outside of a stack, it is `false`.
    ///
    /// ```
    /// use tower_auth::{BoxError, KeyDigests, KeyRecord, KeyStore, RequestHead, StoreFuture};
    ///
    /// fn look_up(store: &dyn KeyStore, key: &KeyDigests, request: &RequestHead<'_>) -> StoreFuture<Option<KeyRecord>> {
    ///     if request.wants_fresh() { store.find_fresh(key) } else { store.find(key) }
    /// }
    /// ```
    #[inline]
    #[must_use]
    pub const fn wants_fresh(&self) -> bool {
        matches!(self.pass, Some(Pass { fresh: true, .. }))
    }

    /// Returns whether the request opens a WebSocket.
    pub(crate) fn is_websocket(&self) -> bool {
        protocol::is_websocket(self.method, self.version, self.uri, self.headers)
    }

    /// Returns the path that the client requested, also inside axum's `nest`.
    pub(crate) fn asked_path(&self) -> Option<&'a str> {
        asked::path(self.uri, self.extensions)
    }

    #[inline]
    pub(crate) const fn context(&self) -> Option<&'a RequestContext> {
        self.context
    }

    #[inline]
    pub(crate) const fn pass(&self) -> Option<&'a Pass<'a>> {
        self.pass
    }

    /// Returns the budget of failed attempts of a guard further out, if there is one.
    #[inline]
    pub(crate) fn attempts(&self) -> Option<&'a Attempts> {
        self.context?.attempts.as_ref()
    }

    /// Returns the head as a gate lends it.
    #[inline]
    pub(crate) fn in_pass<B>(request: &'a Request<B>, pass: Option<&'a Pass<'a>>) -> Self {
        let context = RequestContext::of(request.extensions());
        Self { context, pass, ..Self::bare(request) }
    }

    #[inline]
    fn bare<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
            extensions: request.extensions(),
            context: None,
            pass: None,
            limit: None,
            asked: None,
            only: None,
        }
    }

    /// Returns the head for an authenticator.
    #[inline]
    pub(crate) const fn for_method(self, limit: &'a TimeLimit, asked: &'a OnceLock<()>) -> Self {
        Self { limit: Some(limit), asked: Some(asked), ..self }
    }

    /// Restricts an authenticator to one header.
    pub(crate) const fn only(self, header: Option<&'a HeaderName>) -> Self {
        Self { only: header, ..self }
    }

    /// Returns whether the authenticator may read this header.
    #[inline]
    pub(crate) fn may_read(&self, header: &HeaderName) -> bool {
        self.only.is_none_or(|only| only == header)
    }

    /// Returns the timeout of an authenticator.
    #[inline]
    pub(crate) fn time_limit(&self) -> &'a TimeLimit {
        static DEFAULT: TimeLimit = TimeLimit::new(Clock::system(), time_limit::DEFAULT);
        self.limit.unwrap_or(&DEFAULT)
    }

    /// Records that the authenticator has checked the budget of failed attempts itself.
    #[cfg_attr(
        not(any(feature = "aws-lc-rs", feature = "rust-crypto")),
        expect(dead_code, reason = "only tokens check it themselves")
    )]
    pub(crate) fn has_asked(&self) {
        if let Some(asked) = self.asked {
            let _ = asked.set(());
        }
    }

    /// Returns an owned copy of the request without its body, for a future that outlives the head. It is the same request, so it
    /// keeps the caller.
    pub(crate) fn to_request(self) -> Request<()> {
        let mut request = Request::new(());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = self.version;
        *request.headers_mut() = self.headers.clone();
        *request.extensions_mut() = self.extensions.clone();
        if let Some(context) = self.context {
            request.extensions_mut().insert(context.copy());
        }
        request
    }
}

impl<'a, B> From<&'a Request<B>> for RequestHead<'a> {
    fn from(request: &'a Request<B>) -> Self {
        Self::in_pass(request, None)
    }
}

impl<'a> From<&'a Parts> for RequestHead<'a> {
    fn from(parts: &'a Parts) -> Self {
        Self {
            method: &parts.method,
            uri: &parts.uri,
            version: parts.version,
            headers: &parts.headers,
            extensions: &parts.extensions,
            context: RequestContext::of(&parts.extensions),
            pass: None,
            limit: None,
            asked: None,
            only: None,
        }
    }
}

impl ClientIp {
    /// Returns the address of the client, for handlers and logs. It is the whole address, whereas limits count by
    /// network.
    ///
    /// ```
    /// use http::request::Parts;
    /// use tower_auth::{ClientIp, Rejection};
    ///
    /// fn line(ip: &ClientIp, request: &Parts) -> Result<String, Rejection> {
    ///     Ok(format!("{} {}", ip.resolve(request)?, request.uri.path()))
    /// }
    /// ```
    ///
    /// # Errors
    /// 500 if the address of the connection is unknown; the [cause](Rejection::private_cause) says what is missing.
    pub fn resolve<'a>(&self, request: impl Into<RequestHead<'a>>) -> Result<IpAddr, Rejection> {
        let request = request.into();
        self.find(request.headers, request.extensions).map(|found| found.address)
    }
}

/// Shows method and path only: headers may contain credentials that are not marked sensitive yet, and so may a query.
impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead").field("method", self.method).field("path", &self.path()).finish_non_exhaustive()
    }
}
