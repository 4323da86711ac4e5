use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde::de::DeserializeOwned;

use super::{
    algorithm::Algorithm,
    cache::Cache,
    key::VerifyingKey,
    key_set::KeySet,
    keys::{Fetched, Pace},
    names::{Name, Names},
    settings::{check_claim, check_issuer},
    source::KeySource,
    verifier::{Extra, Keys, Required, TokenVerifier, Verifier, extra},
};
use crate::ConfigError;

/// Builds a [`TokenVerifier`].
///
/// ```
/// use std::time::Duration;
/// use tower_auth::{Secret, token::{Algorithm, TokenVerifier, VerifyingKey}};
///
/// let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
/// let tokens = TokenVerifier::keys("https://id.example.com/", [key])
///     .audience("https://api.example.com")
///     .typ(["at+jwt", "JWT"])
///     .leeway(Duration::from_secs(5))
///     .scopes_from("scp")
///     .plan_from("plan")
///     .build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct TokenVerifierBuilder {
    issuer: Cow<'static, str>,
    audiences: Vec<String>,
    types: Vec<String>,
    missing_type: bool,
    leeway: Duration,
    max_token_len: usize,
    names: Names,
    required: Vec<Required>,
    extra: Option<Extra>,
    keys: From,
    cache: Option<usize>,
    rsa: Algorithm,
    pace: Pace,
    /// The first invalid setting.
    fault: Option<ConfigError>,
}

enum From {
    Fixed(KeySet),
    Source(Arc<dyn KeySource>),
}

const MOST_LEEWAY: Duration = Duration::from_secs(60);

impl TokenVerifier {
    /// Builds a verifier for tokens of this issuer that are signed by one of these keys.
    pub fn keys(
        issuer: impl Into<Cow<'static, str>>,
        keys: impl IntoIterator<Item = VerifyingKey>,
    ) -> TokenVerifierBuilder {
        TokenVerifierBuilder::new(issuer.into(), From::Fixed(keys.into_iter().collect()))
    }

    /// Builds a verifier for tokens of this issuer that are signed by a key of this set.
    pub fn key_set(issuer: impl Into<Cow<'static, str>>, keys: KeySet) -> TokenVerifierBuilder {
        TokenVerifierBuilder::new(issuer.into(), From::Fixed(keys))
    }

    /// Builds a verifier for tokens of this issuer that are signed by a key of the set from this source; see
    /// [`KeySource`].
    pub fn source(issuer: impl Into<Cow<'static, str>>, source: impl KeySource) -> TokenVerifierBuilder {
        TokenVerifierBuilder::new(issuer.into(), From::Source(Arc::new(source)))
    }
}

impl TokenVerifierBuilder {
    fn new(issuer: Cow<'static, str>, keys: From) -> Self {
        Self {
            issuer,
            audiences: Vec::new(),
            types: vec!["at+jwt".to_owned()],
            missing_type: false,
            leeway: Duration::ZERO,
            max_token_len: 8 * 1024,
            names: Names::default(),
            required: Vec::new(),
            extra: None,
            keys,
            cache: None,
            rsa: Algorithm::Rs256,
            pace: Pace {
                fresh: Duration::from_secs(15 * 60),
                stale: Duration::from_secs(24 * 3600),
                cooldown: Duration::from_secs(30),
                patience: Duration::from_secs(5),
            },
            fault: None,
        }
    }

    /// Adds an audience: the name of this service in `aud`. At least one is required. A token is accepted if its `aud`
    /// contains any of the audiences.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Sets the accepted token types (`typ`), case-insensitive. The default is `at+jwt` alone (RFC 9068). Many issuers
    /// use `JWT` for access tokens and for other tokens. Accept `JWT` only if access tokens have another audience than
    /// the other tokens of the issuer.
    pub fn typ<S: Into<String>>(self, types: impl IntoIterator<Item = S>) -> Self {
        let short = |name: S| {
            let name = name.into().to_ascii_lowercase();
            name.strip_prefix("application/").map_or_else(|| name.clone(), str::to_owned)
        };
        Self { types: types.into_iter().map(short).collect(), ..self }
    }

    /// Also accepts tokens without a `typ`.
    pub fn allow_missing_typ(self) -> Self {
        Self { missing_type: true, ..self }
    }

    /// Sets the allowed difference between the clock of the issuer and the clock of this service. The default is zero,
    /// and the maximum is 60 seconds.
    pub fn leeway(self, leeway: Duration) -> Self {
        Self { leeway, ..self }
    }

    /// Sets the maximum length of a token, in bytes. The default is 8 KiB. Longer tokens are refused without parsing.
    pub fn max_token_len(self, bytes: usize) -> Self {
        Self { max_token_len: bytes, ..self }
    }

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

    fn claim(&mut self, method: &'static str, name: Cow<'static, str>) -> Name {
        if let Err(fault) = check_claim(method, &name) {
            self.fault.get_or_insert(fault);
        }
        name.into()
    }

    /// Also requires the claims of the access token profile: `iat`, `jti` and `client_id` (RFC 9068, section 2.2).
    pub fn rfc9068(self) -> Self {
        Self { required: vec![Required::IssuedAt, Required::Id, Required::Client], ..self }
    }

    /// Sets the algorithm of RSA keys without `alg` in a fetched set. The default is RS256.
    pub fn rsa_algorithm(self, algorithm: Algorithm) -> Self {
        Self { rsa: algorithm, ..self }
    }

    /// Caches up to `tokens` verified tokens. On every hit, the times of the token and the keys in use are checked
    /// again. By default there is no cache.
    pub fn cache(self, tokens: usize) -> Self {
        Self { cache: Some(tokens), ..self }
    }

    /// Sets the age at which keys are fetched again. The default is 15 minutes. Tokens that verify with the keys in
    /// memory do not wait for the fetch.
    pub fn refresh_after(mut self, age: Duration) -> Self {
        self.pace.fresh = age;
        self
    }

    /// Sets the maximum age of keys while newer ones cannot be fetched. The default is 24 hours. Once the keys are
    /// older, requests with tokens are answered 503.
    pub fn max_stale(mut self, age: Duration) -> Self {
        self.pace.stale = age;
        self
    }

    /// Sets the minimum time between two fetches, successful or not. The default is 30 seconds. A key that the issuer
    /// uses right after publishing it may be unknown for this time. While there are no usable keys, the first retry
    /// comes after 250 milliseconds, and each further retry after twice the previous time, up to the cooldown.
    pub fn cooldown(mut self, wait: Duration) -> Self {
        self.pace.cooldown = wait;
        self
    }

    /// Sets the time limit of a fetch. The default is 5 seconds.
    pub fn fetch_timeout(mut self, patience: Duration) -> Self {
        self.pace.patience = patience;
        self
    }

    /// Builds the verifier.
    ///
    /// # Errors
    /// - The issuer, audience, type or key is missing.
    /// - The issuer is the URL of the issuer's metadata.
    /// - The keys belong to another issuer, or the source is misconfigured.
    /// - The leeway is over 60 seconds.
    /// - A claim name is invalid, or [`claims`](Self::claims) was called twice.
    /// - The cache has zero tokens.
    pub fn build(self) -> Result<TokenVerifier, ConfigError> {
        check_issuer(&self.issuer)?;
        self.fault.clone().map_or(Ok(()), Err)?;
        let wrong = |what: &'static str, help: &'static str| Err(ConfigError::new(what, help));
        if self.issuer.is_empty() {
            return wrong("the TokenVerifier has no issuer", "use the exact value of iss in the tokens");
        }
        if self.audiences.is_empty() || self.audiences.iter().any(String::is_empty) {
            return wrong(
                "the TokenVerifier has no audience: tokens for other services of the issuer would be accepted",
                "call .audience(..) with this service's name, exactly as in aud of the tokens",
            );
        }
        if self.types.iter().all(String::is_empty) && !self.missing_type {
            return wrong("the TokenVerifier accepts no type of token", "call .typ([\"at+jwt\"])");
        }
        if self.leeway > MOST_LEEWAY {
            return wrong(
                "the TokenVerifier's leeway is over 60 seconds",
                "synchronise the clocks and use a smaller leeway",
            );
        }
        if self.cache == Some(0) {
            return wrong(
                "the TokenVerifier's cache has a size of zero",
                "remove .cache(..), or set a size such as 1000",
            );
        }
        let issuer: Arc<str> = self.issuer.into();
        let keys = match self.keys {
            From::Fixed(keys) if keys.is_empty() => {
                return wrong("the TokenVerifier has no key", "pass the issuer's public keys");
            }
            From::Fixed(keys) => Keys::Fixed(keys),
            From::Source(source) => {
                source.check_config()?;
                if let Some(other) = source.issuer().filter(|known| **known != *issuer) {
                    return Err(ConfigError::new(
                        format!("the TokenVerifier is for tokens of {issuer:?}, and its keys are those of {other:?}"),
                        "use the same issuer in both places: the exact value of iss in the tokens",
                    ));
                }
                let rsa = self.rsa;
                let read = Arc::new(move |document: &[u8]| KeySet::published(document, rsa));
                Keys::Fetched(Fetched::new(source, Arc::clone(&issuer), self.pace, read))
            }
        };
        Ok(TokenVerifier(Arc::new(Verifier {
            issuer,
            audiences: self.audiences,
            types: self.types,
            missing_type: self.missing_type,
            leeway: self.leeway,
            max_token_len: self.max_token_len,
            names: self.names,
            required: self.required,
            extra: self.extra,
            keys,
            cache: self.cache.map(Cache::new),
            usual: OnceLock::new(),
        })))
    }
}

impl std::fmt::Debug for TokenVerifierBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenVerifierBuilder").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
