//! The limiter says what the reference says: to the request, and to the nanosecond.

use std::time::Duration;

use proptest::{collection::vec, prelude::*, test_runner::Config};
use tower_auth::limit::{BucketKey, LimitDecision, Limiter as _, MemoryLimiter, Reservation};

use super::model::{self, Model, Plan, Said};

pub(super) fn cases(cases: u32) -> Config {
    Config { failure_persistence: None, ..Config::with_cases(cases) }
}

/// One step of a story, in numbers that are made to fit the quotas.
#[derive(Clone, Copy, Debug)]
struct Step {
    bucket: usize,
    time: (u8, u64),
    cost: (u8, u32),
    what: u8,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..3_usize, (0..8_u8, any::<u64>()), (0..8_u8, any::<u32>()), 0..8_u8);
    vec(step.prop_map(|(bucket, time, cost, what)| Step { bucket, time, cost, what }), 1..60)
}

impl Step {
    /// How long after the step before: often not at all, and often to within a nanosecond of a refill.
    fn later(&self, plans: &[Plan]) -> u64 {
        let (kind, any) = self.time;
        let plan = plans[usize::try_from(any % 4).unwrap() % plans.len()];
        let refill = u64::try_from(plan.refill()).unwrap();
        let later = match kind {
            0..=2 => 0,
            3 => plan.interval() - 1,
            4 => plan.interval() * (any >> 8 & 3) + 1,
            5 => any % plan.interval(),
            6 => any % refill,
            _ => refill,
        };
        // Sixty of them are less than what a process lives.
        later.min(1 << 56)
    }

    fn cost(&self, plans: &[Plan]) -> u32 {
        let (kind, any) = self.cost;
        let most = plans.iter().map(Plan::size).min().unwrap();
        match kind {
            0 => 0,
            1..=3 => 1,
            4 => most,
            5 => most.saturating_add(1),
            6 => any % most + 1,
            _ => any,
        }
    }
}

fn bucket(number: usize) -> BucketKey {
    BucketKey::new([["a", "b", "c"][number]])
}

proptest! {
    #![proptest_config(cases(2_000))]

    /// Verdict, remaining, reset, wait and who speaks: several buckets, any quotas, any costs, with requests given back.
    #[test]
    fn p48_r132_the_limiter_says_what_a_bucket_of_tokens_says(plans in vec(model::plan(), 1..=4), steps in steps()) {
        let (limiter, limits, mut model) = (MemoryLimiter::new(), model::limits(&plans), Model::default());
        let (mut now, mut taken) = (0, Vec::<(usize, usize, Reservation)>::new());
        for step in steps {
            now += step.later(&plans);
            let (cost, at) = (step.cost(&plans), Duration::from_nanos(now));
            let given_back = match step.what {
                0 => taken.len().checked_sub(1),
                1 => usize::try_from(step.time.1 >> 32).unwrap().checked_rem(taken.len()),
                _ => None,
            };
            if let Some((number, request, took)) = given_back.map(|place| taken.remove(place)) {
                limiter.refund(bucket(number), &took, at.into());
                model.refund(number, request, now);
            }
            let decided = limiter.try_acquire(bucket(step.bucket), &limits, cost, at);
            let said = Said::from(decided);
            let expected = model.take(step.bucket, &plans, cost, now);
            prop_assert_eq!(&said, &expected, "at {} for {}", now, cost);
            if let LimitDecision::Admitted(levels) = decided {
                let took = Reservation::new(cost, &limits, &levels, at);
                let full: Vec<_> = took.full().take(plans.len()).map(|full| full.unwrap().as_nanos()).collect();
                prop_assert_eq!(&full, &expected.full(now));
                taken.push((step.bucket, model.last(), took));
            }
        }
    }

    /// A request one nanosecond before the stated wait is over is refused, and told to wait for that nanosecond; then
    /// the request gets through.
    #[test]
    fn r124_the_stated_wait_is_right(plans in vec(model::plan(), 1..=4), steps in steps()) {
        let (limiter, limits, mut now) = (MemoryLimiter::new(), model::limits(&plans), Duration::ZERO);
        for step in steps {
            now += Duration::from_nanos(step.later(&plans));
            let cost = step.cost(&plans);
            let LimitDecision::Refused { wait, .. } = limiter.try_acquire(bucket(0), &limits, cost, now) else { continue };
            // Times that no process lives to see are tested in `clocks`.
            if now + wait > Duration::from_nanos(1 << 62) {
                break;
            }
            let early = limiter.try_acquire(bucket(0), &limits, cost, super::before(now + wait, super::NANO));
            prop_assert!(matches!(early, LimitDecision::Refused { wait, .. } if wait == super::NANO), "{:?}", early);
            now += wait;
            let after = limiter.try_acquire(bucket(0), &limits, cost, now);
            prop_assert!(matches!(after, LimitDecision::Admitted(_)), "{:?}", after);
        }
    }

    /// In any stretch of time no more than burst + rate × time, by the rate that was written and not by a rounded one.
    #[test]
    fn r133_no_stretch_of_time_lets_more_through(plans in vec(model::plan(), 1..=4), steps in steps()) {
        let (limiter, limits, mut now) = (MemoryLimiter::new(), model::limits(&plans), 0);
        let mut through: Vec<(u64, u32)> = Vec::new();
        for step in steps {
            now += step.later(&plans);
            let cost = step.cost(&plans);
            if let LimitDecision::Admitted(_) = limiter.try_acquire(bucket(0), &limits, cost, Duration::from_nanos(now)) {
                through.push((now, cost));
            }
        }
        for (first, (start, _)) in through.iter().enumerate() {
            let mut sum = 0;
            for (end, cost) in &through[first..] {
                sum += u128::from(*cost);
                for plan in &plans {
                    let (events, period) = (u128::from(plan.events), u128::from(plan.period));
                    let most = u128::from(plan.size()) * period + u128::from(end - start) * events;
                    prop_assert!(sum * period <= most, "{:?}: {} between {} and {}", plan, sum, start, end);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(200))]

    /// And no less: a caller that asks all the time gets the burst and the rate, short of what rounding to a nanosecond takes.
    #[test]
    fn p41_whoever_asks_all_the_time_gets_the_rate(events in 1..5_000_u32, burst in 2..50_u32, pace in any::<u64>()) {
        let plan = Plan { events, period: 1_000_000_000, burst: Some(burst), name: None };
        // So often that the bucket is never full in between.
        let pace = pace % (u64::from(burst - 1) * plan.interval()) + 1;
        let (limiter, limits, end) = (MemoryLimiter::new(), model::limits(&[plan]), 100 * pace);
        let mut through = 0;
        for now in (0..=end).step_by(usize::try_from(pace).unwrap()) {
            while super::admits(&limiter, bucket(0), &limits, Duration::from_nanos(now)) {
                through += 1;
            }
        }
        prop_assert_eq!(through, u64::from(burst) + end / plan.interval());
    }
}
