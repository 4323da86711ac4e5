//! Each model holds with the sources as they are, and fails with a mistake.

use super::{
    exact::{
        invalidations::{By, MARKS, two_changes},
        promise::{Swapped, ended, lost_during_a_heartbeat, revoked_between_heartbeats, revoked_while_lost},
    },
    last_stays, relaxed_reads, relaxed_writes,
};
use crate::orders::{failure, orders};

#[test]
fn a_lookup_from_before_a_change_is_not_valid_after_it() {
    for mark in MARKS {
        orders(&format!("changes of marks {mark} and {}", mark % 3 + 1), move || {
            two_changes([By::Mark(mark), By::Mark(mark % 3 + 1)]);
        });
    }
    orders("two changes of one stripe", || two_changes([By::Mark(1), By::Mark(5)]));
    orders("a change and a flush", || two_changes([By::Mark(1), By::Flush]));
    orders("a new key and a flush", || two_changes([By::NewKey, By::Flush]));
    orders("two new keys", || two_changes([By::NewKey, By::NewKey]));
}

#[test]
fn no_answer_is_used_longer_than_promised() {
    orders("revoked between heartbeats", || revoked_between_heartbeats(Swapped::Nothing));
    orders("revoked while the connection is lost", || revoked_while_lost(Swapped::Nothing));
    orders("lost during a heartbeat", || lost_during_a_heartbeat(Swapped::Nothing));
    orders("a lease that has ended", ended);
}

/// The models are precise enough to fail when two steps change places.
#[test]
fn swapped_steps_are_found() {
    type Model = fn(Swapped);
    let models: [(Swapped, Model); 7] = [
        (Swapped::SentLast, revoked_between_heartbeats),
        (Swapped::ExtendFirst, revoked_between_heartbeats),
        (Swapped::EpochsFirst, revoked_between_heartbeats),
        (Swapped::FlushFirst, revoked_while_lost),
        (Swapped::FlushLast, revoked_while_lost),
        (Swapped::ClockFirst, lost_during_a_heartbeat),
        (Swapped::SentLast, lost_during_a_heartbeat),
    ];
    for (swapped, model) in models {
        let said = failure(move || model(swapped));
        assert!(said.starts_with("a revoked key is admitted at "), "{said}");
    }
}

#[test]
fn orderings_that_are_too_weak_are_found() {
    let weak_epochs = [
        failure(|| relaxed_reads::invalidations::two_marks(1, 2)),
        failure(|| relaxed_writes::invalidations::two_marks(1, 2)),
        failure(|| last_stays::invalidations::two_marks(1, 5)),
    ];
    assert!(weak_epochs.iter().all(|said| said.starts_with("a stale answer is valid")), "{weak_epochs:?}");
    let weak_leases = [failure(relaxed_reads::promise::as_it_is), failure(relaxed_writes::promise::as_it_is)];
    assert!(weak_leases.iter().all(|said| said.starts_with("a revoked key is admitted")), "{weak_leases:?}");
}
