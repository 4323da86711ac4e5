use std::{sync::Arc, time::Duration};

use tower_layer::Layer;

use super::{guard::RequireGuard, policy::Permission, requirement::Requirement, scopes::scope};
use crate::{
    Clock,
    base::time_limit::{self, TimeLimit},
    gate::{Gate, Guard, Guards},
};

/// Admits the requests that a policy grants.
///
/// In: a request that an outer authentication layer has processed. Out: the unchanged request, or a refusal: 403 with
/// the missing role or scopes; 401 for a request without a credential; 503 if the policy failed, or did not decide in
/// time; 500 if there is no outer authentication layer.
///
/// ```
/// use tower::{Layer, ServiceExt, service_fn};
/// use tower_auth::*;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let handler = service_fn(|_: http::Request<()>| async {
///     Ok::<_, std::convert::Infallible>(http::Response::new(()))
/// });
/// let keys = ApiKeyLayer::static_key("ops", Secret::new("0123456789abcdef"))?;
/// let service = keys.layer(RequireLayer::scope("write").layer(handler));
///
/// let request = http::Request::get("/").header("x-api-key", "0123456789abcdef").body(()).unwrap();
/// assert_eq!(service.oneshot(request).await.unwrap().status(), http::StatusCode::FORBIDDEN);
/// # Ok::<_, ConfigError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is mounted"]
pub struct RequireLayer {
    guard: RequireGuard,
    clock: Clock,
    decision_timeout: Duration,
}

impl RequireLayer {
    /// Creates a layer that requires this policy.
    pub fn new(policy: impl Permission) -> Self {
        Self {
            guard: RequireGuard {
                policy: Arc::new(policy),
                masked: false,
                report_only: false,
                limit: TimeLimit::default(),
            },
            clock: Clock::system(),
            decision_timeout: time_limit::DEFAULT,
        }
    }

    /// Creates a layer that requires one scope. It is short for `RequireLayer::new(scope(..))`.
    pub fn scope(required: &str) -> Self {
        Self::new(scope(required))
    }

    /// Answers 404 if the policy denies, so that a caller cannot tell a forbidden resource from a missing one
    /// (RFC 9110, section 15.5.4).
    pub const fn mask_as_not_found(mut self) -> Self {
        self.guard.masked = true;
        self
    }

    /// Reports refusals to the log and the observer, but enforces none. Use it for a trial period before a policy is
    /// enforced.
    pub const fn report_only(mut self) -> Self {
        self.guard.report_only = true;
        self
    }

    /// Sets how long the policy may take to decide; 5 s by default. After the timeout, the request is refused with 503
    /// and `Retry-After`, and the cause in the log names the policy. `Duration::MAX` means no timeout. Zero means that
    /// every decision that is not ready at once times out.
    pub const fn decision_timeout(mut self, limit: Duration) -> Self {
        self.decision_timeout = limit;
        self
    }

    /// Sets the clock of the [timeout](Self::decision_timeout); the system clock by default. Behind a stack with its
    /// own clock, give the layer the same clock.
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        self.clock = clock.into();
        self
    }

    /// Returns what the policy requires of a token.
    pub(crate) fn requirement(&self) -> Requirement {
        self.guard.policy.requirement()
    }

    pub(crate) fn guard_in_stack(&self, limit: &TimeLimit) -> Arc<dyn Guard> {
        Arc::new(RequireGuard { limit: limit.clone(), ..self.guard.clone() })
    }
}

impl<S> Layer<S> for RequireLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        self.clock.warn_without_timer();
        let limit = TimeLimit::new(self.clock.clone(), self.decision_timeout);
        let guards = Guards::new([self.guard_in_stack(&limit)]).with_clock(self.clock.clone());
        Gate::new(inner, Arc::new(guards))
    }
}
