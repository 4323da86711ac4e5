//! Calendar days and months of a time zone.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::zone;
use crate::ConfigError;

/// The unit of a calendar window.
///
/// ```
/// use tower_auth::{Quota, limit::{CalendarUnit, Limits, Refill}};
///
/// let limits = Limits::new([Quota::per_calendar_month(1_000_000)])?;
/// let month = limits.windows().next().unwrap();
/// assert_eq!(month.refill, Refill::Calendar { unit: CalendarUnit::Month, time_zone: "UTC" });
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CalendarUnit {
    /// From the first moment of a date to the first moment of the next date: 23, 24 or 25 hours in most time zones.
    Day,
    /// From the first moment of a month to the first moment of the next month.
    Month,
}

impl CalendarUnit {
    /// Returns the name, `day` or `month`, as a store keeps it.
    ///
    /// ```
    /// use tower_auth::limit::CalendarUnit;
    ///
    /// assert_eq!(CalendarUnit::Month.as_str(), "month");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    pub(super) fn of_name(name: &str) -> Option<Self> {
        [Self::Day, Self::Month].into_iter().find(|unit| unit.as_str() == name)
    }

    /// Returns a typical length, to compare windows.
    pub(super) const fn length(self) -> Duration {
        const DAY: u64 = 24 * 3600;
        Duration::from_secs(match self {
            Self::Day => DAY,
            Self::Month => 31 * DAY,
        })
    }

    /// Returns the number of the period in UTC at this time.
    #[cfg(feature = "tokio")]
    pub(super) fn number_in_utc(self, time: SystemTime) -> u32 {
        let date = Timestamp::try_from(time).unwrap_or_default().to_zoned(TimeZone::UTC).date();
        self.number(self.first(date))
    }

    /// Returns the first date of the period that contains the date.
    fn first(self, date: Date) -> Date {
        match self {
            Self::Day => date,
            Self::Month => date.first_of_month(),
        }
    }

    /// Returns the first date of the next period.
    fn next(self, first: Date) -> Option<Date> {
        match self {
            Self::Day => first.tomorrow().ok(),
            Self::Month => first.last_of_month().tomorrow().ok(),
        }
    }

    fn number(self, first: Date) -> u32 {
        let [year, month, day] = [first.year(), first.month().into(), first.day().into()].map(|part| {
            // The years are those from 1969 on.
            u32::try_from(part).unwrap_or(0)
        });
        match self {
            Self::Day => (year * 100 + month) * 100 + day,
            Self::Month => year * 100 + month,
        }
    }

    fn first_of_number(self, number: u32) -> Option<Date> {
        let (month, day) = match self {
            Self::Day => (number / 100, number % 100),
            Self::Month => (number, 1),
        };
        let year = i16::try_from(month / 100).ok()?;
        Date::new(year, i8::try_from(month % 100).ok()?, i8::try_from(day).ok()?).ok()
    }
}

/// One period of a calendar window, such as a month. [`Limits::periods`](super::Limits::periods) returns it.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_auth::{Quota, limit::Limits};
///
/// let limits = Limits::new([Quota::per_calendar_month(1_000_000)])?;
/// let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_405_200); // 2026-06-02T13:00:00Z
/// let month = limits.periods(then).next().flatten().unwrap();
/// assert_eq!(month.number, 202_606);
/// assert_eq!(month.end.duration_since(month.start).unwrap(), Duration::from_secs(30 * 24 * 3600));
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CalendarPeriod {
    /// The date as digits, `YYYYMMDD` for a day and `YYYYMM` for a month. A later period has a larger number.
    pub number: u32,
    /// The first moment of the period.
    pub start: SystemTime,
    /// The first moment of the next period.
    pub end: SystemTime,
}

/// A period, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Period {
    pub(super) number: u32,
    start: u64,
    end: u64,
}

impl Period {
    /// Returns the end in nanoseconds since 1970.
    pub(super) const fn end_nanos(self) -> u64 {
        self.end.saturating_mul(NANOS)
    }

    pub(super) fn public(self) -> CalendarPeriod {
        let time = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        CalendarPeriod { number: self.number, start: time(self.start), end: time(self.end) }
    }
}

/// The calendar of a window.
pub(super) struct Calendar {
    pub(super) unit: CalendarUnit,
    /// The name of the zone, as the time zone database writes it.
    pub(super) zone: Arc<str>,
    data: TimeZone,
    /// The start and the end of the period that was asked for last. Each word holds the seconds since 1970, and the
    /// number of the period in the lowest bits. Equal numbers show that both words are of one period.
    last: [AtomicU64; 2],
}

const NANOS: u64 = 1_000_000_000;
/// The bits of a number: 60001231 needs 26.
const BITS: u32 = 27;
/// The last time that is told from later ones: the year 6000, in seconds since 1970. It fits into 37 bits.
const LATEST: u64 = 127_174_492_800;

impl Calendar {
    pub(super) fn new(unit: CalendarUnit, zone: &str) -> Result<Self, ConfigError> {
        let (data, zone) = zone::find(zone)?;
        Ok(Self { unit, zone: zone.into(), data, last: [AtomicU64::new(0), AtomicU64::new(0)] })
    }

    /// Whether both have the same periods.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.unit == other.unit && self.zone == other.zone
    }

    /// Returns the period at this time, in nanoseconds since 1970. Only the first call in a period reads the calendar.
    #[inline]
    pub(super) fn at(&self, nanos: u64) -> Period {
        let seconds = (nanos / NANOS).min(LATEST);
        let [start, end] = [0, 1].map(|place: usize| self.last[place].load(Ordering::Relaxed));
        let number = |word: u64| word & ((1 << BITS) - 1);
        if number(start) == number(end) && (start >> BITS..end >> BITS).contains(&seconds) {
            let number = u32::try_from(number(start)).unwrap_or(0);
            return Period { number, start: start >> BITS, end: end >> BITS };
        }
        self.read(seconds)
    }

    #[cold]
    fn read(&self, seconds: u64) -> Period {
        let period = self.compute(seconds);
        for (word, seconds) in self.last.iter().zip([period.start, period.end]) {
            word.store(seconds << BITS | u64::from(period.number), Ordering::Relaxed);
        }
        period
    }

    /// Returns the period at this time, as [`at`](Self::at) does, and does not remember it.
    pub(super) fn compute(&self, seconds: u64) -> Period {
        let seconds = seconds.min(LATEST);
        // All times up to the latest are in the range of both types.
        let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        let date = self.data.to_datetime(time.unwrap_or_default()).date();
        let mut first = self.unit.first(date);
        loop {
            // A clock that is set back over midnight shows a date for the second time. The next period goes on.
            match self.unit.next(first) {
                Some(next) if self.start(next) <= seconds => first = next,
                _ => return self.period(first),
            }
        }
    }

    /// Returns the end of the period of this number, in nanoseconds since 1970.
    #[cold]
    pub(super) fn end_of(&self, number: u32) -> u64 {
        self.unit.first_of_number(number).map_or(u64::MAX, |first| self.period(first).end_nanos())
    }

    fn period(&self, first: Date) -> Period {
        let end = self.unit.next(first).map_or(u64::MAX >> BITS, |next| self.start(next));
        Period { number: self.unit.number(first), start: self.start(first), end }
    }

    /// Returns the first moment of a date. If its midnight does not exist, this is the first moment after the gap; if it
    /// comes twice, the first of them.
    fn start(&self, date: Date) -> u64 {
        let start = self.data.to_ambiguous_timestamp(date.at(0, 0, 0, 0)).compatible();
        start.map_or(u64::MAX >> BITS, |start| u64::try_from(start.as_second()).unwrap_or(0))
    }
}

impl fmt::Debug for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "calendar {} in {}", self.unit.as_str(), self.zone)
    }
}
