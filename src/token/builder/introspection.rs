//! Verifiers that ask an authorization server about each token.

use std::{borrow::Cow, sync::Arc, time::Duration};

use super::settings::{From, Introspection, TokenVerifierBuilder};
use crate::{
    ConfigError,
    token::{answer::Reading, asked::Settings, compact::Padding, introspector::Introspector, verifier::TokenVerifier},
};

const TTL: Duration = Duration::from_secs(30);
const ENTRIES: usize = 10_000;

impl TokenVerifier {
    /// Builds a verifier that asks this introspector about each token (RFC 7662), for opaque tokens, and for tokens whose
    /// revocation must count within seconds. The audience, the claims and the leeway are set as for signed tokens. The issuer is
    /// that of the principals, and the answer's `iss` must be equal to it if the answer has one.
    ///
    /// [Introspection](crate::token#introspection) says what is asked, and what is remembered.
    ///
    /// ```
    /// use tower_auth::{BearerLayer, ConfigError, TokenVerifier, token::Introspector};
    ///
    /// fn layer(server: impl Introspector) -> Result<BearerLayer, ConfigError> {
    ///     let tokens = TokenVerifier::introspect("https://id.example.com/", server)
    ///         .audience("https://api.example.com")
    ///         .build()?;
    ///     Ok(BearerLayer::new(tokens))
    /// }
    /// ```
    pub fn introspect(issuer: impl Into<Cow<'static, str>>, introspector: impl Introspector) -> TokenVerifierBuilder {
        TokenVerifierBuilder::new(issuer.into(), From::Introspector(Arc::new(introspector)))
    }
}

impl TokenVerifierBuilder {
    /// Sets how long the answer of an introspector counts; 30 seconds by default. A token that is revoked may be used for this
    /// time. An answer never counts longer than its `exp`. Zero asks about the token of every request.
    ///
    /// While the authorization server does not answer, tokens are admitted by the answers in memory until these are too old;
    /// all others are answered 503. [`build`](Self::build) rejects the setting without an introspector.
    pub fn introspection_ttl(mut self, age: Duration) -> Self {
        self.introspection.ttl = Some(age);
        self
    }

    /// Accepts answers of the introspector without `aud`. Call it only if the authorization server itself answers
    /// `{"active":false}` for tokens of other services than this one (RFC 7662, section 4): otherwise a token for any service of
    /// the issuer is good for this one. An `aud` in an answer must still contain a configured audience.
    ///
    /// [`build`](Self::build) rejects the setting without an introspector.
    pub fn allow_answers_without_audience(mut self) -> Self {
        self.introspection.for_this_service = true;
        self
    }

    /// Returns a setting that was called and checks nothing without keys.
    fn of_signed_tokens(&self) -> Option<&'static str> {
        let called = [
            ("require_header", !self.wanted.is_empty()),
            ("also_keys", !self.also_keys.is_empty()),
            ("padded_base64", self.padding != Padding::None),
            ("secret_keys_from_source", self.secrets),
            ("spiffe_bundle", self.spiffe),
            ("pem_map", self.pem_map.is_some()),
        ];
        called.into_iter().find(|(_, called)| *called).map(|(name, _)| name)
    }

    /// Returns the settings of a verifier that asks, and rejects them for a verifier that has keys.
    pub(super) fn asking(&self) -> Result<Settings, ConfigError> {
        let Introspection { ttl, for_this_service } = self.introspection;
        let setting = match &self.keys {
            From::Introspector(introspector) => {
                introspector.check_config()?;
                if let Some(setting) = self.of_signed_tokens() {
                    return Err(ConfigError::new(
                        format!(
                            "TokenVerifierBuilder::{setting} was called, and a verifier that introspects reads no token"
                        ),
                        "remove the call, or build a second verifier with keys and pass both to BearerLayer::or",
                    ));
                }
                None
            }
            _ => ttl.map(|_| "introspection_ttl").or(for_this_service.then_some("allow_answers_without_audience")),
        };
        if let Some(setting) = setting {
            return Err(ConfigError::new(
                format!("TokenVerifierBuilder::{setting} was called, and the verifier has keys and no introspector"),
                "remove the call, or build the verifier with TokenVerifier::introspect(issuer, introspector)",
            ));
        }
        let ttl = ttl.unwrap_or(TTL);
        let entries = self.cache.unwrap_or(ENTRIES);
        let reading = Reading { for_this_service, lasting: ttl };
        Ok(Settings { ttl, entries, patience: self.pace.patience, reading })
    }
}
