//! Decisions of shared limiters, as the tests of each server ask for them and read them.

use std::time::Duration;

use tower_auth::{
    Quota,
    limit::{BucketKey, LimitDecision, Limiter as _, Limits, WindowStates, shared::NamedLimiter},
};

/// A deadline for tests that are not about time: the machine may be busy.
pub(crate) const PATIENT: Duration = Duration::from_secs(20);

pub(crate) fn limits(quotas: impl IntoIterator<Item = Quota>) -> Limits {
    Limits::new(quotas).unwrap()
}

pub(crate) fn alice() -> BucketKey {
    BucketKey::new(["alice"])
}

pub(crate) async fn ask(limiter: &NamedLimiter, bucket: BucketKey, limits: &Limits, cost: u32) -> LimitDecision {
    limiter.decide(bucket, limits, cost, Duration::ZERO.into()).await.unwrap()
}

pub(crate) fn admitted(decision: LimitDecision) -> WindowStates {
    match decision {
        LimitDecision::Admitted(levels) => levels,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn refused(decision: LimitDecision) -> (WindowStates, Duration) {
    match decision {
        LimitDecision::Refused { levels, wait } => (levels, wait),
        other => panic!("{other:?}"),
    }
}

/// What remains in each window.
pub(crate) fn remaining(levels: &WindowStates) -> Vec<u32> {
    levels.all().iter().map(|level| level.remaining).collect()
}
