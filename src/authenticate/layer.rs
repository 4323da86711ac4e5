use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};
use tower_layer::Layer;

use super::{authenticator::Authenticator, facts::Settings, guard::AuthGuard};
use crate::{
    Clock, ConfigError, RequestHead,
    base::{challenge, credential, time_limit},
    gate::{Gate, Guard, Guards},
};

/// Authenticates requests by a list of methods, asked in declared order. It is a layer by itself, or part of an
/// [`AuthStack`](crate::AuthStack).
///
/// In: any request. Out: the request with an outcome ([`RequestExt::principal`](crate::RequestExt::principal)), or a
/// refusal: 401 with the challenges of all methods, 400 for a repeated credential header, 503 if a store does not
/// answer. The body of a refusal is empty; an outer [`ErrorEnvelopeLayer`](crate::ErrorEnvelopeLayer) adds a body.
///
/// See the [module page](crate::authenticate) for an example.
#[derive(Clone)]
#[must_use = "a layer does nothing until it is mounted"]
pub struct AuthLayer(Settings);

impl AuthLayer {
    /// Creates a layer with the method that is asked first.
    pub fn first(method: impl Authenticator) -> Self {
        Self(Settings {
            methods: vec![Arc::new(method)],
            optional: false,
            allow_preflight: false,
            strip: false,
            report_only: false,
            reject_ambiguous: false,
            disclose_header: false,
            open: None,
            remove: Vec::new(),
            clock: None,
            decision_timeout: None,
        })
    }

    /// Adds the method that is asked next, if no earlier method found a credential.
    pub fn then(mut self, method: impl Authenticator) -> Self {
        self.0.methods.push(Arc::new(method));
        self
    }

    /// Admits a request without a credential as [`Anonymous`](crate::Anonymous). An invalid credential is still
    /// refused.
    pub fn optional(mut self) -> Self {
        self.0.optional = true;
        self
    }

    /// Admits CORS preflights (OPTIONS with `Origin` and `Access-Control-Request-Method`) without an identity, for
    /// services with an inner CORS layer. Any other OPTIONS request is authenticated like every request.
    ///
    /// The inner service must answer OPTIONS itself, as a CORS layer does, or route by method. A handler for any
    /// method, such as a service that tonic generates, would run for an unauthenticated caller. If possible, mount the
    /// CORS layer outside this layer instead.
    pub fn allow_preflight(mut self) -> Self {
        self.0.allow_preflight = true;
        self
    }

    /// Removes the credential headers from the request after the methods have read them, whatever the headers contain.
    /// By default, the headers are only marked sensitive. Of `Cookie`, only the cookies with credentials are removed, if all
    /// methods that read it [name](Authenticator::credential_cookies) theirs.
    pub fn strip_credentials(mut self) -> Self {
        self.0.strip = true;
        self
    }

    /// Answers 400 to a request with credentials in more than one of the declared headers, or in two cookies. Off by default, because some
    /// clients always send a key and a token: then the first method that finds a credential decides.
    pub fn reject_ambiguous(mut self) -> Self {
        self.0.reject_ambiguous = true;
        self
    }

    /// Adds the detail `header` to the 401 for a request without a credential. The detail is the name of the first
    /// header that the methods read.
    pub fn disclose_header(mut self) -> Self {
        self.0.disclose_header = true;
        self
    }

    /// Reports refusals to the log and the observer, but enforces none: a request that would be refused continues as
    /// [`Anonymous`](crate::Anonymous). Use it for a trial period before authentication is enforced.
    pub fn report_only(mut self) -> Self {
        self.0.report_only = true;
        self
    }

    /// Removes these headers from every request before the inner service. Name the headers that an inner service
    /// trusts, because a client could claim an identity in them. The methods of this layer read the request before the
    /// headers are removed.
    pub fn strip_headers(mut self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        self.0.remove.extend(headers);
        self
    }

    /// Sets the clock by which credentials expire. In a stack, the default is the clock of the stack.
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        self.0.clock = Some(clock.into());
        self
    }

    /// Sets how long a method may take to answer, including its key store or list of revoked tokens. By default, this
    /// is the timeout of the [stack](crate::stack::AuthStackBuilder::decision_timeout), or 5 s. After the timeout, the
    /// request is refused with 503 and `Retry-After`, and the cause in the log names the part that did not answer. A
    /// fetch of an issuer's keys has its own timeouts.
    ///
    /// The [clock](Self::clock) measures the time. A clock without a timer means no timeout, and a warning is logged.
    /// `Duration::MAX` means no timeout. Zero fails [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build);
    /// without a stack, zero refuses every request for which a method is not ready at once.
    pub fn decision_timeout(mut self, limit: Duration) -> Self {
        self.0.decision_timeout = Some(limit);
        self
    }

    /// Returns the request headers that must not be logged: the headers that the methods read, and other common
    /// credential headers. Give the names to outer layers that mask or omit headers, as the [module page of the
    /// stack](crate::stack) shows.
    ///
    /// ```
    /// use tower_auth::{ApiKeyLayer, AuthLayer, Secret};
    ///
    /// let keys = AuthLayer::from(ApiKeyLayer::static_key("ops", Secret::new("0123456789abcdef"))?);
    /// assert!(keys.sensitive_headers().iter().any(|name| name == "x-api-key"));
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    #[must_use]
    pub fn sensitive_headers(&self) -> Vec<HeaderName> {
        let mut names: Vec<HeaderName> = Vec::new();
        let read =
            self.0.methods.iter().flat_map(|method| [method.credential_headers(), method.proof_headers()].concat());
        for name in read.chain(credential::WELL_KNOWN) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Returns the challenges of all methods, which a 401 offers.
    pub(crate) fn challenge(&self) -> Option<HeaderValue> {
        challenge::join(self.0.methods.iter().map(Authenticator::challenge))
    }

    /// Admits requests without authentication if `open` returns true.
    pub(crate) fn open(mut self, open: impl Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.0.open = Some(Arc::new(open));
        self
    }

    /// Returns whether preflights are admitted without reading a credential.
    pub(crate) const fn passes_preflights(&self) -> bool {
        self.0.allow_preflight
    }

    pub(crate) fn clock_or(self, clock: &Clock) -> Self {
        if self.0.clock.is_some() { self } else { self.clock(clock.clone()) }
    }

    pub(crate) fn answer_within_or(mut self, limit: Duration) -> Self {
        self.0.decision_timeout.get_or_insert(limit);
        self
    }

    /// Logs a warning if the clock has no timer, because pending answers then have no time limit.
    pub(crate) fn warn_without_timer(&self) {
        if let Some(clock) = &self.0.clock {
            clock.warn_without_timer();
        }
    }

    /// Checks the layer and its methods, and returns the first error.
    pub(crate) fn check_config(&self) -> Result<(), ConfigError> {
        time_limit::check(self.0.decision_timeout, "AuthLayer")?;
        self.0.methods.iter().try_for_each(Authenticator::check_config)
    }

    pub(crate) fn guard(&self) -> Arc<dyn Guard> {
        Arc::new(AuthGuard::new(self.0.clone()))
    }
}

impl<A: Authenticator> From<A> for AuthLayer {
    fn from(method: A) -> Self {
        Self::first(method)
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        self.warn_without_timer();
        Gate::new(inner, Arc::new(Guards::new([self.guard()])))
    }
}

impl fmt::Debug for AuthLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthLayer")
            .field("challenges", &self.0.methods.iter().map(Authenticator::challenge).collect::<Vec<_>>())
            .field("optional", &self.0.optional)
            .finish_non_exhaustive()
    }
}
