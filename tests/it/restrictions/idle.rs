//! A key that is unused for too long is expired.

use std::time::{Duration, SystemTime};

use serde_json::json;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{AuthStack, Disclosure, KeyRecord, KeyState, KeyStatus, Restrictions, testing::ManualClock};

use super::{NOW, PEER, ask, layers, record, request, told};
use crate::support;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn now() -> SystemTime {
    ManualClock::at(NOW).now()
}

fn idle(after: Duration) -> KeyRecord {
    record(Restrictions::new().idle_after(after))
}

#[tokio::test]
async fn a_key_expires_at_the_moment_at_which_it_was_unused_for_too_long() {
    let hand = ManualClock::at(NOW);
    let key = idle(30 * DAY).last_used_at(now());
    let stacks = layers(&key)
        .map(|keys| AuthStack::builder().auth(keys.disclose(Disclosure::State)).clock(&hand).build().unwrap());
    let almost = Duration::from_millis(30 * 24 * 3_600_000 - 1);
    for (advance, status) in [(Duration::ZERO, 200), (almost, 200), (Duration::from_millis(1), 401), (DAY, 401)] {
        hand.advance(advance);
        for stack in &stacks {
            ask(stack, request(PEER, &[])).await.assert(status, if status == 401 { "API_KEY_EXPIRED" } else { "" });
        }
    }
    let response = stacks[0].layer(support::ok()).oneshot(request(PEER, &[])).await.unwrap();
    assert_eq!(support::json(response).await["error"]["details"], json!({"expired_at": "2027-02-14T08:00:00Z"}));
}

#[test]
fn the_earlier_of_two_ends_is_the_end() {
    let key = idle(DAY).last_used_at(now());
    let end = now() + DAY;
    assert_eq!(key.status(end - Duration::from_nanos(1)), KeyStatus::Active);
    assert_eq!(key.status(end), KeyStatus::Expired(end));
    assert_eq!(key.clone().expires_at(end + DAY).status(end), KeyStatus::Expired(end));
    assert_eq!(key.clone().expires_at(end - DAY).status(end), KeyStatus::Expired(end - DAY));
    // A use moves it.
    assert_eq!(key.clone().last_used_at(end).status(end), KeyStatus::Active);
    // Before the key begins to be valid, its end counts already.
    assert_eq!(key.clone().not_before(end + DAY).status(end), KeyStatus::Expired(end));
    assert_eq!(key.clone().not_before(end + DAY).status(now()), KeyStatus::NotYetValid(end + DAY));
    for (graver, status) in [
        (key.clone().state(KeyState::Paused), KeyStatus::Paused),
        (key.clone().state(KeyState::Deactivated), KeyStatus::Deactivated),
        (key.clone().account_suspended(true), KeyStatus::AccountSuspended),
        (key.clone().organization_suspended(true), KeyStatus::OrganizationSuspended),
        (key.state(KeyState::Revoked), KeyStatus::Revoked),
    ] {
        assert_eq!(graver.status(end), status);
    }
}

#[test]
fn a_time_that_never_comes_and_none_at_all() {
    let forever = idle(Duration::MAX).last_used_at(now());
    assert_eq!(forever.status(now() + 10_000 * DAY), KeyStatus::Active);
    let never = idle(Duration::ZERO).last_used_at(now());
    assert_eq!(never.status(now()), KeyStatus::Expired(now()));
    assert_eq!(KeyRecord::new("key_1", "acme").last_used_at(now()).status(now() + 10_000 * DAY), KeyStatus::Active);
    assert_eq!(forever.last_use(), Some(now()));
}

#[tokio::test]
async fn a_record_that_does_not_say_since_when_is_a_fault_of_the_store() {
    let told = told(&idle(DAY), None, || request(PEER, &[])).await;
    told.assert(500, "INTERNAL_ERROR");
    assert!(told.cause.contains("KeyRecord::last_used_at"), "{told:?}");
}
