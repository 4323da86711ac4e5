use std::{borrow::Cow, fmt, slice, sync::Arc};

use http::HeaderName;
use tower_layer::Layer;

use super::guard::{Judge, TokenCheck};
use crate::{
    AuthFuture, AuthLayer, AuthOutcome, Authenticator, Challenge, ConfigError, Rejection, RequestHead,
    base::credential::Source,
    gate::Gate,
    token::{TokenRevocation, TokenVerifier},
};

/// Authenticates requests by a token in `Authorization: Bearer`. It is a layer by itself, or a method of an
/// [`AuthLayer`] or [`AuthStack`](crate::AuthStack).
///
/// In: any request. Out: the request with a [`Principal`](crate::Principal), or a refusal. The
/// [module page](crate::bearer) lists the refusals.
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
    realm: String,
    metadata: Option<String>,
    /// The challenge for a request without a token.
    challenge: Challenge,
    fault: Option<ConfigError>,
}

impl BearerLayer {
    /// Creates a layer that checks tokens with this verifier.
    pub fn new(tokens: TokenVerifier) -> Self {
        let challenge = challenge("api", None);
        let check = TokenCheck {
            source: Source::Scheme(Cow::Borrowed("Bearer")),
            verifiers: vec![tokens],
            revocation: None,
            judge: Arc::new(Judge::new(&challenge)),
        };
        Self { check, realm: "api".to_owned(), metadata: None, challenge, fault: None }
    }

    /// Adds a verifier for tokens of another issuer. If two verifiers have the same issuer, every request is refused
    /// with 500, and [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build) fails.
    pub fn or(mut self, tokens: TokenVerifier) -> Self {
        if self.check.verifiers.iter().any(|known| known.issuer() == tokens.issuer()) {
            self.fault.get_or_insert(ConfigError::new(
                format!("the BearerLayer has two verifiers for the issuer {:?}", tokens.issuer()),
                "use one verifier with all keys and audiences of the issuer",
            ));
        }
        self.check.verifiers.push(tokens);
        self
    }

    /// Sets the realm in every challenge; `api` by default.
    pub fn realm(mut self, realm: &str) -> Self {
        realm.clone_into(&mut self.realm);
        self.offer()
    }

    /// Sets the URL of the protected resource metadata, which describes how a client gets a token. Every challenge
    /// contains the URL (RFC 9728, section 5.1).
    pub fn resource_metadata(mut self, url: impl Into<String>) -> Self {
        self.metadata = Some(url.into());
        self.offer()
    }

    fn offer(mut self) -> Self {
        self.challenge = challenge(&self.realm, self.metadata.as_deref());
        self.check.judge = Arc::new(Judge::new(&self.challenge));
        self
    }

    /// Checks every verified token against a list of revoked tokens; see [`TokenRevocation`]. If a second list is set,
    /// every request is refused with 500, and [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build) fails.
    pub fn revocation(mut self, revocation: impl TokenRevocation) -> Self {
        if self.check.revocation.replace(Arc::new(revocation)).is_some() {
            self.fault.get_or_insert(ConfigError::new(
                "the BearerLayer has two revocation lists, and would ask only the second",
                "use one TokenRevocation that asks both lists",
            ));
        }
        self
    }

    /// Admits requests without a token; see [`AuthLayer::optional`].
    pub fn optional(self) -> AuthLayer {
        AuthLayer::first(self).optional()
    }

    /// Removes the `Authorization` header from the request after it is read; see [`AuthLayer::strip_credentials`].
    pub fn strip_credentials(self) -> AuthLayer {
        AuthLayer::first(self).strip_credentials()
    }
}

fn challenge(realm: &str, metadata: Option<&str>) -> Challenge {
    let challenge = Challenge::new("Bearer").param("realm", realm);
    match metadata {
        Some(url) => challenge.param("resource_metadata", url),
        None => challenge,
    }
}

impl Authenticator for BearerLayer {
    #[inline]
    fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
        match &self.fault {
            None => self.check.authenticate(request),
            Some(fault) => AuthFuture::ready(AuthOutcome::Rejected(Rejection::internal(fault.clone()))),
        }
    }

    fn challenge(&self) -> &str {
        self.challenge.as_str()
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
