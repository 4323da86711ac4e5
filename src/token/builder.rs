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
    /// The first thing that is wrong with a setting.
    fault: Option<ConfigError>,
}

enum From {
    Fixed(KeySet),
    Source(Arc<dyn KeySource>),
}

const MOST_LEEWAY: Duration = Duration::from_secs(60);

impl TokenVerifier {
    /// Tokens of this issuer, signed by one of these keys.
    pub fn keys(
        issuer: impl Into<Cow<'static, str>>,
        keys: impl IntoIterator<Item = VerifyingKey>,
    ) -> TokenVerifierBuilder {
        TokenVerifierBuilder::new(issuer.into(), From::Fixed(keys.into_iter().collect()))
    }

    /// Tokens of this issuer, signed by a key of this set.
    pub fn key_set(issuer: impl Into<Cow<'static, str>>, keys: KeySet) -> TokenVerifierBuilder {
        TokenVerifierBuilder::new(issuer.into(), From::Fixed(keys))
    }

    /// Tokens of this issuer, signed by a key of the set that this source has; see [`KeySource`].
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

    /// The name of this service in `aud`: required. Called again, a token may name any of them.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// The types of tokens that are taken (`typ`), without regard to case; `at+jwt` alone by default (RFC 9068). Many
    /// issuers write `JWT` on access tokens and on others alike: take it only where the audience tells them apart.
    pub fn typ<S: Into<String>>(self, types: impl IntoIterator<Item = S>) -> Self {
        let short = |name: S| {
            let name = name.into().to_ascii_lowercase();
            name.strip_prefix("application/").map_or_else(|| name.clone(), str::to_owned)
        };
        Self { types: types.into_iter().map(short).collect(), ..self }
    }

    /// Takes tokens without a type too.
    pub fn allow_missing_typ(self) -> Self {
        Self { missing_type: true, ..self }
    }

    /// How far the issuer's clock may be from this one: none by default, 60 seconds at the most.
    pub fn leeway(self, leeway: Duration) -> Self {
        Self { leeway, ..self }
    }

    /// Sets the maximum length of a token, in bytes; 8 KiB by default. Longer tokens are refused unread.
    pub fn max_token_len(self, bytes: usize) -> Self {
        Self { max_token_len: bytes, ..self }
    }

    /// The claim of the subject; `sub` by default.
    ///
    /// A claim that is named here, and in the methods below, may stand inside another: with a slash in front the name is a
    /// JSON Pointer (RFC 6901), as `/realm_access/roles`. A path in another notation (`realm_access.roles`) is refused when the
    /// verifier is built; a claim whose name has dots and no colon is written as a pointer too: `/com.example.roles`.
    pub fn subject_from(mut self, claim: impl Into<Cow<'static, str>>) -> Self {
        self.names.subject = self.claim("subject_from", claim.into());
        self
    }

    /// The claim of the scopes, a list or a text with spaces; `scope` by default (RFC 8693, section 4.2).
    pub fn scopes_from(mut self, claim: impl Into<Cow<'static, str>>) -> Self {
        self.names.scopes = self.claim("scopes_from", claim.into());
        self
    }

    /// The claim of the roles; none by default.
    pub fn roles_from(mut self, claim: impl Into<Cow<'static, str>>) -> Self {
        self.names.roles = Some(self.claim("roles_from", claim.into()));
        self
    }

    /// The claim of the organisations; none by default.
    pub fn organizations_from(mut self, claim: impl Into<Cow<'static, str>>) -> Self {
        self.names.organizations = Some(self.claim("organizations_from", claim.into()));
        self
    }

    /// The claim of the account; none by default.
    pub fn account_from(mut self, claim: impl Into<Cow<'static, str>>) -> Self {
        self.names.account = Some(self.claim("account_from", claim.into()));
        self
    }

    /// The claim of the plan; none by default.
    pub fn plan_from(mut self, claim: impl Into<Cow<'static, str>>) -> Self {
        self.names.plan = Some(self.claim("plan_from", claim.into()));
        self
    }

    /// Reads the claims into a type of your own too, once; handlers find it with
    /// [`Principal::claims`](crate::Principal::claims). A token whose claims do not fit is refused.
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
                "TokenVerifierBuilder::claims was called twice, and the second type would take the place of the first",
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

    /// Requires the claims of the access token profile too: `iat`, `jti` and `client_id` (RFC 9068, section 2.2).
    pub fn rfc9068(self) -> Self {
        Self { required: vec![Required::IssuedAt, Required::Id, Required::Client], ..self }
    }

    /// What RSA keys are for that a fetched set has without `alg`; RS256 by default.
    pub fn rsa_algorithm(self, algorithm: Algorithm) -> Self {
        Self { rsa: algorithm, ..self }
    }

    /// Remembers so many verified tokens. Time, and the keys in use, are asked on every hit; none by default.
    pub fn cache(self, tokens: usize) -> Self {
        Self { cache: Some(tokens), ..self }
    }

    /// How old fetched keys are when they are fetched again; 15 minutes by default. Tokens that verify do not wait for it.
    pub fn refresh_after(mut self, age: Duration) -> Self {
        self.pace.fresh = age;
        self
    }

    /// How old fetched keys may be at the most, when newer ones cannot be had; 24 hours by default. Then tokens are
    /// answered 503.
    pub fn max_stale(mut self, age: Duration) -> Self {
        self.pace.stale = age;
        self
    }

    /// How long after a fetch, whatever came of it, there is no other; 30 seconds by default. A key that the issuer
    /// begins to use at once is unknown for as long. Without keys that can be used, the first retries come sooner: after 250
    /// milliseconds, then after twice the time before, up to the cooldown.
    pub fn cooldown(mut self, wait: Duration) -> Self {
        self.pace.cooldown = wait;
        self
    }

    /// How long a fetch may take; 5 seconds by default.
    pub fn fetch_timeout(mut self, patience: Duration) -> Self {
        self.pace.patience = patience;
        self
    }

    /// The finished verifier.
    ///
    /// # Errors
    /// Without an issuer, an audience, a type or a key, with the address of a document about the issuer instead of the
    /// issuer, with the keys of another issuer, with a leeway over 60 seconds, with a name that is no claim's, or with a
    /// cache of no tokens.
    pub fn build(self) -> Result<TokenVerifier, ConfigError> {
        check_issuer(&self.issuer)?;
        self.fault.clone().map_or(Ok(()), Err)?;
        let wrong = |what: &'static str, mend: &'static str| Err(ConfigError::new(what, mend));
        if self.issuer.is_empty() {
            return wrong("the TokenVerifier has no issuer", "name it as it stands in the tokens' iss");
        }
        if self.audiences.is_empty() || self.audiences.iter().any(String::is_empty) {
            return wrong(
                "the TokenVerifier has no audience: tokens for any other service of the issuer would be good here",
                "call .audience(..) with this service's name as it stands in the tokens' aud",
            );
        }
        if self.types.iter().all(String::is_empty) && !self.missing_type {
            return wrong("the TokenVerifier takes no type of token", "call .typ([\"at+jwt\"])");
        }
        if self.leeway > MOST_LEEWAY {
            return wrong("the TokenVerifier's leeway is over 60 seconds", "set the clocks instead");
        }
        if self.cache == Some(0) {
            return wrong("the TokenVerifier's cache has no room", "leave it out, or give it a thousand tokens");
        }
        let issuer: Arc<str> = self.issuer.into();
        let keys = match self.keys {
            From::Fixed(keys) if keys.is_empty() => {
                return wrong("the TokenVerifier has no key", "give it the issuer's public keys");
            }
            From::Fixed(keys) => Keys::Fixed(keys),
            From::Source(source) => {
                source.check_config()?;
                if let Some(other) = source.issuer().filter(|known| **known != *issuer) {
                    return Err(ConfigError::new(
                        format!("the TokenVerifier is for tokens of {issuer:?}, and its keys are those of {other:?}"),
                        "write the issuer the same in both places, exactly as it stands in the tokens' iss",
                    ));
                }
                Keys::Fetched(Fetched::new(source, Arc::clone(&issuer), self.pace, self.rsa))
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
