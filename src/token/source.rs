use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;

use crate::{BoxError, ConfigError, MaybeReady};

/// Where an issuer's key set comes from: the bytes of a JSON Web Key Set, fetched again and again.
///
/// It is asked by one request at a time, no more often than the verifier's cooldown allows, and for no longer than the
/// verifier's timeout. The future is polled in the runtime in which it was made; a panic in it is a failed fetch.
///
/// ```
/// use bytes::Bytes;
/// use tower_auth::{MaybeReady, BoxError, token::{KeySource, TokenVerifier}};
///
/// /// A file that somebody else keeps up to date.
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
    message = "`{Self}` is no source of keys: it does not implement `KeySource`",
    note = "implement `fetch` for it; the page of the trait shows a whole one"
)]
pub trait KeySource: Send + Sync + 'static {
    /// The document as it is now. The future must own what it needs; it may be dropped at any await.
    fn fetch(&self) -> MaybeReady<Result<Bytes, BoxError>>;

    /// The issuer whose keys these are, where the source knows it: then no verifier of another issuer takes them.
    fn issuer(&self) -> Option<&str> {
        None
    }

    /// Where the keys come from, such as a URL, for logs and errors; it must hold no secret. None by default.
    fn location(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// Whether the source was put together rightly; asked once, when a verifier is built.
    ///
    /// # Errors
    /// What is wrong and how to mend it.
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

    fn check_config(&self) -> Result<(), ConfigError> {
        (**self).check_config()
    }
}
