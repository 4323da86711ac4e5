use std::{borrow::Cow, fmt, slice, sync::Arc};

use http::HeaderName;
use tower_layer::Layer;

use super::guard::{Judge, TokenCheck};
use crate::{
    AuthFuture, AuthLayer, Authenticated, Authenticator, Challenge, ConfigError, Rejection, RequestHead,
    credential::Source, gate::Gate, token::TokenVerifier,
};

/// Authenticates requests by a token in `Authorization: Bearer`; alone a layer, or a method of an [`AuthLayer`] or
/// [`AuthStack`](crate::AuthStack).
///
/// In: any request. Out: the request with a [`Principal`](crate::Principal), or a refusal as the
/// [module page](crate::bearer) lists them.
///
/// ```
/// use tower_auth::{BearerLayer, Secret, token::{Algorithm, TokenVerifier, VerifyingKey}};
///
/// let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
/// let staff = TokenVerifier::keys("https://staff.example.com/", [key.clone()]).audience("api").build()?;
/// let customers = TokenVerifier::keys("https://id.example.com/", [key]).audience("api").build()?;
/// let layer = BearerLayer::new(customers).or(staff).realm("example");
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use = "a layer does nothing until it is mounted"]
pub struct BearerLayer {
    check: TokenCheck,
    challenge: String,
    fault: Option<ConfigError>,
}

impl BearerLayer {
    /// Tokens that this verifier takes.
    pub fn new(tokens: TokenVerifier) -> Self {
        let check = TokenCheck {
            source: Source::Scheme(Cow::Borrowed("Bearer")),
            verifiers: vec![tokens],
            judge: Arc::new(Judge::new("api")),
        };
        Self { check, challenge: challenge("api"), fault: None }
    }

    /// Tokens of another issuer too, which has its own keys. Two verifiers for one issuer refuse every request with 500,
    /// and fail [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build).
    pub fn or(mut self, tokens: TokenVerifier) -> Self {
        if self.check.verifiers.iter().any(|known| known.issuer() == tokens.issuer()) {
            self.fault.get_or_insert(ConfigError::new(
                format!("the BearerLayer has two verifiers for the issuer {:?}", tokens.issuer()),
                "give one verifier all keys and audiences of the issuer",
            ));
        }
        self.check.verifiers.push(tokens);
        self
    }

    /// What a challenge calls the service; `api` by default.
    pub fn realm(mut self, realm: &str) -> Self {
        self.check.judge = Arc::new(Judge::new(realm));
        self.challenge = challenge(realm);
        self
    }

    /// Lets visitors in; see [`AuthLayer::optional`].
    pub fn optional(self) -> AuthLayer {
        AuthLayer::first(self).optional()
    }

    /// Takes the header out of the request once it is read; see [`AuthLayer::strip`].
    pub fn strip(self) -> AuthLayer {
        AuthLayer::first(self).strip()
    }
}

fn challenge(realm: &str) -> String {
    Challenge::new("Bearer").param("realm", realm).as_str().to_owned()
}

impl Authenticator for BearerLayer {
    #[inline]
    fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
        match &self.fault {
            None => self.check.authenticate(request),
            Some(fault) => AuthFuture::ready(Authenticated::Rejected(Rejection::internal(fault.clone()))),
        }
    }

    fn challenge(&self) -> &str {
        &self.challenge
    }

    fn credential_headers(&self) -> &[HeaderName] {
        slice::from_ref(self.check.source.header())
    }

    fn recognizes(&self, request: &RequestHead<'_>) -> bool {
        self.check.recognizes(request)
    }

    fn check_config(&self) -> Result<(), ConfigError> {
        self.fault.clone().map_or(Ok(()), Err)
    }
}

impl<S> Layer<S> for BearerLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        AuthLayer::first(self.clone()).layer(inner)
    }
}

impl fmt::Debug for BearerLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerLayer").field("verifiers", &self.check.verifiers).finish_non_exhaustive()
    }
}
