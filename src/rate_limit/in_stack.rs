//! The methods of a limit that a stack calls.

use std::sync::Arc;

use super::{
    failures::{self, FailureGuard},
    guard::{self, LimitGuard, Whose},
    layer::{Kind, RateLimitLayer},
};
use crate::{ClientIp, ConfigError, base::time_limit::TimeLimit, gate::Guard};

impl RateLimitLayer {
    /// Whether it stands in front of the authentication in a stack, because it does not need the caller.
    pub(crate) const fn is_before_identity(&self) -> bool {
        matches!(&self.0, Kind::Failures(_) | Kind::Limit(guard::Facts { whose: Whose::Address { .. }, .. }))
    }

    pub(crate) const fn counts_failures(&self) -> bool {
        matches!(&self.0, Kind::Failures(_))
    }

    pub(crate) fn check_config(&self) -> Result<(), ConfigError> {
        let (Kind::Limit(guard::Facts { fault, .. }) | Kind::Failures(failures::Facts { fault, .. })) = &self.0;
        self.shared_counter().check_config()?;
        fault.clone().map_or(Ok(()), Err)
    }

    /// Logs a warning if a limiter that may have to wait has no timeout.
    pub(crate) fn warn_without_timer(&self) {
        self.shared_counter().warn_without_timer();
    }

    /// Returns how it finds the address of the client, if it counts addresses.
    pub(crate) const fn client_ip(&self) -> Option<&ClientIp> {
        match &self.0 {
            Kind::Limit(guard::Facts { whose: Whose::Address { ip, .. }, .. })
            | Kind::Failures(failures::Facts { ip, .. }) => Some(ip),
            Kind::Limit(_) => None,
        }
    }

    /// Returns the guard for a stack: the authentication of the stack checks a budget of failures itself, and may pass
    /// preflights.
    pub(crate) fn guard_in_stack(
        &self,
        limit: &TimeLimit,
        passes_preflights: bool,
        client_ip: Option<&ClientIp>,
    ) -> Result<Arc<dyn Guard>, ConfigError> {
        let _ = self.shared_counter().clock.set(limit.clock().clone());
        if let Some(ip) = self.client_ip() {
            ip.enter_stack(client_ip)?;
        }
        let mut layer = self.clone();
        layer.counter().decision_timeout.get_or_insert(limit.after());
        Ok(match layer.0 {
            Kind::Limit(facts) => Arc::new(LimitGuard(Arc::new(guard::Facts { passes_preflights, ..facts }))),
            Kind::Failures(facts) => Arc::new(FailureGuard(Arc::new(failures::Facts { deferred: true, ..facts }))),
        })
    }
}
