//! The settings of keys: their algorithm, and how they are fetched.

use std::{sync::Arc, time::Duration};

use super::settings::{From, TokenVerifierBuilder};
use crate::token::{algorithm::Algorithm, key::VerifyingKey, source::KeySource};

impl TokenVerifierBuilder {
    /// Sets the algorithm of RSA keys without `alg` in a fetched set. The default is RS256.
    pub fn rsa_algorithm(self, algorithm: Algorithm) -> Self {
        Self { rsa: algorithm, ..self }
    }

    /// Takes the keys from this source instead, and changes nothing else. Use it for a mirror of an issuer's keys, and in tests of
    /// a service, where a `testing::TestIssuer` with the name of the issuer signs the tokens.
    ///
    /// ```
    /// use tower_auth::{ConfigError, TokenVerifier, token::{KeySource, TokenVerifierBuilder}};
    ///
    /// /// What the tests of a service change about its verifier.
    /// fn for_tests(verifier: TokenVerifierBuilder, issuer: impl KeySource) -> Result<TokenVerifier, ConfigError> {
    ///     verifier.keys_from(issuer).build()
    /// }
    /// ```
    pub fn keys_from(self, source: impl KeySource) -> Self {
        Self { keys: From::Source(Arc::new(source)), ..self }
    }

    /// Also accepts tokens that are signed by one of these keys. Use it beside a [`KeySource`](super::super::KeySource) or an
    /// issuer's key set while an issuer moves from one kind of key to another, such as from a shared secret to a published key.
    ///
    /// These keys need no fetch: their tokens are verified while the source is down, and cause no fetch. They have ids of
    /// their own: if none of them has an id, they are tried for tokens with any `kid`. Remove them when the last token that they
    /// signed has expired, because whoever knows a shared secret can make tokens of every caller.
    ///
    /// ```
    /// use tower_auth::{Secret, token::{Algorithm, KeySource, TokenVerifier, VerifyingKey}};
    ///
    /// # fn f(published: impl KeySource, legacy: &Secret) -> Result<(), tower_auth::ConfigError> {
    /// let tokens = TokenVerifier::source("https://project.supabase.co/auth/v1", published)
    ///     .also_keys([VerifyingKey::hmac(Algorithm::Hs256, legacy)?])
    ///     .audience("authenticated")
    ///     .typ(["JWT"])
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn also_keys(mut self, keys: impl IntoIterator<Item = VerifyingKey>) -> Self {
        self.also_keys.extend(keys);
        self
    }

    /// Also takes secrets (`kty` `oct`) from the document of the source. By default they are skipped, because whoever can read a
    /// published set could sign with them. Use it for a source of your own that nobody else can read, such as a file or a
    /// vault. Building the verifier fails if the source says that its document is published
    /// ([`KeySource::is_published`](super::super::KeySource::is_published)), which a key set over HTTP always does.
    ///
    /// ```
    /// use tower_auth::token::{KeySource, TokenVerifier};
    ///
    /// # fn f(vault: impl KeySource) -> Result<(), tower_auth::ConfigError> {
    /// let tokens = TokenVerifier::source("https://id.example.com/", vault)
    ///     .secret_keys_from_source()
    ///     .audience("https://api.example.com")
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn secret_keys_from_source(self) -> Self {
        Self { secrets: true, ..self }
    }

    /// Reads the document of the source as a SPIFFE bundle: only its keys with the `use` `jwt-svid` and a `kid` are taken, and no
    /// others. By default such keys are skipped, because their `use` is not `sig`. It has no effect on fixed keys.
    ///
    /// ```
    /// use tower_auth::token::{KeySource, TokenVerifier};
    ///
    /// # fn f(bundle: impl KeySource) -> Result<(), tower_auth::ConfigError> {
    /// let tokens = TokenVerifier::source("https://oidc.example.org", bundle)
    ///     .spiffe_bundle()
    ///     .typ(["JWT", "JOSE"])
    ///     .allow_missing_typ()
    ///     .audience("spiffe://example.org/api")
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn spiffe_bundle(self) -> Self {
        Self { spiffe: true, ..self }
    }

    /// Reads the document of the source as an object of public keys or certificates in PEM by their ids, which all have this
    /// algorithm ([`KeySet::from_pem_map`](super::super::KeySet::from_pem_map)). Without this setting, it is a JSON Web Key Set.
    /// It has no effect on fixed keys.
    ///
    /// ```
    /// use tower_auth::token::{Algorithm, KeySource, TokenVerifier};
    ///
    /// # fn f(certificates: impl KeySource) -> Result<(), tower_auth::ConfigError> {
    /// let tokens = TokenVerifier::source("https://securetoken.google.com/my-project", certificates)
    ///     .pem_map(Algorithm::Rs256)
    ///     .audience("my-project")
    ///     .typ(["JWT"])
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn pem_map(self, algorithm: Algorithm) -> Self {
        Self { pem_map: Some(algorithm), ..self }
    }

    /// Sets the age at which keys are fetched again. The default is 15 minutes. Tokens that verify with the keys in
    /// memory do not wait for the fetch.
    pub fn refresh_after(mut self, age: Duration) -> Self {
        self.pace.fresh = age;
        self
    }

    /// Sets the maximum age of keys while newer ones cannot be fetched. The default is 24 hours. Once the keys are
    /// older, requests with tokens are answered 503.
    pub fn max_stale(mut self, age: Duration) -> Self {
        self.pace.stale = age;
        self
    }

    /// Sets the minimum time between two fetches, successful or not. The default is 30 seconds. A key that the issuer
    /// uses right after publishing it may be unknown for this time. While there are no usable keys, the first retry
    /// comes after 250 milliseconds, and each further retry after twice the previous time, up to the cooldown.
    pub fn cooldown(mut self, wait: Duration) -> Self {
        self.pace.cooldown = wait;
        self
    }

    /// Sets the time limit of a fetch, and of a question to an [introspector](crate::token::Introspector). The default is 5
    /// seconds.
    pub fn fetch_timeout(mut self, patience: Duration) -> Self {
        self.pace.patience = patience;
        self
    }
}
