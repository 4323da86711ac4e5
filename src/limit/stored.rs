//! Limits as a store keeps them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    calendar::CalendarUnit,
    limits::Limits,
    quota::{Quota, Span},
    zone::UTC,
};
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
    ///
    /// // A calendar quota; the member `time_zone` is left out for UTC.
    /// let stored = Limits::new([Quota::per_calendar_month(1_000_000)])?.to_json();
    /// assert_eq!(stored, serde_json::json!([{ "events": 1_000_000, "calendar": "month", "name": "month" }]));
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    #[must_use]
    pub fn to_json(&self) -> Value {
        self.all().iter().map(|window| write(&window.quota)).collect()
    }

    /// Reads limits from [`to_json`](Self::to_json).
    ///
    /// # Errors
    /// If the value is not a list of quotas, or holds invalid limits. A member that this version does not know is an
    /// error too, because it could be a bound, and so is a time zone that this machine or this build does not know. A record
    /// keeps such limits as they are, and its key is refused
    /// ([`KeyRecord::limits_from_json`](crate::KeyRecord::limits_from_json)).
    pub fn from_json(stored: &Value) -> Result<Self, ConfigError> {
        let wrong = || {
            ConfigError::new(
                format!("the stored limits {stored} are not limits"),
                "write a list of objects with events, period_ns, name and perhaps burst, or with events, calendar, name and \
                 perhaps time_zone, or update this service",
            )
        };
        let quotas = stored.as_array().ok_or_else(wrong)?;
        Self::new(quotas.iter().map(|quota| read(quota).ok_or_else(wrong)).collect::<Result<Vec<_>, _>>()?)
    }
}

pub(super) fn write(quota: &Quota) -> Value {
    let mut said = match quota.span() {
        Span::Even(period) => {
            let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
            json!({ "events": quota.events(), "period_ns": period, "name": quota.name() })
        }
        Span::Calendar(unit) => {
            json!({ "events": quota.events(), "calendar": unit.as_str(), "name": quota.name() })
        }
    };
    if quota.size() != quota.events() {
        said["burst"] = quota.size().into();
    }
    if quota.zone() != UTC {
        said["time_zone"] = quota.zone().into();
    }
    said
}

pub(super) fn read(stored: &Value) -> Option<Quota> {
    let stored = stored.as_object()?;
    let calendar = stored.contains_key("calendar");
    let known: &[&str] =
        if calendar { &["events", "calendar", "time_zone", "name"] } else { &["events", "period_ns", "name", "burst"] };
    if stored.keys().any(|name| !known.contains(&name.as_str())) {
        return None;
    }
    let number = |name| stored.get(name).and_then(Value::as_u64);
    let text = |name| stored.get(name).map(|value| value.as_str().map(str::to_owned));
    let events = u32::try_from(number("events")?).ok()?;
    let quota = match text("calendar") {
        Some(unit) => Quota::per_calendar(CalendarUnit::of_name(&unit?)?, events),
        None => Quota::new(events, Duration::from_nanos(number("period_ns")?)),
    };
    let quota = quota.named(text("name")??);
    let quota = match text("time_zone") {
        Some(zone) => quota.in_time_zone(zone?),
        None => quota,
    };
    match stored.get("burst") {
        None => Some(quota),
        Some(burst) => Some(quota.burst(u32::try_from(burst.as_u64()?).ok()?)),
    }
}
