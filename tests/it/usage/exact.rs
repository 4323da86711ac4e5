//! Counts are exact: a million requests of two processes at a time, on one database.

use std::sync::atomic::{AtomicU64, Ordering};

use tower::Service as _;
use tower_auth::Clock;

use super::{
    child::{Eight, KEYS, Numbers, PAUSED, Shared, numbers, place, said, say, start, usage_at},
    *,
};
use crate::support::process::ended;

const REQUESTS: usize = 1_000_000;
/// Two at a time.
const PROCESSES: usize = 4;
const TASKS: usize = 16;

/// Not a test of its own: a process of [`a_million_requests_are_counted_exactly`]. Days and hours go by while it asks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_a_child() {
    let Some(place) = place() else { return };
    let usage = usage_at(&place, UsagePolicy::new().flush_every(Duration::from_millis(50)));
    let upkeep = usage.start();
    let eight = Arc::new(Eight::new(&usage, fast_clock()));
    let answered = Arc::new(numbers());
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| tokio::spawn(requests_of_a_task(task, eight.clone(), usage.clone(), answered.clone())))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    upkeep.stop().await;
    say("answered", &std::array::from_fn(|number| answered[number].load(Ordering::SeqCst)));
}

/// Two days pass while a process asks.
fn fast_clock() -> Clock {
    let (start, step) = (SystemTime::now(), 2 * DAY / u32::try_from(REQUESTS / PROCESSES).unwrap());
    let asked = AtomicU64::new(0);
    Clock::from_fn(move || start + step * u32::try_from(asked.fetch_add(1, Ordering::Relaxed)).unwrap() / 4)
}

async fn requests_of_a_task(task: usize, eight: Arc<Eight>, usage: Usage, answered: Arc<[AtomicU64; KEYS]>) {
    let mut service = eight.stack.layer(ok());
    for number in 0..REQUESTS / PROCESSES / TASKS {
        let key = (task + number) % KEYS;
        let ready = service.ready().await.unwrap();
        let status = ready.call(request(&eight.secrets[key], &[])).await.unwrap().status();
        assert_eq!(status.as_u16(), if key == PAUSED { 401 } else { 200 });
        answered[key].fetch_add(1, Ordering::SeqCst);
        if number % 1_000 == task {
            usage.flush().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_million_requests_are_counted_exactly() {
    let Some(shared) = Shared::postgres().await else { return };
    let mut answered: Numbers = [0; KEYS];
    for _ in 0..PROCESSES / 2 {
        let mut children = [0, 1].map(|_| start("exact::requests_of_a_child", &shared.place));
        for child in &mut children {
            let (_, numbers) = said(child).last().expect("the child has ended well");
            answered.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
            assert!(ended(child).is_some_and(|status| status.success()));
        }
    }
    assert_eq!(answered.iter().sum::<u64>(), REQUESTS as u64);
    assert_eq!(shared.counted().await, answered);
}
