use std::{sync::Arc, time::Duration};

use super::budget::{Budget, Share};
use crate::json::JsonLimits;

/// Limits on the size of bodies, on the time until they arrive, and on the bytes in flight.
///
/// Clones share the count of bytes in flight: pass clones of one value to all layers of a service.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::{BodyLimits, StrictBodyLayer, json::JsonLimits};
///
/// let limits = BodyLimits::new()
///     .max_bytes(64 << 10)
///     .read_timeout(Duration::from_secs(5))
///     .max_in_flight_bytes(16 << 20)
///     .json(JsonLimits::new().max_depth(8));
/// let names = StrictBodyLayer::<Vec<String>>::new()?.limits(limits.clone());
/// let numbers = StrictBodyLayer::<Vec<u64>>::new()?.limits(limits);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// In axum, the extractor `StrictJson` takes the limits from the request's extensions. If there are none, it uses the
/// defaults, or axum's own `DefaultBodyLimit` if that is lower:
///
/// ```
/// use axum::{Extension, Router};
/// use tower_auth::BodyLimits;
///
/// let app = Router::<()>::new().layer(Extension(BodyLimits::new().max_bytes(64 << 10)));
/// ```
#[derive(Clone, Debug)]
#[must_use = "limits apply only where they are passed"]
pub struct BodyLimits {
    pub(super) bytes: usize,
    pub(super) deadline: Duration,
    pub(super) json: JsonLimits,
    budget: Arc<Budget>,
}

impl BodyLimits {
    /// Returns the defaults: 1 MiB for a body, 10 s until it has arrived, 64 MiB in flight.
    pub fn new() -> Self {
        Self {
            bytes: 1 << 20,
            deadline: Duration::from_secs(10),
            json: JsonLimits::new(),
            budget: Budget::new(64 << 20),
        }
    }

    /// Sets how many bytes a body may have. A larger body is answered 413. If an outer layer decodes the body, the
    /// decoded bytes are counted.
    pub fn max_bytes(self, most: usize) -> Self {
        Self { bytes: most, ..self }
    }

    /// Sets how long a whole body may take to arrive. A slower body is answered 408.
    pub fn read_timeout(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Sets how many bytes all bodies that are still arriving may hold together. Clones that are made after this call
    /// share the limit. A body that needs more is answered 503. A body that arrives alone may exceed this limit, up to
    /// [`max_bytes`](Self::max_bytes). A body that has arrived is no longer counted. The buffers of the HTTP server and
    /// the memory of handlers are not counted.
    pub fn max_in_flight_bytes(self, most: usize) -> Self {
        Self { budget: Budget::new(most), ..self }
    }

    /// Sets the limits of the JSON in a body.
    pub fn json(self, limits: JsonLimits) -> Self {
        Self { json: limits, ..self }
    }

    /// Returns the limits of the JSON in a body.
    #[cfg(any(feature = "mcp", feature = "aws-lc-rs", feature = "rust-crypto"))]
    pub(crate) const fn of_json(&self) -> &JsonLimits {
        &self.json
    }

    pub(super) fn share(&self) -> Share {
        Share::new(Arc::clone(&self.budget))
    }
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "axum")]
impl BodyLimits {
    /// Returns the limits in a request's extensions, or the defaults.
    pub(super) fn of(request: &http::Extensions) -> Self {
        static DEFAULT: std::sync::LazyLock<BodyLimits> = std::sync::LazyLock::new(BodyLimits::new);
        request.get().unwrap_or(&*DEFAULT).clone()
    }
}
