//! Budgets next to a model: a table of what was admitted, and what was lost.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// So many seconds pass.
    Pass(u64),
    Take(usize, u32),
    /// The n-th last admitted request of this process is given back.
    GiveBack(usize, usize),
    /// The process ends without a stop, and another one starts.
    Crash(usize),
    Stop(usize),
    /// From now on, the store executes calls and their answers are lost, or not.
    Mute(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let process = || 0..3_usize;
    prop_oneof![
        2 => (0..90_u64).prop_map(Step::Pass),
        1 => (0..3_000_000_u64).prop_map(Step::Pass),
        12 => (process(), 0..6_u32).prop_map(|(process, cost)| Step::Take(process, cost)),
        2 => (process(), 0..4_usize).prop_map(|(process, last)| Step::GiveBack(process, last)),
        1 => process().prop_map(Step::Crash),
        1 => process().prop_map(Step::Stop),
        1 => prop::bool::weighted(0.2).prop_map(Step::Mute),
    ]
}

struct World {
    store: Remote,
    hand: ManualClock,
    processes: Vec<Process>,
    limits: Limits,
    budget: u32,
    /// Admitted requests by period, less those that were given back.
    admitted: HashMap<u32, u32>,
    reserved: Vec<Vec<(u32, Reservation)>>,
    is_mute: bool,
    /// Whether an answer was ever lost. What is lost then is known to nobody.
    was_mute: bool,
    lost: u64,
    /// Seconds.
    passed: u64,
}

/// From the start to the end of the year, in seconds.
const UNTIL: u64 = 185 * 86_400;

impl World {
    fn new(budget: u32, policy: &BudgetPolicy) -> Self {
        let (store, hand) = (Remote::new(), ManualClock::at("2026-06-28T12:00:00Z"));
        let processes = (0..3).map(|_| Process::with(&store, policy.clone(), &hand)).collect();
        let limits = limits([Quota::per_minute(1_000), Quota::per_calendar_month(budget)]);
        let reserved = vec![Vec::new(); 3];
        Self {
            store,
            hand,
            processes,
            limits,
            budget,
            admitted: HashMap::new(),
            reserved,
            is_mute: false,
            was_mute: false,
            lost: 0,
            passed: 0,
        }
    }

    async fn step(&mut self, step: Step, policy: &BudgetPolicy) {
        match step {
            // The months of one year are compared.
            Step::Pass(seconds) if self.passed + seconds >= UNTIL => {}
            Step::Pass(seconds) => {
                self.passed += seconds;
                self.hand.advance(Duration::from_secs(seconds));
                settle().await;
            }
            Step::Take(process, cost) => self.take(process, cost).await,
            Step::GiveBack(process, last) => {
                let all = &mut self.reserved[process];
                if last < all.len() {
                    let (cost, reservation) = all.remove(all.len() - 1 - last);
                    let before = self.processes[process].limiter.unused();
                    self.processes[process].refund(&reservation);
                    let back = u32::try_from(self.processes[process].limiter.unused() - before).unwrap();
                    assert!(back == cost || back == 0);
                    let number = reservation.periods().nth(1).flatten().unwrap();
                    *self.admitted.get_mut(&number).unwrap() -= back;
                }
            }
            Step::Crash(process) => {
                self.lost += self.processes[process].limiter.unused();
                self.renew(process, policy);
            }
            Step::Stop(process) => {
                self.processes[process].limiter.start().stop().await;
                self.lost += self.processes[process].limiter.unused();
                self.renew(process, policy);
            }
            Step::Mute(mute) => {
                self.is_mute = mute;
                self.was_mute |= mute;
                self.store.set_mute(mute);
            }
        }
    }

    fn renew(&mut self, process: usize, policy: &BudgetPolicy) {
        self.processes[process] = Process::with(&self.store, policy.clone(), &self.hand);
        self.reserved[process].clear();
    }

    async fn take(&mut self, process: usize, cost: u32) {
        let (limits, now) = (self.limits.clone(), now(&self.hand));
        match self.processes[process].limiter.decide(acme(), &limits, cost, now).await {
            Ok(LimitDecision::Admitted(levels)) => {
                let number = levels.all()[1].period().unwrap();
                *self.admitted.entry(number).or_default() += cost;
                assert!(levels.all()[1].remaining <= self.budget);
                if cost > 0 {
                    self.reserved[process].push((cost, Reservation::new(cost, &limits, &levels, now.elapsed())));
                }
            }
            Ok(LimitDecision::Refused { .. }) => {}
            Ok(other) => assert!(cost > self.budget, "{other:?}"),
            Err(error) => assert!(self.is_mute, "{error}"),
        }
    }

    async fn check(&self) {
        let mut used = 0;
        for month in 6..=12 {
            let number = 202_600 + month;
            let count = self.store.used(&period(number)).await;
            let admitted = self.admitted.get(&number).copied().unwrap_or(0);
            assert!(admitted <= self.budget, "{admitted} of {} in {number}", self.budget);
            assert!(u64::from(admitted) <= count && count <= u64::from(self.budget));
            used += count;
        }
        let admitted: u32 = self.admitted.values().sum();
        let held: u64 = self.processes.iter().map(|process| process.limiter.unused()).sum();
        let known = u64::from(admitted) + held + self.lost;
        // Every request that the store has counted was admitted, is held, or was lost.
        assert!(if self.was_mute { known <= used } else { known == used }, "{known} of {used}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn a_period_never_admits_more_than_its_budget(
        budget in 1..60_u32,
        lease in 1..20_u32,
        share in 1..20_u32,
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let policy = BudgetPolicy::new().max_lease(lease).share(share).keep_for(Duration::from_secs(400 * 86_400));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new(budget, &policy);
            for step in steps {
                world.step(step, &policy).await;
                world.check().await;
            }
        });
    }
}
