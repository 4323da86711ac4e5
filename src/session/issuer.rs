use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    Grant, SessionError,
    access_claims::{AccessClaims, Asked},
    signing::SigningKeys,
};
use crate::{
    Clock, ConfigError, Secret,
    key::random,
    token::{SigningKey, TokenVerifier, TokenVerifierBuilder, check_issuer},
};

/// Issues access tokens: JWTs of the type `at+jwt` (RFC 9068), signed by the current key of a [`SigningKeys`].
///
/// By itself it keeps no state: for sessions, refresh and log-out, use [`Sessions`](super::Sessions). Clones share the
/// settings.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::{Clock, Principal, session::{Grant, TokenIssuer, signing::{SigningKeys, SigningPolicy}}};
///
/// let keys = SigningKeys::in_memory(SigningPolicy::default(), Clock::system())?;
/// let issuer = TokenIssuer::new("https://api.example.com", keys)?.audience("https://api.example.com");
/// let alice = Principal::builder("alice").scopes(["read"]).build();
/// let token = issuer.issue(&Grant::of(&alice), Duration::from_secs(900)).unwrap();
/// let tokens = issuer.verifier().build()?; // for a BearerLayer
/// # let clock = Clock::system();
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let claims = tokens.verify(token.expose(), &clock).await.unwrap();
/// assert_eq!(claims.principal().subject(), "alice");
/// # });
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use = "an issuer does nothing until it issues a token"]
pub struct TokenIssuer(Arc<Settings>);

#[derive(Clone)]
struct Settings {
    issuer: Arc<str>,
    audiences: Vec<String>,
    keys: SigningKeys,
    clock: Clock,
    separate_limits: bool,
}

/// A token, and what a service keeps of it.
pub(super) struct AccessToken {
    pub(super) text: Secret,
    /// From its issue to its expiry, in whole seconds.
    pub(super) lifetime: Duration,
}

/// The longest token that a verifier accepts, unless it is told otherwise, and that servers accept in a header.
const LONGEST: usize = 8 * 1024;

impl TokenIssuer {
    /// Creates an issuer with this identifier (`iss`): a URL with `https`, under which
    /// `/.well-known/oauth-authorization-server` is served (RFC 8414), or any text if nobody looks for it. Its tokens
    /// are for the audience of the same name, unless [`audience`](Self::audience) is called.
    ///
    /// # Errors
    /// If the issuer is empty, or is the URL of its metadata.
    pub fn new(issuer: impl Into<String>, keys: SigningKeys) -> Result<Self, ConfigError> {
        let issuer = issuer.into();
        if issuer.trim().is_empty() {
            return Err(ConfigError::new("the issuer of tokens is empty", "use the URL of the service, with https"));
        }
        check_issuer(&issuer)?;
        let clock = keys.clock().clone();
        Ok(Self(Arc::new(Settings {
            issuer: issuer.into(),
            audiences: Vec::new(),
            keys,
            clock,
            separate_limits: false,
        })))
    }

    /// Adds an audience (`aud`): a service that accepts the tokens. A token is for all of them, unless the request for
    /// it names one.
    pub fn audience(self, audience: impl Into<String>) -> Self {
        self.set(|settings| settings.audiences.push(audience.into()))
    }

    /// Counts the tokens of a key apart from the key. By default, a key and all of its tokens share one bucket of a
    /// limit, so that an exchange gains no requests.
    pub fn separate_limits(self) -> Self {
        self.set(|settings| settings.separate_limits = true)
    }

    /// Issues tokens at the time of this clock, instead of the clock of the keys.
    pub fn clock(self, clock: impl Into<Clock>) -> Self {
        let clock = clock.into();
        self.set(|settings| settings.clock = clock)
    }

    /// Issues an access token that is valid for so long, and belongs to no session.
    ///
    /// # Errors
    /// If the lifetime is longer than a day, or than [`SigningPolicy::keep`](super::signing::SigningPolicy::keep)
    /// allows, if no key can sign, or if the operating system provides no random bytes.
    pub fn issue(&self, grant: &Grant, lifetime: Duration) -> Result<Secret, SessionError> {
        if lifetime > super::policy::DAY {
            return Err(SessionError::Signing(
                format!("it would be valid for {lifetime:?}, which is longer than a day").into(),
            ));
        }
        let allowed = self.0.keys.check_lifetime(lifetime);
        allowed.map_err(|error| SessionError::Signing(error.to_string().into()))?;
        let scopes = grant.holder().scopes();
        let asked =
            Asked { grant, scopes, session: None, audience: None, proof_key: None, lifetime, after: None, end: None };
        self.issue_for(&asked).map(|token| token.text)
    }

    /// Returns a verifier of the tokens: it takes the keys from this issuer, and knows their claims. Set what else it
    /// shall do, and build it.
    pub fn verifier(&self) -> TokenVerifierBuilder {
        let settings = &*self.0;
        let builder = TokenVerifier::source(settings.issuer.to_string(), settings.keys.clone()).rfc9068();
        let builder = builder.organizations_from("organizations").roles_from("roles").account_from("account");
        let builder = builder.plan_from("plan").key_from("key").limits_from("limits");
        self.audiences().fold(builder, TokenVerifierBuilder::audience)
    }

    /// Returns the issuer (`iss`).
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// Returns the keys that sign.
    #[must_use]
    pub fn keys(&self) -> &SigningKeys {
        &self.0.keys
    }

    pub(super) fn time(&self) -> &Clock {
        &self.0.clock
    }

    /// Returns the audiences: the issuer itself if none was added.
    pub(super) fn audiences(&self) -> impl Iterator<Item = &str> {
        let only = self.0.audiences.is_empty().then_some(&*self.0.issuer);
        self.0.audiences.iter().map(String::as_str).chain(only)
    }

    pub(super) fn issue_for(&self, asked: &Asked<'_>) -> Result<AccessToken, SessionError> {
        let settings = &*self.0;
        let now = settings.clock.now();
        let issued = asked.after.map_or(0, |after| seconds(after) + 1).max(seconds(now));
        let end = asked.end.into_iter().chain(now.checked_add(asked.lifetime)).min().map_or(issued, seconds);
        let lifetime = Duration::from_secs(end.saturating_sub(issued));
        if lifetime.is_zero() {
            return Err(SessionError::Expired);
        }
        let id = random::<16>().map_err(|error| SessionError::Signing(error.to_string().into()))?;
        let audiences: Vec<&str> = match asked.audience {
            Some(one) => vec![one],
            None => self.audiences().collect(),
        };
        let claims = AccessClaims {
            issuer: &settings.issuer,
            audiences: &audiences,
            issued,
            expires: end,
            id: URL_SAFE_NO_PAD.encode(*id),
            separate_limits: settings.separate_limits,
            asked,
        };
        let key = settings.keys.current(now).map_err(|error| SessionError::Signing(error.to_string().into()))?;
        let text = sign(&key, &claims)?;
        if text.expose().len() > LONGEST {
            return Err(SessionError::TooLong);
        }
        Ok(AccessToken { text, lifetime })
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

/// Returns header, claims and signature in compact form (RFC 7515, section 7.1).
fn sign(key: &SigningKey, claims: &AccessClaims<'_>) -> Result<Secret, SessionError> {
    let failed = |error: &dyn fmt::Display| SessionError::Signing(error.to_string().into());
    let header = json!({ "alg": key.algorithm().header_name(), "kid": key.id(), "typ": "at+jwt" }).to_string();
    let claims = Zeroizing::new(serde_json::to_vec(claims).map_err(|error| failed(&error))?);
    let mut token = Zeroizing::new(String::with_capacity(4 * (header.len() + claims.len()) / 3 + 128));
    URL_SAFE_NO_PAD.encode_string(header, &mut token);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(&*claims, &mut token);
    let signature = key.sign(token.as_bytes()).map_err(|error| failed(&error))?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(Secret::new(std::mem::take(&mut *token)))
}

/// Returns the whole seconds since 1970.
fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl fmt::Debug for TokenIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenIssuer")
            .field("issuer", &self.0.issuer)
            .field("audiences", &self.0.audiences)
            .finish_non_exhaustive()
    }
}
