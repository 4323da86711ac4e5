use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use serde_json::{Map, Value};

use super::{
    asked::Asked,
    cache::{Cache, Remembered},
    claims::{Claims, Issuer},
    compact::{Compact, Padding, Signature},
    directory::Directory,
    error::TokenError,
    header::{Header, Wanted},
    key::VerifyingKey,
    key_set::KeySet,
    keys::Fetched,
    terms::{LIMITS, Terms, UNREADABLE},
};
use crate::{Clock, MaybeReady, Principal, json};

/// The result of a verifier: ready if the keys are in memory, a boxed future if a fetch must begin or complete.
///
/// ```
/// use tower_auth::{MaybeReady, token::{TokenError, VerifyFuture}};
///
/// let refused: VerifyFuture = MaybeReady::ready(Err(TokenError::UnknownKey));
/// ```
pub type VerifyFuture = MaybeReady<Result<Claims, TokenError>>;

/// Verifies the tokens of one issuer and returns their [`Claims`].
///
/// Cloning increments one reference count. Clones share the keys. The [module page](crate::token) lists the checks.
///
/// ```
/// use tower_auth::{Clock, Secret, token::{Algorithm, TokenError, TokenVerifier, VerifyingKey}};
///
/// let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
/// let tokens = TokenVerifier::keys("https://id.example.com/", [key]).audience("https://api.example.com").build()?;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let refused = tokens.verify("not a token", &Clock::system()).await;
/// assert!(matches!(refused, Err(TokenError::Malformed(_))));
/// # });
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct TokenVerifier(pub(super) Arc<Verifier>);

pub(super) struct Verifier {
    pub(super) terms: Terms,
    /// The accepted types, in lower case and without `application/`.
    pub(super) types: Vec<String>,
    pub(super) missing_type: bool,
    pub(super) max_token_len: usize,
    pub(super) padding: Padding,
    /// The header parameters that a token must have.
    pub(super) wanted: Vec<Wanted>,
    pub(super) keys: Keys,
    /// Fixed keys beside those of a source.
    pub(super) beside: Option<KeySet>,
    /// Whether the source may have secrets.
    pub(super) secrets: bool,
    pub(super) cache: Option<Cache>,
    /// The header of the first valid token. Most tokens have the same header, so it is not parsed again.
    pub(super) usual: OnceLock<(Box<[u8]>, Header)>,
}

pub(super) enum Keys {
    Fixed(KeySet),
    Fetched(Arc<Fetched>),
    /// No keys: an introspector is asked.
    Asked(Arc<Asked>),
    /// One by one, by the ids that tokens name.
    Single(Directory),
}

/// The optional prefix of a type (RFC 7515, section 4.1.9).
const PREFIX: &str = "application/";
/// The maximum number of keys that are tried for a token without `kid`.
const MOST_TRIES: usize = 4;

impl TokenVerifier {
    /// Verifies a token at the time of the clock and returns its claims.
    ///
    /// A token that verifies with the keys in memory is answered without waiting, even if a fetch is due. Only a token
    /// with an unknown key waits for a fetch.
    ///
    /// A token that is bound to a key or a certificate (`cnf`) is refused, because a text proves nothing about who presents
    /// it. [`verify_bound`](Self::verify_bound) leaves this check to you.
    ///
    /// # Errors
    /// If the token is not accepted; [`TokenError`] lists the reasons.
    #[inline]
    pub fn verify(&self, token: &str, clock: &Clock) -> VerifyFuture {
        self.verify_bytes(token.as_bytes(), clock).map(|verified| verified.and_then(Claims::unbound))
    }

    /// Verifies a token as [`verify`](Self::verify) does, and accepts one that is bound to a key or a certificate. The caller
    /// must check that whoever presents the token has that key ([`Claims::confirmation`]), and must refuse a binding that it
    /// does not know ([`Confirmation::is_unknown`](super::Confirmation::is_unknown)). [`BearerLayer`](crate::BearerLayer) does
    /// both.
    ///
    /// ```
    /// use tower_auth::{Clock, TokenVerifier, token::{Claims, TokenError}};
    ///
    /// /// Accepts a token from the client with this certificate: the SHA-256 of its DER, in base64url.
    /// async fn over_mtls(tokens: &TokenVerifier, token: &str, certificate: &str) -> Result<Claims, TokenError> {
    ///     let claims = tokens.verify_bound(token, &Clock::system()).await?;
    ///     match claims.confirmation() {
    ///         None => Ok(claims),
    ///         Some(bound) if bound.certificate() == Some(certificate) && bound.jkt().is_none() && !bound.is_unknown() => {
    ///             Ok(claims)
    ///         }
    ///         Some(_) => Err(TokenError::Unproven("the client has another certificate")),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// If the token is not accepted; [`TokenError`] lists the reasons.
    #[inline]
    pub fn verify_bound(&self, token: &str, clock: &Clock) -> VerifyFuture {
        self.verify_bytes(token.as_bytes(), clock)
    }

    /// Verifies a token as [`verify`](Self::verify) does, and asks an [introspector](Self::introspect) past the answers in memory,
    /// except for a refusal of the last seconds. A verifier with keys needs no such difference: a signature proves the same
    /// later. A token that is bound to a key or a certificate is refused here too.
    ///
    /// ```
    /// use tower_auth::{Clock, TokenVerifier, token::VerifyFuture};
    ///
    /// fn before_a_payout(tokens: &TokenVerifier, token: &str) -> VerifyFuture {
    ///     tokens.verify_fresh(token, &Clock::system())
    /// }
    /// ```
    ///
    /// # Errors
    /// If the token is not accepted; [`TokenError`] lists the reasons.
    pub fn verify_fresh(&self, token: &str, clock: &Clock) -> VerifyFuture {
        let checked = self.check(token.as_bytes(), clock, true);
        checked.map(|checked| checked.map_err(|refused| refused.error).and_then(Claims::unbound))
    }

    /// Returns the holder of a token with a valid signature, even if another check failed. Does not check the
    /// signature.
    #[cold]
    pub(super) fn holder(&self, token: &[u8]) -> Option<Principal> {
        let claims = self.0.padding.decode(Compact::split(token, self.0.max_token_len).ok()?.claims).ok()?;
        self.0.terms.holder(&claims)
    }

    /// Returns the maximum length of a token, in bytes.
    pub(crate) fn max_token_len(&self) -> usize {
        self.0.max_token_len
    }

    /// Returns the issuer of the accepted tokens, or their template. If there are several, it is the first.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.0.terms.issuers.first()
    }

    /// Returns the issuers of the accepted tokens, and the templates of issuers.
    ///
    /// ```
    /// use tower_auth::{Secret, token::{Algorithm, TokenVerifier, VerifyingKey}};
    ///
    /// let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
    /// let tokens = TokenVerifier::keys("https://id.example.com/", [key])
    ///     .also_issuer("https://login.example.com/")
    ///     .audience("https://api.example.com")
    ///     .build()?;
    /// assert!(tokens.issuers().eq(["https://id.example.com/", "https://login.example.com/"]));
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn issuers(&self) -> impl Iterator<Item = &str> {
        self.0.terms.issuers.names()
    }
}

/// Returns the `iss` of an unverified token. Use it only to select one of the known verifiers.
pub(crate) fn claimed_issuer(token: &[u8], max_token_len: usize) -> Option<String> {
    claimed(token, max_token_len).ok().flatten()
}

/// Returns the same, or an error if the claims cannot be read.
pub(super) fn claimed(token: &[u8], max_token_len: usize) -> Result<Option<String>, TokenError> {
    let part = Compact::split(token, max_token_len)?.claims;
    let claims = Padding::of(part).decode(part)?;
    json::from_slice_seed(Issuer, &claims, &LIMITS).map_err(|_| TokenError::Malformed(UNREADABLE))
}

/// Returns all claims of a token that a verifier has accepted.
pub(crate) fn signed_claims(token: &[u8]) -> Option<Map<String, Value>> {
    // Its length was checked.
    let part = Compact::split(token, token.len()).ok()?.claims;
    let claims = Padding::of(part).decode(part).ok()?;
    serde_json::from_slice(&claims).ok()
}

impl Verifier {
    /// Parses the parts of a token that need no key.
    pub(super) fn look<'a>(&self, token: &'a [u8]) -> Result<(Compact<'a>, Cow<'_, Header>), TokenError> {
        let compact = Compact::split(token, self.max_token_len)?;
        let header = match self.usual.get() {
            Some((bytes, header)) if **bytes == *compact.header => Cow::Borrowed(header),
            _ => Cow::Owned(Header::read(&self.padding.decode(compact.header)?, &self.wanted)?),
        };
        Ok((compact, header))
    }

    /// Checks whether any key could make the token valid. Use the result only to decide about a fetch: it describes
    /// unsigned content.
    pub(super) fn could_be_good(&self, token: &[u8], now: SystemTime) -> Result<(), TokenError> {
        let (compact, header) = self.look(token)?;
        self.padding.decode(compact.signature)?;
        self.terms.in_time(self.judge(&header, &self.padding.decode(compact.claims)?)?, now).map(drop)
    }

    /// Verifies a token with the fixed keys beside those of a source, or returns `None` if the source decides.
    pub(super) fn verify_beside(&self, token: &[u8], now: SystemTime) -> Option<Result<Claims, TokenError>> {
        let keys = self.beside.as_ref()?;
        let (_, header) = self.look(token).ok()?;
        candidates(keys, &header).next()?;
        match self.verify(token, keys, now) {
            // The source may have the key, if it is not a secret.
            Err(TokenError::BadSignature) if self.secrets || !header.algorithm.is_hmac() => None,
            outcome => Some(outcome),
        }
    }

    pub(super) fn verify(&self, token: &[u8], keys: &KeySet, now: SystemTime) -> Result<Claims, TokenError> {
        let remembered = self.cache.as_ref().map(|cache| (cache, Cache::place(token, self.max_token_len)));
        if let Some((cache, place)) = &remembered
            && let Some(claims) = cache.get(place, keys)
        {
            return self.terms.again(claims, now);
        }
        let (compact, header) = self.look(token)?;
        let signature = Signature::decode(compact.signature, self.padding)?;
        let claims = self.padding.decode(compact.claims)?;
        let (mut known, mut holds, mut of_other) = (false, false, false);
        for key in candidates(keys, &header) {
            known = true;
            if key.verify(compact.signed, signature.bytes()) {
                holds = self.terms.issuers.take_key(key.issuer(), &claims);
                if holds {
                    break;
                }
                of_other = true;
            }
        }
        if !holds {
            return Err(match (known, of_other) {
                (_, true) => TokenError::WrongIssuer,
                (true, false) => TokenError::BadSignature,
                (false, false) => TokenError::UnknownKey,
            });
        }
        let claims = self.judge(&header, &claims)?;
        if matches!(header, Cow::Owned(_)) {
            let _ = self.usual.set((compact.header.into(), header.into_owned()));
        }
        let claims = self.terms.in_time(claims, now)?;
        if let Some((cache, place)) = remembered {
            cache.put(place, Remembered::new(claims.clone(), keys.clone()));
        }
        Ok(claims)
    }

    /// Checks everything except times. Called with verified content, or by [`could_be_good`](Self::could_be_good).
    fn judge(&self, header: &Header, claims: &[u8]) -> Result<Claims, TokenError> {
        if let Some(name) = &header.lacks {
            return Err(TokenError::WrongHeader(Arc::clone(name)));
        }
        if self.takes_type(header.typ.as_deref()) { self.terms.judge(claims) } else { Err(TokenError::WrongType) }
    }

    fn takes_type(&self, typ: Option<&str>) -> bool {
        let Some(typ) = typ else { return self.missing_type };
        let (start, rest) = typ.split_at_checked(PREFIX.len()).unwrap_or_default();
        let short = if start.eq_ignore_ascii_case(PREFIX) { rest } else { typ };
        !short.is_empty() && self.types.iter().any(|taken| taken.eq_ignore_ascii_case(short))
    }
}

/// Returns the keys that a header can refer to: those with its algorithm, and with its `kid` if the header has one and
/// the keys have ids.
fn candidates<'a>(keys: &'a KeySet, header: &'a Header) -> impl Iterator<Item = &'a VerifyingKey> {
    let fits = |key: &&VerifyingKey| {
        let is_named = |kid| key.key_id().map_or_else(|| keys.is_nameless(), |id| id == kid);
        let named = header.kid.as_deref().is_none_or(is_named);
        named && key.algorithm() == header.algorithm
    };
    keys.iter().filter(fits).take(MOST_TRIES)
}

impl fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenVerifier")
            .field("issuer", &self.issuer())
            .field("audiences", &self.0.terms.audiences)
            .field("types", &self.0.types)
            .finish_non_exhaustive()
    }
}
