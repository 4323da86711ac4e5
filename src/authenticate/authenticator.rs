use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use crate::{ConfigError, MaybeReady, Principal, Rejection, RequestHead, Subprotocol};

/// The answer of an [`Authenticator`]: ready ([`MaybeReady::ready`]), or a boxed future ([`MaybeReady::boxed`]).
///
/// ```
/// use tower_auth::{AuthFuture, AuthOutcome};
///
/// let nobody = AuthFuture::ready(AuthOutcome::NoCredential);
/// ```
pub type AuthFuture = MaybeReady<AuthOutcome>;

/// The outcome of one authentication method.
///
/// ```
/// use tower_auth::{AuthOutcome, Principal};
///
/// let found = AuthOutcome::Authenticated(Principal::builder("alice").build());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AuthOutcome {
    /// The request has no credential for this method. The next method is asked.
    NoCredential,
    /// The credential is valid and authenticates this principal.
    Authenticated(Principal),
    /// The credential is invalid, or could not be checked. No other method is asked.
    Rejected(Rejection),
}

/// One authentication method.
///
/// The [module page](crate::authenticate) shows a complete implementation.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an authentication method: it does not implement `Authenticator`",
    note = "implement `authenticate` and `challenge`; the page of the module `authenticate` shows a complete example"
)]
pub trait Authenticator: Send + Sync + 'static {
    /// Looks for a credential in the request, and checks the credential.
    ///
    /// The future must own its data, and may be dropped at any await. If the future takes longer than
    /// [`AuthLayer::decision_timeout`](crate::AuthLayer::decision_timeout), 5 s by default, it is dropped and the
    /// request is refused with 503.
    fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture;

    /// Returns the challenge for the 401 of this method, such as `ApiKey realm="api"` (RFC 9110, section 11.6.1).
    fn challenge(&self) -> &str;

    /// Returns the headers that contain credentials of this method; none by default. The layer refuses a request that repeats
    /// such a header (except `Cookie` and `Sec-WebSocket-Protocol`), marks the header sensitive, and keeps the response out of shared caches.
    ///
    /// A method that reads `Cookie` must read all of its lines, because HTTP/2 clients send several (RFC 9113, section 8.2.3).
    fn credential_headers(&self) -> &[HeaderName] {
        &[]
    }

    /// Returns the headers that accompany a credential of this method, such as a proof that the caller has a key; none by
    /// default. The layer marks them sensitive, and removes them with the credential
    /// ([`AuthLayer::strip_credentials`](crate::AuthLayer::strip_credentials)). They are no credentials by themselves, so a
    /// request with one beside its credential is not
    /// [ambiguous](crate::AuthLayer::reject_ambiguous). The method itself refuses a repeated one.
    fn proof_headers(&self) -> &[HeaderName] {
        &[]
    }

    /// Returns the names of the cookies that contain credentials of this method; none by default.
    ///
    /// A method that lists `Cookie` in [`credential_headers`](Self::credential_headers) should name its cookies: then only
    /// these count as credentials ([`AuthLayer::reject_ambiguous`](crate::AuthLayer::reject_ambiguous)), and only these are
    /// removed ([`AuthLayer::strip_credentials`](crate::AuthLayer::strip_credentials)). If a method of the layer lists
    /// `Cookie` without names, the whole header is a credential. A cookie that occurs twice is not refused by the layer: the
    /// method does that.
    fn credential_cookies(&self) -> &[String] {
        &[]
    }

    /// Returns the names of further cookies that [`AuthLayer::strip_credentials`](crate::AuthLayer::strip_credentials) removes; none by default.
    /// They are credentials for another service, such as a refresh token, and authenticate no request here. They count only if the
    /// method names its [cookies](Self::credential_cookies).
    fn companion_cookies(&self) -> &[String] {
        &[]
    }

    /// Returns the forms of the WebSocket subprotocols that contain credentials of this method; none by default.
    ///
    /// A method that lists `Sec-WebSocket-Protocol` in [`credential_headers`](Self::credential_headers) should name its forms:
    /// then the layer removes the credential from the header before the inner service is called, and the other protocols
    /// stay. If a method of the layer lists the header without forms, the whole header is a credential.
    fn credential_subprotocols(&self) -> &[Subprotocol] {
        &[]
    }

    /// Returns whether the credential in the request has the form that this method expects; always true by default.
    ///
    /// The layer calls this only if another method reads the same header, or the same cookie. A method that does not recognise the
    /// credential is skipped if a later method recognises it. If the later method then finds no credential, the skipped
    /// method decides.
    fn recognizes(&self, request: &RequestHead<'_>) -> bool {
        let _ = request;
        true
    }

    /// Returns a header for the response to a request that this method has authenticated; none by default.
    ///
    /// Some protocols require such a header: a WebSocket with its credential in a subprotocol is answered with the
    /// chosen subprotocol (RFC 6455, section 4.2.2). If the handler has set the header, the handler's value is kept, except
    /// that `Set-Cookie` is added. A response with a 4xx or 5xx status does not get the header.
    ///
    /// If the method has to wait for an answer, this is called before the credential is known to be good.
    fn response_header(&self, request: &RequestHead<'_>) -> Option<(HeaderName, HeaderValue)> {
        let _ = request;
        None
    }

    /// Checks the configuration of the method. It is called when a stack is built, and when a layer is mounted.
    ///
    /// # Errors
    /// If the method is misconfigured. The error says what is wrong and what to do. A misconfigured layer that is
    /// mounted without a stack answers 500.
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

    fn proof_headers(&self) -> &[HeaderName] {
        (**self).proof_headers()
    }

    fn credential_cookies(&self) -> &[String] {
        (**self).credential_cookies()
    }

    fn companion_cookies(&self) -> &[String] {
        (**self).companion_cookies()
    }

    fn credential_subprotocols(&self) -> &[Subprotocol] {
        (**self).credential_subprotocols()
    }

    fn recognizes(&self, request: &RequestHead<'_>) -> bool {
        (**self).recognizes(request)
    }

    fn response_header(&self, request: &RequestHead<'_>) -> Option<(HeaderName, HeaderValue)> {
        (**self).response_header(request)
    }

    fn check_config(&self) -> Result<(), ConfigError> {
        (**self).check_config()
    }
}
