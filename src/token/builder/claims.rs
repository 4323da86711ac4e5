//! The settings of claims: which are read, and which are required.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

use super::settings::TokenVerifierBuilder;
use crate::{
    ConfigError,
    token::{
        names::Name,
        settings::check_claim,
        terms::{Required, extra},
    },
};

impl TokenVerifierBuilder {
    /// Sets the claim that contains the subject. The default is `sub`.
    ///
    /// This method and the other methods named `…_from` accept the name of a claim or a JSON Pointer (RFC 6901) to a
    /// claim inside another, such as `/realm_access/roles`. A pointer starts with a slash. [`build`](Self::build)
    /// rejects other path notations such as `realm_access.roles`. A claim name with dots and without a colon must be
    /// written as a pointer too: `/com.example.roles`.
    pub fn subject_from(mut self, claim: impl Into<Cow<'static, str>>) -> Self {
        self.names.subject = self.claim("subject_from", claim.into());
        self
    }

    /// Sets the claim that contains the scopes: a list, or a string with spaces between the scopes. The default is
    /// `scope` (RFC 8693, section 4.2).
    pub fn scopes_from(mut self, claim: impl Into<Cow<'static, str>>) -> Self {
        self.names.scopes = self.claim("scopes_from", claim.into());
        self
    }

    /// Sets the claim that contains the roles. No default.
    pub fn roles_from(mut self, claim: impl Into<Cow<'static, str>>) -> Self {
        self.names.roles = Some(self.claim("roles_from", claim.into()));
        self
    }

    /// Sets the claim that contains the organisations. No default.
    pub fn organizations_from(mut self, claim: impl Into<Cow<'static, str>>) -> Self {
        self.names.organizations = Some(self.claim("organizations_from", claim.into()));
        self
    }

    /// Sets the claim that contains the account. No default.
    pub fn account_from(mut self, claim: impl Into<Cow<'static, str>>) -> Self {
        self.names.account = Some(self.claim("account_from", claim.into()));
        self
    }

    /// Sets the claim that contains the plan. No default.
    pub fn plan_from(mut self, claim: impl Into<Cow<'static, str>>) -> Self {
        self.names.plan = Some(self.claim("plan_from", claim.into()));
        self
    }

    /// Sets the claim that contains the id of an API key, for tokens that were exchanged for keys: the id of the first key of
    /// the line of successors ([`KeyRecord::first_id`](crate::KeyRecord::first_id)), or of the key itself if it has no
    /// predecessor. No default.
    ///
    /// Limits then count the token with the keys of that line, so that an exchange gives no second limit. Tokens and keys
    /// have the same limits only if the tokens also name the plan, the account and the limits of the key
    /// ([`plan_from`](Self::plan_from), [`account_from`](Self::account_from), [`limits_from`](Self::limits_from)), and have
    /// its subject. Failed attempts with the token are charged to the key's budget. [`Usage`](crate::Usage) counts the
    /// requests for the account and not for the key, and they raise no alert about the key.
    ///
    /// Use it only for an issuer that may decide which caller pays: a token can name any key. A token without the claim is
    /// counted by its subject. A token with an empty id is refused.
    ///
    /// ```
    /// use tower_auth::{Secret, token::{Algorithm, TokenVerifier, VerifyingKey}};
    ///
    /// let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
    /// let tokens = TokenVerifier::keys("https://id.example.com/", [key])
    ///     .audience("https://api.example.com")
    ///     .key_from("key")
    ///     .limits_from("limits")
    ///     .account_from("account")
    ///     .plan_from("plan")
    ///     .build()?;
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn key_from(mut self, claim: impl Into<Cow<'static, str>>) -> Self {
        self.names.key = Some(self.claim("key_from", claim.into()));
        self
    }

    /// Sets the claim that contains limits of the caller, which replace those of the plan
    /// ([`Principal::limits`](crate::Principal::limits)): the JSON of [`Limits::to_json`](crate::limit::Limits::to_json). No
    /// default.
    ///
    /// Use it only for an issuer that may set limits. A token whose limits cannot be read is refused, because a limit that
    /// cannot be counted must not be ignored. `null` counts as missing: the limits of the plan apply.
    pub fn limits_from(mut self, claim: impl Into<Cow<'static, str>>) -> Self {
        self.names.limits = Some(self.claim("limits_from", claim.into()));
        self
    }

    /// Also deserializes the claims into a custom type, which handlers read with
    /// [`Principal::claims`](crate::Principal::claims). A token is refused if its claims do not match the type. The
    /// method may be called only once.
    ///
    /// ```
    /// use tower_auth::{Principal, Secret, token::{Algorithm, TokenVerifier, VerifyingKey}};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Staff {
    ///     department: String,
    /// }
    ///
    /// fn department(who: &Principal) -> Option<&str> {
    ///     who.claims::<Staff>().map(|staff| &*staff.department)
    /// }
    ///
    /// let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
    /// let tokens = TokenVerifier::keys("https://id.example.com/", [key]).audience("api").claims::<Staff>().build()?;
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn claims<T: DeserializeOwned + Send + Sync + 'static>(mut self) -> Self {
        if self.extra.replace(extra::<T>).is_some() {
            self.fault.get_or_insert(ConfigError::new(
                "TokenVerifierBuilder::claims was called twice, and the second type would replace the first",
                "read the claims into one type that has the fields of both",
            ));
        }
        self
    }

    /// Also requires the claims of the access token profile: `iat`, `jti` and `client_id` (RFC 9068, section 2.2).
    pub fn rfc9068(self) -> Self {
        Self { required: vec![Required::IssuedAt, Required::Id, Required::Client], ..self }
    }

    fn claim(&mut self, method: &'static str, name: Cow<'static, str>) -> Name {
        if let Err(fault) = check_claim(method, &name) {
            self.fault.get_or_insert(fault);
        }
        name.into()
    }
}
