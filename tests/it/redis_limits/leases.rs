//! Leases: what is not used comes back, and what is given back goes where it came from.

use tower_auth::limit::Reservation;

use super::*;
use crate::support::{process::until, redis};

const LONG: Duration = Duration::from_secs(600);

fn refund(api: &NamedLimiter, limits: &Limits, levels: &WindowStates, cost: u32) {
    api.refund(alice(), &Reservation::new(cost, limits, levels, Duration::ZERO), Duration::ZERO.into());
}

/// What an exact limiter sees.
async fn left(server: &Server, prefix: &str, limits: &Limits) -> u32 {
    let exact = at(server, prefix, SharedPolicy::exact());
    admitted(ask(&exact.named("api"), alice(), limits, 0).await).tightest().remaining
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_is_over_is_given_back() {
    let Some(server) = redis::server() else { return };
    let (prefix, limits) = (prefix(), limits(Quota::per_day(1_000)));
    let redis = at(server, &prefix, SharedPolicy::leased(1).lease_for(Duration::from_millis(20)));
    for _ in 0..30 {
        admitted(ask(&redis.named("api"), alice(), &limits, 1).await);
    }
    assert!(until(|| redis.health().unused == 0 && redis.health().queued == 0), "{:?}", redis.health());
    let seen = async { left(server, &prefix, &limits).await };
    assert_eq!(seen.await, 970, "{:?}", redis.health());
    assert!(until(|| redis.health().buckets == 0), "and the bucket is forgotten");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_task_gives_back_all_leases() {
    let Some(server) = redis::server() else { return };
    let (prefix, limits) = (prefix(), limits([Quota::per_day(1_000), Quota::per_calendar_month(900)]));
    let redis = at(server, &prefix, SharedPolicy::leased(1).lease_for(LONG));
    let upkeep = redis.start();
    for _ in 0..30 {
        admitted(ask(&redis.named("api"), alice(), &limits, 1).await);
    }
    assert!(redis.health().unused > 0);
    assert!(left(server, &prefix, &limits).await < 870, "leases are counted before they are used");
    upkeep.stop().await;
    assert_eq!(redis.health().unused, 0);
    assert_eq!(left(server, &prefix, &limits).await, 870);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_goes_back_to_its_lease() {
    let Some(server) = redis::server() else { return };
    let (prefix, limits) = (prefix(), limits(Quota::per_day(1_000)));
    let redis = at(server, &prefix, SharedPolicy::leased(1).lease_for(LONG));
    let (api, upkeep) = (redis.named("api"), redis.start());
    let levels: Vec<_> = {
        let mut levels = Vec::new();
        for _ in 0..30 {
            levels.push(admitted(ask(&api, alice(), &limits, 1).await));
        }
        levels
    };
    let before = redis.health();
    refund(&api, &limits, levels.last().unwrap(), 1);
    assert_eq!(redis.health().unused, before.unused + 1);
    // The lease of the first request is used up, so the server gets it back.
    refund(&api, &limits, &levels[0], 1);
    assert!(until(|| redis.health().asked > before.asked), "{:?}", redis.health());
    upkeep.stop().await;
    assert_eq!(left(server, &prefix, &limits).await, 972);
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_in_any_order_give_everything_back() {
    let Some(server) = redis::server() else { return };
    for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]] {
        let (prefix, limits) = (prefix(), limits([Quota::per_day(5), Quota::per_calendar_month(7)]));
        let redis = at(server, &prefix, SharedPolicy::exact());
        let (api, upkeep) = (redis.named("api"), redis.start());
        let mut levels = Vec::new();
        for _ in 0..5 {
            levels.push(admitted(ask(&api, alice(), &limits, 1).await));
        }
        refused(ask(&api, alice(), &limits, 1).await);
        for (number, which) in (1..).zip(order) {
            refund(&api, &limits, &levels[which], 1);
            assert!(until(|| redis.health().asked == 5 + number), "{:?}", redis.health());
        }
        upkeep.stop().await;
        assert_eq!(remaining(&admitted(ask(&api, alice(), &limits, 0).await)), [5, 7], "{order:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_after_the_loss_of_all_data_gives_nothing() {
    let Some(server) = redis::private(&[]) else { return };
    let (prefix, limits) = (prefix(), limits(Quota::per_day(5)));
    let redis = at(&server, &prefix, SharedPolicy::exact());
    let (api, upkeep) = (redis.named("api"), redis.start());
    let levels = admitted(ask(&api, alice(), &limits, 3).await);
    let _: () = server.ask(&["FLUSHALL"]);
    admitted(ask(&api, alice(), &limits, 2).await);
    refund(&api, &limits, &levels, 3);
    upkeep.stop().await;
    assert_eq!(left(&server, &prefix, &limits).await, 3, "the requests of now are not given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_limits_end_a_lease() {
    let Some(server) = redis::server() else { return };
    let (prefix, small, large) = (prefix(), limits(Quota::per_day(1_000)), limits(Quota::per_day(2_000)));
    let redis = at(server, &prefix, SharedPolicy::leased(1).lease_for(LONG));
    let (api, upkeep) = (redis.named("api"), redis.start());
    for _ in 0..10 {
        admitted(ask(&api, alice(), &small, 1).await);
    }
    admitted(ask(&api, alice(), &large, 1).await);
    upkeep.stop().await;
    let seen = left(server, &prefix, &large).await;
    assert!(seen <= 1_989, "no request is forgotten: {seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_counts_as_far_as_it_fits() {
    let Some(server) = redis::server() else { return };
    let (prefix, limits) = (prefix(), limits(Quota::per_day(5)));
    let redis = at(server, &prefix, SharedPolicy::exact());
    let (api, upkeep) = (redis.named("api"), redis.start());
    api.charge(alice(), &limits, 3, Duration::ZERO.into());
    api.charge(alice(), &limits, 9, Duration::ZERO.into());
    api.charge(alice(), &limits, 0, Duration::ZERO.into());
    upkeep.stop().await;
    assert_eq!((left(server, &prefix, &limits).await, redis.health().asked), (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_limit_is_counted_exactly() {
    let Some(server) = redis::server() else { return };
    let redis = limiter(server, SharedPolicy::leased(4).lease_for(LONG));
    let limits = limits(Quota::per_day(31));
    for _ in 0..31 {
        admitted(ask(&redis.named("api"), alice(), &limits, 1).await);
    }
    refused(ask(&redis.named("api"), alice(), &limits, 1).await);
    let health = redis.health();
    assert_eq!((health.asked, health.from_leases, health.unused), (31, 0, 0));
}
