use std::{sync::Arc, time::Duration};

use super::budget::{Budget, Share};
use crate::json::JsonLimits;

/// How large bodies may be, how long they may take, and how much of them may be under way.
///
/// Clones share the bytes under way: hand clones of one value to all layers of a service.
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
/// In axum, the extractor `StrictJson` reads them from the request's extensions; without them it takes the defaults,
/// and axum's own `DefaultBodyLimit` where that is lower:
///
/// ```
/// use axum::{Extension, Router};
/// use tower_auth::BodyLimits;
///
/// let app = Router::<()>::new().layer(Extension(BodyLimits::new().max_bytes(64 << 10)));
/// ```
#[derive(Clone, Debug)]
#[must_use = "limits hold where they are handed over"]
pub struct BodyLimits {
    pub(super) bytes: usize,
    pub(super) deadline: Duration,
    pub(super) json: JsonLimits,
    budget: Arc<Budget>,
}

impl BodyLimits {
    /// 1 MiB in 10 s, 64 MiB under way.
    pub fn new() -> Self {
        Self {
            bytes: 1 << 20,
            deadline: Duration::from_secs(10),
            json: JsonLimits::new(),
            budget: Budget::new(64 << 20),
        }
    }

    /// How many bytes a body may have; more is 413. Of a body whose coding was taken off further out, the bytes that came
    /// of it.
    pub fn max_bytes(self, most: usize) -> Self {
        Self { bytes: most, ..self }
    }

    /// How long a whole body may take to arrive; longer is 408.
    pub fn read_timeout(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// How many bytes all bodies that are still arriving may hold together, here and in all clones made from now on;
    /// a body that would need more is 503. A body that is alone may always arrive, whatever its size, and one that has
    /// arrived is no longer counted. Nor is what the host holds of a connection, and what a handler makes of a body.
    pub fn max_in_flight_bytes(self, most: usize) -> Self {
        Self { budget: Budget::new(most), ..self }
    }

    /// How deep and how long the JSON in it may be.
    pub fn json(self, limits: JsonLimits) -> Self {
        Self { json: limits, ..self }
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
    /// Those that somebody has put into a request, or the defaults.
    pub(super) fn of(request: &http::Extensions) -> Self {
        static DEFAULT: std::sync::LazyLock<BodyLimits> = std::sync::LazyLock::new(BodyLimits::new);
        request.get().unwrap_or(&*DEFAULT).clone()
    }
}
