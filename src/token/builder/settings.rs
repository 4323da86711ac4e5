use std::{borrow::Cow, sync::Arc, time::Duration};

use crate::{
    ConfigError,
    token::{
        algorithm::Algorithm,
        compact::Padding,
        demands::Demands,
        header::Wanted,
        introspector::Introspector,
        key::VerifyingKey,
        key_set::KeySet,
        keys::Pace,
        lookup::KeyLookup,
        names::Names,
        source::KeySource,
        tenants::Tenants,
        terms::{Extra, Required},
        verifier::TokenVerifier,
    },
};

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
    pub(super) issuer: Cow<'static, str>,
    pub(super) more_issuers: Vec<Cow<'static, str>>,
    pub(super) tenants: Option<Tenants>,
    /// How every subject begins, if tokens without `iss` are accepted.
    pub(super) subjects: Option<Box<str>>,
    pub(super) audiences: Vec<String>,
    pub(super) types: Vec<String>,
    pub(super) missing_type: bool,
    pub(super) leeway: Duration,
    pub(super) max_token_len: usize,
    pub(super) padding: Padding,
    pub(super) wanted: Vec<Wanted>,
    pub(super) names: Names,
    pub(super) required: Vec<Required>,
    pub(super) demands: Demands,
    pub(super) extra: Option<Extra>,
    pub(super) keys: From,
    /// Fixed keys beside those of `keys`.
    pub(super) also_keys: Vec<VerifyingKey>,
    pub(super) cache: Option<usize>,
    pub(super) rsa: Algorithm,
    pub(super) secrets: bool,
    pub(super) spiffe: bool,
    /// The algorithm of keys that the source publishes in PEM.
    pub(super) pem_map: Option<Algorithm>,
    pub(super) pace: Pace,
    pub(super) ignores_binding: bool,
    pub(super) introspection: Introspection,
    /// The first invalid setting.
    pub(super) fault: Option<ConfigError>,
}

pub(super) enum From {
    Fixed(KeySet),
    Source(Arc<dyn KeySource>),
    Lookup(Algorithm, Arc<dyn KeyLookup>),
    Introspector(Arc<dyn Introspector>),
}

/// The settings of introspection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Introspection {
    pub(super) ttl: Option<Duration>,
    pub(super) for_this_service: bool,
}

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

    /// Builds a verifier for tokens of this issuer that are signed by keys of this algorithm, each of which is fetched by
    /// its id; see [`KeyLookup`].
    ///
    /// Tokens must have a `kid` that is a UUID, and must be good but for the key: only then is a key fetched. At most
    /// eight new ids are asked for within the [`cooldown`](TokenVerifierBuilder::cooldown), and at most 32 are
    /// remembered; one of these that has no key is asked for again after the cooldown, if a token names it. While more new
    /// ids are named, a token with one is answered 503: whoever can send such tokens can delay the first token of a new key.
    pub fn lookup(
        issuer: impl Into<Cow<'static, str>>,
        algorithm: Algorithm,
        keys: impl KeyLookup,
    ) -> TokenVerifierBuilder {
        TokenVerifierBuilder::new(issuer.into(), From::Lookup(algorithm, Arc::new(keys)))
    }
}

impl TokenVerifierBuilder {
    /// Makes the builder fail with this error.
    #[cfg(feature = "jwks-http")]
    pub(crate) fn fault(mut self, fault: ConfigError) -> Self {
        self.fault.get_or_insert(fault);
        self
    }

    pub(super) fn new(issuer: Cow<'static, str>, keys: From) -> Self {
        Self {
            issuer,
            more_issuers: Vec::new(),
            tenants: None,
            subjects: None,
            audiences: Vec::new(),
            types: vec!["at+jwt".to_owned()],
            missing_type: false,
            leeway: Duration::ZERO,
            max_token_len: 8 * 1024,
            padding: Padding::None,
            wanted: Vec::new(),
            names: Names::default(),
            required: Vec::new(),
            demands: Demands::default(),
            extra: None,
            keys,
            also_keys: Vec::new(),
            cache: None,
            rsa: Algorithm::Rs256,
            secrets: false,
            spiffe: false,
            pem_map: None,
            pace: Pace {
                fresh: Duration::from_secs(15 * 60),
                stale: Duration::from_secs(24 * 3600),
                cooldown: Duration::from_secs(30),
                patience: Duration::from_secs(5),
            },
            ignores_binding: false,
            introspection: Introspection::default(),
            fault: None,
        }
    }

    /// Also accepts tokens of this issuer, signed by the same keys. The value of `iss` is compared exactly, and
    /// [`Principal::issuer`](crate::Principal::issuer) is that of the token. Use it for an issuer that has several names,
    /// such as a custom domain beside its own one, or during a move.
    ///
    /// All issuers of a verifier share one key set, so each can sign for the others. Use a second verifier and
    /// [`BearerLayer::or`](crate::BearerLayer::or) for an issuer with keys of its own.
    ///
    /// ```
    /// use tower_auth::token::{KeySet, TokenVerifier};
    ///
    /// # fn f(google: KeySet) -> Result<(), tower_auth::ConfigError> {
    /// let tokens = TokenVerifier::key_set("https://accounts.google.com", google)
    ///     .also_issuer("accounts.google.com")
    ///     .audience("my-client-id.apps.googleusercontent.com")
    ///     .typ(["JWT"])
    ///     .build()?;
    /// assert_eq!(tokens.issuers().count(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn also_issuer(mut self, issuer: impl Into<Cow<'static, str>>) -> Self {
        self.more_issuers.push(issuer.into());
        self
    }

    /// Accepts the tokens of many tenants whose issuers differ in one place, such as
    /// `https://login.microsoftonline.com/{tenantid}/v2.0`. The issuer of the verifier has the placeholder: any word in
    /// braces. A token is accepted if its `iss` has one of these tenants in that place, and if its claim names the same
    /// tenant. [`Principal::issuer`](crate::Principal::issuer) is that of the token, and the tenant is an
    /// [organisation](crate::Principal::organizations) of the principal, beside those of
    /// [`organizations_from`](Self::organizations_from). Do not name a claim there that a tenant can write for its own
    /// users: they could name another tenant.
    ///
    /// The tenants share the keys. If a key of the set has a member `issuer`, which is an issuer or a template, it verifies
    /// only tokens of that issuer. Without `tenants`, that member has no effect.
    ///
    /// A tenant that is made up costs no fetch, and nothing is remembered of it.
    ///
    /// ```
    /// use tower_auth::token::{KeySet, Tenants, TokenVerifier};
    ///
    /// # fn f(entra: KeySet) -> Result<(), tower_auth::ConfigError> {
    /// let tokens = TokenVerifier::key_set("https://login.microsoftonline.com/{tenantid}/v2.0", entra)
    ///     .tenants(Tenants::only(["5f0c1b7e-3a55-4c1c-8d0e-0c6b8a7e1f11"]).guids())
    ///     .audience("b5a1d6d0-5f2c-4f5a-9a55-0f8a4c9a5a10")
    ///     .typ(["JWT"])
    ///     .scopes_from("scp")
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn tenants(self, tenants: Tenants) -> Self {
        Self { tenants: Some(tenants), ..self }
    }

    /// Also accepts tokens without an `iss`, such as SPIFFE's JWT-SVIDs, if their subject begins with this prefix. Then only the
    /// keys say who has issued a token: use it if none but this issuer has them. The prefix must end with `/` or `:`, and a subject
    /// is longer than it.
    ///
    /// [`Principal::issuer`](crate::Principal::issuer) of such a token is the issuer of the verifier, a name that you choose. A token
    /// that has an `iss` must name an issuer of the verifier, as without this setting, and its subject must begin with the prefix
    /// too.
    ///
    /// A [`BearerLayer`](crate::BearerLayer) with several verifiers gives a token without `iss` to the one with this setting. Two of
    /// them are an error there.
    ///
    /// ```
    /// use tower_auth::token::{KeySource, TokenVerifier};
    ///
    /// # fn f(bundle: impl KeySource) -> Result<(), tower_auth::ConfigError> {
    /// let tokens = TokenVerifier::source("spiffe://example.org", bundle)
    ///     .issuer_by_keys_alone("spiffe://example.org/")
    ///     .spiffe_bundle()
    ///     .typ(["JWT", "JOSE"])
    ///     .allow_missing_typ()
    ///     .audience("spiffe://example.org/api")
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn issuer_by_keys_alone(self, subject_prefix: impl Into<String>) -> Self {
        Self { subjects: Some(subject_prefix.into().into()), ..self }
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

    /// Requires a header parameter that is one of these strings, compared exactly. A token without the parameter is refused, and
    /// so is one whose value has another type. Several parameters may be required. By default, parameters other than those of
    /// [the checks](crate::token#what-is-checked-in-this-order) have no effect.
    ///
    /// A parameter is signed, but whoever signs chooses it. Load balancers of AWS share their keys, and only `signer` says which
    /// of them has signed:
    ///
    /// ```
    /// use tower_auth::token::{KeySet, TokenVerifier};
    ///
    /// # fn f(keys: KeySet) -> Result<(), tower_auth::ConfigError> {
    /// let tokens = TokenVerifier::key_set("https://id.example.com/", keys)
    ///     .require_header("signer", ["arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/api/50dc6c495c0c9188"])
    ///     .padded_base64()
    ///     .audience("my-client")
    ///     .typ(["JWT"])
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn require_header<S: Into<String>>(mut self, name: &str, values: impl IntoIterator<Item = S>) -> Self {
        const CHECKED: [&str; 7] = ["alg", "b64", "crit", "enc", "kid", "typ", "zip"];
        let values: Vec<String> = values.into_iter().map(Into::into).collect();
        let wrong = |what: &str, help: &'static str| {
            Some(ConfigError::new(format!("TokenVerifierBuilder::require_header got {name:?}, {what}"), help))
        };
        let fault = if name.is_empty() || values.is_empty() || values.iter().any(String::is_empty) {
            wrong("and no value of it", "name a parameter and the values that are accepted")
        } else if CHECKED.contains(&name) {
            wrong(
                "which is checked in another way",
                "call typ for the type of token; the keys decide about alg and kid",
            )
        } else if self.wanted.iter().any(|(known, _)| **known == *name) {
            wrong("a second time", "name all accepted values in one call")
        } else {
            None
        };
        self.fault = self.fault.or(fault);
        self.wanted.push((name.into(), values));
        self
    }

    /// Reads tokens whose parts have base64 padding, which RFC 7515 forbids and load balancers of AWS write. The padding must be
    /// exact, and a token without it is refused if it would need it.
    ///
    /// One token then has one form, as without this setting.
    pub fn padded_base64(self) -> Self {
        Self { padding: Padding::Exact, ..self }
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

    /// Caches up to `tokens` verified tokens. On every hit, the times of the token and the keys in use are checked
    /// again. By default there is no cache. A verifier that [introspects](TokenVerifier::introspect) tokens always has one, of
    /// 10 000 tokens by default.
    pub fn cache(self, tokens: usize) -> Self {
        Self { cache: Some(tokens), ..self }
    }
}

impl std::fmt::Debug for TokenVerifierBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenVerifierBuilder").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
