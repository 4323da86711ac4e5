//! Processes that are killed while they count, connections that break while a batch is added, and servers that stop. What is
//! missing was counted since the last batch began, and nothing is counted twice.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{
    child::{Eight, KEYS, Numbers, PAUSED, Shared, numbers, place, said, say, start, usage_at},
    *,
};
use crate::support::{folder::Folder, postgres, process::ended, proxy::Proxy};

const ROUNDS: usize = 8;

fn values(numbers: &[AtomicU64; KEYS]) -> Numbers {
    std::array::from_fn(|number| numbers[number].load(Ordering::SeqCst))
}

/// Not a test of its own: a process that counts until it is killed. It says what it is about to ask, and what was answered
/// before a batch began that is written now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_until_killed() {
    let Some(place) = place() else { return };
    let usage = usage_at(&place, UsagePolicy::new());
    let eight = Arc::new(Eight::new(&usage, tower_auth::Clock::system()));
    let (asked, answered) = (Arc::new(numbers()), Arc::new(numbers()));
    for key in 0..KEYS {
        let (eight, asked, answered) = (eight.clone(), asked.clone(), answered.clone());
        tokio::spawn(async move {
            loop {
                asked[key].fetch_add(1, Ordering::SeqCst);
                say("asked", &values(&asked));
                assert_eq!(
                    ask(&eight.stack, request(&eight.secrets[key], &[])).await,
                    if key == PAUSED { 401 } else { 200 }
                );
                answered[key].fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
            }
        });
    }
    loop {
        let before = values(&answered);
        usage.flush().await.unwrap();
        say("written", &before);
    }
}

/// Keeps the greatest number of each key.
fn raise(all: &mut Numbers, numbers: &Numbers) {
    all.iter_mut().zip(numbers).for_each(|(known, number)| *known = number.max(known).to_owned());
}

async fn killed_again_and_again(shared: &Shared) {
    let mut before = [0; KEYS];
    for round in 0..ROUNDS {
        let mut child = start("killed::requests_until_killed", &shared.place);
        let (mut asked, mut written) = ([0; KEYS], [0; KEYS]);
        // The kill hits another step every time.
        let (mut batches, mut lines) = (1 + round % 3, 37 * round);
        let mut is_killed = false;
        for (what, numbers) in said(&mut child) {
            match &*what {
                "asked" => raise(&mut asked, &numbers),
                _ => raise(&mut written, &numbers),
            }
            match &*what {
                // The first batch may be empty.
                "written" if batches > 0 && numbers.iter().sum::<u64>() > 0 => batches -= 1,
                _ if batches == 0 && lines > 0 => lines -= 1,
                _ => {}
            }
            if batches == 0 && lines == 0 && !is_killed {
                child.kill().unwrap();
                is_killed = true;
            }
        }
        assert!(ended(&mut child).is_some_and(|status| !status.success()), "it was killed");
        shared.settle();
        let now = shared.counted().await;
        for key in 0..KEYS {
            let counted = now[key] - before[key];
            assert!(written[key] <= counted, "key {key}: {} were written, {counted} are counted", written[key]);
            assert!(counted <= asked[key], "key {key}: {} were asked, {counted} are counted", asked[key]);
        }
        assert!(written.iter().sum::<u64>() > 0);
        before = now;
    }
}

#[tokio::test]
async fn a_killed_process_loses_its_last_batch_at_most_in_sqlite() {
    let folder = Folder::new("sqlite-usage-killed");
    killed_again_and_again(&Shared::sqlite(folder.path()).await).await;
}

#[tokio::test]
async fn a_killed_process_loses_its_last_batch_at_most_in_postgres() {
    let Some(shared) = Shared::postgres().await else { return };
    killed_again_and_again(&shared).await;
}

/// Asks once with each key.
async fn ask_all(eight: &Eight) {
    for (key, secret) in eight.secrets.iter().enumerate() {
        assert_eq!(ask(&eight.stack, request(secret, &[])).await, if key == PAUSED { 401 } else { 200 });
    }
}

/// Tries until the store has answered.
async fn written(usage: &Usage) {
    for _ in 0..200 {
        if usage.flush().await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the store does not recover");
}

/// The answer to a commit is lost, or the commit itself, or a statement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_whose_connection_breaks_is_counted_once() {
    let Some(shared) = Shared::postgres().await else { return };
    let url: tokio_postgres::Config = shared.place.parse().unwrap();
    let port = url.get_ports()[0];
    let proxy = Proxy::to(([127, 0, 0, 1], port).into());
    let place = shared.place.replace(&format!(":{port}"), &format!(":{}", proxy.address().port()));
    let usage = usage_at(&place, UsagePolicy::new());
    let eight = Eight::new(&usage, tower_auth::Clock::system());
    let (mut broken, rounds) = (0, 100);
    for round in 0..rounds {
        ask_all(&eight).await;
        let flush = tokio::spawn({
            let usage = usage.clone();
            async move { usage.flush().await.is_err() }
        });
        tokio::time::sleep(Duration::from_micros(100 * (round % 50))).await;
        proxy.cut();
        broken += usize::from(flush.await.unwrap());
    }
    written(&usage).await;
    assert!(broken > 0, "no connection broke in a batch");
    assert_eq!(shared.counted().await, [rounds; KEYS]);
}

/// The server writes what it has committed before it stops, so the sums are exact.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_restarts_counts_each_batch_once() {
    let Some(mut server) = postgres::private(&[]) else { return };
    let database = server.database();
    let store = tower_auth::PostgresKeyStore::from_pool(database.pool(2));
    store.migrate().await.unwrap();
    let usage = Usage::new(store);
    let eight = Arc::new(Eight::new(&usage, tower_auth::Clock::system()));
    let mut answered = 0;
    for _ in 0..3 {
        let is_over = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let counting = tokio::spawn({
            let (usage, eight, is_over) = (usage.clone(), eight.clone(), is_over.clone());
            async move {
                let (mut asked, mut failed) = (0, 0);
                while !is_over.load(Ordering::SeqCst) {
                    ask_all(&eight).await;
                    asked += 1;
                    failed += u64::from(usage.flush().await.is_err());
                }
                (asked, failed)
            }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        server = tokio::task::spawn_blocking(move || {
            server.stop();
            server.start();
            server
        })
        .await
        .unwrap();
        is_over.store(true, Ordering::SeqCst);
        let (asked, failed) = counting.await.unwrap();
        assert!(failed > 0, "it did not notice");
        answered += asked;
    }
    written(&usage).await;
    let day = usage.totals(UsageOf::organization("org_1"), 2).await.unwrap();
    assert_eq!(day.all(), answered * KEYS as u64);
}
