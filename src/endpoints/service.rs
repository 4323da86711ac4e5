use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderName, HeaderValue, Request, Response, header};
use http_body::Body;
use tower_service::Service;

use super::{
    caller::Keys,
    cookies::SessionCookies,
    gates::{Gates, Guarding},
    proof,
    serve::Serving,
    settings::Settings,
};
use crate::{
    ApiKeyLayer, BearerLayer, BodyLimits, BoxError, ClientIp, ConfigError, Decision, Dpop, FullBody, Permission,
    RateLimitLayer, Rejection, RequestHead, RequireLayer,
    context::decision::Observer,
    session::{Sessions, TokenRequest},
};

/// The endpoints of an authorization server: `token`, `refresh`, `logout`, `revoke` and `introspect`, by the last
/// segment of the path. The [module page](crate::endpoints) has an example.
///
/// Clones share the settings.
#[derive(Clone)]
#[must_use = "a service does nothing until it is mounted"]
pub struct AuthEndpoints(Arc<Settings>);

/// More than any token has.
const LONGEST_BODY: usize = 64 << 10;
/// How many verified tokens are remembered.
const VERIFIED: usize = 10_000;

impl AuthEndpoints {
    /// Creates the endpoints of these sessions.
    pub fn new(sessions: Sessions) -> Self {
        let limits = BodyLimits::new().max_bytes(LONGEST_BODY);
        let guarding = Guarding::default();
        let gates = Gates::new(&guarding, sessions.clock());
        Self(Arc::new(Settings { sessions, cookies: None, limits, guarding, gates }))
    }

    /// Authenticates clients by their keys: the callers of `…/token`, `…/revoke` and `…/introspect`. The key is in the
    /// header that the layer reads. In a form, it is also accepted as a client secret (RFC 6749, section 2.3.1): in
    /// `Authorization: Basic` or in `client_secret`, with the id of the key as `client_id` or without one.
    ///
    /// Without this call, the caller is the [`Principal`](crate::Principal) that guards in front have authenticated.
    pub fn keys(self, keys: ApiKeyLayer) -> Self {
        self.guard(|guarding| guarding.keys = Some(Keys::new(keys)))
    }

    /// Limits the requests of clients that present their [keys](Self::keys). Use a clone of the limit that the service
    /// has: an exchange is then counted like any other request with the key, and its answer has the headers of the
    /// limit. May be called several times.
    ///
    /// Limits by address, and [budgets of failed attempts](RateLimitLayer::failures), stand in front of the endpoints.
    /// If one is given here, every request is answered 500. Without `keys`, the guards in front limit their callers,
    /// and this setting has no effect.
    ///
    /// ```
    /// use tower_auth::{ApiKeyLayer, AuthEndpoints, Plans, RateLimitLayer, session::Sessions};
    ///
    /// fn endpoints(sessions: Sessions, keys: ApiKeyLayer, plans: &Plans) -> AuthEndpoints {
    ///     AuthEndpoints::new(sessions).keys(keys).limit(RateLimitLayer::by_plan(plans))
    /// }
    /// ```
    pub fn limit(self, limit: RateLimitLayer) -> Self {
        self.guard(|guarding| guarding.limits.push(limit))
    }

    /// Sets how the address of the client is found, for keys with [networks](crate::Restrictions::networks), and for
    /// the log. Without it, and without [`ApiKeyLayer::client_ip`], such a key is answered 500.
    pub fn client_ip(self, client_ip: ClientIp) -> Self {
        self.guard(|guarding| guarding.client_ip = Some(client_ip))
    }

    /// Calls `observe` for every request that the endpoints admit or refuse, as
    /// [`AuthStackBuilder::on_decision`](crate::stack::AuthStackBuilder::on_decision) does for the requests of a stack.
    /// Give the same observers to both: then exchanges count as uses of a key.
    ///
    /// ```
    /// use tower_auth::{AuthEndpoints, session::Sessions, usage::Usage};
    ///
    /// fn endpoints(sessions: Sessions, usage: &Usage) -> AuthEndpoints {
    ///     AuthEndpoints::new(sessions).on_decision(usage.observer())
    /// }
    /// ```
    pub fn on_decision(self, observe: impl Fn(&Decision<'_>) + Send + Sync + 'static) -> Self {
        self.guard(|guarding| {
            let observer = Observer::new(observe);
            guarding.observer = Some(match guarding.observer.take() {
                Some(first) => first.and(observer),
                None => observer,
            });
        })
    }

    /// Turns `…/introspect` on, for callers to whom this policy grants it.
    ///
    /// ```
    /// use tower_auth::{AuthEndpoints, permission::scope, session::Sessions};
    ///
    /// fn endpoints(sessions: Sessions) -> AuthEndpoints {
    ///     AuthEndpoints::new(sessions).introspection(scope("tokens:introspect"))
    /// }
    /// ```
    pub fn introspection(self, permission: impl Permission) -> Self {
        self.guard(|guarding| guarding.introspection = Some(RequireLayer::new(permission)))
    }

    /// Lets browsers refresh and log out with the cookies of a session, which a handler has [set](SessionCookies::set).
    pub fn cookies(self, cookies: SessionCookies) -> Self {
        self.set(|settings| settings.cookies = Some(cookies))
    }

    /// Binds tokens to the keys of clients (`DPoP`, RFC 9449, section 5): `…/token` and `…/refresh` accept a proof in the
    /// header `DPoP`, for `POST` and the public address of the endpoint, and issue a token with `cnf`. The refresh token of
    /// a client that does not authenticate itself is bound to the key too. The [module
    /// page](crate::endpoints#tokens-that-are-bound-to-a-key) says how.
    ///
    /// [`bearer`](Self::bearer) checks the proofs with the same settings. With [`Dpop::require`], a request without a proof
    /// gets no token, and the cookies of browsers are refreshed no more.
    ///
    /// If a setting cannot be used, every request is refused with 500.
    ///
    /// ```
    /// use tower_auth::{AuthEndpoints, Dpop, session::Sessions};
    ///
    /// fn endpoints(sessions: Sessions) -> AuthEndpoints {
    ///     AuthEndpoints::new(sessions).dpop(Dpop::new("https://api.example.com"))
    /// }
    /// ```
    pub fn dpop(self, settings: Dpop) -> Self {
        self.guard(|guarding| guarding.dpop = Some(Arc::new(settings)))
    }

    /// Checks the proof of a request for tokens that a handler of yours answers, such as a sign-in, and returns what
    /// [`Sessions::begin`] needs: the key that the session is bound to. Without [`dpop`](Self::dpop), or if the request has no
    /// proof and none is required, the tokens will not be bound.
    ///
    /// # Errors
    /// 400 if the proof is wrong, or is missing and required. With nonces, the refusal has the header `DPoP-Nonce`.
    ///
    /// ```
    /// use http::request::Parts;
    /// use tower_auth::{AuthEndpoints, Principal, Rejection, RequestHead, session::{Grant, IssuedTokens, Sessions}};
    ///
    /// /// A sign-in whose password was verified.
    /// async fn signed_in(
    ///     endpoints: &AuthEndpoints,
    ///     sessions: &Sessions,
    ///     head: &Parts,
    ///     user: &Principal,
    /// ) -> Result<IssuedTokens, Rejection> {
    ///     let request = endpoints.token_request(&RequestHead::from(head))?;
    ///     Ok(sessions.begin(Grant::of(user).client("web"), &request).await?)
    /// }
    /// ```
    pub fn token_request(&self, head: &RequestHead<'_>) -> Result<TokenRequest, Rejection> {
        Ok(proof::request(&self.0, head)?)
    }

    /// Returns the layer for the routes that these tokens open. It verifies the tokens of this service, asks at every
    /// request whether the token was revoked or its session has ended, and reads the cookie if
    /// [`cookies`](Self::cookies) are set. It keeps 10,000 verified tokens, so that they need no second signature
    /// check. With [`dpop`](Self::dpop), it checks proofs with the same settings: set no others.
    ///
    /// Tokens of other issuers are added with [`or`](BearerLayer::or).
    ///
    /// # Errors
    /// If the verifier is misconfigured.
    ///
    /// ```
    /// use tower_auth::{AuthEndpoints, AuthLayer, ApiKeyLayer, ConfigError};
    ///
    /// fn tokens_and_keys(endpoints: &AuthEndpoints, keys: ApiKeyLayer) -> Result<AuthLayer, ConfigError> {
    ///     Ok(AuthLayer::first(endpoints.bearer()?).then(keys))
    /// }
    /// ```
    pub fn bearer(&self) -> Result<BearerLayer, ConfigError> {
        let sessions = &self.0.sessions;
        let tokens = sessions.issuer().verifier().cache(VERIFIED).build()?;
        let layer = BearerLayer::new(tokens).revocation(sessions.clone());
        let layer = match &self.0.guarding.dpop {
            Some(dpop) => layer.dpop((**dpop).clone()),
            None => layer,
        };
        Ok(match &self.0.cookies {
            Some(cookies) => layer.cookie(cookies.access_name()).also_strip(cookies.refresh_name()),
            None => layer,
        })
    }

    /// Sets how large a body may be, and how long it may take to arrive: 64 KiB and ten seconds by default.
    pub fn limits(self, limits: BodyLimits) -> Self {
        self.set(|settings| settings.limits = limits)
    }

    /// Returns whether clients are authenticated by keys here.
    pub(super) fn have_keys(&self) -> bool {
        self.0.guarding.keys.is_some()
    }

    /// Returns whether tokens can be introspected.
    pub(super) fn have_introspection(&self) -> bool {
        self.0.guarding.introspection.is_some()
    }

    /// Returns the algorithms of proofs, if there are any.
    pub(super) fn proof_algorithms(&self) -> Option<Vec<String>> {
        let dpop = self.0.guarding.dpop.as_ref()?;
        Some(dpop.algorithm_names().split(' ').map(str::to_owned).collect())
    }

    /// Changes the settings of the guards, and builds them again.
    fn guard(self, change: impl FnOnce(&mut Guarding)) -> Self {
        self.set(|settings| {
            change(&mut settings.guarding);
            settings.gates = Gates::new(&settings.guarding, settings.sessions.clock());
        })
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl<B> Service<Request<B>> for AuthEndpoints
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<FullBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<FullBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let settings = Arc::clone(&self.0);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            Ok(uncached(match &settings.gates {
                Ok(gates) => Serving { gates: gates.clone(), settings }.answer(head, body).await,
                Err(fault) => Rejection::internal(fault.clone()).into_response(),
            }))
        })
    }
}

/// RFC 6749, section 5.1: for answers with tokens. Here it is every answer.
fn uncached(mut answer: Response<FullBody>) -> Response<FullBody> {
    const NO_STORE: [(HeaderName, HeaderValue); 2] = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::PRAGMA, HeaderValue::from_static("no-cache")),
    ];
    for (name, value) in NO_STORE {
        answer.headers_mut().insert(name, value);
    }
    answer
}

impl fmt::Debug for AuthEndpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthEndpoints")
            .field("sessions", &self.0.sessions)
            .field("keys", &self.have_keys())
            .field("introspection", &self.have_introspection())
            .field("cookies", &self.0.cookies)
            .finish_non_exhaustive()
    }
}
