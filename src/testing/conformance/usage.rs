//! Checks of what a store keeps of the usage of keys.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::trial::all;
use crate::{
    RejectionKind,
    usage::{By, Forget, KeyUse, Outcome, RefusedRequest, UsageBatch, UsageCount, UsageOf, UsageQuery, UsageStore},
};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const LIMITED: Outcome = Outcome::Refused(RejectionKind::RateLimited);
const LATER: Outcome = Outcome::RefusedLater(RejectionKind::InsufficientPermissions);

/// Runs all checks of a [`UsageStore`], each on a store of its own that `fresh` creates: empty, and with its schema.
///
/// # Panics
/// At the first check that fails, with what was expected.
///
/// ```
/// use tower_auth::{MemoryKeyStore, testing::conformance};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// conformance::check_usage(async || MemoryKeyStore::new()).await;
/// # });
/// ```
pub async fn check_usage<S: UsageStore>(fresh: impl AsyncFn() -> S) {
    counts_add_up_by_the_hour_and_by_the_day(&fresh().await).await;
    counts_are_selected_by_subject_and_time(&fresh().await).await;
    a_batch_is_added_once(&fresh().await).await;
    the_latest_use_is_kept(&fresh().await).await;
    the_last_refusals_are_kept(&fresh().await).await;
    what_is_old_is_forgotten(&fresh().await).await;
    what_was_counted_for_somebody_is_forgotten(&fresh().await).await;
    many_writers_lose_nothing(&fresh().await).await;
}

/// Noon of 2 June 2026, UTC.
fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_401_600)
}

fn key() -> UsageOf {
    UsageOf::key("key_1")
}

fn batch(writer: &str, sequence: i64) -> UsageBatch {
    UsageBatch {
        writer: writer.to_owned(),
        sequence,
        at: noon(),
        counts: Vec::new(),
        uses: Vec::new(),
        refusals: Vec::new(),
        keep_refusals: 3,
    }
}

fn counted(sequence: i64, counts: impl IntoIterator<Item = (UsageOf, SystemTime, Outcome, u64)>) -> UsageBatch {
    let count = |(of, start, outcome, count)| UsageCount::new(of, start, outcome, count);
    UsageBatch { counts: counts.into_iter().map(count).collect(), ..batch("writer_1", sequence) }
}

async fn add(store: &impl UsageStore, batch: UsageBatch) {
    store.add(Arc::new(batch)).await.expect("a batch is added");
}

async fn counts(store: &impl UsageStore, of: UsageOf, by: By, times: std::ops::Range<SystemTime>) -> Vec<UsageCount> {
    store.counts(&UsageQuery::new(of, by, times)).await.expect("counts are read")
}

/// All counts, as the time since noon in hours, the outcome and the count.
async fn shown(store: &impl UsageStore, by: By) -> Vec<(i64, String, u64)> {
    let all = counts(store, key(), by, SystemTime::UNIX_EPOCH..noon() + 400 * DAY).await;
    let hours = |time: SystemTime| match time.duration_since(noon()) {
        Ok(after) => i64::try_from(after.as_secs() / 3600).expect("a few hours"),
        Err(before) => -i64::try_from(before.duration().as_secs() / 3600).expect("a few hours"),
    };
    all.into_iter().map(|count| (hours(count.start), count.outcome.to_string(), count.count)).collect()
}

fn line(hours: i64, outcome: Outcome, count: u64) -> (i64, String, u64) {
    (hours, outcome.to_string(), count)
}

async fn counts_add_up_by_the_hour_and_by_the_day(store: &impl UsageStore) {
    let first = [(key(), noon(), Outcome::Admitted, 2), (key(), noon(), LIMITED, 1)];
    add(store, counted(1, first)).await;
    let second = [
        (key(), noon(), Outcome::Admitted, 40),
        (key(), noon() + HOUR, Outcome::Admitted, 5),
        (key(), noon() + 12 * HOUR, LATER, 7),
    ];
    add(store, counted(2, second)).await;
    let hours =
        [line(0, Outcome::Admitted, 42), line(0, LIMITED, 1), line(1, Outcome::Admitted, 5), line(12, LATER, 7)];
    assert_eq!(shown(store, By::Hour).await, hours, "by the hour, in the order of time and outcome");
    let days = [line(-12, Outcome::Admitted, 47), line(-12, LIMITED, 1), line(12, LATER, 7)];
    assert_eq!(shown(store, By::Day).await, days, "by the day of UTC");
    let large = u64::from(u32::MAX) * 3;
    add(store, counted(3, [(key(), noon(), LIMITED, large)])).await;
    assert!(shown(store, By::Hour).await.contains(&line(0, LIMITED, large + 1)), "more than 32 bits");
}

async fn counts_are_selected_by_subject_and_time(store: &impl UsageStore) {
    let of = [key(), UsageOf::account("key_1"), UsageOf::organization("key_1"), UsageOf::Strangers];
    let all = (1..).zip(&of).map(|(count, of)| (of.clone(), noon(), Outcome::Admitted, count));
    add(store, counted(1, all)).await;
    for (count, of) in (1..).zip(of) {
        let found = counts(store, of.clone(), By::Hour, noon()..noon() + HOUR).await;
        assert_eq!(found, [UsageCount::new(of, noon(), Outcome::Admitted, count)], "equal ids of several kinds");
    }
    add(store, counted(2, [(key(), noon() + HOUR, Outcome::Admitted, 10)])).await;
    let minute = Duration::from_secs(60);
    for (from, until, sum) in [
        (noon(), noon() + HOUR, 1),
        (noon() + minute, noon() + HOUR, 1),
        (noon() + minute, noon() + HOUR + minute, 11),
        (noon() + HOUR, noon() + 2 * HOUR, 10),
        (noon() - HOUR, noon(), 0),
        (noon() + HOUR, noon(), 0),
    ] {
        let found = counts(store, key(), By::Hour, from..until).await;
        assert_eq!(found.iter().map(|count| count.count).sum::<u64>(), sum, "from {from:?} until {until:?}");
    }
    let found = counts(store, key(), By::Day, noon() + 11 * HOUR..noon() + 12 * HOUR).await;
    assert_eq!(found.len(), 1, "the day that contains the first time counts: {found:?}");
    assert!(counts(store, UsageOf::key("key_2"), By::Day, noon()..noon() + DAY).await.is_empty());
}

async fn a_batch_is_added_once(store: &impl UsageStore) {
    let first = counted(1, [(key(), noon(), Outcome::Admitted, 1)]);
    let second = counted(2, [(key(), noon(), Outcome::Admitted, 10)]);
    for batch in [&first, &first, &second, &first, &second] {
        add(store, batch.clone()).await;
    }
    let of_another =
        UsageBatch { writer: "writer_2".to_owned(), ..counted(1, [(key(), noon(), Outcome::Admitted, 100)]) };
    add(store, of_another.clone()).await;
    add(store, of_another).await;
    assert_eq!(shown(store, By::Hour).await, [line(0, Outcome::Admitted, 111)]);
}

async fn the_latest_use_is_kept(store: &impl UsageStore) {
    let used = |key: &str, minutes: u64| KeyUse {
        address: Some(std::net::Ipv6Addr::from(u128::from(minutes)).into()),
        client: Some(format!("curl{minutes}")),
        ..KeyUse::new(key, noon() + Duration::from_micros(minutes))
    };
    for (sequence, uses) in
        [(1, vec![used("key_1", 5), used("key_2", 1)]), (2, vec![used("key_1", 3), used("key_2", 9)])]
    {
        add(store, UsageBatch { uses, ..batch("writer_1", sequence) }).await;
    }
    add(store, UsageBatch { uses: vec![KeyUse::new("key_3", noon())], ..batch("writer_1", 3) }).await;
    let ids = ["key_1", "key_2", "key_3", "key_4"].map(str::to_owned);
    let mut found = store.last_uses(&ids).await.expect("uses are read");
    found.sort_by(|one, other| one.key.cmp(&other.key));
    assert_eq!(found, [used("key_1", 5), used("key_2", 9), KeyUse::new("key_3", noon())]);
    assert!(store.last_uses(&[]).await.expect("nothing is read").is_empty());
}

fn refused(key: &str, seconds: u64) -> RefusedRequest {
    RefusedRequest::new(key, noon() + Duration::from_secs(seconds), LIMITED, 429)
}

async fn seconds_of_refusals(store: &impl UsageStore, key: &str) -> Vec<u64> {
    let found = store.refusals(key, 3).await.expect("refusals are read");
    found.iter().map(|refusal| refusal.at.duration_since(noon()).expect("after noon").as_secs()).collect()
}

async fn the_last_refusals_are_kept(store: &impl UsageStore) {
    let whole = RefusedRequest {
        reason: Some("files:write".to_owned()),
        method: Some("DELETE".to_owned()),
        path: Some("/v1/files/%C3%A4".to_owned()),
        request_id: Some("2fbbf3b6-51a1-4f1b-88e2-c00e8b52fbb8".to_owned()),
        address: Some([192, 0, 2, 1].into()),
        ..RefusedRequest::new("key_1", noon(), LATER, 403)
    };
    add(store, UsageBatch { refusals: vec![whole.clone()], ..batch("writer_1", 1) }).await;
    assert_eq!(store.refusals("key_1", 3).await.expect("refusals are read"), [whole], "every field comes back");
    let refusals = vec![refused("key_1", 1), refused("key_2", 2), refused("key_1", 3), refused("key_1", 3)];
    add(store, UsageBatch { refusals, ..batch("writer_1", 2) }).await;
    assert_eq!(seconds_of_refusals(store, "key_1").await, [3, 3, 1], "the last three, the latest first");
    assert_eq!(seconds_of_refusals(store, "key_2").await, [2]);
    add(store, UsageBatch { refusals: vec![refused("key_1", 2)], ..batch("writer_2", 1) }).await;
    assert_eq!(seconds_of_refusals(store, "key_1").await, [3, 3, 2], "another process was slower");
}

async fn what_is_old_is_forgotten(store: &impl UsageStore) {
    let old = noon() - 3 * DAY;
    let counts = [(key(), old, Outcome::Admitted, 1), (key(), noon(), Outcome::Admitted, 2)];
    let used = |key: &str, at| KeyUse {
        address: Some([192, 0, 2, 1].into()),
        client: Some("curl".to_owned()),
        ..KeyUse::new(key, at)
    };
    let refusals = vec![RefusedRequest::new("key_1", old, LIMITED, 429), refused("key_1", 0)];
    add(store, UsageBatch { uses: vec![used("key_1", old), used("key_2", noon())], refusals, ..counted(1, counts) })
        .await;
    let day_ago = noon() - DAY;
    forget(store, Forget::Hours { before: day_ago }).await;
    assert_eq!(shown(store, By::Hour).await, [line(0, Outcome::Admitted, 2)]);
    assert_eq!(shown(store, By::Day).await.len(), 2, "days are kept for longer");
    assert_eq!(store.refusals("key_1", 3).await.expect("refusals are read").len(), 2, "and refusals");
    forget(store, Forget::Days { before: day_ago }).await;
    forget(store, Forget::Traces { before: day_ago }).await;
    assert_eq!(shown(store, By::Day).await, [line(-12, Outcome::Admitted, 2)]);
    assert_eq!(seconds_of_refusals(store, "key_1").await, [0]);
    let mut last = store.last_uses(&["key_1".to_owned(), "key_2".to_owned()]).await.expect("uses are read");
    last.sort_by(|one, other| one.key.cmp(&other.key));
    assert_eq!(last, [KeyUse::new("key_1", old), used("key_2", noon())], "the time stays, the address goes");
}

/// Forgets in batches of one, until nothing is left.
async fn forget(store: &impl UsageStore, what: Forget) {
    while store.forget(&what, 1).await.expect("rows are removed") > 0 {}
}

async fn what_was_counted_for_somebody_is_forgotten(store: &impl UsageStore) {
    let counts = [UsageOf::account("key_1"), key(), UsageOf::key("key_2")]
        .into_iter()
        .flat_map(|of| [noon(), noon() + DAY].map(|start| (of.clone(), start, LIMITED, 1)));
    let uses = vec![KeyUse::new("key_1", noon()), KeyUse::new("key_2", noon())];
    let refusals = vec![refused("key_1", 1), refused("key_1", 2), refused("key_2", 3)];
    add(store, UsageBatch { uses, refusals, ..counted(1, counts) }).await;
    forget(store, Forget::Of(key())).await;
    assert!(shown(store, By::Hour).await.is_empty() && shown(store, By::Day).await.is_empty());
    assert!(store.refusals("key_1", 3).await.expect("refusals are read").is_empty());
    let last = store.last_uses(&["key_1".to_owned(), "key_2".to_owned()]).await.expect("uses are read");
    assert_eq!(last, [KeyUse::new("key_2", noon())], "another key is left alone");
    assert_eq!(seconds_of_refusals(store, "key_2").await, [3]);
    for of in [UsageOf::key("key_2"), UsageOf::account("key_1")] {
        assert_eq!(counts_of(store, of.clone()).await, 2, "{of}");
    }
    forget(store, Forget::Of(UsageOf::account("key_1"))).await;
    assert_eq!(counts_of(store, UsageOf::account("key_1")).await, 0);
}

async fn counts_of(store: &impl UsageStore, of: UsageOf) -> usize {
    counts(store, of, By::Hour, noon()..noon() + 2 * DAY).await.len()
}

/// Several processes write rows of the same key and account at once.
async fn many_writers_lose_nothing(store: &impl UsageStore) {
    const WRITERS: u64 = 8;
    const BATCHES: i64 = 10;
    let write = async |writer: u64| {
        for sequence in 1..=BATCHES {
            let counts = [key(), UsageOf::account("acme"), UsageOf::organization("org_1")]
                .map(|of| UsageCount::new(of, noon(), Outcome::Admitted, 1))
                .into();
            let uses = vec![KeyUse::new("key_1", noon() + Duration::from_secs(writer))];
            let refusals = vec![refused("key_1", writer)];
            add(store, UsageBatch { counts, uses, refusals, ..batch(&format!("writer_{writer}"), sequence) }).await;
        }
    };
    all((0..WRITERS).map(write)).await;
    let sum = WRITERS * BATCHES.unsigned_abs();
    for of in [key(), UsageOf::account("acme"), UsageOf::organization("org_1")] {
        let found = counts(store, of.clone(), By::Day, noon()..noon() + HOUR).await;
        assert_eq!(found.iter().map(|count| count.count).collect::<Vec<_>>(), [sum], "{of}");
    }
    assert_eq!(seconds_of_refusals(store, "key_1").await, [WRITERS - 1; 3]);
    let last = store.last_uses(&["key_1".to_owned()]).await.expect("uses are read");
    assert_eq!(last, [KeyUse::new("key_1", noon() + Duration::from_secs(WRITERS - 1))]);
}
