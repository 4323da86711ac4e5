use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;

use crate::{BoxError, ConfigError, MaybeReady};

/// The source of an issuer's key set. It returns the bytes of a JSON Web Key Set and is called repeatedly.
///
/// The verifier runs one fetch at a time, at most as often as its cooldown allows, and drops a fetch after its timeout.
/// The future is polled in the runtime in which it was created. A panic in the future counts as a failed fetch.
///
/// ```
/// use bytes::Bytes;
/// use tower_auth::{MaybeReady, BoxError, token::{KeySource, TokenVerifier}};
///
/// /// A file that another process keeps up to date.
/// struct KeyFile(&'static str);
///
/// impl KeySource for KeyFile {
///     fn fetch(&self) -> MaybeReady<Result<Bytes, BoxError>> {
///         MaybeReady::ready(std::fs::read(self.0).map(Bytes::from).map_err(Into::into))
///     }
/// }
///
/// let tokens = TokenVerifier::source("https://id.example.com/", KeyFile("/run/keys/jwks.json"))
///     .audience("https://api.example.com")
///     .build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a source of keys: it does not implement `KeySource`",
    note = "implement `fetch` for it; the page of the trait shows a whole one"
)]
pub trait KeySource: Send + Sync + 'static {
    /// Fetches the current key set document. The future must own its data. It may be dropped at any await.
    fn fetch(&self) -> MaybeReady<Result<Bytes, BoxError>>;

    /// Returns the issuer of the keys, if the source knows the issuer. A verifier of another issuer then fails to
    /// build. The default is `None`.
    fn issuer(&self) -> Option<&str> {
        None
    }

    /// Returns the location of the keys for logs and errors, such as a URL. It must not contain a secret. The default
    /// is `None`.
    fn location(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// Returns the key set that the source has in memory, if it has one: a verifier without keys uses it instead of waiting for
    /// a fetch. The default is `None`.
    fn known(&self) -> Option<Bytes> {
        None
    }

    /// Returns whether others than the issuer and this service can read the document. It then can hold no secrets, and a verifier with
    /// [`secret_keys_from_source`](super::TokenVerifierBuilder::secret_keys_from_source) fails to build. The default is
    /// `false`.
    fn is_published(&self) -> bool {
        false
    }

    /// Checks the configuration of the source. It is called once, when a verifier is built.
    ///
    /// # Errors
    /// If the source is misconfigured. The error says what is wrong and how to fix it.
    fn check_config(&self) -> Result<(), ConfigError> {
        Ok(())
    }
}

impl<T: KeySource + ?Sized> KeySource for Arc<T> {
    fn fetch(&self) -> MaybeReady<Result<Bytes, BoxError>> {
        (**self).fetch()
    }

    fn issuer(&self) -> Option<&str> {
        (**self).issuer()
    }

    fn location(&self) -> Option<Cow<'_, str>> {
        (**self).location()
    }

    fn known(&self) -> Option<Bytes> {
        (**self).known()
    }

    fn is_published(&self) -> bool {
        (**self).is_published()
    }

    fn check_config(&self) -> Result<(), ConfigError> {
        (**self).check_config()
    }
}
