use std::{collections::BTreeSet, time::SystemTime};

use super::parts::{HOUR, acme, alert, all, at, claim, ids, list, noon, raise};
use crate::alerts::{Alert, AlertStore, Settled};

pub(super) async fn due_alerts_are_claimed_in_their_order(store: &impl AlertStore) {
    raise(store, [alert(3), alert(1), alert(4), alert(2)]).await;
    let (soon, later) = (at(100), at(200));
    assert!(claim(store, noon(), soon, 10).await.is_empty(), "none is due");
    assert!(claim(store, at(9), soon, 0).await.is_empty(), "none is wanted");
    let first = claim(store, at(3), later, 2).await;
    assert_eq!(ids(&first), [alert(1).id, alert(2).id], "those that are due longest");
    for record in &first {
        assert_eq!((record.attempts, record.due_at, record.delivered_at), (1, Some(later), None), "the attempt counts");
    }
    assert_eq!(ids(&claim(store, at(3), soon, 10).await), [alert(3).id], "what is due at this moment is due");
    assert!(claim(store, at(3), soon, 10).await.is_empty(), "all that are due were put off");
    assert_eq!(ids(&claim(store, at(99), at(150), 10).await), [alert(4).id]);
    assert!(claim(store, at(99), at(150), 10).await.is_empty());
    let again = claim(store, later, at(300), 10).await;
    assert_eq!(ids(&again[..2]), [alert(3).id, alert(4).id], "by the time to which they were put off");
    let last: BTreeSet<&str> = ids(&again[2..]).into_iter().collect();
    assert_eq!(last, BTreeSet::from([&*alert(1).id, &*alert(2).id]), "those of the same time in any order");
    assert!(again.iter().all(|record| record.attempts == 2), "{again:?}");
    assert!(list(store, &acme()).await.iter().all(|record| record.attempts == 2 && record.due_at == Some(at(300))));
}

/// Several processes deliver.
pub(super) async fn several_claim_each_alert_once(store: &impl AlertStore) {
    const ALERTS: u64 = 100;
    raise(store, (0..ALERTS).map(alert)).await;
    let claims = async |_| {
        let mut own = Vec::new();
        loop {
            match claim(store, noon() + HOUR, noon() + 2 * HOUR, 7).await {
                some if some.is_empty() => return own,
                some => {
                    assert!(some.len() <= 7, "{} alerts instead of 7", some.len());
                    own.extend(some.into_iter().map(|record| record.alert.id));
                }
            }
        }
    };
    let claimed: Vec<String> = all((0..8).map(claims)).await.into_iter().flatten().collect();
    let different: BTreeSet<&String> = claimed.iter().collect();
    assert_eq!(different.len(), claimed.len(), "two callers have got the same alert");
    assert_eq!(claimed.len() as u64, ALERTS);
}

async fn settle(store: &impl AlertStore, settled: impl IntoIterator<Item = (Alert, Settled)>) {
    let settled = settled.into_iter().map(|(alert, settled)| (alert.id, settled)).collect();
    store.settle(settled).await.expect("alerts are settled");
}

type State = (Option<SystemTime>, Option<SystemTime>);

/// When each alert is due and was delivered, the earliest first.
async fn states(store: &impl AlertStore) -> Vec<State> {
    list(store, &acme()).await.iter().rev().map(|record| (record.due_at, record.delivered_at)).collect()
}

pub(super) async fn what_became_of_an_alert_is_kept(store: &impl AlertStore) {
    raise(store, (1..=4).map(alert)).await;
    let until = at(100);
    assert_eq!(claim(store, at(9), until, 10).await.len(), 4);
    let (delivered, waits) = (|at| Settled::Delivered { at }, |at| Settled::Again { at });
    settle(store, []).await;
    settle(store, [(alert(1), delivered(at(10))), (alert(2), waits(at(50))), (alert(3), Settled::GivenUp)]).await;
    let expected = [(None, Some(at(10))), (Some(at(50)), None), (None, None), (Some(until), None)];
    assert_eq!(states(store).await, expected, "each in its way");
    // A process that was slow says something else, and one of its alerts is forgotten already.
    let late = [delivered(at(11)), waits(at(60)), Settled::GivenUp].map(|settled| (alert(1), settled));
    let unknown = [delivered(at(12)), waits(at(12)), Settled::GivenUp].map(|settled| (alert(99), settled));
    settle(store, late.into_iter().chain(unknown).chain([(alert(2), waits(at(70)))])).await;
    let expected = [(None, Some(at(10))), (Some(at(70)), None), (None, None), (Some(until), None)];
    assert_eq!(states(store).await, expected, "an alert that was delivered stays delivered");
    settle(store, [(alert(4), waits(at(80))), (alert(4), delivered(at(13))), (alert(4), waits(at(90)))]).await;
    assert_eq!(states(store).await[3], (None, Some(at(13))), "also within one call");
    settle(store, [(alert(3), waits(at(65)))]).await;
    let due = claim(store, at(1_000), at(2_000), 10).await;
    assert_eq!(ids(&due), [alert(3).id, alert(2).id], "neither what was delivered nor what was given up");
    assert_eq!(due[0].attempts, 2);
    settle(store, [(alert(3), delivered(at(14)))]).await;
    assert_eq!(states(store).await[2], (None, Some(at(14))));
}
