use std::sync::Arc;

use crate::limit::{BucketKey, CalendarUnit};

/// One period of the budget of a bucket: what a [`BudgetStore`](super::BudgetStore) keeps a count for.
///
/// ```
/// use tower_auth::limit::{BucketKey, CalendarUnit, budget::BudgetPeriod};
///
/// let june = BudgetPeriod::new(BucketKey::new(["acme"]), CalendarUnit::Month, "Europe/Berlin", 202_606);
/// assert_eq!((june.unit.as_str(), june.number), ("month", 202_606));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct BudgetPeriod {
    /// The bucket. [`BucketKey::to_bytes`] is the same in every process.
    pub bucket: BucketKey,
    /// The unit of the calendar.
    pub unit: CalendarUnit,
    /// The name of the time zone in the IANA time zone database, or `UTC`.
    pub time_zone: Arc<str>,
    /// The number of the period ([`CalendarPeriod::number`](crate::limit::CalendarPeriod::number)): `YYYYMMDD` or `YYYYMM`.
    pub number: u32,
}

impl BudgetPeriod {
    /// Creates the value.
    #[must_use]
    pub fn new(bucket: BucketKey, unit: CalendarUnit, time_zone: impl Into<Arc<str>>, number: u32) -> Self {
        Self { bucket, unit, time_zone: time_zone.into(), number }
    }
}
