use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use crate::{ConfigError, MaybeReady, Principal, Rejection, RequestHead};

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

    /// Returns a header for the response to a request that this method has authenticated, if its protocol asks for one: a
    /// WebSocket whose credential came as a subprotocol is answered with the subprotocol that was chosen (RFC 6455, section
    /// 4.2.2). A header of the response's own stays, and a refusal does not get it. None by default.
    fn response_header(&self, request: &RequestHead<'_>) -> Option<(HeaderName, HeaderValue)> {
        let _ = request;
        None
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

    fn response_header(&self, request: &RequestHead<'_>) -> Option<(HeaderName, HeaderValue)> {
        (**self).response_header(request)
    }

    fn check_config(&self) -> Result<(), ConfigError> {
        (**self).check_config()
    }
}
