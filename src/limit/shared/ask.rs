//! What a backend is asked, and what it answers.

use std::time::Duration;

use crate::limit::{
    BucketKey, LimitDecision, Limits, Reservation, WindowStates,
    decide::{decide, levels},
    levels::MOST_WINDOWS,
    time::Moment,
};

/// Requests to take out of all windows of a bucket, or out of none.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) bucket: BucketKey,
    pub(crate) limits: Limits,
    /// How many are wanted. If so many do not fit, as many as fit are taken.
    pub(crate) want: u32,
    /// If fewer than this fit, none is taken.
    pub(crate) least: u32,
}

/// The windows of a bucket as the server counts them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// How many requests were taken.
    pub(crate) granted: u32,
    /// What each window counts after that, in the order of the limits; see `window.rs`. Times are those of the server.
    pub(crate) slots: [u64; MOST_WINDOWS],
    /// The time of the bucket, in nanoseconds since 1970.
    pub(crate) now: u64,
    /// The clock of the server. It is another one if it was set back, and the time of the bucket never goes back.
    pub(crate) wall: u64,
    /// The number of the event in the bucket; a refund names it.
    pub(crate) ticket: u64,
}

/// The place of each window: the slots are in their order.
pub(super) const IN_ORDER: [u8; MOST_WINDOWS] = [0, 1, 2, 3];

impl Taken {
    /// Returns the moment at which the server answered.
    pub(super) const fn moment(&self) -> Moment {
        Moment { elapsed: self.now, wall: self.wall }
    }

    /// Returns the state of the windows.
    pub(super) fn levels(&self, limits: &Limits) -> WindowStates {
        self.levels_at(limits, self.moment())
    }

    /// Returns the state of the windows at another time of the server, if nobody else counts until then.
    pub(super) fn levels_at(&self, limits: &Limits, now: Moment) -> WindowStates {
        let mut levels = levels(&self.slots, IN_ORDER, limits.all(), now);
        (levels.ticket, levels.origin) = (self.ticket, now.elapsed);
        levels
    }

    /// Returns the decision about a request of this cost, for which at least the cost was asked.
    pub(super) fn decision(&self, limits: &Limits, cost: u32) -> LimitDecision {
        if self.granted >= cost {
            return LimitDecision::Admitted(self.levels(limits));
        }
        self.refusal(limits, cost, self.moment())
            // Unreachable, because the server has the same arithmetic. The request was not counted, so it is not admitted.
            .unwrap_or_else(|| LimitDecision::Refused { levels: self.levels(limits), wait: Duration::from_millis(1) })
    }

    /// Returns the refusal of a request of this cost at a time of the server; `None` if it would fit.
    pub(super) fn refusal(&self, limits: &Limits, cost: u32, now: Moment) -> Option<LimitDecision> {
        let decided = decide(&mut self.slots.clone(), IN_ORDER, limits.all(), cost, now);
        matches!(decided, LimitDecision::Refused { .. }).then_some(decided)
    }

    /// Returns the record with which requests that were taken are given back.
    pub(super) fn reservation(&self, limits: &Limits, cost: u32) -> Reservation {
        Reservation::new(cost, limits, &self.levels(limits), Duration::ZERO)
    }
}
