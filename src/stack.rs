//! The complete stack: all guards in the right order and the envelope around them, as one layer without type
//! parameters.
//!
//! ```text
//! request
//!   │ edge         trace id, envelope                      every response below passes through here: one format
//!   │ failures     too many guesses from this address? ─▶ 429   charged: nothing
//!   │ identity     is the credential valid? ────────────▶ 401   charged: the address for a guess, otherwise the
//!   │                                                           credential's budget   (503: the store does not answer;
//!   │                                                           403: a restriction of the key)
//!   │ rules        is the caller allowed to do this? ───▶ 403   charged: the credential's budget, not the plan
//!   │                                                           (503: the policy could not decide)
//!   │ plan         is the caller within the limits? ────▶ 429   charged: nothing
//!   ▼ your handler, with a Principal; a StrictBodyLayer goes directly in front of the handler
//! ```
//!
//! ```
//! use tower_auth::*;
//!
//! /// One value that a company's own crate provides to all of its services.
//! fn company_auth(keys: impl KeyStore, peppers: Peppers) -> Result<AuthStack, ConfigError> {
//!     let scheme = KeyScheme::new(KeyFormat::prefixed("ak", 40)?, peppers);
//!     AuthStack::builder()
//!         .envelope(ErrorEnvelopeLayer::detailed().adopt_foreign_errors())
//!         .auth(ApiKeyLayer::new(scheme, keys))
//!         .on_decision(|decision| println!("{decision:?}"))
//!         .build()
//! }
//! ```
//!
//! As one layer, the stack does not require `Default` of the response body, because the stack creates the responses of
//! refusals itself. If some routes are public, mount the two parts of the stack separately:
//! [`guards`](AuthStack::guards) on the private routes, and [`envelope`](AuthStack::envelope) around everything.
//!
//! # Public and private routes in axum
//!
//! ```
//! use axum::{Router, routing::get};
//! use tower_auth::*;
//!
//! async fn me(who: Principal) -> String {
//!     format!("hello {}", who.subject())
//! }
//!
//! async fn model() -> Result<String, Rejection> {
//!     Err(Rejection::custom(http::StatusCode::NOT_FOUND, "MODEL_NOT_FOUND").message("There is no such model."))
//! }
//!
//! # fn app() -> Result<(), ConfigError> {
//! let keys = ApiKeyLayer::static_key("ops", Secret::new("0123456789abcdef"))?;
//! let stack = AuthStack::builder().auth(keys).build()?;
//! let private = Router::new().route("/me", get(me)).route("/models/{id}", get(model)).layer(stack.guards());
//! let app: Router = Router::new()
//!     .route("/health", get(|| async { "ok" }))
//!     .merge(private)
//!     .fallback(|| async { Rejection::not_found() })
//!     .layer(stack.envelope());
//! # Ok(())
//! # }
//! ```
//!
//! `Router::layer` also wraps a router's fallback, and `merge` copies that fallback. If the outer router has no
//! fallback of its own, a request for an unknown path without a credential is answered 401 instead of 404. Both answers
//! are safe.
//!
//! If a path has no route for the method, axum adds `Allow` outside of every `Router::layer`, also to a 401. To keep
//! the allowed methods secret, wrap the finished router as a service: `stack.layer(router)`.
//!
#![doc = include_str!("stack/layers.md")]
//!
//! # The address of the connection
//!
//! [`Decision::peer_ip`] returns the address of the connection if the host provides it: axum with
//! `into_make_service_with_connect_info`, tonic over TCP, and any host that puts a [`PeerAddr`](crate::PeerAddr) into
//! the request's extensions.
//!
//! # When not to use it
//!
//! If one guard is enough: mount its layer alone.

mod routes;
mod service;

use std::{fmt, sync::Arc, time::Duration};

use tower_layer::Layer;

pub use self::service::{AuthStackService, ResponseFuture};
use http::HeaderName;

use crate::{
    AuthLayer, ClientIp, Clock, ConfigError, Decision, ErrorEnvelopeLayer, RateLimitLayer, RequireLayer, Rules,
    base::time_limit::{self, TimeLimit},
    context::decision::Observer,
    gate::{Gate, Guard, Guards},
    permission::Permission,
};

/// All guards and the envelope as one layer. The type has no parameters, so that it can be stored and returned.
///
/// See the [module page](crate::stack) for an example.
#[derive(Clone)]
#[must_use = "a layer does nothing until it is mounted"]
pub struct AuthStack {
    guards: Arc<Guards>,
    envelope: ErrorEnvelopeLayer,
    sensitive: Arc<[HeaderName]>,
}

impl AuthStack {
    /// Returns a builder. Its methods can be called in any order: the stack puts the guards into the right order.
    pub fn builder() -> AuthStackBuilder {
        AuthStackBuilder::default()
    }

    /// Returns the guards alone, for the private routes of a router. Mount the [`envelope`](Self::envelope) around the
    /// whole router.
    pub fn guards(&self) -> AuthGuards {
        AuthGuards(Arc::clone(&self.guards))
    }

    /// Returns the request headers that must not be logged: the headers from which the stack reads credentials, and
    /// always `Authorization`, `Cookie` and `Proxy-Authorization`. The [module page](crate::stack) shows their use.
    #[must_use]
    pub fn sensitive_headers(&self) -> Vec<HeaderName> {
        self.sensitive.to_vec()
    }

    /// Returns the envelope alone, to mount around a whole router.
    pub fn envelope(&self) -> ErrorEnvelopeLayer {
        self.envelope.clone()
    }
}

impl fmt::Debug for AuthStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthStack").field("guards", &self.guards).finish_non_exhaustive()
    }
}

impl<S> Layer<S> for AuthStack {
    type Service = AuthStackService<S>;

    fn layer(&self, inner: S) -> AuthStackService<S> {
        AuthStackService { gate: Gate::new(inner, Arc::clone(&self.guards)), settings: self.envelope.settings() }
    }
}

/// Builds an [`AuthStack`].
///
/// ```
/// use tower_auth::{AuthStack, ApiKeyLayer, Secret, permission::scope};
///
/// let keys = ApiKeyLayer::static_key("ops", Secret::new("0123456789abcdef"))?;
/// let stack = AuthStack::builder().auth(keys).require(scope("read")).build()?;
/// assert!(AuthStack::builder().build().is_err(), "a stack without authentication fails to build");
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct AuthStackBuilder {
    envelope: Option<ErrorEnvelopeLayer>,
    auth: Option<AuthLayer>,
    rules: Vec<Rules>,
    require: Vec<RequireLayer>,
    limits: Vec<RateLimitLayer>,
    observer: Option<Observer>,
    expose_principal: bool,
    clock: Option<Clock>,
    decision_timeout: Option<Duration>,
    client_ip: Option<ClientIp>,
    late_refusals: bool,
    /// The first error: a part was given twice.
    fault: Option<ConfigError>,
}

impl AuthStackBuilder {
    /// Sets the envelope, which renders refusals; [`ErrorEnvelopeLayer::detailed`] by default.
    pub fn envelope(mut self, envelope: ErrorEnvelopeLayer) -> Self {
        let before = self.envelope.replace(envelope);
        self.once(
            before.is_some(),
            "two envelopes",
            "configure one ErrorEnvelopeLayer with both the format and the catalogue",
        )
    }

    /// Sets how callers are authenticated: one method, or an [`AuthLayer`] of several.
    pub fn auth(mut self, auth: impl Into<AuthLayer>) -> Self {
        let before = self.auth.replace(auth.into());
        let advice =
            "call .auth(..) once with one AuthLayer of both, in the order of trial: AuthLayer::first(a).then(b)";
        self.once(before.is_some(), "two methods of authentication", advice)
    }

    /// Sets the table of rules: what each method and path requires. Requests to a public route are not authenticated.
    pub fn rules(mut self, rules: Rules) -> Self {
        self.rules.push(rules);
        self
    }

    /// Adds a policy that must grant every request, also on public routes. All added policies must grant.
    pub fn require(mut self, policy: impl Permission) -> Self {
        self.require.push(RequireLayer::new(policy));
        self
    }

    /// Adds a limit for requests or for failed attempts. Limits by address and the budget of failed attempts are
    /// checked before authentication. Limits of callers are checked after all permissions.
    ///
    /// If a handler answers a wrong password with 401, the budget of failed attempts in a stack charges the failure,
    /// but does not refuse the next attempt. Put a clone of the budget on that route too
    /// ([`RateLimitLayer::failures`]).
    pub fn limit(mut self, limit: RateLimitLayer) -> Self {
        self.limits.push(limit);
        self
    }

    /// Calls `observe` for every request that the guards of this stack admit or refuse, and for every refusal by an
    /// inner layer or handler ([`Decision::supersedes_admission`]). The request waits while `observe` runs, so the
    /// closure must return quickly. Several observers are called in the order in which they were added.
    pub fn on_decision(mut self, observe: impl Fn(&Decision<'_>) + Send + Sync + 'static) -> Self {
        let observer = Observer::new(observe);
        self.observer = Some(match self.observer.take() {
            Some(first) => first.and(observer),
            None => observer,
        });
        self
    }

    /// Puts the [`Principal`](crate::Principal) also into the response's extensions, where an outer access log can read
    /// it. An outer layer cannot read the extensions of the request that the stack passes on.
    pub fn expose_principal(self) -> Self {
        Self { expose_principal: true, ..self }
    }

    /// Sets how the address of the client is found, for the log of the stack, for limits with [`ClientIp::of_stack`], and
    /// for keys with [networks](crate::Restrictions::networks). By default, the log shows the address that the first limit
    /// by address counts, and the networks of keys are compared with it.
    pub fn client_ip(mut self, client_ip: ClientIp) -> Self {
        let before = self.client_ip.replace(client_ip);
        self.once(before.is_some(), "two settings for the address of the client", "call .client_ip(..) once")
    }

    /// Enables refusals from inside a handler, with [`RequestExt::late_refusal`](crate::RequestExt::late_refusal). This
    /// costs one allocation a request.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use tower_auth::*;
    ///
    /// async fn tool(handle: LateRefusal) -> &'static str {
    ///     let _too_late = handle.refuse(Rejection::new(RejectionKind::InsufficientPermissions));
    ///     "the client reads the refusal instead"
    /// }
    ///
    /// # fn app() -> Result<(), ConfigError> {
    /// let keys = ApiKeyLayer::static_key("ops", Secret::new("0123456789abcdef"))?;
    /// let stack = AuthStack::builder().auth(keys).late_refusals().build()?;
    /// let app: Router = Router::new().route("/tools/{id}", get(tool)).layer(stack);
    /// # Ok(())
    /// # }
    /// ```
    pub fn late_refusals(self) -> Self {
        Self { late_refusals: true, ..self }
    }

    /// Sets the clock of all parts that have no clock of their own.
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        let before = self.clock.replace(clock.into());
        self.once(before.is_some(), "two clocks", "call .clock(..) once")
    }

    /// Records an error when a part is given twice; otherwise the first one would be dropped silently.
    fn once(mut self, twice: bool, what: &'static str, advice: &'static str) -> Self {
        if twice {
            self.fault.get_or_insert_with(|| ConfigError::new(format!("the AuthStack was given {what}"), advice));
        }
        self
    }

    /// Sets the timeout of each part that may have to wait: a key store, a list of revoked tokens, a method of your
    /// own, a policy, a limiter; 5 s by default. [`AuthLayer::decision_timeout`] and
    /// [`RateLimitLayer::decision_timeout`] override the timeout for one layer. After the timeout, the request is
    /// refused with 503 and `Retry-After`, and the cause in the log names the part.
    ///
    /// The stack's [clock](Self::clock) measures the time. A clock without a timer means no timeout, and a warning is
    /// logged at [`build`](Self::build). Zero fails `build`; `Duration::MAX` means no timeout.
    pub fn decision_timeout(mut self, limit: Duration) -> Self {
        let before = self.decision_timeout.replace(limit);
        self.once(before.is_some(), "two time limits", "call .decision_timeout(..) once")
    }

    /// Builds the stack.
    ///
    /// # Errors
    /// If no method of authentication was given, if a method, a rule or a limit is misconfigured, or if a part that is
    /// allowed once was given twice.
    pub fn build(self) -> Result<AuthStack, ConfigError> {
        self.fault.map_or(Ok(()), Err)?;
        time_limit::check(self.decision_timeout, "AuthStackBuilder")?;
        let clock = self.clock.unwrap_or_default();
        let limit = TimeLimit::new(clock.clone(), self.decision_timeout.unwrap_or(time_limit::DEFAULT));
        let auth = self.auth.ok_or_else(|| {
            ConfigError::new(
                "the AuthStack has no method of authentication and would admit every request",
                "call .auth(..) with an ApiKeyLayer or an AuthLayer; for the envelope alone, mount ErrorEnvelopeLayer",
            )
        })?;
        auth.check_config()?;
        let mut auth = auth.clock_or(&clock).answer_within_or(limit.after());
        let (challenge, passes_preflights) = (auth.challenge(), auth.passes_preflights());
        let sensitive = auth.sensitive_headers().into();
        let (mut behind, mut fresh) = (Vec::<Arc<dyn Guard>>::new(), None);
        if self.rules.len() > 1 {
            return Err(ConfigError::new(
                "the AuthStack was given two tables of rules",
                "put all rules into one table; the first rule that matches applies",
            ));
        }
        for rules in self.rules.iter().cloned() {
            rules.check_config()?;
            let open = rules.clone();
            auth = auth.open(move |request| open.is_public(request));
            fresh = routes::fresh(&rules);
            behind.push(Arc::new(rules.limited(&limit)));
        }
        behind.extend(self.require.iter().map(|require| require.guard_in_stack(&limit)));
        if let Some(client_ip) = &self.client_ip {
            client_ip.check_config()?;
            if client_ip.is_of_stack() {
                return Err(ConfigError::new(
                    "AuthStackBuilder::client_ip was given ClientIp::of_stack(), which stands for that setting",
                    "use ClientIp::peer() or ClientIp::behind([\"10.0.0.0/8\"])?",
                ));
            }
        }
        let mut before: Vec<Arc<dyn Guard>> = Vec::new();
        if self.limits.iter().filter(|limit| limit.counts_failures()).count() > 1 {
            return Err(ConfigError::new(
                "the AuthStack was given two budgets of failed attempts",
                "use one budget with all quotas: RateLimitLayer::failures([Quota::per_minute(30), Quota::per_day(500)], ..)",
            ));
        }
        for part in &self.limits {
            part.check_config()?;
            let guard = part.guard_in_stack(&limit, passes_preflights, self.client_ip.as_ref())?;
            part.warn_without_timer();
            if part.is_before_identity() { before.push(guard) } else { behind.push(guard) }
        }
        clock.warn_without_timer();
        auth.warn_without_timer();
        let counted = self.limits.iter().find_map(RateLimitLayer::client_ip).filter(|ip| !ip.is_of_stack());
        let guards = Guards::new(before.into_iter().chain([auth.guard()]).chain(behind))
            .with_clock(clock.clone())
            .with_client_ip(self.client_ip.or_else(|| counted.cloned()))
            .with_fresh(fresh)
            .late_refusals(self.late_refusals)
            .watched_by(self.observer)
            .expose_principal(self.expose_principal);
        let guards = routes::naming_scopes(guards, &self.rules, &self.require);
        let envelope = self.envelope.unwrap_or_else(ErrorEnvelopeLayer::detailed);
        envelope.check_config()?;
        let mut envelope = envelope.clock_or(&clock);
        if let Some(challenge) = challenge {
            envelope = envelope.challenge(challenge);
        }
        Ok(AuthStack { guards: Arc::new(guards), envelope, sensitive })
    }
}

/// The guards of a stack without its envelope; see [`AuthStack::guards`].
///
/// ```
/// use tower_auth::{AuthStack, stack::AuthGuards};
///
/// fn private_routes(stack: &AuthStack) -> AuthGuards {
///     stack.guards()
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is mounted"]
pub struct AuthGuards(Arc<Guards>);

impl<S> Layer<S> for AuthGuards {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate::new(inner, Arc::clone(&self.0))
    }
}
