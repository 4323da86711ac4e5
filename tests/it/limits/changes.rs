//! Limits that change while a bucket is drawn on: the rule of the manual page, against the reference, and what it is for.

use std::time::Duration;

use proptest::{collection::vec, prelude::*};
use tower_auth::limit::{BucketKey, LimitDecision, MemoryLimiter};

use super::{
    SECOND, alice,
    exact::cases,
    model::{self, Model, Plan, Said},
};

/// The limits to ask under, how much later, and what for.
type Asked = (usize, (u8, u64), u32);

/// Nothing, a nanosecond, or some part of what refills the limits in force.
fn later((kind, any): (u8, u64), plans: &[Plan]) -> u64 {
    let refill = u64::try_from(plans[usize::try_from(any % 4).unwrap() % plans.len()].refill()).unwrap();
    match kind {
        0..=3 => 0,
        4 => 1,
        5 => any % refill.min(1 << 40),
        _ => any % refill.min(1 << 56),
    }
}

proptest! {
    #![proptest_config(cases(2_000))]

    /// "A window takes over the arrival time of the window of its period (and of its name, where there are several).
    /// A window of a period that was not there before starts with the most requests that any other had counted and not
    /// refilled, as far as they fit; and one that is not there now is kept for when it is again, as long as a bucket has room for four."
    #[test]
    fn p44_r138_a_change_of_limits_carries_over_what_the_manual_says(
        sets in vec(prop_oneof![model::plans(), model::named_plans()], 1..=4),
        asked in vec((0..4_usize, (0..7_u8, any::<u64>()), any::<u32>()), 1..40),
    ) {
        let (limiter, mut model, mut now) = (MemoryLimiter::new(), Model::default(), 0);
        let limits: Vec<_> = sets.iter().map(|plans| model::limits(plans)).collect();
        for (set, time, cost) in asked {
            let (plans, limits) = (&sets[set % sets.len()], &limits[set % sets.len()]);
            now += later(time, plans);
            let cost = if cost % 3 == 0 { cost % 5 } else { cost % limits.max_cost() + 1 };
            let said = Said::from(limiter.try_acquire(alice(), limits, cost, Duration::from_nanos(now)));
            prop_assert_eq!(said, model.take(0, plans, cost, now), "at {} for {}", now, cost);
        }
    }

    /// A configuration that is read again and says the same changes nothing at all: not by a nanosecond, not by a name.
    #[test]
    fn p44_r138_equal_limits_read_again_change_nothing(
        plans in vec(model::plan(), 1..=4),
        asked in vec((Just(0_usize), (0..7_u8, any::<u64>()), any::<u32>()), 1..40),
    ) {
        let (limiter, limits, mut now) = (MemoryLimiter::new(), model::limits(&plans), 0);
        let (as_ever, reloaded) = (BucketKey::new(["as ever"]), BucketKey::new(["reloaded"]));
        for asked in asked {
            let (_, time, cost): Asked = asked;
            now += later(time, &plans);
            let (cost, at) = (cost % limits.max_cost() + 1, Duration::from_nanos(now));
            let expected = Said::from(limiter.try_acquire(as_ever, &limits, cost, at));
            prop_assert_eq!(Said::from(limiter.try_acquire(reloaded, &model::limits(&plans), cost, at)), expected);
        }
    }

    /// A window of a period that was there is full when it would have been, to the nanosecond; one of another period starts
    /// with as many requests.
    #[test]
    fn p44_r138_new_limits_refill_nothing(
        (old, new) in (model::plan(), model::plan()),
        (taken, same) in (any::<u32>(), any::<bool>()),
    ) {
        let limiter = MemoryLimiter::new();
        let new = Plan { period: if same && u64::from(new.events) <= old.period { old.period } else { new.period }, ..new };
        prop_assume!(new.refill() < 1 << 62);
        let taken = taken % old.size() + 1;
        limiter.try_acquire(alice(), &model::limits(&[old]), taken, SECOND);
        let decided = limiter.try_acquire(alice(), &model::limits(&[new]), 0, SECOND);
        let LimitDecision::Admitted(levels) = decided else { panic!("a question was refused") };
        let (remaining, reset) = (levels.tightest().remaining, levels.tightest().reset.as_nanos());
        if new.period == old.period {
            let owed = u128::from(old.interval()) * u128::from(taken);
            prop_assert_eq!(reset, owed);
            let free = new.refill().saturating_sub(owed) / u128::from(new.interval());
            prop_assert_eq!(u128::from(remaining), free);
        } else {
            prop_assert_eq!(remaining, new.size().saturating_sub(taken));
            prop_assert_eq!(reset, u128::from(new.interval()) * u128::from(taken.min(new.size())));
        }
    }
}

/// No more than four, so that a bucket has room for all of them.
const FOUR: [u64; 4] = [1_000_000_007, 7_000_000_000, 60_000_000_000, 3_600_000_000_000];

/// Often at once, and otherwise after a part of a second, some seconds, or some minutes.
fn soon(kind: u8, any: u64) -> u64 {
    match kind {
        0..=4 => 0,
        5 => any % 300_000_000,
        6 => any % 5_000_000_000,
        _ => any % 600_000_000_000,
    }
}

/// Limits over some of those periods, in any order.
fn over_four() -> impl Strategy<Value = Vec<Plan>> {
    let plan = |period| {
        (1..40_u32, proptest::option::of(1..40_u32)).prop_map(move |(events, burst)| Plan {
            events,
            period,
            burst,
            name: None,
        })
    };
    let all = FOUR.map(plan);
    (Just([0, 1, 2, 3]).prop_shuffle(), 1..=4_usize, all)
        .prop_map(|(order, count, all)| order.into_iter().take(count).map(|place| all[place]).collect())
}

proptest! {
    #![proptest_config(cases(300))]

    /// What "refills nothing" means for every order of changes: of one period, all that gets through, each request at what
    /// it takes of the limits that it came under, is no more than fits at once in the largest, and the time that has passed.
    /// And under each of the limits no more gets through than if the others did not exist.
    #[test]
    fn p44_r138_no_sequence_of_changes_lets_more_through(
        sets in vec(over_four(), 2..=4),
        asked in vec((0..4_usize, 0..8_u8, any::<u64>(), 1..6_u32), 1..200),
    ) {
        let (limiter, alone) = (MemoryLimiter::new(), MemoryLimiter::new());
        let limits: Vec<_> = sets.iter().map(|plans| model::limits(plans)).collect();
        let (mut now, mut spent, mut through) = (0, [0; 4], [(0, 0); 4]);
        for (set, kind, later, times) in asked {
            let set = set % sets.len();
            now += soon(kind, later);
            let at = Duration::from_nanos(now);
            for _ in 0..times {
                through[set].1 += u32::from(super::admits(&alone, BucketKey::new([set.to_string().as_str()]), &limits[set], at));
                if super::admits(&limiter, alice(), &limits[set], at) {
                    through[set].0 += 1;
                    for plan in &sets[set] {
                        spent[FOUR.iter().position(|period| *period == plan.period).unwrap()] += u128::from(plan.interval());
                    }
                }
                // With equal requests, admitting each as soon as it fits admits the most.
                prop_assert!(through[set].0 <= through[set].1, "{:?} under {:?}", through[set], sets[set]);
            }
            for (period, spent) in FOUR.into_iter().zip(spent) {
                let sizes = sets.iter().flatten().filter(|plan| plan.period == period).map(Plan::refill);
                let most = sizes.max().unwrap_or(0) + u128::from(now);
                prop_assert!(spent <= most, "{} of {} within {}", spent, most, period);
            }
        }
    }

    /// Two sets of the same periods, of which one is the more generous in each: by any changing to and fro, no more gets
    /// through than by staying with that one, at any time.
    #[test]
    fn p44_r138_going_to_and_fro_gets_no_more_than_the_more_generous(
        generous in over_four(),
        shares in vec((1..=100_u32, 1..=100_u32), 4),
        asked in vec((any::<bool>(), 0..8_u8, any::<u64>(), 1..6_u32), 1..200),
    ) {
        // A smaller rate, and less at once: in requests, and in the time that refills them.
        let less = |part: u32, of: u32| (of * part / 100).max(1);
        let frugal: Vec<_> = generous.iter().zip(shares).map(|(plan, (rate, size))| {
            let slower = Plan { events: less(rate, plan.events), ..*plan };
            let fits = u32::try_from(plan.refill() / u128::from(slower.interval())).unwrap();
            if fits == 0 { *plan } else { Plan { burst: Some(less(size, plan.size()).min(fits)), ..slower } }
        }).collect();
        let (generous, frugal) = (model::limits(&generous), model::limits(&frugal));
        let (limiter, mut now, mut through, mut most) = (MemoryLimiter::new(), 0, 0, 0);
        for (turn, kind, later, times) in asked {
            now += soon(kind, later);
            let at = Duration::from_nanos(now);
            most += super::admitted(&limiter, BucketKey::new(["stays"]), &generous, at, times);
            through += super::admitted(&limiter, alice(), if turn { &generous } else { &frugal }, at, times);
            prop_assert!(through <= most, "{} and {}", through, most);
        }
    }
}

proptest! {
    #![proptest_config(cases(300))]

    /// At one time, between limits that hold the same, each with a period that the other has not: as many as they hold.
    #[test]
    fn p44_r138_going_to_and_fro_at_one_time_gets_what_either_holds(
        rate in 1..500_u32,
        size in 1..300_u32,
        turns in vec(any::<bool>(), 1..80),
    ) {
        let plan = |events, period| Plan { events, period, burst: Some(size), name: None };
        let shared = plan(rate, 60_000_000_007);
        let one = model::limits(&[shared, plan(7, 3_600_000_000_000)]);
        let two = model::limits(&[plan(rate, 86_400_000_000_001), shared]);
        let (limiter, mut through) = (MemoryLimiter::new(), 0);
        for turn in turns.into_iter().cycle().take(2 * size as usize + 20) {
            let limits = if turn { &one } else { &two };
            through += u32::from(super::admits(&limiter, alice(), limits, SECOND));
        }
        prop_assert_eq!(through, size);
    }
}
