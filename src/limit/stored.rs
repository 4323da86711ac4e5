//! Limits as a store keeps them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{limits::Limits, quota::Quota};
use crate::ConfigError;

impl Limits {
    /// Returns the limits as JSON, for a column of a table: a list with one object a quota.
    ///
    /// ```
    /// use tower_auth::{Quota, limit::Limits};
    ///
    /// let limits = Limits::new([Quota::per_minute(100).burst(120)])?;
    /// let stored = limits.to_json();
    /// let quota = serde_json::json!({ "events": 100, "period_ns": 60_000_000_000_u64, "name": "minute", "burst": 120 });
    /// assert_eq!(stored, serde_json::json!([quota]));
    /// assert_eq!(Limits::from_json(&stored)?, limits);
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    #[must_use]
    pub fn to_json(&self) -> Value {
        self.all()
            .iter()
            .map(|window| {
                let quota = &window.quota;
                let period = u64::try_from(quota.period().as_nanos()).unwrap_or(u64::MAX);
                let mut said = json!({ "events": quota.events(), "period_ns": period, "name": quota.name() });
                if quota.size() != quota.events() {
                    said["burst"] = quota.size().into();
                }
                said
            })
            .collect()
    }

    /// Reads limits from [`to_json`](Self::to_json).
    ///
    /// # Errors
    /// If the value is not a list of quotas, or holds invalid limits. A member that this version does not know is an
    /// error too: it could be a bound.
    pub fn from_json(stored: &Value) -> Result<Self, ConfigError> {
        let wrong = || {
            ConfigError::new(
                format!("the stored limits {stored} are not limits"),
                "write a list of objects with events, period_ns, name and perhaps burst, or update this service",
            )
        };
        let quotas = stored.as_array().ok_or_else(wrong)?;
        Self::new(quotas.iter().map(|quota| read(quota).ok_or_else(wrong)).collect::<Result<Vec<_>, _>>()?)
    }
}

fn read(stored: &Value) -> Option<Quota> {
    let stored = stored.as_object()?;
    if stored.keys().any(|name| !["events", "period_ns", "name", "burst"].contains(&name.as_str())) {
        return None;
    }
    let number = |name| stored.get(name).and_then(Value::as_u64);
    let events = u32::try_from(number("events")?).ok()?;
    let quota = Quota::new(events, Duration::from_nanos(number("period_ns")?));
    let quota = quota.named(stored.get("name")?.as_str()?.to_owned());
    match stored.get("burst") {
        None => Some(quota),
        Some(burst) => Some(quota.burst(u32::try_from(burst.as_u64()?).ok()?)),
    }
}
