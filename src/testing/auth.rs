use crate::{AuthFuture, Authenticated, Authenticator, Principal, RequestHead};

/// A method of authentication that looks at nothing.
///
/// ```
/// use tower_auth::{AuthStack, Principal, testing::FakeAuth};
///
/// let stack = AuthStack::builder().auth(FakeAuth::always(Principal::builder("alice").build())).build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct FakeAuth(Option<Principal>);

impl FakeAuth {
    /// Everybody is this principal.
    #[must_use]
    pub const fn always(principal: Principal) -> Self {
        Self(Some(principal))
    }

    /// Nobody presents a credential.
    #[must_use]
    pub const fn never() -> Self {
        Self(None)
    }
}

impl Authenticator for FakeAuth {
    fn authenticate(&self, _: &RequestHead<'_>) -> AuthFuture {
        AuthFuture::ready(self.0.clone().map_or(Authenticated::NoCredential, Authenticated::As))
    }

    fn challenge(&self) -> &'static str {
        "Fake realm=\"test\""
    }
}
