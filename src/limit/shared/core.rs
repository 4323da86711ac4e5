//! A limiter over a backend: what is decided here, and what is asked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize},
    },
    time::Duration,
};

use tokio::runtime::Handle;

use super::{
    ask::{Ask, Taken},
    backend::{Backend, Outage},
    health::{Counts, SharedHealth, add},
    held::Return,
    policy::{Leases, SharedPolicy},
    queue::{Chore, Queue},
    table::{Asked, Attempt, Order, Table},
};
use crate::{
    BoxError, Clock, MaybeReady,
    limit::{BucketKey, LimitDecision, LimitFuture, Limits, Reservation},
};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) struct Core<B> {
    pub(super) backend: B,
    pub(super) policy: SharedPolicy,
    pub(super) clock: Clock,
    pub(super) table: Table,
    pub(super) queue: Arc<Queue>,
    pub(super) counts: Counts,
    /// The number of tasks that the caller has started.
    pub(super) tasks: AtomicUsize,
    /// Whether the limiter's own task runs.
    pub(super) is_tended: AtomicBool,
    /// When the table was swept last, in nanoseconds of the clock.
    pub(super) swept: AtomicU64,
}

impl<B: Backend> Core<B> {
    pub(crate) fn new(backend: B, policy: SharedPolicy) -> Arc<Self> {
        Arc::new(Self {
            backend,
            policy,
            clock: Clock::system(),
            table: Table::new(),
            queue: Arc::default(),
            counts: Counts::default(),
            tasks: AtomicUsize::new(0),
            is_tended: AtomicBool::new(false),
            swept: AtomicU64::new(0),
        })
    }

    pub(crate) fn backend(&self) -> &B {
        &self.backend
    }

    pub(crate) fn health(&self) -> SharedHealth {
        let (queued, unused) = (self.queue.len(), self.table.unused());
        SharedHealth::of(&self.counts, self.backend.health(), queued, unused, self.table.buckets())
    }

    pub(super) fn decide(self: &Arc<Self>, bucket: BucketKey, limits: &Limits, cost: u32) -> LimitFuture {
        let most = limits.max_cost();
        if cost > most {
            return MaybeReady::ready(Ok(LimitDecision::TooCostly { most }));
        }
        if cost == 0 {
            return self.peek(bucket, limits);
        }
        let asked = Asked { bucket, limits, cost, at: self.clock.elapsed() };
        if let Some(leases) = self.policy.leases {
            return self.decide_leased(&asked, leases);
        }
        if let Some(refused) = self.table.refusal(&asked) {
            add(&self.counts.known_spent);
            return MaybeReady::ready(Ok(refused));
        }
        let (core, limits) = (Arc::clone(self), limits.clone());
        MaybeReady::boxed(async move { core.ask(bucket, limits, cost).await })
    }

    fn peek(self: &Arc<Self>, bucket: BucketKey, limits: &Limits) -> LimitFuture {
        let asked = Asked { bucket, limits, cost: 1, at: self.clock.elapsed() };
        if let Some(LimitDecision::Refused { levels, .. }) = self.table.refusal(&asked) {
            add(&self.counts.known_spent);
            return MaybeReady::ready(Ok(self.table.with_leased(bucket, LimitDecision::Admitted(levels))));
        }
        let (core, limits) = (Arc::clone(self), limits.clone());
        MaybeReady::boxed(async move {
            let decided = core.ask(bucket, limits, 0).await?;
            Ok(core.table.with_leased(bucket, decided))
        })
    }

    /// Asks the server about one request.
    async fn ask(self: &Arc<Self>, bucket: BucketKey, limits: Limits, cost: u32) -> Result<LimitDecision, BoxError> {
        let (at, mark) = (self.clock.elapsed(), self.table.mark(bucket));
        let ask = Ask { bucket, limits, want: cost, least: cost };
        let taken = self.take(&ask).await?;
        let decided = taken.decision(&ask.limits, cost);
        let is_spent = match &decided {
            LimitDecision::Admitted(levels) => levels.tightest().remaining == 0,
            _ => true,
        };
        if is_spent {
            let mut owed = Vec::new();
            self.table.note(&Asked { bucket, limits: &ask.limits, cost, at }, taken, mark, &mut owed);
            self.owe(owed);
            // Somebody must forget it.
            self.be_tended();
        }
        Ok(decided)
    }

    fn decide_leased(self: &Arc<Self>, asked: &Asked<'_>, leases: Leases) -> LimitFuture {
        match self.attempt(asked, leases, true) {
            Attempt::Decided(decided) => MaybeReady::ready(Ok(decided)),
            Attempt::Refill(decided, order) => {
                self.send(order, leases);
                MaybeReady::ready(Ok(decided))
            }
            Attempt::Wait(order, flight) => {
                let (core, limits) = (Arc::clone(self), asked.limits.clone());
                let (bucket, cost) = (asked.bucket, asked.cost);
                if let Some(order) = order {
                    self.send(order, leases);
                }
                MaybeReady::boxed(async move {
                    flight.landed().await?;
                    let asked = Asked { bucket, limits: &limits, cost, at: core.clock.elapsed() };
                    // Others may have used the lease up. Then this request is asked for alone, so that it waits for two answers at most.
                    match core.attempt(&asked, leases, false) {
                        Attempt::Decided(decided) => Ok(decided),
                        Attempt::Refill(decided, order) => {
                            core.send(order, leases);
                            Ok(decided)
                        }
                        Attempt::Alone(unused) => core.ask_alone(unused, bucket, limits, cost).await,
                        // Unreachable: only the first attempt waits.
                        Attempt::Wait(..) => core.ask(bucket, limits, cost).await,
                    }
                })
            }
            Attempt::Alone(unused) => {
                let (core, limits) = (Arc::clone(self), asked.limits.clone());
                let (bucket, cost) = (asked.bucket, asked.cost);
                MaybeReady::boxed(async move { core.ask_alone(unused, bucket, limits, cost).await })
            }
        }
    }

    /// Gives back what is left of leases first: the request may need it.
    async fn ask_alone(
        self: &Arc<Self>,
        unused: Vec<Return>,
        bucket: BucketKey,
        limits: Limits,
        cost: u32,
    ) -> Result<LimitDecision, BoxError> {
        for unused in unused {
            // If the server does not answer, this decision fails below, and the leases wait with the other chores.
            if let Some(chore) = self.carry_out(Chore::GiveBack(unused)).await {
                self.push(chore);
            }
        }
        self.ask(bucket, limits, cost).await
    }

    fn attempt(self: &Arc<Self>, asked: &Asked<'_>, leases: Leases, is_first: bool) -> Attempt {
        let mut owed = Vec::new();
        let attempt = self.table.attempt(asked, leases, &mut owed, is_first);
        self.owe(owed);
        match &attempt {
            Attempt::Decided(LimitDecision::Refused { .. }) => add(&self.counts.known_spent),
            Attempt::Decided(_) | Attempt::Refill(..) => add(&self.counts.from_leases),
            Attempt::Wait(..) | Attempt::Alone(_) => {}
        }
        attempt
    }

    /// Takes a lease in the background: it is for all requests of the bucket, and the one that needed it first may go away.
    fn send(self: &Arc<Self>, order: Order, leases: Leases) {
        // Without a runtime, the order is dropped, and so is its flight.
        let Ok(runtime) = Handle::try_current() else { return };
        let core = Arc::clone(self);
        self.be_tended();
        runtime.spawn(async move {
            let sent = core.clock.elapsed();
            let landed = match core.take(&order.ask).await {
                Ok(taken) => {
                    let mut owed = Vec::new();
                    core.table.leased(&order, taken, sent, leases, &mut owed);
                    core.owe(owed);
                    Ok(())
                }
                Err(outage) => Err(outage.why),
            };
            order.landing.land(landed);
        });
    }

    async fn take(&self, ask: &Ask) -> Result<Taken, Outage> {
        self.counted(self.backend.take(ask).await)
    }

    async fn give_back(&self, unused: Return) -> Result<(), Outage> {
        let given_back = self.backend.give_back(unused.bucket, unused.reservation).await;
        self.table.forget(unused.bucket);
        self.counted(given_back)
    }

    /// Returns the chore if the server was not asked. If it was asked and has not answered, the outcome is unknown, and nothing is repeated: requests
    /// that are given back twice would be admitted twice.
    pub(super) async fn carry_out(&self, chore: Chore) -> Option<Chore> {
        let done = match &chore {
            // The bucket would be full again.
            Chore::Charge(ask, at) if self.clock.elapsed().saturating_sub(*at) >= ask.limits.forgotten_after() => {
                Ok(())
            }
            Chore::Charge(ask, _) => self.take(ask).await.map(drop),
            Chore::GiveBack(unused) => self.give_back(*unused).await,
        };
        match done {
            Ok(()) => None,
            Err(outage) if outage.was_asked => {
                add(&self.counts.lost);
                None
            }
            Err(_) => Some(chore),
        }
    }

    fn counted<T>(&self, answer: Result<T, Outage>) -> Result<T, Outage> {
        add(match &answer {
            Ok(_) => &self.counts.asked,
            Err(outage) if outage.was_skipped => &self.counts.skipped,
            Err(_) => &self.counts.failed,
        });
        answer
    }

    pub(super) fn charge(self: &Arc<Self>, bucket: BucketKey, limits: &Limits, cost: u32) {
        if cost > 0 {
            let want = cost.min(limits.max_cost());
            let ask = Ask { bucket, limits: limits.clone(), want, least: 1 };
            self.push(Chore::Charge(ask, self.clock.elapsed()));
        }
    }

    pub(super) fn refund(self: &Arc<Self>, bucket: BucketKey, reservation: &Reservation) {
        let is_leased = self.policy.leases.is_some();
        if !is_leased || !self.table.put_back(bucket, reservation, self.clock.elapsed()) {
            self.push(Chore::GiveBack(Return { bucket, reservation: *reservation }));
        }
    }

    pub(super) fn owe(self: &Arc<Self>, owed: Vec<Return>) {
        for unused in owed {
            self.push(Chore::GiveBack(unused));
        }
    }

    fn push(self: &Arc<Self>, chore: Chore) {
        if !self.queue.push(chore) {
            add(&self.counts.lost);
        }
        self.be_tended();
    }

    /// How long a bucket that is not asked for is remembered.
    pub(super) fn idle(&self) -> Duration {
        self.policy.leases.map_or(SECOND, |leases| leases.lease_for)
    }

    /// How often the table is swept, and a queue is tried again.
    pub(super) fn tick(&self) -> Duration {
        self.idle().min(SECOND)
    }
}
