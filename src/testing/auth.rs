use std::{fmt, sync::Arc};

use http::Extensions;

use crate::{
    Anonymous, AuthFuture, AuthOutcome, Authenticator, Principal, RequestHead,
    context::{identity::Identity, request::RequestContext},
};

/// A method of authentication that checks no credential.
///
/// ```
/// use tower_auth::{AuthStack, Principal, testing::FakeAuth};
///
/// let stack = AuthStack::builder().auth(FakeAuth::always(Principal::builder("alice").build())).build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct FakeAuth(Who);

type Choose = dyn Fn(&RequestHead<'_>) -> Option<Principal> + Send + Sync;

#[derive(Clone)]
enum Who {
    Always(Principal),
    Never,
    By(Arc<Choose>),
}

impl fmt::Debug for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always(principal) => f.debug_tuple("Always").field(principal).finish(),
            Self::Never => f.write_str("Never"),
            Self::By(_) => f.write_str("By(..)"),
        }
    }
}

impl FakeAuth {
    /// Authenticates every request as this principal.
    #[must_use]
    pub const fn always(principal: Principal) -> Self {
        Self(Who::Always(principal))
    }

    /// Treats every request as one without a credential.
    #[must_use]
    pub const fn never() -> Self {
        Self(Who::Never)
    }

    /// Authenticates each request as the principal that the function returns. `None` means that the request has no
    /// credential.
    ///
    /// ```
    /// use tower_auth::{AuthLayer, Principal, testing::FakeAuth};
    ///
    /// // `x-test-user: alice` authenticates alice.
    /// let auth = AuthLayer::from(FakeAuth::from_fn(|request| {
    ///     let name = request.headers().get("x-test-user")?.to_str().ok()?;
    ///     Some(Principal::builder(name).scopes(["read"]).build())
    /// }));
    /// ```
    pub fn from_fn(principal: impl Fn(&RequestHead<'_>) -> Option<Principal> + Send + Sync + 'static) -> Self {
        Self(Who::By(Arc::new(principal)))
    }
}

impl Authenticator for FakeAuth {
    fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
        let principal = match &self.0 {
            Who::Always(principal) => Some(principal.clone()),
            Who::Never => None,
            Who::By(principal) => principal(request),
        };
        AuthFuture::ready(principal.map_or(AuthOutcome::NoCredential, AuthOutcome::Authenticated))
    }

    fn challenge(&self) -> &'static str {
        "Fake realm=\"test\""
    }
}

/// Puts a principal into a request, as an authentication layer does. Use it to unit-test an extractor or a handler.
///
/// The function works with the requests of every framework: pass `request.extensions_mut()` or `&mut parts.extensions`.
///
/// ```
/// use tower_auth::{Principal, RequestExt, testing::set_principal};
///
/// let (mut parts, ()) = http::Request::new(()).into_parts();
/// set_principal(&mut parts.extensions, Principal::builder("alice").build());
/// assert_eq!(parts.principal().unwrap().subject(), "alice");
/// ```
pub fn set_principal(extensions: &mut Extensions, principal: Principal) {
    RequestContext::of_mut(extensions).set_identity(Identity::Principal(principal));
}

/// Marks a request as anonymous, as an optional authentication layer does for a request without a credential.
///
/// ```
/// use tower_auth::{RequestExt, testing::set_anonymous};
///
/// let mut request = http::Request::new(());
/// set_anonymous(request.extensions_mut());
/// assert!(request.anonymous().is_some());
/// ```
pub fn set_anonymous(extensions: &mut Extensions) {
    RequestContext::of_mut(extensions).set_identity(Identity::Anonymous(Anonymous::new(None)));
}
