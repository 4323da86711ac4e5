//! The settings of audiences and clients: for whom a token must be.

use super::settings::TokenVerifierBuilder;
use crate::{
    ConfigError,
    token::{claim_source::ClaimSource, demands::Client, raw::Part},
};

impl TokenVerifierBuilder {
    /// Adds an audience: the name of this service in `aud`. A token is accepted if its `aud` contains any of the
    /// audiences. An audience or a [`client`](Self::client) is required.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Sets the clients whose tokens are accepted, and the one claim that names the client: `client_id` (Cognito), `azp`
    /// (Keycloak, Kinde, Clerk), `cid` (Okta) or `appid` (Entra v1). It is for issuers whose tokens have no `aud`. The
    /// client also becomes [`Claims::client_id`](crate::token::Claims::client_id).
    ///
    /// | settings | tokens that are accepted |
    /// |---|---|
    /// | `audience` | `aud` has an audience of these |
    /// | `client` | there is no `aud`, and the client is one of these |
    /// | `audience` and `client` | `aud` has an audience of these, and the client is one of these |
    /// | both, and [`audience_or_client`](Self::audience_or_client) | `aud` has an audience of these; or there is no `aud`, and the client is one of these |
    /// | `client`, and [`accept_any_audience`](Self::accept_any_audience) | the client is one of these |
    ///
    /// An `aud` that is `null` or an empty list counts as none. A token with an `aud` that names only others is for
    /// others, so a client alone does not make it good. If the issuer writes a constant there, as Keycloak does with
    /// `account`, add it as an audience.
    ///
    /// The verifier looks at no second claim: a client that could put its id into any of several claims would be
    /// accepted by the weakest.
    ///
    /// ```
    /// use tower_auth::{Secret, token::{Algorithm, TokenVerifier, VerifyingKey}};
    ///
    /// let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
    /// let tokens = TokenVerifier::keys("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_example", [key])
    ///     .client("client_id", ["7l5hvv9bbk8gnd6b5pdgd2hm2b"])
    ///     .require_claim("token_use", ["access"])
    ///     .allow_missing_typ()
    ///     .build()?;
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn client<S: Into<String>>(mut self, claim: impl Into<ClaimSource>, ids: impl IntoIterator<Item = S>) -> Self {
        let ids: Vec<String> = ids.into_iter().map(Into::into).collect();
        match self.add("client", Part::Client, &claim.into()) {
            Err(fault) => {
                self.fault.get_or_insert(fault);
            }
            Ok(name) if ids.is_empty() || ids.iter().any(String::is_empty) => {
                self.fault.get_or_insert_with(|| {
                    ConfigError::new(
                        format!("TokenVerifierBuilder::client got no id, or an empty one, for the claim {name}"),
                        "pass the ids of the clients whose tokens are accepted, exactly as in the tokens",
                    )
                });
            }
            Ok(name) => self.demands.client = Some(Client { name, ids }),
        }
        self
    }

    /// Accepts a token without `aud` by its client, and a token with `aud` by its audience alone. Without this setting,
    /// a verifier with audiences and clients checks both.
    ///
    /// It is for issuers that write an audience only if the client has asked for one, such as Kinde and Ory. A token
    /// whose `aud` names only others is refused, whatever its client is.
    ///
    /// ```
    /// use tower_auth::{Secret, token::{Algorithm, TokenVerifier, VerifyingKey}};
    ///
    /// let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
    /// let tokens = TokenVerifier::keys("https://example.kinde.com", [key])
    ///     .audience("https://api.example.com")
    ///     .client("azp", ["1c2b5e8d0d2f4f3f8d3f"])
    ///     .audience_or_client()
    ///     .build()?;
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn audience_or_client(mut self) -> Self {
        self.demands.audience_or_client = true;
        self
    }

    /// Accepts tokens for any audience: `aud` is not checked. With a [`client`](Self::client), the client is.
    ///
    /// Without a client, every token that these keys have signed for this issuer is accepted, also one for another
    /// service. Use it only if the keys sign for this service alone, because their URL names the application (`WorkOS`,
    /// Descope), or if another required value tells whom the token is for.
    ///
    /// ```
    /// use tower_auth::{Secret, token::{Algorithm, TokenVerifier, VerifyingKey}};
    ///
    /// let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
    /// let tokens = TokenVerifier::keys("https://api.workos.com", [key]).accept_any_audience().typ(["JWT"]).build()?;
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn accept_any_audience(mut self) -> Self {
        self.demands.any_audience = true;
        self
    }

    /// Checks that the settings say for whom a token must be.
    pub(super) fn check_recipient(&self) -> Result<(), ConfigError> {
        let wrong = |what: &'static str, help: &'static str| Err(ConfigError::new(what, help));
        let (no_audience, demands) = (self.audiences.is_empty(), &self.demands);
        let empty = self.audiences.iter().any(String::is_empty);
        if empty || no_audience && demands.client.is_none() && !demands.any_audience {
            return wrong(
                "the TokenVerifier has no audience: tokens for other services of the issuer would be accepted",
                "call .audience(..) with this service's name, exactly as in aud of the tokens, or .client(..) if they have no aud",
            );
        }
        if demands.any_audience && !no_audience {
            return wrong(
                "the TokenVerifier has an audience, and accept_any_audience would accept tokens for all others",
                "remove one of the calls",
            );
        }
        if demands.audience_or_client && (no_audience || demands.client.is_none()) {
            return wrong(
                "the TokenVerifier accepts tokens by audience or client, and has only one of the two",
                "call .audience(..) and .client(..), or remove .audience_or_client()",
            );
        }
        Ok(())
    }
}
