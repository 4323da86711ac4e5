//! The settings of the claims that make a principal.

use serde::de::DeserializeOwned;

use super::settings::TokenVerifierBuilder;
use crate::{
    ConfigError,
    token::{
        claim_source::{ClaimSource, Name, Shape},
        names::RESERVED,
        raw::Part,
        terms::{Required, extra},
    },
};

impl TokenVerifierBuilder {
    /// Adds a claim that contains the subject. The default is `sub`, which the first call replaces. With several calls, the
    /// first claim that the token has, and that is not empty, is the subject.
    ///
    /// This method and the other methods named `…_from` accept the name of a claim, a JSON Pointer (RFC 6901) to a claim
    /// inside another, such as `/realm_access/roles`, or a [`ClaimSource`], which has more forms. A pointer starts with a
    /// slash. [`build`](Self::build) rejects other path notations such as `realm_access.roles`. A claim name with dots
    /// and without a colon must be written as a pointer too: `/com.example.roles`.
    ///
    /// Two claims can name two callers alike: the subject of a user could be chosen so that it equals the name of a
    /// service. Every claim after the first therefore needs a [`prefix`](ClaimSource::prefix). An empty prefix says that
    /// the claims name the same callers. A prefix keeps callers apart only if no value of another claim can begin with
    /// it.
    ///
    /// ```
    /// use tower_auth::{Secret, token::{Algorithm, ClaimSource, TokenVerifier, VerifyingKey}};
    ///
    /// let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
    /// let tokens = TokenVerifier::keys("https://team.cloudflareaccess.com", [key])
    ///     .audience("4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2")
    ///     .subject_from("sub") // empty in the tokens of services
    ///     .subject_from(ClaimSource::new("common_name").prefix("service:"))
    ///     .build()?;
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn subject_from(mut self, claim: impl Into<ClaimSource>) -> Self {
        let claim = claim.into();
        if self.names.of(Part::Subject).next().is_some() && claim.prefix.is_none() {
            self.fault.get_or_insert_with(|| {
                ConfigError::new(
                    "TokenVerifierBuilder::subject_from was called twice, and the second claim could name another caller alike",
                    "add a prefix: ClaimSource::new(..).prefix(\"service:\"), or .prefix(\"\") if both claims name the same callers",
                )
            });
        }
        self.read("subject_from", Part::Subject, &claim)
    }

    /// Adds a claim that contains scopes: a list, or a string with spaces between the scopes. The default is `scope` (RFC
    /// 8693, section 4.2), which the first call replaces. The scopes of several claims are merged.
    ///
    /// ```
    /// use tower_auth::{Secret, token::{Algorithm, TokenVerifier, VerifyingKey}};
    ///
    /// let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
    /// let tokens = TokenVerifier::keys("https://tenant.auth0.com/", [key])
    ///     .audience("https://api.example.com")
    ///     .scopes_from("scope")
    ///     .scopes_from("permissions")
    ///     .build()?;
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn scopes_from(self, claim: impl Into<ClaimSource>) -> Self {
        self.read("scopes_from", Part::Scopes, &claim.into())
    }

    /// Adds a claim that contains roles. No default. The roles of several claims are merged.
    ///
    /// Roles that two claims name alike are the same role. If they must be told apart, as those of a realm and of a
    /// client, use a [`prefix`](ClaimSource::prefix).
    pub fn roles_from(self, claim: impl Into<ClaimSource>) -> Self {
        self.read("roles_from", Part::Roles, &claim.into())
    }

    /// Adds a claim that contains organisations. No default. The organisations of several claims are merged.
    pub fn organizations_from(self, claim: impl Into<ClaimSource>) -> Self {
        self.read("organizations_from", Part::Organizations, &claim.into())
    }

    /// Sets the claim that contains the account. No default.
    pub fn account_from(self, claim: impl Into<ClaimSource>) -> Self {
        self.read("account_from", Part::Account, &claim.into())
    }

    /// Sets the claim that contains the plan. No default.
    pub fn plan_from(self, claim: impl Into<ClaimSource>) -> Self {
        self.read("plan_from", Part::Plan, &claim.into())
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
    pub fn key_from(self, claim: impl Into<ClaimSource>) -> Self {
        self.read("key_from", Part::Key, &claim.into())
    }

    /// Sets the claim that contains limits of the caller, which replace those of the plan
    /// ([`Principal::limits`](crate::Principal::limits)): the JSON of [`Limits::to_json`](crate::limit::Limits::to_json). No
    /// default.
    ///
    /// Use it only for an issuer that may set limits. A token whose limits cannot be read is refused, because a limit that
    /// cannot be counted must not be ignored. `null` counts as missing: the limits of the plan apply.
    pub fn limits_from(self, claim: impl Into<ClaimSource>) -> Self {
        self.read("limits_from", Part::Limits, &claim.into())
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

    /// Adds a use of a claim.
    fn read(mut self, method: &'static str, part: Part, source: &ClaimSource) -> Self {
        if let Err(fault) = self.add(method, part, source) {
            self.fault.get_or_insert(fault);
        }
        self
    }

    /// Adds a use of a claim, and returns its name.
    pub(super) fn add(&mut self, method: &str, part: Part, source: &ClaimSource) -> Result<Name, ConfigError> {
        let name = source.name(method)?;
        let wrong = |what: &str, help: &'static str| {
            Err(ConfigError::new(format!("TokenVerifierBuilder::{method} got the claim {name}, {what}"), help))
        };
        if RESERVED.contains(&&*name.claim) {
            return wrong(
                "which has a meaning of its own",
                "use another claim; audiences, times and the binding to a key have their own settings",
            );
        }
        let several = part.is_list() || matches!(part, Part::Subject | Part::Check(_));
        if !part.is_list() && source.shape != Shape::Usual {
            return wrong("whose form is one of lists", "use a claim that is a string");
        }
        if matches!(part, Part::Key | Part::Limits | Part::Client | Part::Check(_)) && !source.is_plain() {
            return wrong(
                "with a prefix or without a check of its type",
                "remove .prefix(..) and .ignore_other_types(): the value must be exact",
            );
        }
        if part == Part::Scopes && source.prefix.as_deref().is_some_and(|prefix| prefix.contains(' ')) {
            return wrong("with a prefix that has a space, which separates scopes", "remove the space");
        }
        if !several && self.names.of(part).next().is_some() {
            return wrong("and was called before with another: only one claim can be it", "remove one of the calls");
        }
        if self.names.add(part, name.clone(), source) && !matches!(part, Part::Check(_)) {
            return wrong("and got it before: a claim that is read twice is a mistake", "remove one of the calls");
        }
        Ok(name)
    }
}
