use std::{borrow::Cow, fmt, slice, sync::Arc};

use http::{HeaderName, HeaderValue};
use tower_layer::Layer;

use super::{bound::ProofCheck, guard::TokenCheck, judge::Judge};
use crate::{
    AuthFuture, AuthLayer, AuthOutcome, Authenticator, Challenge, ConfigError, Dpop, Rejection, RequestHead,
    Subprotocol,
    base::{
        challenge,
        challenges::{OF_HEADERS, may_be_named},
        credential::{Cookie, PROOF, Source},
        url,
    },
    gate::Gate,
    token::{TokenRevocation, TokenVerifier, clash},
};

/// Authenticates requests by a token in `Authorization: Bearer`, or in another [place](crate::bearer#where-the-token-is). It is a
/// layer by itself, or a method of an [`AuthLayer`] or [`AuthStack`](crate::AuthStack).
///
/// In: any request. Out: the request with a [`Principal`](crate::Principal), or a refusal. The
/// [module page](crate::bearer) lists the refusals.
///
/// ```
/// use tower_auth::{BearerLayer, Secret, token::{Algorithm, TokenVerifier, VerifyingKey}};
///
/// let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
/// let staff = TokenVerifier::keys("https://staff.example.com/", [key.clone()]).audience("api").build()?;
/// let customers = TokenVerifier::keys("https://id.example.com/", [key]).audience("api").build()?;
/// let layer = BearerLayer::new(customers).or(staff).realm("example");
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use = "a layer does nothing until it is mounted"]
pub struct BearerLayer {
    pub(super) check: TokenCheck,
    /// Cookies that are removed together with that of the token.
    companions: Vec<String>,
    /// The form of the token in a subprotocol, if it may be in one.
    pub(super) subprotocols: Vec<Subprotocol>,
    /// The headers that are read.
    pub(super) headers: Vec<HeaderName>,
    /// The header with the proof, if proofs are checked.
    proof: Option<HeaderName>,
    realm: String,
    metadata: Option<String>,
    /// The scopes that challenges name.
    scopes: Vec<String>,
    /// The challenge for a request without a token.
    challenge: String,
    pub(super) fault: Option<ConfigError>,
}

impl BearerLayer {
    /// Creates a layer that checks tokens with this verifier.
    pub fn new(tokens: TokenVerifier) -> Self {
        let source = Source::Scheme(Cow::Borrowed(BEARER));
        let check = TokenCheck {
            source,
            websocket: None,
            cookie: None,
            dpop: None,
            verifiers: vec![tokens],
            revocation: None,
            fresh: false,
            judge: Arc::new(Judge::new(None, None)),
        };
        let layer = Self {
            headers: vec![check.source.header().clone()],
            check,
            companions: Vec::new(),
            subprotocols: Vec::new(),
            proof: None,
            realm: "api".to_owned(),
            metadata: None,
            scopes: Vec::new(),
            challenge: String::new(),
            fault: None,
        };
        layer.offer()
    }

    /// Adds a verifier for tokens of another issuer. If a token could be for two verifiers, because both have its issuer or a
    /// template of it, or both accept tokens without an issuer, every request is refused with 500, and
    /// [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build) fails.
    ///
    /// One of the verifiers may [introspect](TokenVerifier::introspect) tokens, also those of an issuer that another verifier has.
    /// It is asked about every token that is no JWT of the issuer of another verifier. Two that introspect are an error: nothing
    /// in an opaque token says whose it is.
    pub fn or(mut self, tokens: TokenVerifier) -> Self {
        if tokens.introspects() && self.check.verifiers.iter().any(TokenVerifier::introspects) {
            let what =
                "the BearerLayer has two verifiers that introspect, and an opaque token does not say whose it is";
            self =
                self.faulty(what.to_owned(), "use one, or an AuthLayer with one BearerLayer and one header for each");
        }
        if let Some((what, help)) = self.check.verifiers.iter().find_map(|known| clash(&tokens, known)) {
            self = self.faulty(what, help);
        }
        self.check.verifiers.push(tokens);
        self
    }

    /// Also reads the token from this cookie, if the request has no `Authorization: Bearer`, nor a token in the
    /// [header](Self::header) or [subprotocol](Self::websocket_protocol) that is read instead. The name is case-sensitive.
    ///
    /// A request whose token is in the cookie may have been caused by another website, so it must be of the same origin if
    /// it may change something; see [Tokens in a cookie](crate::bearer#tokens-in-a-cookie). A request with the header needs
    /// no such check, because no website can make a browser send the header to another one.
    ///
    /// Choose a name with the prefix `__Host-`, and set the cookie with `Secure; HttpOnly; Path=/; SameSite=Lax`: then no
    /// other host of the domain can set it, and no script can read it. Browsers accept the prefix over HTTPS only.
    ///
    /// If the name is not a token (RFC 6265, section 4.1.1), or if there is a cookie already, every request is refused with
    /// 500, and [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build) fails.
    ///
    /// ```
    /// use tower_auth::{BearerLayer, TokenVerifier};
    ///
    /// fn for_browsers_and_programs(tokens: TokenVerifier) -> BearerLayer {
    ///     BearerLayer::new(tokens).cookie("__Host-session")
    /// }
    /// ```
    pub fn cookie(mut self, name: &str) -> Self {
        let Some(cookie) = Cookie::named(name) else {
            return self.faulty(
                format!("{name:?} is not the name of a cookie"),
                "use letters, digits, dashes and underscores, such as `__Host-session`",
            );
        };
        if let Some(known) = self.check.cookie.replace(cookie) {
            return self.faulty(
                format!(
                    "the BearerLayer has two cookies, {:?} and {name:?}, and would read only the second",
                    known.name()
                ),
                "use one cookie, or an AuthLayer with one BearerLayer for each",
            );
        }
        self.headers.push(Cookie::header().clone());
        self
    }

    /// Also removes this cookie where [`strip_credentials`](AuthLayer::strip_credentials) removes that of the token, such as
    /// the cookie with the refresh token: no handler and no service behind needs it. It has no effect without a
    /// [`cookie`](Self::cookie).
    ///
    /// ```
    /// use tower_auth::{AuthLayer, BearerLayer, TokenVerifier};
    ///
    /// fn for_browsers(tokens: TokenVerifier) -> AuthLayer {
    ///     BearerLayer::new(tokens).cookie("__Host-access").also_strip("__Host-refresh").strip_credentials()
    /// }
    /// ```
    pub fn also_strip(mut self, cookie: &str) -> Self {
        self.companions.push(cookie.to_owned());
        self
    }

    pub(super) fn faulty(mut self, what: String, help: &'static str) -> Self {
        self.fault.get_or_insert(ConfigError::new(what, help));
        self
    }

    /// Sets the realm in every challenge; `api` by default.
    pub fn realm(mut self, realm: &str) -> Self {
        realm.clone_into(&mut self.realm);
        self.offer()
    }

    /// Sets the URL of the protected resource metadata, which describes how a client gets a token. Every challenge
    /// contains the URL (RFC 9728, section 5.1), also that of a 403 for a missing scope.
    ///
    /// Pass a [`ProtectedResource`](crate::resource::ProtectedResource), which serves the metadata, or the URL of a document that
    /// is served elsewhere. If the URL is not absolute, or neither `https` nor on the own machine, every request is refused with
    /// 500, and [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build) fails: clients that are told a relative
    /// URL ask again and again without a token.
    ///
    /// ```
    /// use tower_auth::{BearerLayer, ConfigError, TokenVerifier, resource::ProtectedResource};
    ///
    /// fn tokens_of(tokens: TokenVerifier) -> Result<(BearerLayer, ProtectedResource), ConfigError> {
    ///     let resource = ProtectedResource::builder("https://api.example.com/mcp").verifier(&tokens).build()?;
    ///     Ok((BearerLayer::new(tokens).resource_metadata(&resource), resource))
    /// }
    /// ```
    pub fn resource_metadata(mut self, url: impl Into<String>) -> Self {
        let url = url.into();
        let example = "use the URL that clients see, such as \
                       https://api.example.com/.well-known/oauth-protected-resource/mcp";
        if let Err(fault) = url::check(&url, "the URL of the protected resource metadata", example) {
            self.fault.get_or_insert(fault);
            return self;
        }
        self.metadata = Some(url);
        self.offer()
    }

    /// Names these scopes in every challenge of this layer (RFC 6750, section 3): those with which a client should begin. For
    /// the scopes of each route, see [`Rules::challenge_scopes`](crate::Rules::challenge_scopes); they are added to these.
    ///
    /// If a scope has other characters than RFC 6749, section 3.3 allows, or is `offline_access`, which asks for a refresh
    /// token and is for the client to choose, every request is refused with 500, and
    /// [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build) fails.
    ///
    /// ```
    /// use tower_auth::{BearerLayer, TokenVerifier};
    ///
    /// fn for_notes(tokens: TokenVerifier) -> BearerLayer {
    ///     BearerLayer::new(tokens).challenge_scopes(["notes:read"])
    /// }
    /// ```
    pub fn challenge_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        if let Some(odd) = self.scopes.iter().find(|scope| !may_be_named(scope)) {
            let what = format!("the BearerLayer was given the scope {odd:?}, which no challenge may name");
            return self.faulty(what, "name scopes of the service, without spaces, such as `notes:read`");
        }
        self.offer()
    }

    /// Also accepts tokens that are bound to a key of the client, as `Authorization: DPoP` with a proof in the header `DPoP` (RFC
    /// 9449). The [page of `dpop`](crate::dpop) says what is checked. Tokens that are not bound are accepted as before, unless
    /// [`Dpop::require`] is set; a bound token without a proof is refused in any case.
    ///
    /// If a setting cannot be used, or if it is called twice, every request is refused with 500, and
    /// [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build) fails.
    ///
    /// ```
    /// use tower_auth::{BearerLayer, Dpop, TokenVerifier};
    ///
    /// fn only_bound(tokens: TokenVerifier) -> BearerLayer {
    ///     BearerLayer::new(tokens).dpop(Dpop::new("https://api.example.com").require())
    /// }
    /// ```
    pub fn dpop(mut self, settings: Dpop) -> Self {
        if let Err(fault) = settings.check_config() {
            self.fault.get_or_insert(fault);
        }
        let source = Source::Scheme(Cow::Borrowed("DPoP"));
        if !self.headers.contains(source.header()) {
            self.headers.push(source.header().clone());
        }
        let proofs = ProofCheck::new(settings, &Challenge::new("DPoP"));
        if self.check.dpop.replace((source, proofs)).is_some() {
            let what = "the BearerLayer has two Dpop settings, and would use only the second";
            self = self.faulty(what.to_owned(), "call dpop once; Dpop::also_at adds another public address");
        }
        self.proof = Some(PROOF);
        self.offer()
    }

    pub(super) fn offer(mut self) -> Self {
        let offer = |source: &Source| challenge(source, &self.realm, self.metadata.as_deref(), &self.scopes);
        let dpop = self.check.dpop.take().map(|(source, proofs)| {
            let offer = offer(&source).param("algs", &proofs.settings.algorithm_names());
            let proofs = proofs.offering(&offer);
            (source, proofs, offer)
        });
        let is_required = dpop.as_ref().is_some_and(|(_, proofs, _)| proofs.settings.is_required());
        let (bearer, dpop) = (Some(offer(&self.check.source)).filter(|_| !is_required), dpop);
        let dpop_offer = dpop.as_ref().map(|(_, _, offer)| offer);
        let offers = bearer.iter().chain(dpop_offer).map(Challenge::as_str);
        self.challenge = challenge::list(offers);
        self.check.judge = Arc::new(Judge::new(bearer.as_ref(), dpop_offer));
        self.check.dpop = dpop.map(|(source, proofs, _)| (source, proofs));
        self
    }

    /// Checks every verified token against a list of revoked tokens; see [`TokenRevocation`]. If a second list is set,
    /// every request is refused with 500, and [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build) fails.
    pub fn revocation(mut self, revocation: impl TokenRevocation) -> Self {
        if self.check.revocation.replace(Arc::new(revocation)).is_some() {
            let what = "the BearerLayer has two revocation lists, and would ask only the second";
            return self.faulty(what.to_owned(), "use one TokenRevocation that asks both lists");
        }
        self
    }

    /// Checks the [revocation](Self::revocation) of every token past a cache
    /// ([`TokenRevocation::status_fresh`]). A remembered signature stays valid, because it proves the same as before. Use it for a
    /// layer around routes such as the creation of keys, or payouts. For single routes of a stack, see
    /// [`Rules::fresh`](crate::Rules::fresh).
    ///
    /// Do not place such a layer inside another one with a clone of the same [`Dpop`]: the outer layer uses each proof, and the inner one
    /// refuses it as used before. There, use one layer and `Rules::fresh`.
    ///
    /// ```
    /// use tower_auth::{BearerLayer, TokenVerifier, token::TokenRevocation};
    ///
    /// fn for_payouts(tokens: TokenVerifier, cached: impl TokenRevocation) -> BearerLayer {
    ///     BearerLayer::new(tokens).revocation(cached).fresh()
    /// }
    /// ```
    pub const fn fresh(mut self) -> Self {
        self.check.fresh = true;
        self
    }

    /// Admits requests without a token; see [`AuthLayer::optional`].
    pub fn optional(self) -> AuthLayer {
        AuthLayer::first(self).optional()
    }

    /// Removes the header with the token, the [cookie](Self::cookie) and its [companions](Self::also_strip) from the request after they are read; see
    /// [`AuthLayer::strip_credentials`].
    pub fn strip_credentials(self) -> AuthLayer {
        AuthLayer::first(self).strip_credentials()
    }
}

pub(super) const BEARER: &str = "Bearer";

/// Every 401 has a challenge (RFC 9110, section 15.5.2). A header of its own has no registered scheme, and `Bearer` is wrong
/// for it: the client would send the token in `Authorization`.
fn challenge(source: &Source, realm: &str, metadata: Option<&str>, scopes: &[String]) -> Challenge {
    let scheme = match source {
        Source::Scheme(scheme) => scheme,
        Source::Header(_) | Source::Subprotocol(_) => OF_HEADERS,
    };
    let challenge = Challenge::new(scheme).param("realm", realm);
    let challenge = match metadata {
        Some(url) => challenge.param("resource_metadata", url),
        None => challenge,
    };
    if scopes.is_empty() { challenge } else { challenge.param("scope", &scopes.join(" ")) }
}

impl Authenticator for BearerLayer {
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

    fn proof_headers(&self) -> &[HeaderName] {
        self.proof.as_slice()
    }

    fn credential_cookies(&self) -> &[String] {
        self.check.cookie.as_ref().map_or(&[], |cookie| slice::from_ref(cookie.name()))
    }

    fn companion_cookies(&self) -> &[String] {
        &self.companions
    }

    fn credential_subprotocols(&self) -> &[Subprotocol] {
        &self.subprotocols
    }

    fn recognizes(&self, request: &RequestHead<'_>) -> bool {
        self.check.recognizes(request)
    }

    #[inline]
    fn response_header(&self, request: &RequestHead<'_>) -> Option<(HeaderName, HeaderValue)> {
        let websocket = self.check.websocket.as_ref().filter(|_| request.is_websocket());
        let answer = websocket.and_then(|source| source.answer(request.headers()));
        answer.or_else(|| self.check.newer_nonce(request))
    }

    fn check_config(&self) -> Result<(), ConfigError> {
        self.fault.clone().map_or(Ok(()), Err)?;
        self.check_places()
    }
}

impl<S> Layer<S> for BearerLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        AuthLayer::first(self.clone()).layer(inner)
    }
}

impl fmt::Debug for BearerLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerLayer").field("verifiers", &self.check.verifiers).finish_non_exhaustive()
    }
}
