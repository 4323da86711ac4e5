use std::{borrow::Cow, error::Error, fmt, sync::Arc};

use bytes::Bytes;

use crate::{BoxError, ConfigError, MaybeReady};

/// Asks an authorization server whether a token is active (RFC 7662). It returns the bytes of the server's answer: a JSON object
/// with `active`.
///
/// The verifier asks about one token at most once at a time, limits the number of questions, and drops a question after its
/// timeout. The future is polled in the runtime of a request that waits for it. A panic counts as a failed question.
///
/// With the feature `jwks-http`,
/// [`IntrospectionClient`](https://docs.rs/tower-auth/latest/tower_auth/jwks/struct.IntrospectionClient.html) asks over HTTPS.
///
/// ```
/// use bytes::Bytes;
/// use tower_auth::{BoxError, MaybeReady, token::{Introspector, TokenVerifier}};
///
/// /// Tokens that another part of the process knows.
/// struct Known;
///
/// impl Introspector for Known {
///     fn introspect(&self, token: &str) -> MaybeReady<Result<Bytes, BoxError>> {
///         let answer = match token {
///             "an-example" => r#"{"active":true,"sub":"ann","aud":"https://api.example.com"}"#,
///             _ => r#"{"active":false}"#,
///         };
///         MaybeReady::ready(Ok(Bytes::from_static(answer.as_bytes())))
///     }
/// }
///
/// let tokens = TokenVerifier::introspect("https://id.example.com/", Known).audience("https://api.example.com").build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not introspect tokens: it does not implement `Introspector`",
    note = "implement `introspect` for it; the page of the trait shows a whole one"
)]
pub trait Introspector: Send + Sync + 'static {
    /// Asks about this token, and returns the body of the answer. The future must own its data. It may be dropped at any await.
    ///
    /// An error means that the server did not answer as it should, and not that the token is bad: the request is then answered
    /// 503. The text of the error is logged.
    fn introspect(&self, token: &str) -> MaybeReady<Result<Bytes, BoxError>>;

    /// Returns who is asked, for logs and errors, such as a URL. It must not contain a secret. The default is `None`.
    fn location(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// Checks the configuration. It is called once, when a verifier is built.
    ///
    /// # Errors
    /// If the introspector is misconfigured. The error says what is wrong and how to fix it.
    fn check_config(&self) -> Result<(), ConfigError> {
        Ok(())
    }
}

impl<T: Introspector + ?Sized> Introspector for Arc<T> {
    fn introspect(&self, token: &str) -> MaybeReady<Result<Bytes, BoxError>> {
        (**self).introspect(token)
    }

    fn location(&self) -> Option<Cow<'_, str>> {
        (**self).location()
    }

    fn check_config(&self) -> Result<(), ConfigError> {
        (**self).check_config()
    }
}

/// An error that is about the token that was asked about, and not about the server. Any client can cause it.
#[derive(Debug)]
pub(crate) struct OfOneToken(pub(crate) BoxError);

impl fmt::Display for OfOneToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for OfOneToken {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
