use std::{borrow::Cow, fmt, sync::Arc};

use http::{HeaderName, HeaderValue};
use tower_layer::Layer;

use super::{
    guard::{Disclosure, Judge, KeyCheck},
    static_key::StaticKey,
};
use crate::{
    AuthFuture, AuthLayer, AuthOutcome, Authenticator, Challenge, ClientIp, ConfigError, KeyFormat, KeyRecord,
    KeyScheme, KeyStore, Rejection, RequestHead, Secret, Subprotocol,
    base::{challenge, credential::Source},
    gate::Gate,
};

/// Authenticates requests by an API key. It is a layer by itself, or a method of an [`AuthLayer`] or
/// [`AuthStack`](crate::AuthStack).
///
/// In: any request. Out: the request with a [`Principal`](crate::Principal), or a refusal. The
/// [module page](crate::api_key) lists the refusals.
///
/// By default, the key is read from the header `x-api-key`.
#[derive(Clone)]
#[must_use = "a layer does nothing until it is mounted"]
pub struct ApiKeyLayer {
    check: KeyCheck,
    realm: Cow<'static, str>,
    /// The challenges of all sources, and the headers that the sources read.
    challenge: String,
    headers: Vec<HeaderName>,
    /// The forms of keys in subprotocols.
    subprotocols: Vec<Subprotocol>,
    declared: bool,
    fault: Option<ConfigError>,
}

const DEFAULT_HEADER: HeaderName = HeaderName::from_static("x-api-key");
const SHORTEST_STATIC_KEY: usize = 16;

impl ApiKeyLayer {
    /// Creates a layer that looks keys of this scheme up in this store.
    pub fn new(scheme: KeyScheme, store: impl KeyStore) -> Self {
        let check = KeyCheck {
            scheme,
            store: Arc::new(store),
            sources: vec![Source::Header(DEFAULT_HEADER)],
            client_ip: None,
            fresh: false,
            judge: Judge::new(),
        };
        let layer = Self {
            check,
            realm: Cow::Borrowed("api"),
            challenge: String::new(),
            headers: Vec::new(),
            subprotocols: Vec::new(),
            declared: false,
            fault: None,
        };
        layer.described()
    }

    /// Creates a layer for one static key, without a store. The key authenticates the subject `name`.
    ///
    /// # Errors
    /// If the secret does not consist of 16 to 512 visible ASCII characters, or if the name is empty.
    ///
    /// ```
    /// use tower_auth::{ApiKeyLayer, Secret};
    ///
    /// assert!(ApiKeyLayer::static_key("ops", Secret::new("0123456789abcdef")).is_ok());
    /// assert!(ApiKeyLayer::static_key("ops", Secret::new("short")).is_err());
    /// ```
    pub fn static_key(name: &str, secret: Secret) -> Result<Self, ConfigError> {
        if name.trim().is_empty() {
            return Err(ConfigError::new(
                "the static key has no name",
                "name its holder, such as \"ops\"; the name becomes the subject of the principal",
            ));
        }
        let scheme = KeyScheme::sha256(KeyFormat::opaque(SHORTEST_STATIC_KEY));
        let store = StaticKey::new(&scheme, &secret, KeyRecord::new(name, name)).ok_or_else(|| {
            ConfigError::new(
                format!(
                    "the static key of {name:?} is too short, too long, or has characters other than visible ASCII"
                ),
                "use 16 to 512 visible ASCII characters, such as the output of `openssl rand -hex 32`",
            )
        })?;
        drop(secret);
        Ok(Self::new(scheme, store))
    }

    /// Reads the key from this header. The key is the whole value. If several sources are declared, they are read in
    /// declared order.
    ///
    /// If the name is not a valid header name, every request is refused with 500, and
    /// [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build) fails.
    pub fn header(self, name: &str) -> Self {
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            return self.source(Source::Header(name));
        }
        self.faulty(format!("{name:?} is not a header name"), "use letters, digits and dashes, such as `x-api-key`")
    }

    /// Reads the key from `Authorization: Bearer <key>`. The scheme is case-insensitive.
    pub fn bearer(self) -> Self {
        self.auth_scheme("Bearer")
    }

    /// Reads the key from `Authorization: <scheme> <key>`. The scheme is case-insensitive.
    ///
    /// If the scheme is not a token (RFC 9110, section 5.6.2), every request is refused with 500, and
    /// [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build) fails.
    pub fn auth_scheme(self, scheme: &'static str) -> Self {
        if !challenge::is_token(scheme) {
            return self.faulty(
                format!("{scheme:?} is not an authentication scheme"),
                "use one word, such as `Bearer` or `ApiKey`",
            );
        }
        self.source(Source::Scheme(Cow::Borrowed(scheme)))
    }

    /// Reads the key from `Sec-WebSocket-Protocol`, if the request opens a WebSocket. A text is a prefix, as in `key.<key>`;
    /// [`Subprotocol`] has the other forms, and says what the client and the handler must do. The challenge of a 401 is that of
    /// a header.
    ///
    /// If the form cannot be, every request is refused with 500, and
    /// [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build) fails.
    ///
    /// ```
    /// use tower_auth::{ApiKeyLayer, KeyScheme, KeyStore, Subprotocol};
    ///
    /// fn for_dashboards(scheme: KeyScheme, store: impl KeyStore) -> ApiKeyLayer {
    ///     ApiKeyLayer::new(scheme, store).header("x-api-key").websocket_protocol(Subprotocol::after("api_key"))
    /// }
    /// ```
    pub fn websocket_protocol(mut self, form: impl Into<Subprotocol>) -> Self {
        let form = form.into();
        if let Err(fault) = form.check() {
            self.fault.get_or_insert(fault);
            return self;
        }
        if !self.subprotocols.contains(&form) {
            self.subprotocols.push(form.clone());
        }
        self.source(Source::Subprotocol(form))
    }

    /// Sets the realm in the challenge of a 401; `api` by default.
    pub fn realm(mut self, realm: impl Into<Cow<'static, str>>) -> Self {
        self.realm = realm.into();
        self.described()
    }

    /// Sets how much a 401 discloses about an inactive key; nothing by default.
    pub const fn disclose(mut self, disclosure: Disclosure) -> Self {
        self.check.judge.disclosure = disclosure;
        self
    }

    /// Admits only keys of this environment, such as `live` or `test` ([`KeyRecord::environment`]). Any other key is
    /// answered like an unknown key, and so is a key whose record has no environment, because nobody has said that it
    /// may be used here. A key that [names](KeyFormat::environments) another environment itself is answered so too, whatever
    /// its record says. By default, the environment of a key is not checked.
    ///
    /// Before you call this for an existing table, give its keys an environment: in the store, one default for all old
    /// rows is enough. A [static key](Self::static_key) has no environment.
    ///
    /// If the name is empty, every request is refused with 500, and
    /// [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build) fails.
    ///
    /// ```
    /// use tower_auth::{ApiKeyLayer, KeyFormat, KeyRecord, KeyScheme, MemoryKeyStore};
    ///
    /// let scheme = KeyScheme::ephemeral(KeyFormat::prefixed("ak", 40)?);
    /// let store = MemoryKeyStore::new();
    /// let for_trials = store.create(&scheme, KeyRecord::new("key_1", "acme").environment("test"))?;
    /// let production = ApiKeyLayer::new(scheme, store).environment("live"); // answers 401 to this key
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn environment(mut self, environment: impl Into<String>) -> Self {
        let environment = environment.into();
        if environment.trim().is_empty() {
            return self.faulty("the environment of the keys has no name".to_owned(), "name it, such as \"live\"");
        }
        self.check.judge.environment = Some(environment.into());
        self
    }

    /// Sets how the address of the client is found, for keys with [networks](crate::Restrictions::networks). In a stack,
    /// the default is [`AuthStackBuilder::client_ip`](crate::stack::AuthStackBuilder::client_ip), or else the setting of
    /// the first limit by address. Without any setting, a key with networks is answered 500.
    ///
    /// [`ClientIp::of_stack`] is an error, because the setting of the stack is the default.
    ///
    /// ```
    /// use tower_auth::{ApiKeyLayer, ClientIp, KeyFormat, KeyScheme, MemoryKeyStore};
    ///
    /// let scheme = KeyScheme::ephemeral(KeyFormat::prefixed("ak", 40)?);
    /// let layer = ApiKeyLayer::new(scheme, MemoryKeyStore::new()).client_ip(ClientIp::behind(["10.0.0.0/8"])?);
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn client_ip(mut self, client_ip: ClientIp) -> Self {
        if client_ip.is_of_stack() {
            return self.faulty(
                "ApiKeyLayer::client_ip was given ClientIp::of_stack()".to_owned(),
                "leave it out: in a stack, the setting of the stack is used",
            );
        }
        if let Err(fault) = client_ip.check_config() {
            self.fault.get_or_insert(fault);
        }
        self.check.client_ip = Some(client_ip);
        self
    }

    /// Looks every key up past the cache in front of the store ([`KeyStore::find_fresh`]): a key that was revoked within the
    /// bound of the cache is refused too. Use it for a layer around routes such as the creation of keys, or payouts. For
    /// single routes of a stack, see [`Rules::fresh`](crate::Rules::fresh).
    ///
    /// ```
    /// use tower_auth::{ApiKeyLayer, KeyScheme, KeyStore};
    ///
    /// fn for_payouts(scheme: KeyScheme, cached: impl KeyStore) -> ApiKeyLayer {
    ///     ApiKeyLayer::new(scheme, cached).fresh()
    /// }
    /// ```
    pub const fn fresh(mut self) -> Self {
        self.check.fresh = true;
        self
    }

    /// Admits requests without a credential; see [`AuthLayer::optional`].
    pub fn optional(self) -> AuthLayer {
        AuthLayer::first(self).optional()
    }

    /// Removes the key's header from the request after it is read; see [`AuthLayer::strip_credentials`].
    pub fn strip_credentials(self) -> AuthLayer {
        AuthLayer::first(self).strip_credentials()
    }

    /// Returns the header that presents a key in the first place that the layer reads, or `None` if no header can contain the key.
    /// A subprotocol is no such place, because only a request that opens a WebSocket has one.
    #[cfg(all(feature = "strict-body", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    pub(crate) fn presenting(&self, key: &str) -> Option<(HeaderName, HeaderValue)> {
        self.check.sources.iter().find(|source| !matches!(source, Source::Subprotocol(_)))?.write(key)
    }

    /// Returns the challenge of another scheme than the layer's own, with the realm of the layer.
    #[cfg(all(feature = "strict-body", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    pub(crate) fn challenge_by(&self, scheme: &str) -> Challenge {
        Challenge::new(scheme).param("realm", &self.realm)
    }

    fn faulty(mut self, what: String, help: &'static str) -> Self {
        self.fault.get_or_insert(ConfigError::new(what, help));
        self
    }

    fn source(mut self, source: Source) -> Self {
        if !self.declared {
            self.check.sources.clear();
            self.declared = true;
        }
        if !self.check.sources.contains(&source) {
            self.check.sources.push(source);
        }
        self.described()
    }

    /// Updates the challenge and the headers from the sources and the realm.
    fn described(mut self) -> Self {
        let mut challenges: Vec<Challenge> = Vec::new();
        self.headers.clear();
        for source in &self.check.sources {
            let scheme = match source {
                Source::Header(_) | Source::Subprotocol(_) => "ApiKey",
                Source::Scheme(scheme) => scheme,
            };
            let challenge = Challenge::new(scheme).param("realm", &self.realm);
            if !challenges.contains(&challenge) {
                challenges.push(challenge);
            }
            if !self.headers.contains(source.header()) {
                self.headers.push(source.header().clone());
            }
        }
        self.challenge = challenge::list(challenges.iter().map(Challenge::as_str));
        self
    }
}

impl Authenticator for ApiKeyLayer {
    #[inline]
    fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
        match &self.fault {
            None => self.check.authenticate(request),
            Some(fault) => AuthFuture::ready(AuthOutcome::Rejected(Rejection::internal(fault.clone()))),
        }
    }

    fn challenge(&self) -> &str {
        &self.challenge
    }

    fn credential_headers(&self) -> &[HeaderName] {
        &self.headers
    }

    fn credential_subprotocols(&self) -> &[Subprotocol] {
        &self.subprotocols
    }

    fn recognizes(&self, request: &RequestHead<'_>) -> bool {
        self.check.recognizes(request)
    }

    fn response_header(&self, request: &RequestHead<'_>) -> Option<(HeaderName, HeaderValue)> {
        if self.subprotocols.is_empty() || !request.is_websocket() {
            return None;
        }
        self.check.sources.iter().find_map(|source| source.answer(request.headers()))
    }

    fn check_config(&self) -> Result<(), ConfigError> {
        self.fault.clone().map_or(Ok(()), Err)
    }
}

impl<S> Layer<S> for ApiKeyLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        AuthLayer::first(self.clone()).layer(inner)
    }
}

impl fmt::Debug for ApiKeyLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeyLayer")
            .field("sources", &self.check.sources)
            .field("format", self.check.scheme.format())
            .field("disclosure", &self.check.judge.disclosure)
            .field("environment", &self.check.judge.environment)
            .field("fresh", &self.check.fresh)
            .finish_non_exhaustive()
    }
}
