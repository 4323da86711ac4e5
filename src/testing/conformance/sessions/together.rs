use std::{future::poll_fn, pin::pin, task::Poll};

use super::parts::{
    at, create, cut_off, cut_off_of, deny, end, find, forget, grant, is_denied, next, of_alice, rotate, session, with,
};
use crate::session::{CutOff, Outdated, Session, SessionEnd, SessionStore};
use crate::testing::conformance::trial::all;

/// A refresh token that is used 64 times at once gets one successor.
pub(super) async fn one_of_many_rotations_wins(store: &impl SessionStore) {
    let mut known = of_alice("one");
    create(store, &known).await;
    for _ in 0..3 {
        let tries: Vec<Session> =
            (0..64).map(|number| with(&next(&known), |row| row.digest = vec![number; 32])).collect();
        let won = all(tries.iter().map(|one| rotate(store, one))).await;
        let winners: Vec<&Session> = tries.iter().zip(won).filter_map(|(one, won)| won.then_some(one)).collect();
        assert_eq!(winners.len(), 1, "one of 64 rotations returns true");
        known = find(store, "one").await.expect("the session is there");
        assert_eq!(&known, winners[0], "the one that has won is stored");
    }
}

pub(super) async fn a_session_is_created_once(store: &impl SessionStore) {
    let tries: Vec<Session> =
        (0..16).map(|number| session("one", &grant(&format!("subject-{number}")), at(0))).collect();
    let created = all(tries.iter().map(|one| store.create(one))).await;
    let winners: Vec<&Session> = tries.iter().zip(created).filter_map(|(one, done)| done.ok().map(|()| one)).collect();
    assert_eq!(winners.len(), 1, "one of 16 sessions with the same id");
    assert_eq!(find(store, "one").await.as_ref(), Some(winners[0]));
}

pub(super) async fn a_session_that_ends_is_replaced_before_or_not_at_all(store: &impl SessionStore) {
    for round in 0..16 {
        let known = of_alice(&format!("session-{round}"));
        create(store, &known).await;
        let following = next(&known);
        let both = all((0..2).map(async |task| match (task + round) % 2 {
            0 => (true, rotate(store, &following).await),
            _ => (false, end(store, known.id(), at(9), SessionEnd::LoggedOut).await),
        }));
        let done = both.await;
        let is_replaced = done.contains(&(true, true));
        assert!(done.contains(&(false, true)), "it was ended once");
        let last = if is_replaced { following.clone() } else { known.clone() };
        let found = find(store, known.id()).await;
        assert_eq!(found, Some(last.ended_at(at(9), SessionEnd::LoggedOut)), "replaced: {is_replaced}");
    }
}

/// Calls that change the same rows in another order must not block each other.
pub(super) async fn all_sessions_end_while_they_are_replaced(store: &impl SessionStore) {
    let sessions: Vec<Session> =
        (0..16).map(|number| session(&format!("session-{number}"), &grant("alice"), at(number))).collect();
    for one in &sessions {
        create(store, one).await;
    }
    let tasks = (0..20_usize).map(async |task| match task {
        0 | 2 => cut_off(store, &CutOff::subject("alice"), at(9)).await,
        1 | 3 => cut_off(store, &CutOff::Everyone, at(9)).await,
        _ => drop(rotate(store, &next(&sessions[19 - task])).await),
    });
    all(tasks).await;
    for one in &sessions {
        let found = find(store, one.id()).await.expect("the session is there");
        assert_eq!(found.ended(), Some((at(9), SessionEnd::LoggedOut)), "{}", one.id());
        assert!(!rotate(store, &next(&found)).await);
    }
    assert_eq!(cut_off_of(store, "alice").await, Some(at(15)));
}

pub(super) async fn the_latest_of_many_times_is_kept(store: &impl SessionStore) {
    let times = [3, 9, 1, 7, 9, 2, 8, 4];
    all(times.iter().map(async |time| {
        deny(store, "token", at(*time)).await;
        cut_off(store, &CutOff::subject("alice"), at(*time)).await;
    }))
    .await;
    assert_eq!(cut_off_of(store, "alice").await, Some(at(9)));
    assert_eq!(forget(store, Outdated::new(at(9), at(9)), 100).await, 0);
    assert!(is_denied(store, "token").await);
    assert_eq!(forget(store, Outdated::new(at(10), at(10)), 100).await, 2);
}

/// Polls a future at most so many times, and drops it. Returns whether it was ready.
async fn polled(future: impl Future, times: usize) -> bool {
    let (mut future, mut left) = (pin!(future), times);
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        future.as_mut().poll(context).map(|_| true)
    })
    .await
}

/// A call that is sent again finds what the first one has left: all of it, or nothing.
pub(super) async fn a_call_that_is_dropped_leaves_everything_or_nothing(store: &impl SessionStore) {
    for times in 0..12 {
        let known = of_alice(&format!("session-{times}"));
        let is_ready = polled(store.create(&known), times).await;
        let created = store.create(&known).await;
        assert!(!is_ready || created.is_err(), "it was created");
        assert_eq!(find(store, known.id()).await.as_ref(), Some(&known));
        let following = next(&known);
        let is_ready = polled(store.rotate(&following), times).await;
        let is_replaced = !rotate(store, &following).await;
        assert!(!is_ready || is_replaced, "it was replaced");
        assert_eq!(find(store, known.id()).await.as_ref(), Some(&following), "after {times} steps");
        polled(store.cut_off(&CutOff::subject("alice"), at(9)), times).await;
        cut_off(store, &CutOff::subject("alice"), at(9)).await;
        let ended = Some(following.ended_at(at(9), SessionEnd::LoggedOut));
        assert_eq!(find(store, known.id()).await, ended);
    }
}
