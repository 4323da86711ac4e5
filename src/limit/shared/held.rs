//! What this process knows of a bucket, and holds of it.

use std::time::Duration;

use super::{ask::Taken, policy::Leases};
use crate::limit::{
    BucketKey, LimitDecision, Limits, Refill, Reservation, WindowStates,
    flight::Flight,
    time::{Moment, nanos},
};

/// A bucket that was asked for lately.
pub(super) struct Held {
    pub(super) bucket: BucketKey,
    pub(super) limits: Limits,
    /// What the server answered last.
    known: Option<Known>,
    /// Requests that the server has counted, and that no request has used yet: the older lease first.
    leases: [Option<Lease>; 2],
    pub(super) flight: Option<Flight>,
    /// When the bucket is asked for again, after the server had fewer requests left than a lease. Otherwise, each process would ask for each request that
    /// is refilled.
    again: Duration,
    demand: Demand,
}

/// How long an answer shows that a bucket is empty. Another process may have given requests back since, and the server may have lost its data.
const TRUSTED: Duration = Duration::from_secs(60);

/// An answer, and when it was asked for.
#[derive(Clone, Copy)]
struct Known {
    taken: Taken,
    sent: Duration,
}

struct Lease {
    known: Known,
    left: u32,
    until: Duration,
}

/// How many requests come in the time of a lease.
#[derive(Default)]
struct Demand {
    since: Duration,
    now: u32,
    before: u32,
}

/// Requests to give back.
#[derive(Clone, Copy)]
pub(super) struct Return {
    pub(super) bucket: BucketKey,
    pub(super) reservation: Reservation,
}

impl Known {
    /// The time of the server at a time of this process, at the latest reading: in truth it may be a little earlier, by the time that the question
    /// was under way. So what is refused then is refused by the server too.
    fn moment(&self, at: Duration) -> Moment {
        let passed = nanos(at.saturating_sub(self.sent));
        let Moment { elapsed, wall } = self.taken.moment();
        Moment { elapsed: elapsed.saturating_add(passed), wall: wall.saturating_add(passed) }
    }
}

impl Held {
    pub(super) fn new(bucket: BucketKey, limits: &Limits) -> Self {
        let limits = limits.clone();
        let (known, leases, flight, again) = (None, [None, None], None, Duration::ZERO);
        Self { bucket, limits, known, leases, flight, again, demand: Demand::default() }
    }

    /// Takes over other limits. What is known counts for the old ones only.
    pub(super) fn adopt(&mut self, limits: &Limits, owed: &mut Vec<Return>) {
        if self.limits.id() != limits.id() {
            self.give_back_all(owed);
            self.limits = limits.clone();
            (self.known, self.again) = (None, Duration::ZERO);
        }
    }

    /// Notes an answer, unless a later one is known. The clock of the server may have been set back in between.
    pub(super) fn note(&mut self, taken: Taken, sent: Duration) {
        if self.known.is_none_or(|known| known.sent <= sent) {
            self.known = Some(Known { taken, sent });
        }
    }

    /// Forgets the last answer: requests were given back since.
    pub(super) fn forget(&mut self) {
        (self.known, self.again) = (None, Duration::ZERO);
    }

    /// Asks for no lease for a while: not longer than a quarter of the time in which the bucket would be full.
    pub(super) fn pause(&mut self, sent: Duration, leases: Leases) {
        let even = self
            .limits
            .windows()
            .filter_map(|window| if let Refill::Even(full) = window.refill { Some(full) } else { None });
        let longest = even.min().map_or(leases.lease_for, |full| full.min(leases.lease_for)) / 4;
        self.again = sent.saturating_add(longest);
    }

    /// Refuses what the server would refuse too, or what it is not asked for now.
    pub(super) fn refusal_or_pause(&self, cost: u32, at: Duration) -> Option<LimitDecision> {
        let pause = self.again.saturating_sub(at);
        match (self.refusal(cost, at), &self.known) {
            (Some(LimitDecision::Refused { levels, wait }), _) => {
                Some(LimitDecision::Refused { levels, wait: wait.max(pause) })
            }
            (None, Some(known)) if !pause.is_zero() => {
                let mut levels = known.taken.levels_at(&self.limits, known.moment(at));
                levels.cap(cost);
                Some(LimitDecision::Refused { levels, wait: pause })
            }
            _ => None,
        }
    }

    /// Returns the refusal of a request that the server would refuse too.
    pub(super) fn refusal(&self, cost: u32, at: Duration) -> Option<LimitDecision> {
        let known = self.known.as_ref().filter(|known| at.saturating_sub(known.sent) < TRUSTED)?;
        known.taken.refusal(&self.limits, cost, known.moment(at))
    }

    /// Adds a lease.
    pub(super) fn lease(&mut self, taken: Taken, sent: Duration, leases: Leases, owed: &mut Vec<Return>) {
        let until = sent.saturating_add(leases.lease_for);
        let lease = Lease { known: Known { taken, sent }, left: taken.granted, until };
        match self.leases.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(lease),
            // Unreachable: one lease at a time is ordered, and only while there is a place for it.
            None => owed.extend(lease.unused(self.bucket, &self.limits)),
        }
    }

    /// Admits a request out of a lease.
    pub(super) fn spend(&mut self, cost: u32, at: Duration, owed: &mut Vec<Return>) -> Option<LimitDecision> {
        self.give_back_expired(at, owed);
        let lease = self.leases.iter_mut().flatten().find(|lease| lease.left >= cost)?;
        lease.left -= cost;
        Some(LimitDecision::Admitted(lease.levels(&self.limits, at)))
    }

    /// Returns the lease that is being taken.
    pub(super) fn flight(&self) -> Option<&Flight> {
        self.flight.as_ref().filter(|flight| flight.is_under_way())
    }

    /// Returns how many requests are missing to a whole lease: a process never holds more than one, but for a cost that is higher.
    pub(super) fn wanted(&mut self, at: Duration, leases: Leases) -> u32 {
        let used = self.demand.in_lease(at, leases.lease_for);
        let left = u32::try_from(self.unused()).unwrap_or(u32::MAX);
        leases.size(used, self.limits.max_cost()).saturating_sub(left)
    }

    /// Returns whether the leases come to an end.
    pub(super) fn runs_low(&self) -> bool {
        let [older, newer] = &self.leases;
        newer.is_none() && older.as_ref().is_none_or(|lease| lease.left <= lease.known.taken.granted / 2)
    }

    pub(super) fn count(&mut self, cost: u32, at: Duration, leases: Leases) {
        self.demand.add(cost, at, leases.lease_for);
    }

    /// Puts requests back into the lease that they came from. Returns `false` if it is over.
    pub(super) fn put_back(&mut self, reservation: &Reservation, at: Duration) -> bool {
        let mut leases = self.leases.iter_mut().flatten();
        let lease = leases.find(|lease| lease.known.taken.ticket == reservation.ticket && at < lease.until);
        lease.is_some_and(|lease| {
            lease.left = lease.left.saturating_add(reservation.cost).min(lease.known.taken.granted);
            true
        })
    }

    /// Takes leases out that are over.
    pub(super) fn give_back_expired(&mut self, at: Duration, owed: &mut Vec<Return>) {
        for place in &mut self.leases {
            if place.as_ref().is_some_and(|lease| lease.left == 0 || at >= lease.until) {
                owed.extend(place.take().and_then(|lease| lease.unused(self.bucket, &self.limits)));
            }
        }
        if self.leases[0].is_none() {
            self.leases.swap(0, 1);
        }
    }

    pub(super) fn give_back_all(&mut self, owed: &mut Vec<Return>) {
        for lease in self.leases.iter_mut().filter_map(Option::take) {
            owed.extend(lease.unused(self.bucket, &self.limits));
        }
    }

    /// Returns whether nothing of it matters any more.
    pub(super) fn is_over(&self, at: Duration, idle: Duration) -> bool {
        self.flight().is_none()
            && self.leases.iter().all(Option::is_none)
            && self.refusal(1, at).is_none()
            && at.saturating_sub(self.demand.since) > idle.saturating_mul(2)
    }

    pub(super) fn unused(&self) -> u64 {
        self.leases.iter().flatten().map(|lease| u64::from(lease.left)).sum()
    }

    /// Adds what is leased to the states that the server answered.
    pub(super) fn with_leased(&self, mut decision: LimitDecision) -> LimitDecision {
        let left = u32::try_from(self.unused()).unwrap_or(u32::MAX);
        if let LimitDecision::Admitted(levels) = &mut decision {
            levels.add(left, sizes(&self.limits));
        }
        decision
    }
}

fn sizes(limits: &Limits) -> impl Iterator<Item = u32> {
    limits.windows().map(|window| window.size)
}

impl Lease {
    /// Returns the state of the windows: what the server had left after the lease, and what is left of the lease.
    fn levels(&self, limits: &Limits, at: Duration) -> WindowStates {
        let mut levels = self.known.taken.levels_at(limits, self.known.moment(at));
        levels.add(self.left, sizes(limits));
        levels
    }

    fn unused(self, bucket: BucketKey, limits: &Limits) -> Option<Return> {
        let reservation = self.known.taken.reservation(limits, self.left);
        (self.left > 0).then_some(Return { bucket, reservation })
    }
}

impl Demand {
    fn turn(&mut self, at: Duration, time: Duration) {
        let passed = at.saturating_sub(self.since);
        if passed >= time {
            let is_next = passed < time.saturating_mul(2);
            self.before = if is_next { self.now } else { 0 };
            (self.since, self.now) = (at, 0);
        }
    }

    fn add(&mut self, cost: u32, at: Duration, time: Duration) {
        self.turn(at, time);
        self.now = self.now.saturating_add(cost);
    }

    fn in_lease(&mut self, at: Duration, time: Duration) -> u32 {
        self.turn(at, time);
        self.before.max(self.now)
    }
}
