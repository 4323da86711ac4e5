//! The settings of values and ages: what the claims of a token must say.

use std::time::{Duration, SystemTime};

use super::settings::TokenVerifierBuilder;
use crate::{
    ConfigError,
    token::{
        checks::{Check, ClaimValue, Rule},
        claim_source::ClaimSource,
        raw::Part,
    },
};

impl TokenVerifierBuilder {
    /// Requires that a claim equals one of these values: strings, booleans or integers. The claim may be a JSON Pointer to
    /// a claim inside another. A token without the claim, or with a value of another type, is refused. A list is another
    /// type, also if it contains a value.
    ///
    /// Use it where one key signs tokens of several kinds, and a claim tells them apart.
    ///
    /// ```
    /// use tower_auth::{Secret, token::{Algorithm, TokenVerifier, VerifyingKey}};
    ///
    /// let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
    /// let tokens = TokenVerifier::keys("https://keycloak.example.com/realms/main", [key])
    ///     .audience("https://api.example.com")
    ///     .typ(["JWT"])
    ///     .require_claim("typ", ["Bearer"]) // and not ID, which has the same typ in its header
    ///     .build()?;
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn require_claim<V: Into<ClaimValue>>(
        self,
        claim: impl Into<ClaimSource>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.check("require_claim", &claim.into(), Rule::OneOf(values.into_iter().map(Into::into).collect()))
    }

    /// Refuses tokens in which a claim equals one of these values: strings, booleans or integers. A token without the
    /// claim is accepted. A value of a type that cannot be compared with these values is refused too, because it could
    /// mean the same; so is a claim inside another one that is not an object, because it cannot be read.
    ///
    /// ```
    /// use tower_auth::{Secret, token::{Algorithm, TokenVerifier, VerifyingKey}};
    ///
    /// let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
    /// let tokens = TokenVerifier::keys("https://clerk.example.com", [key])
    ///     .client("azp", ["https://app.example.com"])
    ///     .typ(["JWT"])
    ///     .forbid_claim("sts", ["pending"]) // the sign-in is not complete
    ///     .build()?;
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn forbid_claim<V: Into<ClaimValue>>(
        self,
        claim: impl Into<ClaimSource>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.check("forbid_claim", &claim.into(), Rule::NoneOf(values.into_iter().map(Into::into).collect()))
    }

    /// Refuses tokens that are valid for longer than this: the time from `iat` to `exp`. Tokens must then have an `iat`,
    /// which may be at most one minute in the future.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_auth::{Secret, token::{Algorithm, TokenVerifier, VerifyingKey}};
    ///
    /// let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
    /// let tokens = TokenVerifier::keys("https://kubernetes.default.svc.cluster.local", [key])
    ///     .audience("https://api.example.com")
    ///     .allow_missing_typ()
    ///     .max_lifetime(Duration::from_secs(24 * 3600))
    ///     .build()?;
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.demands.max_lifetime = Some(lifetime);
        self
    }

    /// Refuses tokens that were issued longer ago than this (`iat`), also if they are not expired. The leeway is added.
    /// Tokens must then have an `iat`, which may be at most one minute in the future. Clients are told that such a token
    /// is expired.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_auth::{Secret, token::{Algorithm, TokenVerifier, VerifyingKey}};
    ///
    /// let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
    /// let tokens = TokenVerifier::keys("https://id.example.com/", [key])
    ///     .audience("https://api.example.com")
    ///     .max_age(Duration::from_secs(3600))
    ///     .build()?;
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn max_age(mut self, age: Duration) -> Self {
        self.demands.max_age = Some(age);
        self
    }

    /// Refuses tokens that were issued before this time (`iat`), for example before a leak was closed. Tokens must then
    /// have an `iat`. Clients are told that such a token is expired.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use tower_auth::{Secret, token::{Algorithm, TokenVerifier, VerifyingKey}};
    ///
    /// let migration = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    /// let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
    /// let tokens = TokenVerifier::keys("https://id.example.com/", [key])
    ///     .audience("https://api.example.com")
    ///     .issued_after(migration)
    ///     .build()?;
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn issued_after(mut self, time: SystemTime) -> Self {
        self.demands.issued_after = Some(time);
        self
    }

    fn check(mut self, method: &'static str, claim: &ClaimSource, rule: Rule) -> Self {
        if let Err(fault) = self.add_check(method, claim, rule) {
            self.fault.get_or_insert(fault);
        }
        self
    }

    fn add_check(&mut self, method: &'static str, claim: &ClaimSource, rule: Rule) -> Result<(), ConfigError> {
        let name = self.add(method, Part::Check(self.demands.checks.len()), claim)?;
        let wrong = |what: &str, help: &'static str| {
            Err(ConfigError::new(format!("TokenVerifierBuilder::{method} got {what} for the claim {name}"), help))
        };
        let (Rule::OneOf(values) | Rule::NoneOf(values)) = &rule;
        if values.is_empty() {
            return wrong("no value", "pass the values that are meant");
        }
        let same = |other: &Check| {
            other.name == name
                && matches!((&other.rule, &rule), (Rule::OneOf(_), Rule::OneOf(_)) | (Rule::NoneOf(_), Rule::NoneOf(_)))
        };
        if self.demands.checks.iter().any(same) {
            return wrong("values twice", "pass all values in one call");
        }
        self.demands.checks.push(Check::new(name, rule));
        Ok(())
    }

    /// Checks that some token can be accepted.
    pub(super) fn check_demands(&self) -> Result<(), ConfigError> {
        let zero = |limit: Option<Duration>| limit.is_some_and(|limit| limit.is_zero());
        if zero(self.demands.max_age) || zero(self.demands.max_lifetime) {
            return Err(ConfigError::new(
                "the TokenVerifier accepts no token: its max_age or max_lifetime is zero",
                "remove the call, or use a time such as one hour",
            ));
        }
        Ok(())
    }
}
