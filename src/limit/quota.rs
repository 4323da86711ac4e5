use std::{borrow::Cow, fmt, iter, time::Duration};

use crate::ConfigError;

/// So many requests in a period: a bucket that holds [`burst`](Self::burst) requests and is refilled evenly, at the rate of
/// the quota.
///
/// `per_minute(100)` lets 100 requests through at once, and from then on one every 600 ms; it is full again when none has
/// come for a minute. In any stretch of time, no more than burst + rate × time get through. Every number reads one way:
/// so many events, in that period.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::Quota;
///
/// let standard = [Quota::per_minute(100).burst(120), Quota::per_day(10_000)];
/// let login = Quota::new(5, Duration::from_secs(15 * 60)).named("login");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    events: u32,
    period: Duration,
    burst: Option<u32>,
    name: Cow<'static, str>,
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// Longer periods are no limit, but a budget, and a restart would forget it.
const LONGEST: Duration = Duration::from_secs(366 * DAY);
/// What all sums of times stay far below.
const MOST_NANOS: u128 = 1 << 62;

impl Quota {
    /// So many events in any period.
    #[must_use]
    pub const fn new(events: u32, period: Duration) -> Self {
        Self::of(events, period, "default")
    }

    /// So many events a second.
    #[must_use]
    pub const fn per_second(events: u32) -> Self {
        Self::of(events, Duration::from_secs(1), "second")
    }

    /// So many events a minute.
    #[must_use]
    pub const fn per_minute(events: u32) -> Self {
        Self::of(events, Duration::from_secs(MINUTE), "minute")
    }

    /// So many events an hour.
    #[must_use]
    pub const fn per_hour(events: u32) -> Self {
        Self::of(events, Duration::from_secs(HOUR), "hour")
    }

    /// So many events a day: in any 24 hours, and not from midnight on.
    #[must_use]
    pub const fn per_day(events: u32) -> Self {
        Self::of(events, Duration::from_secs(DAY), "day")
    }

    const fn of(events: u32, period: Duration, name: &'static str) -> Self {
        Self { events, period, burst: None, name: Cow::Borrowed(name) }
    }

    /// How many events may come at once; as many as in a period, by default.
    #[must_use]
    pub fn burst(self, events: u32) -> Self {
        Self { burst: Some(events), ..self }
    }

    /// The name that `RateLimit-Policy` shows: `second`, `minute`, `hour`, `day`, or `default` for another period.
    #[must_use]
    pub fn named(self, name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), ..self }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn period(&self) -> Duration {
        self.period
    }

    /// How many fit at once.
    pub(super) fn size(&self) -> u32 {
        self.burst.unwrap_or(self.events)
    }

    /// The time that refills the bucket by one, rounded up to a nanosecond so that no more get through than was said.
    pub(super) fn interval(&self) -> Result<u64, ConfigError> {
        let wrong = |why: &str| {
            Err(ConfigError::new(
                format!("the quota {self} cannot be kept: {why}"),
                "write how many requests fit in the period (Quota::per_minute(100)), and how many at once (.burst(120))",
            ))
        };
        if self.events == 0 || self.size() == 0 {
            return wrong("nothing would ever be let through; refuse by a permission instead");
        }
        if self.period.is_zero() || self.period > LONGEST {
            return wrong("its period is none, or longer than a year");
        }
        let interval = self.period.as_nanos().div_ceil(u128::from(self.events));
        if interval * u128::from(self.size()) >= MOST_NANOS {
            return wrong("a burst of that size would be refilled after a hundred years");
        }
        if self.period.as_nanos() < u128::from(self.events) {
            return wrong("more than one in a nanosecond");
        }
        let printable = |c: char| (' '..='~').contains(&c) && c != '"' && c != '\\';
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(printable) {
            return wrong("its name is none that a header can carry");
        }
        // It is below 2^62.
        u64::try_from(interval).or_else(|_| wrong("its period is too long"))
    }
}

/// One quota stands wherever several may.
impl IntoIterator for Quota {
    type Item = Self;
    type IntoIter = iter::Once<Self>;

    fn into_iter(self) -> iter::Once<Self> {
        iter::once(self)
    }
}

/// As `100 per 60s, 120 at once`.
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per {:?}", self.events, self.period)?;
        self.burst.map_or(Ok(()), |burst| write!(f, ", {burst} at once"))
    }
}
