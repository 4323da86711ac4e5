//! What is given back late, in any order, beside other requests: against a model that remembers every request.

use std::time::Duration;

use proptest::{collection::vec, prelude::*};
use tower_auth::{
    Quota,
    limit::{BucketKey, LimitDecision, Limiter as _, Limits, MemoryLimiter, Reservation},
};

#[derive(Clone, Debug)]
enum Step {
    Take(u32),
    /// The request at this place of those under way comes to nothing.
    GiveBack(usize),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1..=3_u32).prop_map(Step::Take),
        3 => any::<usize>().prop_map(Step::GiveBack),
        1 => (1..=9_000_u64).prop_map(Step::Wait),
        1 => Just(Step::Wait(30_000)),
    ];
    vec(step, 1..120)
}

/// A request that was let through: when, and what it cost; and how it is given back.
struct Passed {
    at: Duration,
    cost: u32,
    taken: Option<Reservation>,
}

/// The largest backlog in milliseconds that these requests make, one of which costs so many.
fn replay<'a>(passed: impl Iterator<Item = &'a Passed>, interval: u64) -> u64 {
    let (mut backlog, mut largest, mut last) = (0_u64, 0, Duration::ZERO);
    for one in passed {
        let since = u64::try_from(super::before(one.at, last).as_millis()).unwrap();
        backlog = backlog.saturating_sub(since) + u64::from(one.cost) * interval;
        (largest, last) = (largest.max(backlog), one.at);
    }
    largest
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn p75_what_was_kept_is_never_more_than_the_limits_say(steps in steps()) {
        // Ten in ten seconds, and fifteen in a minute.
        let limits = Limits::new([Quota::per_minute(60).burst(10), Quota::per_minute(15).named("long")]).unwrap();
        let (limiter, bucket) = (MemoryLimiter::new(), BucketKey::new(["alice"]));
        let (mut now, mut passed) = (Duration::from_secs(1), Vec::<Passed>::new());
        for step in steps {
            match step {
                Step::Wait(millis) => now += Duration::from_millis(millis),
                Step::Take(cost) => {
                    if let LimitDecision::Admitted(levels) = limiter.try_acquire(bucket, &limits, cost, now) {
                        let taken = Some(Reservation::new(cost, &limits, &levels, now));
                        passed.push(Passed { at: now, cost, taken });
                    }
                }
                Step::GiveBack(place) if !passed.is_empty() => {
                    let place = place % passed.len();
                    if let Some(taken) = passed[place].taken.take() {
                        limiter.refund(bucket, &taken, now.into());
                    }
                }
                Step::GiveBack(_) => {}
            }
            let kept = || passed.iter().filter(|one| one.taken.is_some());
            prop_assert!(replay(kept(), 1_000) <= 10_000);
            prop_assert!(replay(kept(), 4_000) <= 60_000);
        }
    }

    /// At one moment, whatever is given back can be taken again, in any order.
    #[test]
    fn p75_at_one_moment_all_of_it_is_given_back(order in vec(any::<usize>(), 10), before in 0..4_000_u64) {
        let limits = Limits::new([Quota::per_minute(60).burst(10)]).unwrap();
        let (limiter, bucket) = (MemoryLimiter::new(), BucketKey::new(["alice"]));
        let take = |at: Duration| match limiter.try_acquire(bucket, &limits, 1, at) {
            LimitDecision::Admitted(levels) => Some(Reservation::new(1, &limits, &levels, at)),
            _ => None,
        };
        // One that is kept.
        prop_assert!(take(Duration::ZERO).is_some());
        let now = Duration::from_millis(before);
        let mut under_way: Vec<Reservation> = std::iter::from_fn(|| take(now)).collect();
        let count = under_way.len();
        for place in order {
            if !under_way.is_empty() {
                let taken = under_way.swap_remove(place % under_way.len());
                limiter.refund(bucket, &taken, now.into());
            }
        }
        prop_assert_eq!(std::iter::from_fn(|| take(now)).count(), count);
    }
}
