use std::{borrow::Cow, fmt, iter, time::Duration};

use crate::ConfigError;

/// A number of requests per period: a bucket that holds [`burst`](Self::burst) requests and is refilled evenly, at the
/// rate of the quota.
///
/// `per_minute(100)` admits 100 requests at once, and then one request every 600 ms. The bucket is full again after a
/// minute without requests. In any interval of time, at most burst + rate × time requests are admitted.
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
/// The longest period. Longer ones are budgets, which a restart must not reset.
const LONGEST: Duration = Duration::from_secs(366 * DAY);
/// The bound of all times. It leaves room for sums without overflow.
const MOST_NANOS: u128 = 1 << 62;

impl Quota {
    /// Limits to `events` per `period`.
    #[must_use]
    pub const fn new(events: u32, period: Duration) -> Self {
        Self::of(events, period, "default")
    }

    /// Limits to `events` per second.
    #[must_use]
    pub const fn per_second(events: u32) -> Self {
        Self::of(events, Duration::from_secs(1), "second")
    }

    /// Limits to `events` per minute.
    #[must_use]
    pub const fn per_minute(events: u32) -> Self {
        Self::of(events, Duration::from_secs(MINUTE), "minute")
    }

    /// Limits to `events` per hour.
    #[must_use]
    pub const fn per_hour(events: u32) -> Self {
        Self::of(events, Duration::from_secs(HOUR), "hour")
    }

    /// Limits to `events` per 24 hours. The period does not start at midnight.
    #[must_use]
    pub const fn per_day(events: u32) -> Self {
        Self::of(events, Duration::from_secs(DAY), "day")
    }

    const fn of(events: u32, period: Duration, name: &'static str) -> Self {
        Self { events, period, burst: None, name: Cow::Borrowed(name) }
    }

    /// Sets the number of events that may come at once. The default is the number of events per period.
    #[must_use]
    pub fn burst(self, events: u32) -> Self {
        Self { burst: Some(events), ..self }
    }

    /// Sets the name that `RateLimit-Policy` shows. The default is `second`, `minute`, `hour`, `day`, or `default` for
    /// [`new`](Self::new).
    #[must_use]
    pub fn named(self, name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), ..self }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn events(&self) -> u32 {
        self.events
    }

    pub(super) const fn period(&self) -> Duration {
        self.period
    }

    /// Returns the number of events that fit at once.
    pub(super) fn size(&self) -> u32 {
        self.burst.unwrap_or(self.events)
    }

    /// Returns the time in which the bucket is refilled by one event, in nanoseconds. It is rounded up, so the limit is
    /// never exceeded.
    pub(super) fn interval(&self) -> Result<u64, ConfigError> {
        let wrong = |why: &str| {
            Err(ConfigError::new(
                format!("the quota {self} is invalid: {why}"),
                "set the requests per period (Quota::per_minute(100)) and the requests at once (.burst(120))",
            ))
        };
        if self.events == 0 || self.size() == 0 {
            return wrong("it admits no request (to refuse all requests, use a permission)");
        }
        if self.period.is_zero() || self.period > LONGEST {
            return wrong("its period is zero or longer than a year");
        }
        let interval = self.period.as_nanos().div_ceil(u128::from(self.events));
        if interval * u128::from(self.size()) >= MOST_NANOS {
            return wrong("a burst of that size takes more than a hundred years to refill");
        }
        if self.period.as_nanos() < u128::from(self.events) {
            return wrong("it has more than one event per nanosecond");
        }
        let printable = |c: char| (' '..='~').contains(&c) && c != '"' && c != '\\';
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(printable) {
            return wrong(
                "its name is not valid in a header: 1 to 64 printable ASCII characters without quotes and backslashes",
            );
        }
        // The value is below 2^62, so the conversion cannot fail.
        u64::try_from(interval).or_else(|_| wrong("its period is too long"))
    }
}

/// Allows a single quota where several are accepted.
impl IntoIterator for Quota {
    type Item = Self;
    type IntoIter = iter::Once<Self>;

    fn into_iter(self) -> iter::Once<Self> {
        iter::once(self)
    }
}

/// Formats the quota such as `100 per 60s, 120 at once`.
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per {:?}", self.events, self.period)?;
        self.burst.map_or(Ok(()), |burst| write!(f, ", {burst} at once"))
    }
}
