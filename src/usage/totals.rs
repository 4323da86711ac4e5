use super::{Outcome, UsageCount};

/// The sums of some counts.
///
/// ```
/// use std::time::SystemTime;
/// use tower_auth::{RejectionKind, usage::{Outcome, UsageCount, UsageOf, UsageTotals}};
///
/// let count = |outcome, count| UsageCount::new(UsageOf::key("key_1"), SystemTime::UNIX_EPOCH, outcome, count);
/// let late = Outcome::RefusedLater(RejectionKind::NotFound);
/// let totals = UsageTotals::of(&[count(Outcome::Admitted, 10), count(late, 3)]);
/// assert_eq!((totals.answered(), totals.refused(), totals.all()), (7, 3, 10));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageTotals {
    /// In the order in which they were met.
    by_outcome: Vec<(Outcome, u64)>,
}

impl UsageTotals {
    /// Adds these counts up.
    #[must_use]
    pub fn of(counts: &[UsageCount]) -> Self {
        let mut totals = Self::default();
        for UsageCount { outcome, count, .. } in counts {
            match totals.by_outcome.iter_mut().find(|(known, _)| known == outcome) {
                Some((_, sum)) => *sum += count,
                None => totals.by_outcome.push((*outcome, *count)),
            }
        }
        totals
    }

    /// Returns whether nothing was counted.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.by_outcome.is_empty()
    }

    /// Returns the number of requests with this outcome.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.by_outcome.iter().find(|(known, _)| *known == outcome).map_or(0, |(_, count)| *count)
    }

    /// Returns the number of requests of each outcome that was counted.
    #[must_use]
    pub fn by_outcome(&self) -> impl ExactSizeIterator<Item = (Outcome, u64)> {
        self.by_outcome.iter().copied()
    }

    /// Returns the number of requests that were refused, by a guard or later.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.sum(|outcome| outcome != Outcome::Admitted)
    }

    /// Returns the number of requests that were admitted and not refused later.
    #[must_use]
    pub fn answered(&self) -> u64 {
        let later = self.sum(|outcome| matches!(outcome, Outcome::RefusedLater(_)));
        self.count(Outcome::Admitted).saturating_sub(later)
    }

    /// Returns the number of all requests.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.sum(|outcome| !matches!(outcome, Outcome::RefusedLater(_)))
    }

    fn sum(&self, wanted: impl Fn(Outcome) -> bool) -> u64 {
        self.by_outcome.iter().filter(|(outcome, _)| wanted(*outcome)).map(|(_, count)| count).sum()
    }
}
