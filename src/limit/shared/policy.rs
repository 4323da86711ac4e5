use std::time::Duration;

/// How a limiter that several processes share decides: [exactly](Self::exact), or by [leases](Self::leased).
///
/// ```
/// use std::time::Duration;
/// use tower_auth::limit::shared::SharedPolicy;
///
/// let exact = SharedPolicy::exact().deadline(Duration::from_millis(50));
/// let leased = SharedPolicy::leased(4); // for four processes
/// ```
#[derive(Clone, Debug)]
#[must_use = "a policy does nothing until it is given to a limiter"]
pub struct SharedPolicy {
    pub(crate) deadline: Duration,
    pub(super) leases: Option<Leases>,
}

/// How requests are leased.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leases {
    pub(super) processes: u32,
    pub(super) most: u32,
    pub(super) lease_for: Duration,
}

const DEADLINE: Duration = Duration::from_millis(25);
const LEASE_FOR: Duration = Duration::from_millis(200);
const MOST: u32 = 1_000;

impl SharedPolicy {
    /// Asks the server for each request that may be admitted. All processes together never admit more than the limits allow.
    pub const fn exact() -> Self {
        Self { deadline: DEADLINE, leases: None }
    }

    /// Takes several requests at once out of the shared bucket, and admits them without asking again. `processes` is how many processes
    /// share the limits, at most. Zero is one.
    ///
    /// A lease has about as many requests as the process admits in the [time of a lease](Self::lease_for), at most
    /// [a set number](Self::max_lease), and at most the burst divided by four times the number of processes. If that is less than two, such as
    /// for a burst of 20 and four processes, or if the process is asked less than four times in the time of a lease, the bucket is counted exactly.
    ///
    /// In any interval of time, at most burst + rate × time + e requests are admitted. The excess e is the smaller of processes × lease and
    /// rate × time of a lease: leased requests may be used a little later than the server has counted them.
    pub const fn leased(processes: u32) -> Self {
        let processes = if processes == 0 { 1 } else { processes };
        Self { deadline: DEADLINE, leases: Some(Leases { processes, most: MOST, lease_for: LEASE_FOR }) }
    }

    /// Sets how long a decision may wait for the server; 25 milliseconds by default. After that, the
    /// [`OutagePolicy`](crate::rate_limit::OutagePolicy) of the limit decides, and no other request waits until the server answers again. Less than a
    /// millisecond is a millisecond. Keep it well below the [`decision_timeout`](crate::RateLimitLayer::decision_timeout) of the layer, 5 s by default: a decision that
    /// is dropped before its deadline does not show that the server is away.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = at_least_a_millisecond(deadline);
        self
    }

    /// Sets for how long leased requests can be used, from the moment at which the server was asked; 200 milliseconds by default. Those that
    /// are not used are given back. Less than a millisecond is a millisecond. It has no effect on [`exact`](Self::exact).
    pub const fn lease_for(mut self, time: Duration) -> Self {
        if let Some(leases) = &mut self.leases {
            leases.lease_for = at_least_a_millisecond(time);
        }
        self
    }

    /// Sets the largest lease; 1,000 requests by default. It has no effect on [`exact`](Self::exact).
    pub const fn max_lease(mut self, requests: u32) -> Self {
        if let Some(leases) = &mut self.leases {
            leases.most = requests;
        }
        self
    }
}

const fn at_least_a_millisecond(time: Duration) -> Duration {
    const LEAST: Duration = Duration::from_millis(1);
    if time.as_nanos() < LEAST.as_nanos() { LEAST } else { time }
}

impl Leases {
    /// Returns how many requests to lease after so many were used in the time of a lease; at most one means that none are leased.
    pub(super) fn size(&self, used: u32, smallest_burst: u32) -> u32 {
        // For a few requests, to take leases and to give them back would be more questions than requests.
        const BUSY: u32 = 4;
        let share = smallest_burst / self.processes.saturating_mul(4);
        if used < BUSY { 0 } else { used.min(self.most).min(share) }
    }
}

impl Default for SharedPolicy {
    /// [`exact`](Self::exact).
    fn default() -> Self {
        Self::exact()
    }
}
