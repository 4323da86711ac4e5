//! What is counted, and what is asked.

use tower_auth::limit::Reservation;

use super::*;
use crate::support::{process::until, redis};

#[tokio::test(flavor = "multi_thread")]
async fn several_windows_are_decided_together() {
    let Some(server) = redis::server() else { return };
    let redis = limiter(server, SharedPolicy::exact());
    let (api, limits) = (redis.named("api"), limits([Quota::per_hour(3), Quota::per_day(5).burst(4)]));
    assert_eq!(remaining(&admitted(ask(&api, alice(), &limits, 0).await)), [3, 4]);
    assert_eq!(remaining(&admitted(ask(&api, alice(), &limits, 2).await)), [1, 2]);
    let (levels, wait) = refused(ask(&api, alice(), &limits, 2).await);
    assert_eq!((remaining(&levels), levels.tightest_index()), (vec![1, 2], 0), "nothing of it is counted");
    assert!(wait > Duration::from_secs(1190) && wait <= Duration::from_secs(1200), "{wait:?}");
    assert_eq!(remaining(&admitted(ask(&api, alice(), &limits, 1).await)), [0, 1]);
    assert!(matches!(ask(&api, alice(), &limits, 4).await, LimitDecision::TooCostly { most: 3 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_count_apart_and_processes_together() {
    let Some(server) = redis::server() else { return };
    let (prefix, limits) = (prefix(), limits(Quota::per_hour(2)));
    let [one, other] = [(); 2].map(|()| at(server, &prefix, SharedPolicy::exact()));
    admitted(ask(&one.named("a"), alice(), &limits, 1).await);
    admitted(ask(&other.named("a"), alice(), &limits, 1).await);
    refused(ask(&one.named("a"), alice(), &limits, 1).await);
    admitted(ask(&one.named("b"), alice(), &limits, 1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_bucket_is_refused_without_a_question() {
    let Some(server) = redis::server() else { return };
    let redis = limiter(server, SharedPolicy::exact());
    let (api, limits) = (redis.named("api"), limits(Quota::per_hour(2)));
    for _ in 0..2 {
        admitted(ask(&api, alice(), &limits, 1).await);
    }
    for _ in 0..50 {
        refused(ask(&api, alice(), &limits, 1).await);
    }
    let health = redis.health();
    assert_eq!((health.asked, health.known_spent, health.buckets), (2, 50, 1), "the second answer showed it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_give_back_ends_a_local_refusal() {
    let Some(server) = redis::server() else { return };
    let redis = limiter(server, SharedPolicy::exact());
    let (api, limits) = (redis.named("api"), limits(Quota::per_hour(1)));
    let levels = admitted(ask(&api, alice(), &limits, 1).await);
    refused(ask(&api, alice(), &limits, 1).await);
    api.refund(alice(), &Reservation::new(1, &limits, &levels, Duration::ZERO), Duration::ZERO.into());
    assert!(until(|| redis.health().asked == 2), "the task of the limiter carries it out");
    assert_eq!(remaining(&admitted(ask(&api, alice(), &limits, 0).await)), [1]);
    admitted(ask(&api, alice(), &limits, 1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_plan_keeps_counts_and_ends_a_local_refusal() {
    let Some(server) = redis::server() else { return };
    let redis = limiter(server, SharedPolicy::exact());
    let api = redis.named("api");
    let (small, large) = (limits(Quota::per_hour(2)), limits([Quota::per_hour(4), Quota::per_day(10)]));
    admitted(ask(&api, alice(), &small, 2).await);
    refused(ask(&api, alice(), &small, 1).await);
    assert_eq!(remaining(&admitted(ask(&api, alice(), &large, 0).await)), [0, 8], "as in memory: the hour is used up");
    refused(ask(&api, alice(), &large, 1).await);
    refused(ask(&api, alice(), &small, 1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_budget_is_counted() {
    let Some(server) = redis::server() else { return };
    let redis = limiter(server, SharedPolicy::exact());
    let (api, limits) = (redis.named("api"), limits([Quota::per_minute(100), Quota::per_calendar_month(3)]));
    let levels = admitted(ask(&api, alice(), &limits, 2).await);
    assert_eq!(remaining(&levels), [98, 1]);
    let present = limits.periods(std::time::SystemTime::now()).nth(1).flatten().unwrap();
    assert_eq!(levels.all()[1].period(), Some(present.number));
    let (levels, wait) = refused(ask(&api, alice(), &limits, 2).await);
    assert_eq!(levels.tightest_index(), 1);
    let left = present.end.duration_since(std::time::SystemTime::now()).unwrap();
    assert!(wait >= left && wait <= left + Duration::from_secs(60), "{wait:?} {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_need_few_questions_and_admit_no_more() {
    let Some(server) = redis::server() else { return };
    let redis = limiter(server, SharedPolicy::leased(1).lease_for(Duration::from_secs(600)));
    let (api, limits) = (redis.named("api"), limits(Quota::per_day(1000)));
    let mut count = 0;
    while let LimitDecision::Admitted(levels) = ask(&api, alice(), &limits, 1).await {
        count += 1;
        assert!(levels.tightest().remaining <= 1000 - count, "{count}: {levels:?}");
    }
    assert_eq!(count, 1000);
    let health = redis.health();
    assert!(health.asked < 100 && health.from_leases > 900, "{health:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_question_that_proves_that_a_server_counts_is_a_valid_one() {
    let Some(server) = redis::server() else { return };
    Box::pin(limiter(server, SharedPolicy::exact()).check()).await.unwrap();
}
