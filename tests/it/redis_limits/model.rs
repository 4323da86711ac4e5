//! The scripts and the limiter in memory decide alike, at the same points in time.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use tower_auth::limit::{LimitTime, MemoryLimiter, Reservation};

use super::{clock::Standing, *};
use crate::support::process::until;

/// 2026-11-27 22:13:20 UTC, in microseconds: some steps later, it is another day, and then another month.
const START: u64 = 1_795_817_600_000_000;

/// Limits between which a bucket changes. All intervals are whole microseconds: the time of the server has no parts of them.
fn plans() -> Vec<Limits> {
    vec![
        limits(Quota::per_second(4)),
        limits([Quota::per_second(8).burst(3), Quota::per_minute(30).named("minute")]),
        limits([Quota::per_minute(20), Quota::per_hour(40).burst(9)]),
        limits([Quota::per_calendar_day(12), Quota::per_second(5).burst(20)]),
        limits([Quota::per_calendar_month(30), Quota::per_calendar_day(15), Quota::per_minute(60)]),
        limits([Quota::new(10, Duration::from_secs(200 * 86_400)).burst(7), Quota::per_second(2).burst(6)]),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Take(u32),
    Look,
    /// Gives one of the earlier requests back.
    Refund(prop::sample::Index),
    Pass(u64),
    Change(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let times =
        prop_oneof![1..1_000_u64, 1_000..2_000_000_u64, 2_000_000..4_000_000_000_u64, Just(86_400_000_000_u64),];
    prop_oneof![
        8 => (1..4_u32).prop_map(Step::Take),
        1 => Just(Step::Look),
        3 => any::<prop::sample::Index>().prop_map(Step::Refund),
        4 => times.prop_map(Step::Pass),
        1 => (0..6_usize).prop_map(Step::Change),
    ]
}

/// What both have decided, without what only one of them knows.
fn shown(decision: &LimitDecision) -> String {
    format!("{decision:?}").replace(char::is_whitespace, "").split("ticket").next().unwrap_or_default().to_owned()
        + &if let LimitDecision::Refused { wait, .. } = decision { format!("{wait:?}") } else { String::new() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r138_p48_the_scripts_decide_as_the_limiter_in_memory(first in 0..6_usize, steps in prop::collection::vec(step(), 1..60)) {
        let Some(standing) = Standing::get() else { return Ok(()) };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(compare(standing, first, &steps))?;
    }
}

async fn compare(standing: &Standing, first: usize, steps: &[Step]) -> Result<(), TestCaseError> {
    let (prefix, _alone) = (prefix(), standing.alone().await);
    let (memory, plans) = (MemoryLimiter::new(), plans());
    let (mut micros, mut plan) = (START, first);
    let mut taken: Vec<(Reservation, Reservation)> = Vec::new();
    let mut redis = new(standing, &prefix);
    standing.set(micros);
    for (number, step) in steps.iter().enumerate() {
        let limits = &plans[plan];
        let elapsed = Duration::from_micros(micros - START + 1);
        let now = LimitTime::new(elapsed, SystemTime::UNIX_EPOCH + Duration::from_micros(micros));
        match step {
            Step::Pass(time) => {
                micros += time;
                standing.set(micros);
            }
            // In memory, a bucket whose limits have no calendar any more does not see that its day is over.
            Step::Change(to) if limits.has_calendar() && !plans[*to].has_calendar() => {}
            Step::Change(to) => {
                plan = *to;
                // Redis gives nothing back of what was taken before a change, also if the first limits come back.
                taken.clear();
            }
            Step::Refund(which) => {
                if taken.is_empty() {
                    continue;
                }
                let (of_redis, of_memory) = taken.swap_remove(which.index(taken.len()));
                let before = redis.health().asked;
                redis.named("model").refund(alice(), &of_redis, now);
                memory.refund(alice(), &of_memory, now);
                prop_assert!(until(|| redis.health().asked > before), "{number}: {:?}", redis.health());
            }
            Step::Take(_) | Step::Look => {
                let cost = if let Step::Take(cost) = step { *cost } else { 0 };
                let of_redis = ask(&redis.named("model"), alice(), limits, cost).await;
                let of_memory = memory.decide(alice(), limits, cost, now).await.unwrap();
                prop_assert_eq!(shown(&of_redis), shown(&of_memory), "step {}", number);
                if let (LimitDecision::Admitted(one), LimitDecision::Admitted(other)) = (of_redis, of_memory)
                    && cost > 0
                {
                    let reservation = |levels| Reservation::new(cost, limits, levels, elapsed);
                    taken.push((reservation(&one), reservation(&other)));
                }
                // What a process knows of an empty bucket is as old as its own clock says.
                redis = new(standing, &prefix);
            }
        }
    }
    Ok(())
}

fn new(standing: &Standing, prefix: &str) -> RedisLimiter {
    let config = RedisConfig::url(&standing.url).unwrap().timeout(PATIENT).unwrap().prefix(prefix).unwrap();
    RedisLimiter::with(config, SharedPolicy::exact().deadline(PATIENT))
}
