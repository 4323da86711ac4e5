//! Equal parts of limits, for processes that count alone and together must not exceed the limits.

use std::{
    collections::HashMap,
    fmt,
    num::NonZeroU32,
    sync::{PoisonError, RwLock},
};

use super::limits::Limits;
use crate::ConfigError;

/// Parts of limits, each computed once. The limits of a stored key may be read anew for each request, so a part is found
/// by the id of the limits.
#[derive(Default)]
pub(crate) struct Shares(RwLock<HashMap<(u64, NonZeroU32), Limits>>);

/// The number of parts above which all are forgotten and computed anew. It bounds the memory where each caller has limits
/// of its own.
const MOST: usize = 4096;

impl Shares {
    /// Returns one of so many equal parts of the limits.
    pub(crate) fn of(&self, limits: &Limits, parts: NonZeroU32) -> Result<Limits, ConfigError> {
        if parts == NonZeroU32::MIN {
            return Ok(limits.clone());
        }
        let key = (limits.id(), parts);
        // No code under the lock panics.
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(known.clone());
        }
        let share = limits.share(parts)?;
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        Ok(known.entry(key).or_insert(share).clone())
    }
}

impl fmt::Debug for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shares").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{MOST, NonZeroU32, Shares};
    use crate::{
        Quota,
        limit::{BucketKey, LimitDecision, LimitTime, Limits, MemoryLimiter, Refill},
    };

    fn parts(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    fn share(quotas: impl IntoIterator<Item = Quota>, number: u32) -> Limits {
        Limits::new(quotas).unwrap().share(parts(number)).unwrap()
    }

    /// The size of each window, and the nanoseconds in which one request comes back; zero for a calendar window.
    fn windows(limits: &Limits) -> Vec<(String, u32, u64)> {
        let each = limits.windows().enumerate();
        each.map(|(place, window)| (window.name.to_owned(), window.size, limits.interval(place))).collect()
    }

    /// How many requests at one time come before the first refusal.
    fn admitted(limiter: &MemoryLimiter, limits: &Limits, at: LimitTime) -> u32 {
        let admits = |_: &u32| {
            let decided = limiter.try_acquire(BucketKey::new(["alice"]), limits, 1, at);
            matches!(decided, LimitDecision::Admitted(_))
        };
        u32::try_from((0..200).take_while(admits).count()).unwrap()
    }

    #[test]
    fn bursts_and_budgets_are_rounded_down_to_at_least_one() {
        for (size, number, each) in [
            (100, 1, 100),
            (100, 3, 33),
            (100, 8, 12),
            (7, 4, 1),
            (4, 4, 1),
            (3, 4, 1),
            (1, 1_000, 1),
            (u32::MAX, 2, u32::MAX / 2),
        ] {
            let sizes = |limits: &Limits| limits.windows().map(|window| window.size).collect::<Vec<_>>();
            let both = share([Quota::per_day(size), Quota::per_calendar_month(size)], number);
            assert_eq!(sizes(&both), [each, each], "{size} in {number}");
            let burst = share(Quota::per_minute(600).burst(size), number);
            assert_eq!(sizes(&burst), [each], "a burst of {size} in {number}");
            assert_eq!(both.max_cost(), each);
        }
    }

    /// A rate that is rounded to whole requests would be zero or too large for few requests.
    #[test]
    fn rates_are_divided_exactly() {
        let (second, minute) = (1_000_000_000, 60_000_000_000);
        for (quota, number, size, interval) in [
            (Quota::per_minute(100), 8, 12, minute / 100 * 8),
            (Quota::per_minute(7), 2, 3, 2 * (minute / 7 + 1)),
            (Quota::per_minute(1), 4, 1, 4 * minute),
            (Quota::per_second(3).burst(1), 2, 1, 2 * (second / 3 + 1)),
            (Quota::per_minute(60).burst(2), 60, 1, minute),
        ] {
            let limits = share(quota.named("a"), number);
            assert_eq!(windows(&limits), [("a".to_owned(), size, interval)], "{limits}");
        }
    }

    #[test]
    fn all_windows_are_divided_and_keep_their_names_and_order() {
        let whole =
            [Quota::per_second(10), Quota::per_calendar_month(1_000), Quota::per_day(90), Quota::per_calendar_day(2)];
        let limits = share(
            whole
                .map(|quota| quota.named("x"))
                .into_iter()
                .zip(["a", "b", "c", "d"])
                .map(|(quota, name)| quota.named(name)),
            3,
        );
        let named = |name: &str, size, interval| (name.to_owned(), size, interval);
        assert_eq!(
            windows(&limits),
            [named("a", 3, 300_000_000), named("b", 333, 0), named("c", 30, 2_880_000_000_000), named("d", 1, 0)]
        );
        assert_eq!(
            limits.to_string(),
            "10 per 3s, 3 at once; 333 per calendar month in UTC; 90 per 259200s, 30 at once; 1 per calendar day in UTC"
        );
        assert!(limits.has_calendar());
        assert_eq!(limits.max_cost(), 1);
        let calendar = limits.windows().nth(1).unwrap().refill;
        assert!(matches!(calendar, Refill::Calendar { time_zone: "UTC", .. }), "{calendar:?}");
    }

    /// Whatever the numbers are, the processes together admit no more than the burst, or one each, and the rate.
    #[test]
    fn all_parts_together_admit_no_more_than_the_whole() {
        for (events, burst, number) in
            [(10, 10, 3), (10, 4, 3), (3, 3, 7), (1, 1, 5), (50, 20, 4), (7, 13, 2), (2, 90, 8)]
        {
            let whole = Limits::new(Quota::per_minute(events).burst(burst)).unwrap();
            let part = whole.share(parts(number)).unwrap();
            let processes: Vec<_> = (0..number).map(|_| MemoryLimiter::new()).collect();
            let mut sum = 0;
            for second in 0..600 {
                let at = Duration::from_secs(second);
                sum += processes.iter().map(|process| admitted(process, &part, at.into())).sum::<u32>();
                let refilled = u32::try_from(at.as_nanos() / u128::from(whole.interval(0))).unwrap();
                let most = burst.max(number) + refilled;
                assert!(sum <= most, "{events} a minute, {burst} at once, in {number}: {sum} after {second} s");
            }
            // What rounding loses of a burst is lost once, and of a rate never.
            let least = u32::try_from(600_000_000_000 / u128::from(whole.interval(0))).unwrap() - 2 * number;
            assert!(sum >= least, "{events} a minute, {burst} at once, in {number}: only {sum}");
        }
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let year = Duration::from_secs(366 * 86_400);
        for quota in [
            Quota::new(1, year),
            Quota::new(1, year).burst(100),
            Quota::new(u32::MAX, Duration::from_secs(5)),
            Quota::new(u32::MAX, year).burst(u32::MAX),
            Quota::per_calendar_month(u32::MAX),
        ] {
            for number in [2, 100, 101, u32::MAX] {
                let (limits, limiter) = (share(quota.clone(), number), MemoryLimiter::new());
                let size = limits.max_cost();
                assert!(limits.interval(0).checked_mul(size.into()).is_some_and(|full| full < 1 << 62), "{limits}");
                let take = |cost| limiter.try_acquire(BucketKey::new(["alice"]), &limits, cost, year);
                assert!(matches!(take(size), LimitDecision::Admitted(_)), "{limits}");
                assert!(matches!(take(1), LimitDecision::Refused { wait, .. } if wait > Duration::ZERO), "{limits}");
            }
        }
    }

    #[test]
    fn a_part_is_other_limits_than_the_whole_and_one_part_is_the_whole() {
        let whole = Limits::new([Quota::per_minute(4), Quota::per_calendar_day(8)]).unwrap();
        let all: Vec<u64> = (1..5).map(|number| whole.share(parts(number)).unwrap().id()).collect();
        assert_eq!(all[0], whole.id());
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), 4, "a bucket of one must not pass for a bucket of the other");
        let again = Limits::new([Quota::per_minute(4), Quota::per_calendar_day(8)]).unwrap();
        assert_eq!(again.share(parts(2)).unwrap().id(), all[1], "a refund finds it however often it is computed");
    }

    #[cfg(feature = "tokio")]
    #[test]
    fn the_even_windows_of_a_part_are_those_of_the_whole_divided() {
        let part = share([Quota::per_calendar_month(90), Quota::per_minute(10)], 3);
        let even = part.even().unwrap();
        assert_eq!((windows(even), even.id()), (vec![("minute".to_owned(), 3, 18_000_000_000)], part.id()));
        assert!(share(Quota::per_minute(9), 3).even().is_none());
    }

    #[test]
    fn a_part_is_computed_once_and_the_memory_is_bounded() {
        let (shares, whole) = (Shares::default(), Limits::new(Quota::per_minute(100)).unwrap());
        let same = |one: &Limits, other: &Limits| std::ptr::eq(one.all(), other.all());
        let first = shares.of(&whole, parts(4)).unwrap();
        let stored = Limits::from_json(&whole.to_json()).unwrap();
        assert!(same(&first, &shares.of(&stored, parts(4)).unwrap()), "limits that are read anew have the same part");
        assert!(same(&whole, &shares.of(&whole, parts(1)).unwrap()));
        assert_eq!((shares.of(&whole, parts(5)).unwrap().max_cost(), first.max_cost()), (20, 25));
        for events in 1..10_000 {
            let own = Limits::new(Quota::per_hour(events)).unwrap();
            assert_eq!(shares.of(&own, parts(2)).unwrap().max_cost(), (events / 2).max(1));
            assert!(shares.0.read().unwrap().len() <= MOST);
        }
    }
}
