use std::sync::Arc;

use super::{keys::ReportKeys, published::read};
use crate::{
    BoxError, Clock, ConfigError, MaybeReady,
    token::{KeySet, KeySource, NamedKeys, VerifyingKey},
};

/// The keys with which GitHub signs its reports. Clones share them.
///
/// Only keys that GitHub calls current verify a report.
///
/// ```no_run
/// use tower_auth::{BoxError, Secret, leaks::GitHubKeys};
///
/// # fn keys() -> Result<(), BoxError> {
/// let fetched = GitHubKeys::fetched()?;
/// // A token of any GitHub account, without permissions, raises GitHub's limit on requests.
/// let token = Secret::from_env("GITHUB_TOKEN")?;
/// let fetched = GitHubKeys::source(GitHubKeys::client().bearer(&token))?;
/// // Without a way out to GitHub: the document of the URL, saved to a file.
/// let fixed = GitHubKeys::from_json(&std::fs::read("github-keys.json")?)?;
/// # Ok(())
/// # }
/// ```
///
/// Fetched keys are fetched for the first report. They are fetched again when they are an hour old, or when a report
/// names an unknown key, but two minutes pass between two fetches. While there are none, a failed fetch is repeated after
/// 250 milliseconds, then after 500, and so on up to two minutes. Keys are used until they are 24 hours old.
#[derive(Clone, Debug)]
pub struct GitHubKeys(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Fixed(KeySet),
    Fetched(NamedKeys, Clock),
}

impl GitHubKeys {
    /// The URL at which GitHub publishes the keys.
    pub const URL: &'static str = "https://api.github.com/meta/public_keys/secret_scanning";

    /// Reads the keys from the document that GitHub publishes at [`URL`](Self::URL). They never change: a report that is
    /// signed with a later key is refused.
    ///
    /// ```
    /// use tower_auth::leaks::GitHubKeys;
    ///
    /// // The test key of GitHub's documentation.
    /// let keys = GitHubKeys::from_json(br#"{"public_keys":[{
    ///     "key_identifier": "f9525bf080f75b3506ca1ead061add62b8633a346606dc5fe544e29231c6ee0d",
    ///     "key": "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsz9ugWDj5jK5ELBK42ynytbo38gP\nHzZFI03Exwz8Lh/tCfL3YxwMdLjB+bMznsanlhK0RwcGP3IDb34kQDIo3Q==\n-----END PUBLIC KEY-----",
    ///     "is_current": true
    /// }]}"#)?;
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// If the document has no current key on P-256.
    pub fn from_json(document: &[u8]) -> Result<Self, ConfigError> {
        let keys = read(document).map_err(|what| {
            ConfigError::new(
                format!("the keys of GitHub's reports cannot be read: {what}"),
                format!("use the document at {}", Self::URL),
            )
        })?;
        Ok(Self(Kind::Fixed(keys)))
    }

    /// Fetches the keys from a source that returns the same document as [`URL`](Self::URL): an HTTP client of your own, or
    /// [`client`](Self::client).
    ///
    /// # Errors
    /// If the source is misconfigured.
    pub fn source(source: impl KeySource) -> Result<Self, ConfigError> {
        source.check_config()?;
        let keys = NamedKeys::new(Arc::new(source), "GitHub secret scanning", read);
        Ok(Self(Kind::Fetched(keys, Clock::system())))
    }

    /// Fetches the keys from GitHub, without a token: GitHub allows an address 60 requests an hour (feature `jwks-http`).
    ///
    /// # Errors
    /// If TLS cannot be used: rustls has no crypto provider, or the system has no root certificates.
    #[cfg(feature = "jwks-http")]
    pub fn fetched() -> Result<Self, ConfigError> {
        Self::source(Self::client())
    }

    /// Returns the client of [`fetched`](Self::fetched), to configure it (feature `jwks-http`).
    #[cfg(feature = "jwks-http")]
    pub fn client() -> crate::jwks::JwksClient {
        // GitHub refuses requests without a user agent.
        crate::jwks::JwksClient::new(Self::URL).user_agent(concat!("tower-auth/", env!("CARGO_PKG_VERSION")))
    }

    /// Sets the clock that decides when keys are due: in tests, the clock that the test turns.
    #[must_use]
    pub fn clock(self, clock: impl Into<Clock>) -> Self {
        Self(match self.0 {
            Kind::Fetched(keys, _) => Kind::Fetched(keys, clock.into()),
            fixed @ Kind::Fixed(_) => fixed,
        })
    }
}

impl ReportKeys for GitHubKeys {
    fn find(&self, identifier: &str) -> MaybeReady<Result<Option<VerifyingKey>, BoxError>> {
        match &self.0 {
            Kind::Fixed(keys) => MaybeReady::ready(Ok(keys.named(identifier).cloned())),
            Kind::Fetched(keys, clock) => keys.find(identifier, clock).map(|found| found.map_err(|why| (*why).into())),
        }
    }
}
