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
    realm: String,
    metadata: Option<String>,
    /// What it offers to those who bring nothing.
    challenge: Challenge,
    fault: Option<ConfigError>,
}

impl BearerLayer {
    /// Tokens that this verifier takes.
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
        realm.clone_into(&mut self.realm);
        self.offer()
    }

    /// Where clients find what they have to know to get a token: the address of the protected resource metadata, which every
    /// challenge names (RFC 9728, section 5.1).
    pub fn resource_metadata(mut self, url: impl Into<String>) -> Self {
        self.metadata = Some(url.into());
        self.offer()
    }

    fn offer(mut self) -> Self {
        self.challenge = challenge(&self.realm, self.metadata.as_deref());
        self.check.judge = Arc::new(Judge::new(&self.challenge));
        self
    }

    /// Asks about every token that verifies whether it was taken back; see [`TokenRevocation`]. A second list is refused
    /// when a stack is built: it would take the place of the first.
    pub fn revocation(mut self, revocation: impl TokenRevocation) -> Self {
        if self.check.revocation.replace(Arc::new(revocation)).is_some() {
            self.fault.get_or_insert(ConfigError::new(
                "the BearerLayer was given two revocation lists, and would ask the second alone",
                "give it one TokenRevocation that asks both",
            ));
        }
        self
    }

    /// Lets visitors in; see [`AuthLayer::optional`].
    pub fn optional(self) -> AuthLayer {
        AuthLayer::first(self).optional()
    }

    /// Takes the header out of the request once it is read; see [`AuthLayer::strip_credentials`].
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
