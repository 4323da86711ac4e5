use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};
use tower_layer::Layer;

use super::{authenticator::Authenticator, facts::Settings, guard::AuthGuard};
use crate::{
    Clock, ConfigError, RequestHead,
    base::{challenge, credential, time_limit},
    gate::{Gate, Guard, Guards},
};

/// Methods of authentication, asked in declared order; alone a layer, or part of an [`AuthStack`](crate::AuthStack).
///
/// In: any request. Out: the request with an outcome ([`RequestExt::principal`](crate::RequestExt::principal)), or
/// 401 with every challenge on offer, 400 for a repeated credential header, 503 where a store does not answer. The
/// body of a refusal is empty; [`ErrorEnvelopeLayer`](crate::ErrorEnvelopeLayer) outside gives it one.
///
/// See the [module page](crate::authenticate) for an example.
#[derive(Clone)]
#[must_use = "a layer does nothing until it is mounted"]
pub struct AuthLayer(Settings);

impl AuthLayer {
    /// The first method to be asked.
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

    /// The method to be asked next, where those before it found no credential.
    pub fn then(mut self, method: impl Authenticator) -> Self {
        self.0.methods.push(Arc::new(method));
        self
    }

    /// Lets visitors in: a request without a credential goes on as [`Anonymous`](crate::Anonymous). A bad credential is
    /// refused all the same.
    pub fn optional(mut self) -> Self {
        self.0.optional = true;
        self
    }

    /// Lets CORS preflights pass (OPTIONS with `Origin` and `Access-Control-Request-Method`), never with an identity:
    /// for services whose CORS layer stands further in. Every other OPTIONS is a request like any.
    ///
    /// What stands behind has to answer OPTIONS itself, as a CORS layer does, or route by method: a handler for any
    /// method, as services that tonic generates are, would run for a stranger. Where you can, put the CORS layer
    /// outside instead.
    pub fn allow_preflight(mut self) -> Self {
        self.0.allow_preflight = true;
        self
    }

    /// Takes the credential headers out of the request once they are read, whole and whatever stands in them;
    /// otherwise they are only marked sensitive.
    pub fn strip_credentials(mut self) -> Self {
        self.0.strip = true;
        self
    }

    /// Refuses a request with credentials in more than one of the declared headers with 400, instead of letting the
    /// first method that finds one decide. Off by default: clients exist that always send a key and a token.
    pub fn reject_ambiguous(mut self) -> Self {
        self.0.reject_ambiguous = true;
        self
    }

    /// Says in the details of a 401 for who brings nothing in which header the credential belongs: `header`, that of the
    /// first method.
    pub fn disclose_header(mut self) -> Self {
        self.0.disclose_header = true;
        self
    }

    /// Decides, tells the log and the observer, and lets pass: a request that would have been refused goes on as
    /// [`Anonymous`](crate::Anonymous). For the weeks before authentication is enforced.
    pub fn report_only(mut self) -> Self {
        self.0.report_only = true;
        self
    }

    /// Takes these headers out of every request, before the inner service: those in which a client could claim to be
    /// somebody, because something further in believes them. This layer's own methods have read the request by then.
    pub fn strip_headers(mut self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        self.0.remove.extend(headers);
        self
    }

    /// The clock by which credentials expire; in a stack, the stack's.
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        self.0.clock = Some(clock.into());
        self
    }

    /// How long a method may take to answer, such as a key store or a list of revoked tokens; 5 s by default, or the
    /// [stack's](crate::stack::AuthStackBuilder::decision_timeout). A later answer does not count: the request is refused with
    /// 503 and `Retry-After`, and the cause in the log names what did not answer. An issuer whose keys are fetched has limits
    /// of its own.
    ///
    /// The time is that of the [clock](Self::clock): without a timer there is no limit, and the log says so. `Duration::MAX`
    /// is no limit either. Zero fails [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build); a layer alone then
    /// refuses everything that is not answered at once.
    pub fn decision_timeout(mut self, limit: Duration) -> Self {
        self.0.decision_timeout = Some(limit);
        self
    }

    /// The request headers that no log may show: those that the methods read, and those in which clients prove who they
    /// are to others. For what marks or leaves out headers further out; the [page of the stack](crate::stack) shows how.
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
        let read = self.0.methods.iter().flat_map(|method| method.credential_headers().to_vec());
        for name in read.chain(credential::WELL_KNOWN) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// What a 401 offers: the challenges of all methods.
    pub(crate) fn challenge(&self) -> Option<HeaderValue> {
        challenge::join(self.0.methods.iter().map(Authenticator::challenge))
    }

    /// Asks nobody about the requests that this tells.
    pub(crate) fn open(mut self, open: impl Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.0.open = Some(Arc::new(open));
        self
    }

    /// Whether preflights pass it without a credential being read.
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

    /// Says that what has to be waited for has no time limit.
    pub(crate) fn warn_without_timer(&self) {
        if let Some(clock) = &self.0.clock {
            clock.warn_without_timer();
        }
    }

    /// The first thing that is wrong with the layer or a method.
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
