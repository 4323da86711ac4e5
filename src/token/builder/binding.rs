//! What becomes of a token that is bound to a key.

use super::settings::TokenVerifierBuilder;

impl TokenVerifierBuilder {
    /// Accepts tokens that are bound to a key or a certificate (`cnf`; RFC 7800) from anybody who presents them, as if they were not
    /// bound. By default, such a token is refused without a proof (RFC 9449, section 7.2; RFC 8705, section 3).
    ///
    /// What is lost: the issuer binds a token so that a thief cannot use it. With this setting, whoever finds the token in a log
    /// or a proxy can. Use it while clients move to bound tokens, or where a proxy in front has checked the proof and no
    /// request reaches the service past that proxy. [`Claims::confirmation`](crate::token::Claims::confirmation) still tells the
    /// binding, and members of `cnf` that nobody knows are ignored too.
    ///
    /// ```
    /// use tower_auth::{Secret, token::{Algorithm, TokenVerifier, VerifyingKey}};
    ///
    /// let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
    /// let behind_a_gateway = TokenVerifier::keys("https://id.example.com/", [key])
    ///     .audience("https://api.example.com")
    ///     .accept_bound_tokens_as_bearer()
    ///     .build()?;
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn accept_bound_tokens_as_bearer(self) -> Self {
        Self { ignores_binding: true, ..self }
    }
}
