use std::{borrow::Cow, fmt, iter, num::NonZeroU32, time::Duration};

use super::{calendar::CalendarUnit, zone::UTC};
use crate::ConfigError;

/// A number of requests per period: a bucket that holds [`burst`](Self::burst) requests and is refilled evenly, at the
/// rate of the quota.
///
/// `per_minute(100)` admits 100 requests at once, and then one request every 600 ms. The bucket is full again after a
/// minute without requests. In any interval of time, at most burst + rate × time requests are admitted. The time between two requests is rounded up to
/// whole nanoseconds, and to whole microseconds for a bucket that takes longer than 52 days to be full.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::Quota;
///
/// let standard = [Quota::per_minute(100).burst(120), Quota::per_day(10_000)];
/// let login = Quota::new(5, Duration::from_secs(15 * 60)).named("login");
/// ```
///
/// # Calendar quotas
///
/// [`per_calendar_day`](Self::per_calendar_day) and [`per_calendar_month`](Self::per_calendar_month) count differently:
/// the whole budget is there at the start of each day or month, and nothing is refilled until the next one. The budget
/// is exact: no day or month admits more. They have no burst.
///
/// A day lasts from the first moment of its date to the first moment of the next date in the
/// [time zone](Self::in_time_zone). It has 23 or 25 hours when daylight saving time begins or ends, and the budget is the
/// same. A month has 28 to 31 such days. If midnight does not exist on a day, the day starts after the gap; if midnight
/// comes twice, it starts with the first one.
///
/// If the time of day is set back into an earlier period, the bucket stays in the later one, so the caller gets no second
/// budget. This holds for buckets in memory: one whose period has been over for an hour may be removed, and is new after
/// that.
///
/// A [`MemoryLimiter`](super::MemoryLimiter), the default, forgets its counts when the process ends. A `BudgetLimiter` keeps them
/// in a store: then a budget is exact over all processes, and survives a restart; see [`budget`](super::budget).
///
/// A bucket is kept until its day or month is over, even after one request. Use calendar quotas for authenticated callers
/// only: by address, a client with very many addresses would fill the limiter for the rest of the period. And with a shared
/// limiter, such as a `BudgetLimiter`, a paid budget needs [`OutagePolicy::FailClosed`](crate::rate_limit::OutagePolicy::FailClosed): during an outage,
/// the processes would count a second budget.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    events: u32,
    span: Span,
    zone: Option<Cow<'static, str>>,
    burst: Option<u32>,
    name: Cow<'static, str>,
}

/// The time in which the budget comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Span {
    Even(Duration),
    Calendar(CalendarUnit),
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// The longest period. Longer ones are budgets, which a restart must not reset.
const LONGEST: Duration = Duration::from_secs(366 * DAY);
/// The bound of all times. It leaves room for sums without overflow.
pub(super) const MOST_NANOS: u64 = 1 << 62;
/// Buckets that take longer to refill, in nanoseconds, are counted in microseconds: 52 days.
pub(super) const IN_MICROS: u128 = 1 << 52;
const MICROS: u128 = 1_000;

impl Quota {
    /// Limits to `events` per `period`.
    #[must_use]
    pub const fn new(events: u32, period: Duration) -> Self {
        Self::of(events, Span::Even(period), "default")
    }

    /// Limits to `events` per second.
    #[must_use]
    pub const fn per_second(events: u32) -> Self {
        Self::of(events, Span::Even(Duration::from_secs(1)), "second")
    }

    /// Limits to `events` per minute.
    #[must_use]
    pub const fn per_minute(events: u32) -> Self {
        Self::of(events, Span::Even(Duration::from_secs(MINUTE)), "minute")
    }

    /// Limits to `events` per hour.
    #[must_use]
    pub const fn per_hour(events: u32) -> Self {
        Self::of(events, Span::Even(Duration::from_secs(HOUR)), "hour")
    }

    /// Limits to `events` per 24 hours. The period does not start at midnight; that of
    /// [`per_calendar_day`](Self::per_calendar_day) does.
    #[must_use]
    pub const fn per_day(events: u32) -> Self {
        Self::of(events, Span::Even(Duration::from_secs(DAY)), "day")
    }

    /// Limits to `events` per day of the calendar, in UTC or in [another time zone](Self::in_time_zone). For a limit that
    /// is refilled evenly, and that never admits twice the number around midnight, use [`per_day`](Self::per_day).
    ///
    /// ```
    /// use tower_auth::{Quota, limit::Limits};
    ///
    /// let limits = Limits::new([Quota::per_minute(100), Quota::per_calendar_day(10_000)])?;
    /// assert_eq!(limits.to_string(), "100 per 60s; 10000 per calendar day in UTC");
    /// assert!(Limits::new([Quota::per_calendar_day(10_000).burst(100)]).is_err(), "it has no burst");
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    #[must_use]
    pub const fn per_calendar_day(events: u32) -> Self {
        Self::per_calendar(CalendarUnit::Day, events)
    }

    /// Limits to `events` per month of the calendar, in UTC or in [another time zone](Self::in_time_zone).
    ///
    /// ```
    /// use tower_auth::{Quota, limit::Limits};
    ///
    /// let limits = Limits::new([Quota::per_calendar_month(1_000_000).in_time_zone("Europe/Berlin")]);
    /// # #[cfg(feature = "time-zones")]
    /// assert_eq!(limits?.to_string(), "1000000 per calendar month in Europe/Berlin");
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    #[must_use]
    pub const fn per_calendar_month(events: u32) -> Self {
        Self::per_calendar(CalendarUnit::Month, events)
    }

    const fn of(events: u32, span: Span, name: &'static str) -> Self {
        Self { events, span, zone: None, burst: None, name: Cow::Borrowed(name) }
    }

    pub(crate) const fn per_calendar(unit: CalendarUnit, events: u32) -> Self {
        Self::of(events, Span::Calendar(unit), unit.as_str())
    }

    /// Sets the time zone of a calendar quota, by its name in the IANA time zone database; UTC by default. Names other
    /// than `UTC` need the feature `time-zones`. The data of the system are used if it has any, and otherwise those of the
    /// version of the crate `jiff` in the build.
    ///
    /// [`Limits::new`](super::Limits::new) fails if the zone is unknown, or if this is no calendar quota.
    #[must_use]
    pub fn in_time_zone(self, name: impl Into<Cow<'static, str>>) -> Self {
        Self { zone: Some(name.into()), ..self }
    }

    /// Sets the number of events that may come at once. The default is the number of events per period. A calendar quota
    /// has no burst: [`Limits::new`](super::Limits::new) fails.
    #[must_use]
    pub fn burst(self, events: u32) -> Self {
        Self { burst: Some(events), ..self }
    }

    /// Sets the name that `RateLimit-Policy` shows. The default is `second`, `minute`, `hour`, `day`, `month`, or `default` for
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

    pub(super) const fn span(&self) -> Span {
        self.span
    }

    /// Returns the time zone of a calendar quota.
    pub(super) fn zone(&self) -> &str {
        self.zone.as_deref().unwrap_or(UTC)
    }

    /// Sets the time zone as the time zone database writes it.
    pub(super) fn with_zone(self, written: &str) -> Self {
        Self { zone: (written != UTC).then(|| written.to_owned().into()), ..self }
    }

    /// Returns the number of events that fit at once.
    pub(super) fn size(&self) -> u32 {
        self.burst.unwrap_or(self.events)
    }

    /// Returns one of so many equal parts of the quota, rounded down to at least one event. The rate of a quota that is
    /// refilled evenly is divided by a longer period, so that it is exact however few events the quota has.
    pub(super) fn share(&self, parts: NonZeroU32) -> Self {
        let of = |events: u32| (events / parts).max(1);
        match self.span {
            Span::Even(period) => {
                let span = Span::Even(period.saturating_mul(parts.get()));
                Self { span, burst: Some(of(self.size())), ..self.clone() }
            }
            Span::Calendar(_) => Self { events: of(self.events), ..self.clone() },
        }
    }

    /// Checks what every quota has.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.events == 0 || self.size() == 0 {
            return self.wrong("it admits no request (to refuse all requests, use a permission)");
        }
        let printable = |c: char| (' '..='~').contains(&c) && c != '"' && c != '\\';
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(printable) {
            return self.wrong(
                "its name is not valid in a header: 1 to 64 printable ASCII characters without quotes and backslashes",
            );
        }
        match self.span {
            Span::Calendar(_) if self.burst.is_some() => Err(ConfigError::new(
                format!("the quota {self} is invalid: a calendar quota has no burst"),
                "add a second quota against bursts, such as Quota::per_minute(100)",
            )),
            Span::Even(_) if self.zone.is_some() => Err(ConfigError::new(
                format!("the quota {self} has a time zone, which only calendar quotas can have"),
                "use Quota::per_calendar_day(..) or Quota::per_calendar_month(..), or leave .in_time_zone(..) out",
            )),
            _ => Ok(()),
        }
    }

    /// Returns the time in which the bucket is refilled by one event, in nanoseconds. It is rounded up, so the limit is
    /// never exceeded.
    pub(super) fn interval(&self, period: Duration) -> Result<u64, ConfigError> {
        if period.is_zero() || period > LONGEST {
            return self.wrong("its period is zero or longer than a year");
        }
        let interval = period.as_nanos().div_ceil(u128::from(self.events.max(1)));
        if interval * u128::from(self.size()) >= u128::from(MOST_NANOS) {
            return self.wrong("a burst of that size takes more than a hundred years to refill");
        }
        // A server counts in numbers of 53 bits: in microseconds, if the nanoseconds need more.
        let is_long = interval * u128::from(self.size()) >= IN_MICROS;
        let interval = if is_long { interval.div_ceil(MICROS) * MICROS } else { interval };
        if period.as_nanos() < u128::from(self.events) {
            return self.wrong("it has more than one event per nanosecond");
        }
        // The value is below 2^62, so the conversion cannot fail.
        u64::try_from(interval).or_else(|_| self.wrong("its period is too long"))
    }

    pub(super) fn wrong<T>(&self, why: &str) -> Result<T, ConfigError> {
        Err(ConfigError::new(
            format!("the quota {self} is invalid: {why}"),
            "set the requests per period (Quota::per_minute(100)) and the requests at once (.burst(120))",
        ))
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

/// Formats the quota such as `100 per 60s, 120 at once`, or `1000 per calendar day in UTC`.
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.span {
            Span::Even(period) => write!(f, "{} per {period:?}", self.events),
            Span::Calendar(unit) => write!(f, "{} per calendar {} in {}", self.events, unit.as_str(), self.zone()),
        }?;
        self.burst.map_or(Ok(()), |burst| write!(f, ", {burst} at once"))
    }
}
