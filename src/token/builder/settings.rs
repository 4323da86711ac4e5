use std::{borrow::Cow, sync::Arc, time::Duration};

use crate::{
    ConfigError,
    token::{
        algorithm::Algorithm,
        demands::Demands,
        key::VerifyingKey,
        key_set::KeySet,
        keys::Pace,
        names::Names,
        source::KeySource,
        terms::{Extra, Required},
        verifier::TokenVerifier,
    },
};

/// Builds a [`TokenVerifier`].
///
/// ```
/// use std::time::Duration;
/// use tower_auth::{Secret, token::{Algorithm, TokenVerifier, VerifyingKey}};
///
/// let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
/// let tokens = TokenVerifier::keys("https://id.example.com/", [key])
///     .audience("https://api.example.com")
///     .typ(["at+jwt", "JWT"])
///     .leeway(Duration::from_secs(5))
///     .scopes_from("scp")
///     .plan_from("plan")
///     .build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct TokenVerifierBuilder {
    pub(super) issuer: Cow<'static, str>,
    pub(super) audiences: Vec<String>,
    pub(super) types: Vec<String>,
    pub(super) missing_type: bool,
    pub(super) leeway: Duration,
    pub(super) max_token_len: usize,
    pub(super) names: Names,
    pub(super) required: Vec<Required>,
    pub(super) demands: Demands,
    pub(super) extra: Option<Extra>,
    pub(super) keys: From,
    pub(super) cache: Option<usize>,
    pub(super) rsa: Algorithm,
    pub(super) pace: Pace,
    /// The first invalid setting.
    pub(super) fault: Option<ConfigError>,
}

pub(super) enum From {
    Fixed(KeySet),
    Source(Arc<dyn KeySource>),
}

impl TokenVerifier {
    /// Builds a verifier for tokens of this issuer that are signed by one of these keys.
    pub fn keys(
        issuer: impl Into<Cow<'static, str>>,
        keys: impl IntoIterator<Item = VerifyingKey>,
    ) -> TokenVerifierBuilder {
        TokenVerifierBuilder::new(issuer.into(), From::Fixed(keys.into_iter().collect()))
    }

    /// Builds a verifier for tokens of this issuer that are signed by a key of this set.
    pub fn key_set(issuer: impl Into<Cow<'static, str>>, keys: KeySet) -> TokenVerifierBuilder {
        TokenVerifierBuilder::new(issuer.into(), From::Fixed(keys))
    }

    /// Builds a verifier for tokens of this issuer that are signed by a key of the set from this source; see
    /// [`KeySource`].
    pub fn source(issuer: impl Into<Cow<'static, str>>, source: impl KeySource) -> TokenVerifierBuilder {
        TokenVerifierBuilder::new(issuer.into(), From::Source(Arc::new(source)))
    }
}

impl TokenVerifierBuilder {
    fn new(issuer: Cow<'static, str>, keys: From) -> Self {
        Self {
            issuer,
            audiences: Vec::new(),
            types: vec!["at+jwt".to_owned()],
            missing_type: false,
            leeway: Duration::ZERO,
            max_token_len: 8 * 1024,
            names: Names::default(),
            required: Vec::new(),
            demands: Demands::default(),
            extra: None,
            keys,
            cache: None,
            rsa: Algorithm::Rs256,
            pace: Pace {
                fresh: Duration::from_secs(15 * 60),
                stale: Duration::from_secs(24 * 3600),
                cooldown: Duration::from_secs(30),
                patience: Duration::from_secs(5),
            },
            fault: None,
        }
    }

    /// Sets the accepted token types (`typ`), case-insensitive. The default is `at+jwt` alone (RFC 9068). Many issuers
    /// use `JWT` for access tokens and for other tokens. Accept `JWT` only if access tokens have another audience than
    /// the other tokens of the issuer.
    pub fn typ<S: Into<String>>(self, types: impl IntoIterator<Item = S>) -> Self {
        let short = |name: S| {
            let name = name.into().to_ascii_lowercase();
            name.strip_prefix("application/").map_or_else(|| name.clone(), str::to_owned)
        };
        Self { types: types.into_iter().map(short).collect(), ..self }
    }

    /// Also accepts tokens without a `typ`.
    pub fn allow_missing_typ(self) -> Self {
        Self { missing_type: true, ..self }
    }

    /// Sets the allowed difference between the clock of the issuer and the clock of this service. The default is zero,
    /// and the maximum is 60 seconds.
    pub fn leeway(self, leeway: Duration) -> Self {
        Self { leeway, ..self }
    }

    /// Sets the maximum length of a token, in bytes. The default is 8 KiB. Longer tokens are refused without parsing.
    pub fn max_token_len(self, bytes: usize) -> Self {
        Self { max_token_len: bytes, ..self }
    }

    /// Caches up to `tokens` verified tokens. On every hit, the times of the token and the keys in use are checked
    /// again. By default there is no cache.
    pub fn cache(self, tokens: usize) -> Self {
        Self { cache: Some(tokens), ..self }
    }
}

impl std::fmt::Debug for TokenVerifierBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenVerifierBuilder").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
