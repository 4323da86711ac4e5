//! How many requests several processes admit together, counted while they compete.

use std::time::Instant;

use super::*;
use crate::support::redis;

/// When a request was asked for, and when it was admitted, in nanoseconds since the start.
type Admissions = Vec<(u64, u64)>;

const PROCESSES: usize = 4;
const TASKS: usize = 8;

/// Lets several tasks of each process ask for the same bucket until the time is over.
async fn compete(policy: &SharedPolicy, quotas: &[Quota], time: Duration) -> Option<(Admissions, Vec<RedisLimiter>)> {
    let server = redis::server()?;
    let (prefix, limits, start) = (prefix(), limits(quotas.iter().cloned()), Instant::now());
    let processes: Vec<_> = (0..PROCESSES).map(|_| at(server, &prefix, policy.clone())).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for process in processes.iter().flat_map(|process| std::iter::repeat_n(process, TASKS)) {
        let (api, limits) = (process.named("api"), limits.clone());
        tasks.spawn(async move {
            let (mut admitted, now) = (Vec::new(), || u64::try_from(start.elapsed().as_nanos()).unwrap());
            while start.elapsed() < time {
                let sent = now();
                if let LimitDecision::Admitted(_) = ask(&api, alice(), &limits, 1).await {
                    admitted.push((sent, now()));
                }
                tokio::task::yield_now().await;
            }
            admitted
        });
    }
    Some((tasks.join_all().await.into_iter().flatten().collect(), processes))
}

/// The largest number of requests that were admitted above `burst + time / interval` in any interval of time. Only requests that were surely
/// decided in the interval are counted.
fn excess(admissions: &Admissions, burst: u64, interval: Duration) -> i64 {
    let mut by_end = admissions.clone();
    by_end.sort_by_key(|(_, end)| *end);
    let interval = u64::try_from(interval.as_nanos()).unwrap();
    let starts = admissions.iter().map(|(sent, _)| *sent);
    let worst = starts.map(|start| {
        let inside = by_end.iter().filter(|(sent, _)| *sent >= start).zip(1_u64..);
        inside.map(|((_, end), count)| count.cast_signed() - (burst + (end - start) / interval).cast_signed()).max()
    });
    worst.max().flatten().unwrap_or_default()
}

fn asked(processes: &[RedisLimiter]) -> u64 {
    processes.iter().map(|process| process.health().asked).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn r133_p42_four_processes_admit_exactly_the_burst() {
    let quotas = [Quota::per_day(300), Quota::per_hour(1_000)];
    let Some((admitted, processes)) = compete(&SharedPolicy::exact(), &quotas, Duration::from_millis(1500)).await
    else {
        return;
    };
    assert_eq!(admitted.len(), 300);
    let refused: u64 = processes.iter().map(|process| process.health().known_spent).sum();
    assert!(refused > 300, "the empty bucket is asked for no more: {refused}");
    assert!(asked(&processes) <= 300 + (PROCESSES * TASKS) as u64, "{}", asked(&processes));
}

#[tokio::test(flavor = "multi_thread")]
async fn r133_p44_an_exact_limit_is_never_one_above_while_it_refills() {
    let quotas = [Quota::per_second(400).burst(20), Quota::per_minute(3_000).burst(500)];
    let Some((admitted, _)) = compete(&SharedPolicy::exact(), &quotas, Duration::from_millis(2500)).await else {
        return;
    };
    assert!(admitted.len() > 400, "{}", admitted.len());
    assert!(excess(&admitted, 20, Duration::from_micros(2500)) <= 0);
    assert!(excess(&admitted, 500, Duration::from_millis(20)) <= 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn r133_leases_stay_within_their_bound() {
    let (lease_for, burst, rate) = (Duration::from_millis(100), 320, 1_000);
    let policy = SharedPolicy::leased(4).lease_for(lease_for);
    let quotas = [Quota::per_second(rate).burst(burst)];
    let Some((admitted, processes)) = compete(&policy, &quotas, Duration::from_millis(2500)).await else { return };
    // A lease has a sixteenth of the burst at most: 20. Four of them are fewer than what is refilled in the time of a lease: 100.
    let bound = 4 * (i64::from(burst) / 16);
    let excess = excess(&admitted, burst.into(), Duration::from_millis(1));
    assert!(excess <= bound, "{excess} above the limit, and the bound is {bound}");
    assert!(admitted.len() > 1_500, "{}", admitted.len());
    let asked = asked(&processes);
    assert!(asked * 5 < admitted.len() as u64, "{asked} questions for {} requests", admitted.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn r133_leases_of_a_budget_admit_no_more_than_it() {
    let policy = SharedPolicy::leased(4).lease_for(Duration::from_millis(50));
    let quotas = [Quota::per_day(500), Quota::per_second(100_000)];
    let Some((admitted, processes)) = compete(&policy, &quotas, Duration::from_secs(2)).await else { return };
    assert!(admitted.len() <= 500, "{}", admitted.len());
    // What no process uses is given back, and another one takes it.
    assert!(admitted.len() >= 495, "{} of 500: {:?}", admitted.len(), processes[0].health());
}
