use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;

use crate::{BoxError, ConfigError, MaybeReady};

/// A source of single keys: an issuer that publishes each key at an address with the key's id.
///
/// The verifier asks for the key that a token names, once for all requests that wait, and keeps it. It asks only for
/// ids that are UUIDs, and only for a token that the key could make valid. As with a
/// [`KeySource`](super::KeySource), a fetch has a timeout, and a panic counts as a failed fetch.
///
/// ```
/// use std::collections::HashMap;
/// use bytes::Bytes;
/// use tower_auth::{BoxError, MaybeReady, token::{Algorithm, KeyLookup, TokenVerifier}};
///
/// /// Keys in memory, each in PEM.
/// struct Known(HashMap<String, String>);
///
/// impl KeyLookup for Known {
///     fn fetch(&self, id: &str) -> MaybeReady<Result<Option<Bytes>, BoxError>> {
///         MaybeReady::ready(Ok(self.0.get(id).cloned().map(Bytes::from)))
///     }
/// }
///
/// let tokens = TokenVerifier::lookup("https://id.example.com/", Algorithm::Es256, Known(HashMap::new()))
///     .audience("https://api.example.com")
///     .build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a source of single keys: it does not implement `KeyLookup`",
    note = "implement `fetch` for it; the page of the trait shows a whole one"
)]
pub trait KeyLookup: Send + Sync + 'static {
    /// Fetches the key with this id: a public key or a certificate in PEM. `None` means that there is no such key. The future must own
    /// its data.
    fn fetch(&self, id: &str) -> MaybeReady<Result<Option<Bytes>, BoxError>>;

    /// Returns the location of the keys for logs and errors, such as a URL. It must not contain a secret. The default is
    /// `None`.
    fn location(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// Checks the configuration of the source. It is called once, when a verifier is built.
    ///
    /// # Errors
    /// If the source is misconfigured. The error says what is wrong and how to fix it.
    fn check_config(&self) -> Result<(), ConfigError> {
        Ok(())
    }
}

impl<T: KeyLookup + ?Sized> KeyLookup for Arc<T> {
    fn fetch(&self, id: &str) -> MaybeReady<Result<Option<Bytes>, BoxError>> {
        (**self).fetch(id)
    }

    fn location(&self) -> Option<Cow<'_, str>> {
        (**self).location()
    }

    fn check_config(&self) -> Result<(), ConfigError> {
        (**self).check_config()
    }
}
