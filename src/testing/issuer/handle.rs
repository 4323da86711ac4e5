//! The issuer in memory.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{state::State, token::TestToken};
use crate::{
    BoxError, Clock, MaybeReady,
    token::{Algorithm, KeySource, TokenVerifier, TokenVerifierBuilder},
};

/// An issuer of tokens for tests, in memory. Clones are handles of the same issuer.
///
/// [`verifier`](Self::verifier) builds a verifier that fetches its keys from the issuer, and [`token`](Self::token) makes a
/// token, valid or wrong in one way:
///
/// ```
/// use http::{Request, StatusCode};
/// use tower::{Layer, ServiceExt, service_fn};
/// use tower_auth::{BearerLayer, testing::TestIssuer};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let issuer = TestIssuer::new();
/// let tokens = issuer.verifier().audience("https://api.test").build()?;
/// let app = BearerLayer::new(tokens).layer(service_fn(|_: Request<()>| async {
///     Ok::<_, std::convert::Infallible>(http::Response::new(()))
/// }));
///
/// let alice = || issuer.token("alice").audience("https://api.test");
/// for (token, status) in [
///     (alice(), StatusCode::OK),
///     (alice().expired(), StatusCode::UNAUTHORIZED),
///     (alice().without("exp"), StatusCode::UNAUTHORIZED),
///     (alice().typ("id+jwt"), StatusCode::UNAUTHORIZED),
///     (alice().by_stranger(), StatusCode::UNAUTHORIZED),
///     (alice().unsigned(), StatusCode::UNAUTHORIZED),
///     (issuer.token("alice").audience("https://other.test"), StatusCode::UNAUTHORIZED),
/// ] {
///     let request = Request::get("/").header("Authorization", format!("Bearer {}", token.sign())).body(()).unwrap();
///     assert_eq!(app.clone().oneshot(request).await.unwrap().status(), status);
/// }
/// # Ok::<_, tower_auth::ConfigError>(())
/// # }).unwrap();
/// ```
///
/// # Keys that change, and outages
///
/// A verifier of the issuer behaves as in production: it fetches the keys when the first token arrives, and waits at least 30
/// seconds before it fetches them again. Advance a [`ManualClock`](crate::testing::ManualClock), or set
/// [`cooldown`](TokenVerifierBuilder::cooldown) to zero:
///
/// ```
/// use std::time::Duration;
/// use tower_auth::{Clock, testing::{ManualClock, TestIssuer}, token::TokenError};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let hand = ManualClock::at("2026-01-01T00:00:00Z");
/// let clock = Clock::from(&hand);
/// let issuer = TestIssuer::new().clock(&hand);
/// let tokens = issuer.verifier().audience("api").build()?;
/// let alice = || issuer.token("alice").audience("api").sign();
///
/// issuer.fail();
/// assert!(matches!(tokens.verify(&alice(), &clock).await, Err(TokenError::Unavailable(_))));
/// issuer.recover();
/// hand.advance(Duration::from_secs(1));
/// assert!(tokens.verify(&alice(), &clock).await.is_ok());
///
/// let old = alice();
/// issuer.rotate();
/// hand.advance(Duration::from_secs(30));
/// assert!(tokens.verify(&alice(), &clock).await.is_ok());
/// assert!(tokens.verify(&old, &clock).await.is_ok()); // the old key is still published
/// assert_eq!(issuer.fetches(), 3);
/// # Ok::<_, tower_auth::ConfigError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct TestIssuer {
    pub(super) name: Arc<str>,
    pub(super) clock: Clock,
    pub(super) state: Arc<State>,
}

impl TestIssuer {
    /// Creates the issuer `https://id.test`, which signs with ES256.
    ///
    /// # Panics
    /// If the operating system provides no random bytes.
    #[must_use]
    pub fn new() -> Self {
        Self::named("https://id.test")
    }

    /// Creates an issuer with this name: the `iss` of its tokens. It signs with ES256.
    ///
    /// # Panics
    /// If the operating system provides no random bytes.
    #[must_use]
    pub fn named(name: impl AsRef<str>) -> Self {
        Self { name: name.as_ref().into(), clock: Clock::system(), state: Arc::new(State::new(Algorithm::Es256)) }
    }

    /// Replaces the key by one for this algorithm: ES256, ES384, Ed25519 or RS256. A key for RS256 takes tenths of a second,
    /// or seconds with the feature `rust-crypto`; the others take microseconds.
    ///
    /// # Panics
    /// If the algorithm is another one.
    #[must_use]
    pub fn algorithm(self, algorithm: Algorithm) -> Self {
        self.state.add_key(algorithm);
        self.state.remove_old_keys();
        self
    }

    /// Sets the clock: of the times in new tokens, and of the [`delay`](Self::delay). The default is the system clock.
    #[must_use]
    pub fn clock(self, clock: impl Into<Clock>) -> Self {
        Self { clock: clock.into(), ..self }
    }

    /// Returns the name of the issuer.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts a verifier for the tokens of this issuer. It fetches its keys from the issuer, without a network, and needs an
    /// [`audience`](TokenVerifierBuilder::audience).
    pub fn verifier(&self) -> TokenVerifierBuilder {
        TokenVerifier::source(self.name.to_string(), self.clone())
    }

    /// Starts a token for this subject.
    pub fn token(&self, subject: impl AsRef<str>) -> TestToken {
        TestToken::new(&self.state, &self.name, subject.as_ref(), self.clock.now())
    }

    /// Adds a key of the same algorithm, which signs all tokens from now on. The old keys are still published.
    pub fn rotate(&self) {
        self.state.add_key(self.state.signer().algorithm());
    }

    /// Removes the keys that no longer sign from the published set.
    ///
    /// ```
    /// use tower_auth::testing::TestIssuer;
    ///
    /// let issuer = TestIssuer::new();
    /// issuer.rotate();
    /// assert_eq!(issuer.key_set().matches("\"kid\"").count(), 2);
    /// issuer.remove_old_keys();
    /// assert_eq!(issuer.key_set().matches("\"kid\"").count(), 1);
    /// ```
    pub fn remove_old_keys(&self) {
        self.state.remove_old_keys();
    }

    /// Returns the published key set (RFC 7517), the newest key first. It counts as no fetch.
    #[must_use]
    pub fn key_set(&self) -> String {
        self.state.key_set()
    }

    /// Makes every fetch fail from now on.
    pub fn fail(&self) {
        self.state.set_failing(true);
    }

    /// Makes fetches work again.
    pub fn recover(&self) {
        self.state.set_failing(false);
    }

    /// Sets how long a fetch takes, by the issuer's [clock](Self::clock). The default is zero: the answer is ready at once.
    ///
    /// A verifier gives up after its [`fetch_timeout`](TokenVerifierBuilder::fetch_timeout), which is measured in real time.
    pub fn delay(&self, delay: Duration) {
        self.state.set_delay(delay);
    }

    /// Revokes a token, opaque or not (feature `jwks-http`). Only the introspection endpoint of [`serve`](Self::serve) knows it: a
    /// verifier of JWTs asks nobody.
    #[cfg(feature = "jwks-http")]
    pub fn revoke(&self, token: &str) {
        self.state.revoke(token);
    }

    /// Returns how often the keys were fetched, with failed fetches.
    #[must_use]
    pub fn fetches(&self) -> usize {
        self.state.fetches()
    }

    pub(super) fn answer(&self) -> Result<Bytes, BoxError> {
        if self.state.is_failing() { Err("the test issuer is set to fail".into()) } else { Ok(self.key_set().into()) }
    }
}

impl Default for TestIssuer {
    fn default() -> Self {
        Self::new()
    }
}

impl KeySource for TestIssuer {
    fn fetch(&self) -> MaybeReady<Result<Bytes, BoxError>> {
        self.state.count_fetch();
        let delay = self.state.delay();
        if delay.is_zero() {
            return MaybeReady::ready(self.answer());
        }
        let issuer = self.clone();
        MaybeReady::boxed(async move {
            issuer.clock.sleep(delay).await;
            issuer.answer()
        })
    }

    fn issuer(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn location(&self) -> Option<Cow<'_, str>> {
        Some("the memory of a TestIssuer".into())
    }
}

impl fmt::Debug for TestIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestIssuer")
            .field("name", &self.name)
            .field("failing", &self.state.is_failing())
            .field("fetches", &self.fetches())
            .finish_non_exhaustive()
    }
}
