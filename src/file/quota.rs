//! One limit of a list.

use serde::Deserialize;

use super::values::Period;
use crate::{Quota, limit::CalendarUnit};

/// One limit. What it refuses gets its place from the parser.
#[derive(Deserialize)]
#[serde(try_from = "Fields")]
pub(super) struct QuotaTable(Quota);

impl QuotaTable {
    pub(super) fn quota(&self) -> Quota {
        self.0.clone()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as { events = 100, period = \"60s\" }")]
struct Fields {
    events: u32,
    period: Option<Period>,
    calendar: Option<Unit>,
    time_zone: Option<String>,
    burst: Option<u32>,
    name: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unit {
    Day,
    Month,
}

impl From<Unit> for CalendarUnit {
    fn from(unit: Unit) -> Self {
        match unit {
            Unit::Day => Self::Day,
            Unit::Month => Self::Month,
        }
    }
}

impl TryFrom<Fields> for QuotaTable {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        let mut quota = match (fields.period, fields.calendar) {
            (Some(period), None) => even(fields.events, &period),
            (None, Some(unit)) => Quota::per_calendar(unit.into(), fields.events),
            (Some(_), Some(_)) => return Err("a limit has a period or a calendar, not both"),
            (None, None) => return Err("a limit needs a period (\"60s\") or a calendar (\"day\" or \"month\")"),
        };
        if fields.calendar.is_none() && fields.time_zone.is_some() {
            return Err("a time_zone is for a limit with a calendar (\"day\" or \"month\")");
        }
        if fields.calendar.is_some() && fields.burst.is_some() {
            return Err("a limit with a calendar has no burst: add a second limit with a short period");
        }
        if let Some(zone) = fields.time_zone {
            quota = quota.in_time_zone(zone);
        }
        if let Some(burst) = fields.burst {
            quota = quota.burst(burst);
        }
        Ok(Self(match fields.name {
            Some(name) => quota.named(name),
            None => quota,
        }))
    }
}

/// A period of one unit has the name that the constructors of [`Quota`] give it.
fn even(events: u32, Period(period): &Period) -> Quota {
    match (period.as_secs(), period.subsec_nanos()) {
        (1, 0) => Quota::per_second(events),
        (60, 0) => Quota::per_minute(events),
        (3600, 0) => Quota::per_hour(events),
        (86400, 0) => Quota::per_day(events),
        _ => Quota::new(events, *period),
    }
}
