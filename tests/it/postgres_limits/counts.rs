//! What is counted, and what is asked.

use super::*;
use crate::support::process::until;

#[tokio::test(flavor = "multi_thread")]
async fn several_windows_are_decided_together() {
    let Some(tables) = Tables::new().await else { return };
    let shared = tables.limiter(SharedPolicy::exact());
    let (api, limits) = (shared.named("api"), limits([Quota::per_hour(3), Quota::per_day(5).burst(4)]));
    assert_eq!(remaining(&admitted(ask(&api, alice(), &limits, 0).await)), [3, 4]);
    assert_eq!(tables.rows().await, 0, "who only looks writes nothing");
    assert_eq!(remaining(&admitted(ask(&api, alice(), &limits, 2).await)), [1, 2]);
    let (levels, wait) = refused(ask(&api, alice(), &limits, 2).await);
    assert_eq!((remaining(&levels), levels.tightest_index()), (vec![1, 2], 0), "nothing of it is counted");
    assert!(wait > Duration::from_secs(1190) && wait <= Duration::from_secs(1200), "{wait:?}");
    assert_eq!(remaining(&admitted(ask(&api, alice(), &limits, 1).await)), [0, 1]);
    assert!(matches!(ask(&api, alice(), &limits, 4).await, LimitDecision::TooCostly { most: 3 }));
    assert_eq!((tables.rows().await, shared.health().asked), (1, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_count_apart_and_processes_together() {
    let Some(tables) = Tables::new().await else { return };
    let limits = limits(Quota::per_hour(2));
    let [one, other] = [(); 2].map(|()| tables.limiter(SharedPolicy::exact()));
    admitted(ask(&one.named("a"), alice(), &limits, 1).await);
    admitted(ask(&other.named("a"), alice(), &limits, 1).await);
    refused(ask(&one.named("a"), alice(), &limits, 1).await);
    admitted(ask(&one.named("b"), alice(), &limits, 1).await);
    assert_eq!(tables.rows().await, 2);
    // Another schema is another limiter.
    let elsewhere = tables.store.clone().schema("elsewhere").unwrap();
    elsewhere.migrate().await.unwrap();
    let elsewhere = PostgresLimiter::with(&elsewhere, SharedPolicy::exact().deadline(PATIENT));
    admitted(ask(&elsewhere.named("a"), alice(), &limits, 2).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_plan_keeps_counts() {
    let Some(tables) = Tables::new().await else { return };
    let api = tables.limiter(SharedPolicy::exact()).named("api");
    let (small, large) = (limits(Quota::per_hour(2)), limits([Quota::per_hour(4), Quota::per_day(10)]));
    admitted(ask(&api, alice(), &small, 2).await);
    refused(ask(&api, alice(), &small, 1).await);
    assert_eq!(remaining(&admitted(ask(&api, alice(), &large, 0).await)), [0, 8], "as in memory: the hour is used up");
    refused(ask(&api, alice(), &large, 1).await);
    refused(ask(&api, alice(), &small, 1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_budget_is_counted_and_given_back() {
    let Some(tables) = Tables::new().await else { return };
    let shared = tables.limiter(SharedPolicy::exact());
    let (api, limits) = (shared.named("api"), limits([Quota::per_minute(100), Quota::per_calendar_month(3)]));
    let levels = admitted(ask(&api, alice(), &limits, 2).await);
    assert_eq!(remaining(&levels), [98, 1]);
    let present = limits.periods(std::time::SystemTime::now()).nth(1).flatten().unwrap();
    assert_eq!(levels.all()[1].period(), Some(present.number));
    let (refusal, wait) = refused(ask(&api, alice(), &limits, 2).await);
    assert_eq!(refusal.tightest_index(), 1);
    let left = present.end.duration_since(std::time::SystemTime::now()).unwrap();
    assert!(wait >= left && wait <= left + Duration::from_secs(60), "{wait:?} {left:?}");
    give_back(&api, &limits, 1, &levels);
    assert!(until(|| shared.health().asked == 3), "the task of the limiter carries it out");
    assert_eq!(remaining(&admitted(ask(&api, alice(), &limits, 0).await))[1], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_in_any_order_give_back_what_was_taken() {
    let Some(tables) = Tables::new().await else { return };
    let shared = tables.limiter(SharedPolicy::exact());
    let (api, limits) = (shared.named("api"), limits(Quota::per_day(10)));
    let mut taken = Vec::new();
    for cost in [1, 2, 3] {
        taken.push((cost, admitted(ask(&api, alice(), &limits, cost).await)));
    }
    for (number, place) in [1, 2, 0].into_iter().enumerate() {
        let (cost, levels) = &taken[place];
        give_back(&api, &limits, *cost, levels);
        assert!(until(|| shared.health().asked == 4 + number as u64));
    }
    assert_eq!(remaining(&admitted(ask(&api, alice(), &limits, 0).await)), [10]);
    // A reservation of other limits gives back nothing.
    admitted(ask(&api, alice(), &limits, 10).await);
    let other = self::limits(Quota::per_day(11));
    give_back(&api, &other, 1, &taken[0].1);
    assert!(until(|| shared.health().asked == 9));
    refused(ask(&api, alice(), &limits, 1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_before_the_table_was_emptied_cannot_be_given_back() {
    let Some(tables) = Tables::new().await else { return };
    let shared = tables.limiter(SharedPolicy::exact());
    let (api, limits) = (shared.named("api"), limits(Quota::per_day(3)));
    let levels = admitted(ask(&api, alice(), &limits, 2).await);
    tables.execute("TRUNCATE tower_auth.limit_buckets");
    admitted(ask(&api, alice(), &limits, 3).await);
    give_back(&api, &limits, 2, &levels);
    assert!(until(|| shared.health().asked == 3));
    assert_eq!(remaining(&admitted(ask(&api, alice(), &limits, 0).await)), [0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn charges_are_counted_as_far_as_they_fit() {
    let Some(tables) = Tables::new().await else { return };
    let shared = tables.limiter(SharedPolicy::exact());
    let (api, limits) = (shared.named("api"), limits(Quota::per_day(3)));
    for asked in [1, 2] {
        api.charge(alice(), &limits, 2, Duration::ZERO.into());
        assert!(until(|| shared.health().asked == asked));
    }
    refused(ask(&api, alice(), &limits, 1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_need_few_questions_and_admit_no_more() {
    let Some(tables) = Tables::new().await else { return };
    let shared = tables.limiter(SharedPolicy::leased(1).lease_for(Duration::from_secs(600)));
    let (api, limits) = (shared.named("api"), limits(Quota::per_day(1000)));
    let mut count = 0;
    while let LimitDecision::Admitted(levels) = ask(&api, alice(), &limits, 1).await {
        count += 1;
        assert!(levels.tightest().remaining <= 1000 - count, "{count}: {levels:?}");
    }
    assert_eq!(count, 1000);
    let health = shared.health();
    assert!(health.asked < 100 && health.from_leases > 900, "{health:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_stopped_gives_its_leases_back() {
    let Some(tables) = Tables::new().await else { return };
    let [one, other] = [(); 2].map(|()| tables.limiter(SharedPolicy::leased(2).lease_for(Duration::from_secs(600))));
    let limits = limits(Quota::per_day(1000));
    let task = one.start();
    for _ in 0..40 {
        admitted(ask(&one.named("api"), alice(), &limits, 1).await);
    }
    let held = one.health().unused;
    assert!(held > 0);
    task.stop().await;
    let left = remaining(&admitted(ask(&other.named("api"), alice(), &limits, 0).await));
    assert_eq!((left, one.health().unused), (vec![960], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_full_buckets_are_removed_and_others_are_kept() {
    let Some(tables) = Tables::new().await else { return };
    tables.execute(
        "INSERT INTO tower_auth.limit_buckets (bucket, state, expires) \
         SELECT decode(md5(n::text), 'hex'), '', now() - interval '1 second' FROM generate_series(1, 2500) AS n; \
         INSERT INTO tower_auth.limit_buckets (bucket, state, expires) \
         SELECT decode(md5('kept' || n), 'hex'), '', now() + interval '1 minute' FROM generate_series(1, 5) AS n",
    );
    let api = tables.limiter(SharedPolicy::exact()).named("api");
    admitted(ask(&api, alice(), &limits(Quota::per_hour(2)), 1).await);
    let mut left = tables.rows().await;
    for _ in 0..600 {
        if left <= 6 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        left = tables.rows().await;
    }
    assert_eq!(left, 6, "all that are over, in several batches");
    let kept = "SELECT count(*) FROM tower_auth.limit_buckets WHERE expires BETWEEN now() + interval '29 minutes' \
                AND now() + interval '36 minutes'";
    assert_eq!(tables.number(kept).await, 1, "half an hour, and at most five minutes more");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_has_no_triggers_and_is_not_written_to_the_log_for_the_disk() {
    let Some(tables) = Tables::new().await else { return };
    let logged = "SELECT count(*) FROM pg_class WHERE relname LIKE 'limit_buckets%' AND relpersistence = 'u'";
    assert_eq!(tables.number(logged).await, 3, "the table and its two indexes");
    let triggers = "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'tower_auth.limit_buckets'::regclass";
    assert_eq!(tables.number(triggers).await, 0);
}
