//! The reference: a bucket that owes time in each window, of which some is paid whenever somebody looks. It is written from
//! the documentation, in whole numbers without bounds, knows no points in time but the last look, and keeps every bucket for
//! ever.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use proptest::prelude::*;
use tower_auth::{
    Quota,
    limit::{LimitDecision, Limits},
};

/// What a quota is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) events: u32,
    /// In nanoseconds.
    pub(super) period: u64,
    pub(super) burst: Option<u32>,
    /// Or else the place among the others is the name.
    pub(super) name: Option<u8>,
}

impl Plan {
    pub(super) fn size(&self) -> u32 {
        self.burst.unwrap_or(self.events)
    }

    /// The time for one, in whole nanoseconds, rounded up; in whole microseconds, if a bucket needs 2^52 nanoseconds to be full.
    pub(super) fn interval(&self) -> u64 {
        let whole = self.period / u64::from(self.events);
        let nanos = if whole * u64::from(self.events) < self.period { whole + 1 } else { whole };
        let is_long = u128::from(nanos) * u128::from(self.size()) >= 1 << 52;
        if is_long { nanos.div_ceil(1_000) * 1_000 } else { nanos }
    }

    pub(super) fn refill(&self) -> u128 {
        u128::from(self.interval()) * u128::from(self.size())
    }

    /// What counts: nothing of it is the name.
    fn arithmetic(&self) -> (u64, u64, u32) {
        (self.period, self.interval(), self.size())
    }

    fn can_be_kept(&self) -> bool {
        u64::from(self.events) <= self.period && self.refill() < 1 << 62
    }
}

/// What it is called, at this place.
fn name(place: usize, plan: &Plan) -> String {
    plan.name.map_or_else(|| format!("w{place}"), |name| format!("n{name}"))
}

pub(super) fn limits(plans: &[Plan]) -> Limits {
    let quotas = plans.iter().enumerate().map(|(place, plan)| {
        let quota = Quota::new(plan.events, Duration::from_nanos(plan.period)).named(name(place, plan));
        plan.burst.into_iter().fold(quota, Quota::burst)
    });
    Limits::new(quotas).unwrap()
}

/// What a decision says, in a form that can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Admitted { levels: Vec<(u32, u128)>, speaking: usize },
    Refused { levels: Vec<(u32, u128)>, speaking: usize, wait: u128 },
    TooCostly { most: u32 },
}

impl From<LimitDecision> for Said {
    fn from(decided: LimitDecision) -> Self {
        let all = |levels: &tower_auth::limit::WindowStates| {
            assert_eq!(levels.all()[levels.tightest_index()], levels.tightest());
            let levels_of = levels.all().iter().map(|level| (level.remaining, level.reset.as_nanos()));
            (levels_of.collect::<Vec<_>>(), levels.tightest_index())
        };
        match decided {
            LimitDecision::Admitted(levels) => {
                let (levels, speaking) = all(&levels);
                Self::Admitted { levels, speaking }
            }
            LimitDecision::Refused { levels, wait } => {
                let (levels, speaking) = all(&levels);
                Self::Refused { levels, speaking, wait: wait.as_nanos() }
            }
            LimitDecision::TooCostly { most } => Self::TooCostly { most },
            other => panic!("an unknown decision: {other:?}"),
        }
    }
}

impl Said {
    /// When each window is full again, if it was said at this time.
    pub(super) fn full(&self, now: u64) -> Vec<u128> {
        let Self::Admitted { levels, .. } = self else { panic!("nothing was taken: {self:?}") };
        levels.iter().map(|(_, reset)| u128::from(now) + reset).collect()
    }
}

/// What a bucket owes for the windows of one period and name, whether the limits in force have such a window or not.
#[derive(Clone, Debug)]
struct Account {
    period: u64,
    name: String,
    /// What is owed and for which request, in nanoseconds, in the order in which it is paid.
    queue: VecDeque<(Option<usize>, u128)>,
}

impl Account {
    /// Nanoseconds until it is full.
    fn owed(&self) -> u128 {
        self.queue.iter().map(|(_, owed)| owed).sum()
    }

    fn pay(&mut self, mut time: u128) {
        while let Some((_, owed)) = self.queue.front_mut() {
            let paid = time.min(*owed);
            (*owed, time) = (*owed - paid, time - paid);
            if *owed > 0 {
                return;
            }
            self.queue.pop_front();
        }
    }

    fn strike_out(&mut self, request: usize) {
        self.queue.retain(|(whose, _)| *whose != Some(request));
    }
}

/// "As long as a bucket has room for four."
const ROOM: usize = 4;

/// One bucket.
#[derive(Clone, Debug)]
struct Ledger {
    plans: Vec<Plan>,
    accounts: Vec<Account>,
    /// The account of each window.
    own: Vec<usize>,
    seen: u64,
}

#[derive(Default)]
pub(super) struct Model {
    buckets: HashMap<usize, Ledger>,
    /// How many requests were asked about: it numbers them.
    requests: usize,
}

impl Model {
    pub(super) fn take(&mut self, bucket: usize, plans: &[Plan], cost: u32, now: u64) -> Said {
        let most = plans.iter().map(Plan::size).min().unwrap();
        if cost > most {
            return Said::TooCostly { most };
        }
        let mut ledger = self.buckets.get(&bucket).cloned().unwrap_or_else(|| Ledger::new(plans, now));
        ledger.pay(now);
        if ledger.plans.iter().map(Plan::arithmetic).ne(plans.iter().map(Plan::arithmetic)) {
            ledger.change(plans);
        }
        self.requests += 1;
        let said = ledger.take(cost, self.requests);
        // A caller that only asks is not remembered.
        if cost > 0 || self.buckets.contains_key(&bucket) {
            self.buckets.insert(bucket, ledger);
        }
        said
    }

    /// The number of the last request that was asked about.
    pub(super) fn last(&self) -> usize {
        self.requests
    }

    /// What of a request is not paid yet is struck out.
    pub(super) fn refund(&mut self, bucket: usize, request: usize, now: u64) {
        let Some(ledger) = self.buckets.get_mut(&bucket) else { return };
        ledger.pay(now);
        ledger.accounts.iter_mut().for_each(|account| account.strike_out(request));
    }
}

impl Ledger {
    fn new(plans: &[Plan], now: u64) -> Self {
        let mut new = Self { plans: Vec::new(), accounts: Vec::new(), own: Vec::new(), seen: now };
        new.change(plans);
        new
    }

    fn pay(&mut self, now: u64) {
        for account in &mut self.accounts {
            account.pay(u128::from(now - self.seen));
        }
        self.seen = now;
    }

    fn take(&mut self, cost: u32, request: usize) -> Said {
        let windows: Vec<_> = self.plans.iter().zip(&self.own).map(|(plan, own)| (*plan, *own)).collect();
        let price = |plan: &Plan| u128::from(plan.interval()) * u128::from(cost);
        // A question is answered whatever is owed.
        let missing: Vec<_> = windows
            .iter()
            .map(|(plan, own)| (self.accounts[*own].owed() + price(plan)).saturating_sub(plan.refill()))
            .map(|missing| if cost == 0 { 0 } else { missing })
            .collect();
        let wait = missing.iter().copied().max().unwrap();
        if wait == 0 {
            for (plan, own) in &windows {
                self.accounts[*own].queue.push_back((Some(request), price(plan)));
            }
        }
        let levels: Vec<_> = windows
            .iter()
            .map(|(plan, own)| (plan, self.accounts[*own].owed()))
            .map(|(plan, owed)| (plan.refill().saturating_sub(owed) / u128::from(plan.interval()), owed))
            .map(|(remaining, owed)| (u32::try_from(remaining).unwrap(), owed))
            .collect();
        if wait > 0 {
            let speaking = missing.iter().position(|missing| *missing == wait).unwrap();
            return Said::Refused { levels, speaking, wait };
        }
        // The least room, of those the longest to wait for, of those the first.
        let least = levels.iter().map(|(remaining, _)| *remaining).min().unwrap();
        let longest = levels.iter().filter(|level| level.0 == least).map(|(_, reset)| *reset).max().unwrap();
        let speaking = levels.iter().position(|level| *level == (least, longest)).unwrap();
        Said::Admitted { levels, speaking }
    }

    /// A window goes on with the account of its period and name, or else of its period. One that finds none opens one with
    /// as many requests as any window in force had counted, as far as they fit; for want of room, in the place of the
    /// shortest period that has no window now.
    fn change(&mut self, plans: &[Plan]) {
        let mut own: Vec<Option<usize>> = vec![None; plans.len()];
        for by_name in [true, false] {
            for (place, plan) in plans.iter().enumerate().filter(|(place, _)| own[*place].is_none()).collect::<Vec<_>>()
            {
                let mine = |account: &Account| {
                    account.period == plan.period && (!by_name || account.name == name(place, plan))
                };
                own[place] = (0..self.accounts.len()).find(|at| !own.contains(&Some(*at)) && mine(&self.accounts[*at]));
            }
        }
        let counted: Vec<(u128, u128)> = self
            .plans
            .iter()
            .zip(&self.own)
            .map(|(plan, own)| (self.accounts[*own].owed(), u128::from(plan.interval())))
            .collect();
        for (place, plan) in plans.iter().enumerate() {
            if let Some(at) = own[place] {
                self.accounts[at].name = name(place, plan);
                continue;
            }
            let requests = counted.iter().map(|(owed, each)| (owed * u128::from(plan.interval())).div_ceil(*each));
            let owed = requests.max().unwrap_or(0).min(plan.refill());
            let account = Account { period: plan.period, name: name(place, plan), queue: [(None, owed)].into() };
            let at = if self.accounts.len() < ROOM {
                self.accounts.push(account);
                self.accounts.len() - 1
            } else {
                let idle = (0..ROOM).filter(|at| !own.contains(&Some(*at)));
                let at = idle.min_by_key(|at| self.accounts[*at].period).unwrap();
                self.accounts[at] = account;
                at
            };
            own[place] = Some(at);
        }
        self.own = own.into_iter().map(Option::unwrap).collect();
        self.plans = plans.to_vec();
    }
}

const PERIODS: [u64; 8] = [
    1,
    1_000,
    999_999_937,
    1_000_000_000,
    60_000_000_000,
    3_600_000_000_000,
    7 * 86_400_000_000_000,
    86_400_000_000_000,
];

pub(super) fn plan() -> impl Strategy<Value = Plan> {
    let number = || prop_oneof![4 => 1..10_u32, 4 => 1..2_000_u32, 1 => 1..=u32::MAX];
    let period = prop_oneof![4 => proptest::sample::select(&PERIODS[..]), 1 => 1..366 * 86_400_000_000_000_u64];
    let burst = proptest::option::of(number());
    let plan = (number(), period, burst).prop_map(|(events, period, burst)| Plan { events, period, burst, name: None });
    plan.prop_filter("it cannot be kept", Plan::can_be_kept)
}

/// One to four quotas, each of another period.
pub(super) fn plans() -> impl Strategy<Value = Vec<Plan>> {
    proptest::collection::vec(plan(), 1..=4).prop_map(|mut plans| {
        let mut seen = std::collections::HashSet::new();
        plans.retain(|plan| seen.insert(plan.period));
        plans
    })
}

/// One to four quotas, some of one period, with names that others have too.
pub(super) fn named_plans() -> impl Strategy<Value = Vec<Plan>> {
    let names = Just([0, 1, 2, 3, 4]).prop_shuffle();
    (proptest::collection::vec((plan(), any::<bool>()), 1..=4), names).prop_map(|(plans, names)| {
        let (first, mut all) = (plans[0].0.period, Vec::new());
        for ((plan, same), name) in plans.into_iter().zip(names) {
            let same = Plan { period: if same { first } else { plan.period }, ..plan };
            all.push(Plan { name: Some(name), ..if same.can_be_kept() { same } else { plan } });
        }
        all
    })
}
