//! Several processes at once.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use tokio::time::Instant;

use super::*;

/// How long the load lasts, and how many requests each limiter has under way.
const LOAD: Duration = Duration::from_millis(2500);
const AT_ONCE: usize = 8;

/// Lets all limiters admit as many as they can, and returns how many that were, and in which time.
async fn admit(limiters: &[PostgresLimiter], limits: &Limits) -> (u32, Duration) {
    let (count, start) = (Arc::new(AtomicU32::new(0)), Instant::now());
    let tasks: Vec<_> = limiters
        .iter()
        .flat_map(|limiter| (0..AT_ONCE).map(|_| limiter.named("api")))
        .map(|api| {
            let (count, limits) = (Arc::clone(&count), limits.clone());
            tokio::spawn(async move {
                while start.elapsed() < LOAD {
                    match ask(&api, alice(), &limits, 1).await {
                        LimitDecision::Admitted(_) => drop(count.fetch_add(1, Ordering::Relaxed)),
                        // Local refusals need no time.
                        _ => tokio::time::sleep(Duration::from_millis(1)).await,
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    (count.load(Ordering::Relaxed), start.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exact_processes_never_admit_one_above() {
    let Some(tables) = Tables::new().await else { return };
    let limiters: Vec<_> = (0..4).map(|_| tables.limiter(SharedPolicy::exact())).collect();
    let (burst, rate) = (50, 100.0);
    let (count, time) = admit(&limiters, &limits(Quota::per_second(100).burst(burst))).await;
    let most = f64::from(burst) + rate * time.as_secs_f64();
    assert!(f64::from(count) <= most, "{count} above {most}");
    assert!(f64::from(count) > most / 2.0, "the load is a load: {count} of {most}");
    let health: Vec<_> = limiters.iter().map(PostgresLimiter::health).collect();
    assert!(health.iter().all(|health| health.failed == 0 && health.skipped == 0), "{health:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exact_processes_count_every_request_of_a_bucket_that_is_not_refilled() {
    let Some(tables) = Tables::new().await else { return };
    let limiters: Vec<_> = (0..4).map(|_| tables.limiter(SharedPolicy::exact())).collect();
    let (count, _) = admit(&limiters, &limits(Quota::per_calendar_month(700))).await;
    assert_eq!(count, 700);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_admit_at_most_the_stated_excess() {
    let Some(tables) = Tables::new().await else { return };
    let lease_for = Duration::from_millis(200);
    let limiters: Vec<_> = (0..4).map(|_| tables.limiter(SharedPolicy::leased(4).lease_for(lease_for))).collect();
    let (burst, rate) = (200_u32, 400.0);
    let (count, time) = admit(&limiters, &limits(Quota::per_second(400).burst(burst))).await;
    // Processes × lease, or the rate × the time of a lease.
    let excess = (4.0 * f64::from(burst / 16)).min(rate * lease_for.as_secs_f64());
    let most = f64::from(burst) + rate * time.as_secs_f64() + excess;
    assert!(f64::from(count) <= most, "{count} above {most}");
    assert!(f64::from(count) > most / 2.0, "the load is a load: {count} of {most}");
    let from_leases: u64 = limiters.iter().map(|limiter| limiter.health().from_leases).sum();
    assert!(from_leases > u64::from(count / 2), "{from_leases} of {count}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_one_process_for_one_bucket_are_counted_together() {
    let Some(tables) = Tables::new().await else { return };
    let store = PostgresKeyStore::from_pool(tables.database.pool(1));
    let shared = PostgresLimiter::with(&store, SharedPolicy::exact().deadline(PATIENT));
    let (api, limits) = (shared.named("api"), limits(Quota::per_day(1000)));
    admitted(ask(&api, alice(), &limits, 1).await);
    let asked = (0..200).map(|_| ask(&api, alice(), &limits, 1));
    for decision in futures_util::future::join_all(asked).await {
        admitted(decision);
    }
    assert_eq!(remaining(&admitted(ask(&api, alice(), &limits, 0).await)), [799]);
    // The server counts what its sessions have written when they end.
    drop((api, shared, store));
    let written = "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'limit_buckets'";
    let mut count = 0;
    for _ in 0..600 {
        count = tables.number(written).await;
        if count > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!((1..50).contains(&count), "200 requests were written {count} times");
}
