//! How alerts are delivered: until it works, and not again.

use std::sync::atomic::{AtomicUsize, Ordering};

use tower_auth::{Health, alerts::AlertFuture};

use super::*;

const RULES: [AlertRule; 1] = [AlertRule::LimitUsed { percent: 100 }];

/// A watched service with one alert that waits.
async fn waiting() -> Watched {
    let watched = Watched::with(&RULES, [Quota::per_calendar_day(1)]).await;
    let key = watched.key("key_1").await;
    watched.ask(1, &key).await;
    watched.usage.flush().await.unwrap();
    watched.alerts.check().await.unwrap();
    watched
}

/// A receiver that answers with the outcomes of this function, by the number of the call from 1.
fn receiver(
    watched: &Watched,
    outcome: impl Fn(usize) -> AlertFuture<()> + Send + Sync + 'static,
) -> (Alerts, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let calls = Arc::clone(&count);
    let alerts = watched.alerts.clone().deliver_to(move |_| outcome(calls.fetch_add(1, Ordering::SeqCst) + 1));
    (alerts, count)
}

fn fails() -> AlertFuture<()> {
    AlertFuture::boxed(async { Err("500".into()) })
}

async fn until(is_so: impl Fn() -> bool) {
    for _ in 0..100_000 {
        if is_so() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it does not come to this");
}

#[tokio::test]
async fn a_delivery_that_fails_for_a_day_is_tried_again_and_again() {
    let watched = waiting().await;
    let start = watched.clock.now();
    let clock = watched.clock.clone();
    let is_up = move || clock.now().duration_since(start).unwrap() >= DAY;
    let (alerts, count) = receiver(&watched, move |_| if is_up() { AlertFuture::ready(Ok(())) } else { fails() });
    let mut delivered = Vec::new();
    for minute in 0..48 * 60 {
        if alerts.deliver().await.is_ok_and(|count| count == 1) {
            delivered.push(minute);
        }
        watched.clock.advance(MINUTE);
    }
    assert_eq!(delivered.len(), 1, "{delivered:?}");
    assert!(delivered[0] >= 24 * 60 && delivered[0] <= 36 * 60, "{delivered:?}");
    let calls = count.load(Ordering::SeqCst);
    assert!((8..=12).contains(&calls), "{calls} calls are not a flood");
    let record = &alerts.list(&organization(), 10).await.unwrap()[0];
    assert!(record.delivered_at.is_some() && record.due_at.is_none());
}

#[tokio::test]
async fn a_delivery_is_given_up_after_three_days_and_stays_in_the_list() {
    let watched = waiting().await;
    let (alerts, count) = receiver(&watched, |_| fails());
    for _ in 0..10 * 24 {
        let _ = alerts.deliver().await;
        watched.clock.advance(HOUR);
    }
    let calls = count.load(Ordering::SeqCst);
    assert!((8..=14).contains(&calls), "{calls}");
    let record = &alerts.list(&organization(), 10).await.unwrap()[0];
    assert_eq!((record.due_at, record.delivered_at), (None, None));
    assert_eq!(usize::try_from(record.attempts).unwrap(), calls);
}

#[tokio::test(start_paused = true)]
async fn a_slow_receiver_and_one_that_panics_have_failed() {
    let watched = Watched::with(&RULES, [Quota::per_calendar_day(1)]).await;
    for id in ["key_1", "key_2", "key_3"] {
        let key = watched.key(id).await;
        watched.ask(1, &key).await;
    }
    watched.usage.flush().await.unwrap();
    watched.alerts.check().await.unwrap();
    let delivered = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&delivered);
    let alerts = watched.alerts.clone().deliver_to(move |alert| {
        let sink = Arc::clone(&sink);
        AlertFuture::boxed(async move {
            match alert.key.as_deref() {
                Some("key_1") => panic!("a bug of the service"),
                Some("key_2") => std::future::pending().await,
                _ => sink.lock().unwrap().push(alert.key),
            }
            Ok(())
        })
    });
    let turn = async {
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            watched.clock.advance(Duration::from_secs(1));
        }
    };
    let (outcome, ()) = tokio::join!(alerts.deliver(), turn);
    assert!(outcome.is_err());
    assert_eq!(*delivered.lock().unwrap(), [Some("key_3".to_owned())], "the others do not hold it up");
}

/// A process that ends before it has delivered leaves the alert to the next one; one that has delivered does not.
#[tokio::test]
async fn after_a_restart_only_what_was_not_delivered_is_told() {
    let watched = waiting().await;
    let (alerts, _) = receiver(&watched, |_| fails());
    assert!(alerts.deliver().await.is_err());
    let restarted = watched.another(watched.limits.clone());
    restarted.clock.advance(MINUTE);
    restarted.alerts.deliver().await.unwrap();
    assert_eq!(restarted.take().len(), 1);
    let again = watched.another(watched.limits.clone());
    again.clock.advance(DAY);
    again.alerts.deliver().await.unwrap();
    assert_eq!(again.take(), []);
}

/// While one process delivers an alert, no other does.
#[tokio::test]
async fn two_processes_deliver_an_alert_once() {
    let watched = waiting().await;
    let gate = Arc::new(tokio::sync::Notify::new());
    let wait = Arc::clone(&gate);
    let (slow, count) = receiver(&watched, move |_| {
        let wait = Arc::clone(&wait);
        AlertFuture::boxed(async move {
            wait.notified().await;
            Ok(())
        })
    });
    let delivering = tokio::spawn(async move { slow.deliver().await });
    until(|| count.load(Ordering::SeqCst) > 0).await;
    let other = watched.another(watched.limits.clone());
    other.alerts.deliver().await.unwrap();
    assert_eq!(other.take(), []);
    gate.notify_one();
    assert_eq!(delivering.await.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn without_a_receiver_alerts_wait() {
    let watched = waiting().await;
    let silent = Alerts::new(watched.keys.clone(), watched.usage.clone(), watched.store.clone());
    assert_eq!(silent.deliver().await.unwrap(), 0);
    assert_eq!(silent.list(&organization(), 10).await.unwrap()[0].attempts, 0);
    watched.alerts.deliver().await.unwrap();
    assert_eq!(watched.take().len(), 1);
}

#[tokio::test]
async fn the_task_does_all_of_it_and_says_what_troubles_it() {
    let watched = Watched::with(&RULES, [Quota::per_calendar_day(1)]).await;
    let key = watched.key("key_1").await;
    let (usage, task) = (watched.usage.start(), watched.alerts.start());
    watched.ask(1, &key).await;
    usage.stop().await;
    assert_eq!(task.health(), Health::Good);
    task.stop().await;
    assert_eq!(kinds(&watched.take()), [("limit_used", Some("key_1"))]);
    let (failing, _) = receiver(&waiting().await, |_| fails());
    let task = failing.start();
    until(|| task.health() != Health::Good).await;
    assert!(matches!(task.health(), Health::Degraded(why) if why.contains("500")));
}

#[tokio::test]
async fn alerts_are_forgotten_and_erased() {
    let watched = waiting().await;
    assert_eq!(watched.alerts.list(&organization(), 10).await.unwrap().len(), 1);
    watched.keys.erase_account(ops(), "acme").await.unwrap();
    assert_eq!(watched.alerts.list(&organization(), 10).await.unwrap(), [], "alerts about its keys");
    let watched = waiting().await;
    watched.clock.advance(91 * DAY);
    watched.alerts.forget().await.unwrap();
    assert_eq!(watched.alerts.list(&organization(), 10).await.unwrap(), []);
}

/// A receiver that hangs holds up no look, and no stop.
#[tokio::test]
async fn a_look_does_not_wait_for_a_receiver() {
    let watched = waiting().await;
    let (alerts, count) = receiver(&watched, |_| AlertFuture::boxed(std::future::pending()));
    let task = alerts.start();
    until(|| count.load(Ordering::SeqCst) > 0).await;
    let key = watched.key("key_2").await;
    watched.ask(1, &key).await;
    watched.usage.flush().await.unwrap();
    for _ in 0..20 {
        watched.clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    let is_raised = async || alerts.list(&organization(), 10).await.unwrap().len() == 2;
    for _ in 0..10_000 {
        if is_raised().await {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(is_raised().await);
    drop(task);
}
