//! Checks of what a store keeps of calendar budgets.

use super::trial::all;
use crate::limit::{
    BucketKey, CalendarUnit,
    budget::{BudgetPeriod, BudgetReturn, BudgetStore, BudgetTake, BudgetTaken},
};

/// Runs all checks of a [`BudgetStore`], each on a store of its own that `fresh` creates: empty, and with its schema.
///
/// # Panics
/// At the first check that fails, with what was expected.
///
/// ```
/// use tower_auth::{MemoryKeyStore, testing::conformance};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// conformance::check_budgets(async || MemoryKeyStore::new()).await;
/// # });
/// ```
pub async fn check_budgets<S: BudgetStore>(fresh: impl AsyncFn() -> S) {
    takes_are_granted_and_counted(&fresh().await).await;
    too_few_are_not_taken(&fresh().await).await;
    a_count_is_independent_of_the_size(&fresh().await).await;
    periods_are_apart(&fresh().await).await;
    a_question_changes_nothing(&fresh().await).await;
    unused_requests_come_back(&fresh().await).await;
    the_largest_budget_fits(&fresh().await).await;
    old_periods_are_forgotten(&fresh().await).await;
    many_takers_share_a_budget(&fresh().await).await;
    many_takers_and_givers_lose_nothing(&fresh().await).await;
}

fn acme() -> BucketKey {
    BucketKey::new(["acme"])
}

fn june() -> BudgetPeriod {
    BudgetPeriod::new(acme(), CalendarUnit::Month, "Europe/Berlin", 202_606)
}

async fn take(store: &impl BudgetStore, period: &BudgetPeriod, take: BudgetTake) -> (u32, u64) {
    let BudgetTaken { granted, used } = store.take(period, take).await.expect("requests are taken");
    (granted, used)
}

async fn used(store: &impl BudgetStore, period: &BudgetPeriod) -> u64 {
    store.used(period).await.expect("a count is read")
}

async fn give_back(store: &impl BudgetStore, unused: &[(&BudgetPeriod, u32)]) {
    let unused: Vec<_> = unused.iter().map(|(period, count)| BudgetReturn::new((*period).clone(), *count)).collect();
    store.give_back(&unused).await.expect("requests are given back");
}

async fn takes_are_granted_and_counted(store: &impl BudgetStore) {
    let (period, mut count) = (june(), 0);
    for (asked, granted) in [
        (BudgetTake::new(1_000, 1), 1),
        (BudgetTake::new(1_000, 9), 9),
        (BudgetTake::new(1_000, 1).up_to(100, 1), 100),
        (BudgetTake::new(1_000, 1).up_to(500, 8), 111), // an eighth of 890, rounded down
        (BudgetTake::new(1_000, 200).up_to(500, 8), 200), // more than a share
        (BudgetTake::new(1_000, 200).up_to(10, 1), 200), // more than the most
        (BudgetTake::new(1_000, 1).up_to(1_000, 1), 379), // all that is left
    ] {
        count += u64::from(granted);
        assert_eq!(take(store, &period, asked).await, (granted, count), "{asked:?}");
    }
    assert_eq!(count, 1_000);
    assert_eq!(used(store, &period).await, 1_000);
}

async fn too_few_are_not_taken(store: &impl BudgetStore) {
    let period = june();
    assert_eq!(take(store, &period, BudgetTake::new(10, 8)).await, (8, 8));
    assert_eq!(take(store, &period, BudgetTake::new(10, 3).up_to(5, 1)).await, (0, 8), "nothing rather than a part");
    assert_eq!(used(store, &period).await, 8);
    assert_eq!(take(store, &period, BudgetTake::new(10, 2).up_to(5, 16)).await, (2, 10), "exactly what is left");
    assert_eq!(take(store, &period, BudgetTake::new(10, 1)).await, (0, 10), "and no more");
    let other = BudgetPeriod { bucket: BucketKey::new(["other"]), ..june() };
    assert_eq!(take(store, &other, BudgetTake::new(10, 11)).await, (0, 0), "the first take of a period");
    assert_eq!(used(store, &other).await, 0);
}

async fn a_count_is_independent_of_the_size(store: &impl BudgetStore) {
    let period = june();
    assert_eq!(take(store, &period, BudgetTake::new(100, 60)).await, (60, 60));
    assert_eq!(take(store, &period, BudgetTake::new(50, 1)).await, (0, 60), "a smaller plan");
    assert_eq!(take(store, &period, BudgetTake::new(61, 1).up_to(9, 1)).await, (1, 61));
    assert_eq!(take(store, &period, BudgetTake::new(1_000, 900)).await, (900, 961), "a larger plan");
}

async fn periods_are_apart(store: &impl BudgetStore) {
    let all = [
        june(),
        BudgetPeriod { number: 202_607, ..june() },
        BudgetPeriod { time_zone: "UTC".into(), ..june() },
        BudgetPeriod { unit: CalendarUnit::Day, ..june() },
        BudgetPeriod { bucket: BucketKey::new(["other"]), ..june() },
    ];
    for (count, period) in (1..).zip(&all) {
        assert_eq!(take(store, period, BudgetTake::new(10, count)).await, (count, u64::from(count)), "{period:?}");
    }
    for (count, period) in (1..).zip(&all) {
        assert_eq!(used(store, period).await, count, "{period:?}");
    }
}

async fn a_question_changes_nothing(store: &impl BudgetStore) {
    let period = june();
    for _ in 0..2 {
        assert_eq!(used(store, &period).await, 0);
    }
    assert_eq!(take(store, &period, BudgetTake::new(10, 4)).await, (4, 4));
    for _ in 0..2 {
        assert_eq!(used(store, &period).await, 4);
    }
    assert_eq!(take(store, &period, BudgetTake::new(10, 6)).await, (6, 10));
}

async fn unused_requests_come_back(store: &impl BudgetStore) {
    let (period, other) = (june(), BudgetPeriod { time_zone: "UTC".into(), ..june() });
    let unknown = BudgetPeriod { number: 202_605, ..june() };
    take(store, &period, BudgetTake::new(100, 100)).await;
    take(store, &other, BudgetTake::new(100, 10)).await;
    give_back(store, &[(&period, 30)]).await;
    assert_eq!(used(store, &period).await, 70);
    assert_eq!(take(store, &period, BudgetTake::new(100, 30)).await, (30, 100), "they can be taken again");
    give_back(store, &[(&period, 5), (&other, 3), (&unknown, 7), (&period, 2)]).await;
    assert_eq!(used(store, &period).await, 93, "a period that comes twice");
    assert_eq!(used(store, &other).await, 7, "several periods");
    assert_eq!(used(store, &unknown).await, 0, "a period without a count");
    assert_eq!(take(store, &unknown, BudgetTake::new(10, 10)).await, (10, 10), "it has no more than its budget");
    give_back(store, &[(&other, 8)]).await;
    assert_eq!(used(store, &other).await, 0, "no count falls below zero");
    assert_eq!(take(store, &other, BudgetTake::new(10, 1).up_to(20, 1)).await, (10, 10));
    give_back(store, &[]).await;
}

async fn the_largest_budget_fits(store: &impl BudgetStore) {
    let period = june();
    let (size, all) = (u32::MAX, u64::from(u32::MAX));
    assert_eq!(take(store, &period, BudgetTake::new(size, 1).up_to(size, 1)).await, (size, all));
    assert_eq!(take(store, &period, BudgetTake::new(size, 1).up_to(size, 1)).await, (0, all));
    give_back(store, &[(&period, 3)]).await;
    assert_eq!(take(store, &period, BudgetTake::new(size, 3).up_to(size, size)).await, (3, all));
}

async fn old_periods_are_forgotten(store: &impl BudgetStore) {
    let month = |number, zone: &str| BudgetPeriod::new(acme(), CalendarUnit::Month, zone, number);
    let day = |number| BudgetPeriod::new(acme(), CalendarUnit::Day, "UTC", number);
    let old = [month(202_604, "UTC"), month(202_605, "Europe/Berlin"), month(202_512, "UTC")];
    let kept = [month(202_606, "UTC"), month(202_606, "Europe/Berlin"), day(20_260_101), day(20_250_101)];
    for period in old.iter().chain(&kept) {
        take(store, period, BudgetTake::new(10, 1)).await;
    }
    let mut removed = 0;
    loop {
        match store.forget(CalendarUnit::Month, 202_606, 1).await.expect("counts are removed") {
            0 => break,
            count => removed += count,
        }
    }
    assert_eq!(removed, old.len());
    for (periods, count) in [(&old[..], 0), (&kept[..], 1)] {
        for period in periods {
            assert_eq!(used(store, period).await, count, "{period:?}");
        }
    }
    assert_eq!(store.forget(CalendarUnit::Day, 20_260_101, 10).await.expect("counts are removed"), 1);
}

const TAKERS: usize = 8;

/// Several processes lease one budget at once, until nothing is left.
async fn many_takers_share_a_budget(store: &impl BudgetStore) {
    const SIZE: u32 = 2_000;
    let taker = async |taker: usize| {
        let (mut sum, period) = (0, june());
        let most = 1 + u32::try_from(taker).expect("a few takers") * 10;
        loop {
            match take(store, &period, BudgetTake::new(SIZE, 1).up_to(most, 16)).await {
                (0, used) => return (sum, used),
                (granted, _) => sum += granted,
            }
        }
    };
    let sums = all((0..TAKERS).map(taker)).await;
    assert_eq!(sums.iter().map(|(sum, _)| sum).sum::<u32>(), SIZE, "the budget, and no more");
    assert!(sums.iter().all(|(_, used)| *used == u64::from(SIZE)), "{sums:?}");
}

/// Leases are given back while others are taken.
async fn many_takers_and_givers_lose_nothing(store: &impl BudgetStore) {
    let (period, other) = (june(), BudgetPeriod { bucket: BucketKey::new(["other"]), ..june() });
    let round = async |taker: usize| {
        for _ in 0..20 {
            assert_eq!(take(store, &period, BudgetTake::new(1_000, 7)).await.0, 7);
            assert_eq!(take(store, &other, BudgetTake::new(1_000, 5)).await.0, 5);
            // Two batches that lock the same rows in another order must not block each other.
            let mut unused = [(&period, 6), (&other, 4)];
            if taker.is_multiple_of(2) {
                unused.reverse();
            }
            give_back(store, &unused).await;
        }
    };
    all((0..TAKERS).map(round)).await;
    let rounds = 20 * TAKERS as u64;
    assert_eq!((used(store, &period).await, used(store, &other).await), (rounds, rounds));
}
