//! What becomes of a bucket between reading and writing it.

use super::{
    ask::{Ask, Taken},
    kept::Kept,
};
use crate::limit::Reservation;

/// A bucket that is counted in, between reading and writing it.
pub(crate) struct Counting {
    /// `None` for a bucket that counts nothing.
    kept: Option<Kept>,
    /// The clock of the server, in nanoseconds.
    clock: u64,
    is_changed: bool,
}

impl Counting {
    pub(crate) fn new(mut kept: Option<Kept>, clock: u64) -> Self {
        // A clock that was set back is noted even if nothing is taken: otherwise time would stand still for a bucket that is empty.
        let is_changed = kept.as_mut().is_some_and(|kept| kept.advance(clock));
        Self { kept, clock, is_changed }
    }

    /// Takes requests out of all windows, or out of none. Returns `None` if other limits have counted the bucket that cannot be read.
    pub(crate) fn take(&mut self, ask: &Ask) -> Option<Taken> {
        let is_new = self.kept.is_none();
        let kept = self.kept.get_or_insert_with(|| Kept::new(&ask.limits, self.clock));
        let is_other = kept.id != ask.limits.id();
        if is_other {
            kept.adopt(&ask.limits, self.clock)?;
        }
        let granted = kept.grant(ask, self.clock);
        if granted > 0 || is_other {
            kept.ticket += 1;
            kept.expire(&ask.limits, self.clock);
            self.is_changed = true;
        }
        let taken = kept.taken(granted);
        if is_new && granted == 0 {
            self.kept = None;
        }
        Some(taken)
    }

    /// Gives requests back, except the part that has been refilled. Does nothing if the bucket was lost since, or if other limits have counted.
    pub(crate) fn give_back(&mut self, reservation: &Reservation) {
        if let Some(kept) = &mut self.kept {
            self.is_changed |= kept.give_back(reservation);
        }
    }

    /// Returns what is to be written, if it is to be written.
    pub(crate) fn changed(&self) -> Option<&Kept> {
        self.kept.as_ref().filter(|_| self.is_changed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use proptest::{collection::vec, prelude::*, test_runner::Config};

    use super::*;
    use crate::{
        Quota,
        limit::{BucketKey, LimitDecision, LimitTime, Limiter as _, Limits, MemoryLimiter, WindowStates},
    };

    const SECOND: u64 = 1_000_000_000;
    /// A day in the middle of a month.
    const START: u64 = 1_792_000_000 * SECOND;

    fn bucket() -> BucketKey {
        BucketKey::new(["alice"])
    }

    fn limits(quotas: impl IntoIterator<Item = Quota>) -> Limits {
        Limits::new(quotas).unwrap()
    }

    /// A table with one row, and the clock of its server.
    #[derive(Default)]
    struct Table {
        row: Option<String>,
        clock: u64,
    }

    impl Table {
        fn new() -> Self {
            Self { row: None, clock: START }
        }

        fn count<T>(&mut self, count: impl FnOnce(&mut Counting) -> T) -> T {
            let kept = self.row.as_ref().map(|text| Kept::read(text).unwrap());
            let mut counting = Counting::new(kept, self.clock);
            let counted = count(&mut counting);
            if let Some(kept) = counting.changed() {
                self.row = Some(kept.text().unwrap());
            }
            counted
        }

        fn take(&mut self, limits: &Limits, want: u32, least: u32) -> Taken {
            let ask = Ask { bucket: bucket(), limits: limits.clone(), want, least };
            self.count(|counting| counting.take(&ask).unwrap())
        }

        fn give_back(&mut self, reservation: &Reservation) {
            self.count(|counting| counting.give_back(reservation));
        }

        fn left(&mut self, limits: &Limits) -> u32 {
            self.take(limits, 0, 0).levels(limits).tightest().remaining
        }
    }

    #[test]
    fn a_clock_that_is_set_back_refills_nothing_and_refilling_goes_on_from_there() {
        let (mut table, limits) = (Table::new(), limits(Quota::per_second(10)));
        assert_eq!(table.take(&limits, 10, 10).granted, 10);
        for back in [3_600, 10, 86_400] {
            table.clock -= back * SECOND;
            assert_eq!(table.take(&limits, 10, 1).granted, 0);
            table.clock += SECOND / 2;
            assert_eq!(table.take(&limits, 10, 1).granted, 5);
        }
        // What was taken before is as old as it is, so nothing of it is left to be given back.
        let taken = table.take(&limits, 0, 0).levels(&limits);
        table.clock += SECOND / 2;
        let old = table.take(&limits, 5, 5);
        table.clock -= 60 * SECOND;
        assert_eq!(table.take(&limits, 1, 1).granted, 0, "{taken:?}");
        table.clock += SECOND / 2;
        table.take(&limits, 5, 5);
        table.clock += SECOND / 2;
        table.take(&limits, 5, 5);
        let before = table.left(&limits);
        table.give_back(&old.reservation(&limits, 5));
        assert_eq!(table.left(&limits), before);
    }

    #[test]
    fn a_reservation_of_a_lost_bucket_and_one_of_the_future_give_back_nothing() {
        let (mut table, limits) = (Table::new(), limits(Quota::per_hour(10)));
        let lost = table.take(&limits, 4, 4).reservation(&limits, 4);
        table.row = None;
        table.clock += SECOND;
        let mut of_future = table.take(&limits, 10, 10).reservation(&limits, 4);
        of_future.ticket += 1;
        table.give_back(&lost);
        table.give_back(&of_future);
        assert_eq!(table.left(&limits), 0);
    }

    #[test]
    fn parts_of_a_lease_are_given_back_once() {
        let (mut table, limits) = (Table::new(), limits(Quota::per_second(10)));
        let lease = table.take(&limits, 10, 10);
        table.give_back(&lease.reservation(&limits, 6));
        assert_eq!(table.take(&limits, 10, 1).granted, 6, "others take them");
        // Four of the lease were in front of them. They have drained now, and so has the place of those that were given back.
        table.clock += SECOND / 2;
        table.give_back(&lease.reservation(&limits, 4));
        assert_eq!(table.left(&limits), 5);
    }

    #[test]
    fn a_bucket_keeps_few_refunds() {
        let (mut table, limits) = (Table::new(), limits(Quota::per_hour(100_000)));
        let taken: Vec<_> = (0..300).map(|_| table.take(&limits, 2, 2).reservation(&limits, 1)).collect();
        let before = table.left(&limits);
        for reservation in &taken {
            table.give_back(reservation);
        }
        let length = table.row.as_ref().unwrap().len();
        assert!(length < 8_000, "{length}");
        let left = table.left(&limits);
        assert!(left > before && left <= before + 300, "{left} of {before}");
    }

    #[test]
    fn another_form_is_not_read() {
        let (mut table, limits) = (Table::new(), limits(Quota::per_second(10)));
        table.take(&limits, 1, 1);
        let text = table.row.unwrap();
        assert!(Kept::read(&text).is_some());
        for other in [
            text.replacen("[1,", "[2,", 1),
            text.clone() + " 1",
            text.replace(",[]]", ",[],1]"),
            "[]".to_owned(),
            String::new(),
        ] {
            assert!(Kept::read(&other).is_none(), "{other}");
        }
    }

    /// A step of the model: the time that passes first, in milliseconds, and what is done.
    #[derive(Clone, Debug)]
    struct Step(u64, Act);

    #[derive(Clone, Debug)]
    enum Act {
        Take { want: u32, least: u32 },
        Look,
        GiveBack(prop::sample::Index),
        Change(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let act = prop_oneof![
            5 => (0..6_u32, 1..6_u32).prop_map(|(more, least)| Act::Take { want: least + more, least }),
            1 => Just(Act::Look),
            3 => any::<prop::sample::Index>().prop_map(Act::GiveBack),
            1 => (0..4_usize).prop_map(Act::Change),
        ];
        vec((prop_oneof![Just(0), 0..400_u64, 0..5_000_u64], act).prop_map(|(time, act)| Step(time, act)), 1..80)
    }

    fn shown(levels: &WindowStates) -> (Vec<crate::limit::WindowState>, usize) {
        (levels.all().to_vec(), levels.tightest_index())
    }

    proptest! {
        #![proptest_config(Config { failure_persistence: None, ..Config::with_cases(400) })]

        #[test]
        fn it_counts_as_the_limiter_in_memory_does(steps in steps()) {
            let all = [
                limits(Quota::per_second(10)),
                limits([Quota::per_second(4).burst(12), Quota::per_minute(60)]),
                limits([Quota::per_second(20), Quota::per_calendar_month(90)]),
                limits([Quota::per_minute(30).burst(11), Quota::per_hour(200), Quota::per_calendar_month(70)]),
            ];
            let (memory, mut table, mut now) = (MemoryLimiter::new(), Table::new(), &all[0]);
            let mut taken: Vec<[Reservation; 2]> = Vec::new();
            for Step(time, act) in steps {
                table.clock += time * 1_000_000;
                let elapsed = Duration::from_nanos(table.clock);
                let at = LimitTime::new(elapsed, SystemTime::UNIX_EPOCH + elapsed);
                match act {
                    Act::Take { want, least } => {
                        let fits = (least..=want).rev().find_map(|cost| {
                            match memory.try_acquire(bucket(), now, cost, at) {
                                LimitDecision::Admitted(levels) => Some((cost, levels)),
                                _ => None,
                            }
                        });
                        let answer = table.take(now, want, least);
                        prop_assert_eq!(answer.granted, fits.map_or(0, |(cost, _)| cost));
                        if let Some((cost, levels)) = fits {
                            prop_assert_eq!(shown(&answer.levels(now)), shown(&levels));
                            taken.push([Reservation::new(cost, now, &levels, elapsed), answer.reservation(now, cost)]);
                        }
                    }
                    Act::Look => {
                        let LimitDecision::Admitted(levels) = memory.ask(bucket(), now, at) else {
                            return Err(TestCaseError::fail("nobody is refused a look"));
                        };
                        prop_assert_eq!(shown(&table.take(now, 0, 0).levels(now)), shown(&levels));
                    }
                    Act::GiveBack(which) if !taken.is_empty() => {
                        let [here, there] = taken.swap_remove(which.index(taken.len()));
                        memory.refund(bucket(), &here, at);
                        table.give_back(&there);
                    }
                    Act::GiveBack(_) => {}
                    // A bucket in a table gives nothing back that was taken before a change, and the one in memory may.
                    Act::Change(limits) => {
                        taken.clear();
                        now = &all[limits];
                    }
                }
            }
        }
    }
}
