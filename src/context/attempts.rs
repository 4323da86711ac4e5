//! A budget of failed attempts, as the guards that find out about failures use it.
//!
//! Failures are spent by failures: a request takes nothing before it has failed. Who has to be waited for is counted as
//! under way meanwhile, apart from the budget, so that parallel guesses stay bounded.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{MaybeReady, Principal, Rejection, base::maybe_ready::BoxFuture, limit::BucketKey};

/// Whether a budget has something left, or the refusal of those who have spent it.
pub(crate) type Allowed = Result<(), Rejection>;

/// What counts failed attempts.
pub(crate) trait Budget: Send + Sync + 'static {
    /// What tells it from other budgets.
    fn id(&self) -> u64;

    /// Whether an address has attempts left. Nothing is taken.
    fn ask(&self, address: BucketKey) -> MaybeReady<Allowed>;

    /// Counts an attempt as under way until the slot is dropped, or refuses it; without a slot where it only reports.
    fn enter(&self, address: BucketKey) -> Result<Option<Slot>, Rejection>;

    /// Charges an address for a guess; refuses where nothing was left, so that the guesser is not told what came of it.
    fn charge(&self, address: BucketKey) -> MaybeReady<Allowed>;

    /// Charges a holder who was proved for what is wrong with the credential or was forbidden to it.
    fn charge_holder(&self, holder: &Principal, failure: Option<&Rejection>) -> MaybeReady<Allowed>;

    /// Charges an address, and nobody waits for it.
    fn charge_unheard(&self, address: BucketKey);

    /// Carries a check on to its end, whose client is gone, where there is something that runs it.
    fn carry_on(&self, check: BoxFuture<()>, runtime: &Runtime) -> Result<(), NotCarried>;
}

/// Nothing runs what nobody waits for.
#[derive(Debug)]
pub(crate) struct NotCarried;

/// The runtime in which a check was begun, where this crate knows of one.
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto", feature = "strict-body"))]
pub(crate) type Runtime = tokio::runtime::Handle;
/// The runtime in which a check was begun, where this crate knows of one.
#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto", feature = "strict-body")))]
#[derive(Debug)]
pub(crate) enum Runtime {}

/// The runtime that polls the caller.
pub(crate) fn current_runtime() -> Option<Runtime> {
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto", feature = "strict-body"))]
    return tokio::runtime::Handle::try_current().ok();
    #[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto", feature = "strict-body")))]
    None
}

/// A budget, and the address that draws on it. A guard leaves it in the request for those behind.
#[derive(Clone)]
pub(crate) struct Attempts {
    budget: Arc<dyn Budget>,
    address: BucketKey,
    client: IpAddr,
    /// Whether the request is a gRPC call, whose status stands in a header of its own.
    grpc: bool,
}

impl Attempts {
    pub(crate) const fn new(budget: Arc<dyn Budget>, address: BucketKey, client: IpAddr, grpc: bool) -> Self {
        Self { budget, address, client, grpc }
    }

    /// The address that they are counted for.
    pub(crate) const fn client(&self) -> IpAddr {
        self.client
    }

    /// Of which budget they are.
    pub(crate) fn budget(&self) -> u64 {
        self.budget.id()
    }

    pub(crate) const fn is_grpc(&self) -> bool {
        self.grpc
    }

    pub(crate) fn ask(&self) -> MaybeReady<Allowed> {
        let client = self.client;
        self.budget.ask(self.address).map(move |allowed| allowed.map_err(|refused| refused.counted(client)))
    }

    pub(crate) fn enter(&self) -> Result<Option<Slot>, Rejection> {
        self.budget.enter(self.address).map_err(|refused| refused.counted(self.client))
    }

    /// Charges whoever a failure is of: the holder who was proved, else the address.
    pub(crate) fn charge(&self, holder: Option<&Principal>, failure: Option<&Rejection>) -> MaybeReady<Allowed> {
        if let Some(holder) = holder {
            return self.budget.charge_holder(holder, failure);
        }
        let client = self.client;
        self.budget.charge(self.address).map(move |allowed| allowed.map_err(|refused| refused.counted(client)))
    }

    pub(crate) fn charge_unheard(&self) {
        self.budget.charge_unheard(self.address);
    }

    pub(crate) fn carry_on(&self, check: BoxFuture<()>, runtime: &Runtime) -> Result<(), NotCarried> {
        self.budget.carry_on(check, runtime)
    }

    /// The same for work that must not keep the budget alive.
    pub(crate) fn downgrade(&self) -> impl FnOnce() -> Option<Self> + Send + use<> {
        let (budget, address) = (Arc::downgrade(&self.budget), self.address);
        let (client, grpc) = (self.client, self.grpc);
        move || Some(Self { budget: budget.upgrade()?, address, client, grpc })
    }
}

impl fmt::Debug for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempts").field("address", &self.address).finish_non_exhaustive()
    }
}

/// How many attempts of every address are under way.
pub(crate) struct InFlight {
    shards: [Mutex<HashMap<BucketKey, u32>>; SHARDS],
    hasher: RandomState,
}

const SHARDS: usize = 16;

impl InFlight {
    pub(crate) fn new() -> Self {
        Self { shards: Default::default(), hasher: RandomState::new() }
    }

    /// One more of an address, unless so many are under way.
    pub(crate) fn enter(self: &Arc<Self>, address: BucketKey, most: u32) -> Option<Slot> {
        let mut shard = self.shard(address);
        let count = shard.entry(address).or_insert(0);
        if *count >= most {
            if *count == 0 {
                shard.remove(&address);
            }
            return None;
        }
        *count += 1;
        drop(shard);
        Some(Slot { all: Arc::clone(self), address })
    }

    fn leave(&self, address: BucketKey) {
        let mut shard = self.shard(address);
        if let Some(count) = shard.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                shard.remove(&address);
                // Many addresses at once leave no memory behind.
                if shard.capacity() > 64 && shard.len() < shard.capacity() / 8 {
                    shard.shrink_to_fit();
                }
            }
        }
    }

    fn shard(&self, address: BucketKey) -> std::sync::MutexGuard<'_, HashMap<BucketKey, u32>> {
        #[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
        let place = self.hasher.hash_one(address) as usize % SHARDS;
        // What is done under the lock does not panic.
        self.shards[place].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One attempt that is under way; dropped, it is no more.
pub(crate) struct Slot {
    all: Arc<InFlight>,
    address: BucketKey,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.all.leave(self.address);
    }
}

/// A request whose handler is what looks at the credential, such as a login. Nobody knows what came of one whose client is
/// gone, so that it has been a guess.
pub(crate) struct UnderWay {
    attempts: Attempts,
    /// Whether the handler was called and has not answered.
    called: bool,
    _slot: Slot,
}

impl UnderWay {
    pub(crate) const fn new(attempts: Attempts, slot: Slot) -> Self {
        Self { attempts, called: false, _slot: slot }
    }

    pub(crate) const fn called(&mut self) {
        self.called = true;
    }

    pub(crate) const fn answered(&mut self) {
        self.called = false;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.called {
            self.attempts.charge_unheard();
        }
    }
}
