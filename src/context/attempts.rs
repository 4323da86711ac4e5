//! A budget of failed attempts, as seen by the guards that detect failures.
//!
//! Only failures are charged: a request costs nothing before it has failed. A check that has to wait is counted as in
//! progress, separately from the budget, so that parallel guesses are bounded.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use crate::{MaybeReady, Principal, Rejection, base::maybe_ready::BoxFuture, limit::BucketKey};

/// `Ok` if the attempt is allowed; otherwise the refusal.
pub(crate) type Allowed = Result<(), Rejection>;

/// Counts failed attempts.
pub(crate) trait Budget: Send + Sync + 'static {
    /// Returns the id of the budget.
    fn id(&self) -> u64;

    /// Checks whether an address has attempts left, without charging it.
    fn ask(&self, address: BucketKey) -> MaybeReady<Allowed>;

    /// Counts an attempt as in progress until the slot is dropped, or refuses it. A budget that only reports returns
    /// `None` instead of refusing.
    fn enter(&self, address: BucketKey) -> Result<Option<Slot>, Rejection>;

    /// Charges an address for a guess. Refuses if the budget was spent before, so that the client does not learn the
    /// result of the guess.
    fn charge(&self, address: BucketKey) -> MaybeReady<Allowed>;

    /// Charges the holder of a verified credential, which is not valid any more or was denied something.
    fn charge_holder(&self, holder: &Principal, failure: Option<&Rejection>) -> MaybeReady<Allowed>;

    /// Charges an address without waiting for the result.
    fn charge_unheard(&self, address: BucketKey);

    /// Completes a check after its client has disconnected, if there is a runtime for it.
    fn carry_on(&self, check: BoxFuture<()>, runtime: &Runtime) -> Result<(), NotCarried>;
}

/// The check was not accepted: there is no runtime, or too many checks run already.
#[derive(Debug)]
pub(crate) struct NotCarried;

/// The runtime in which a check was started.
#[cfg(feature = "tokio")]
pub(crate) type Runtime = tokio::runtime::Handle;
/// The runtime in which a check was started: none, without a feature that uses tokio.
#[cfg(not(feature = "tokio"))]
#[derive(Debug)]
pub(crate) enum Runtime {}

/// Returns the runtime that polls the caller.
pub(crate) fn current_runtime() -> Option<Runtime> {
    #[cfg(feature = "tokio")]
    return tokio::runtime::Handle::try_current().ok();
    #[cfg(not(feature = "tokio"))]
    None
}

/// A budget and the address that it counts. A guard puts it into the request for the guards further in.
#[derive(Clone)]
pub(crate) struct Attempts {
    budget: Arc<dyn Budget>,
    address: BucketKey,
    client: IpAddr,
    /// Whether the request is a gRPC call, which has its status in a header of its own.
    grpc: bool,
}

impl Attempts {
    pub(crate) const fn new(budget: Arc<dyn Budget>, address: BucketKey, client: IpAddr, grpc: bool) -> Self {
        Self { budget, address, client, grpc }
    }

    /// Returns the address that is counted.
    pub(crate) const fn client(&self) -> IpAddr {
        self.client
    }

    /// Returns the id of the budget.
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

    /// Charges a failure to the holder of a verified credential, if there is one, and otherwise to the address.
    pub(crate) fn charge(&self, holder: Option<&Principal>, failure: Option<&Rejection>) -> MaybeReady<Allowed> {
        let client = self.client;
        let charge = match holder {
            Some(holder) => self.budget.charge_holder(holder, failure),
            None => self.budget.charge(self.address).map(move |allowed| allowed.map_err(|no| no.counted(client))),
        };
        match charge.now() {
            Ok(allowed) => MaybeReady::ready(allowed),
            Err(charge) => {
                MaybeReady::boxed(PendingCharge { charge: Some(charge), attempts: self.clone(), runtime: None })
            }
        }
    }

    pub(crate) fn charge_unheard(&self) {
        self.budget.charge_unheard(self.address);
    }

    pub(crate) fn carry_on(&self, check: BoxFuture<()>, runtime: &Runtime) -> Result<(), NotCarried> {
        self.budget.carry_on(check, runtime)
    }

    /// Returns a weak form, for work that must not keep the budget alive. The closure returns `None` if the budget was
    /// dropped.
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

/// How many attempts of each address are in progress.
pub(crate) struct InFlight {
    shards: [Mutex<HashMap<BucketKey, u32>>; SHARDS],
    hasher: RandomState,
}

const SHARDS: usize = 16;

impl InFlight {
    pub(crate) fn new() -> Self {
        Self { shards: Default::default(), hasher: RandomState::new() }
    }

    /// Counts one more attempt of an address; `None` if `most` are in progress already.
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
                // The memory is released after a burst of many addresses.
                if shard.capacity() > 64 && shard.len() < shard.capacity() / 8 {
                    shard.shrink_to_fit();
                }
            }
        }
    }

    fn shard(&self, address: BucketKey) -> std::sync::MutexGuard<'_, HashMap<BucketKey, u32>> {
        #[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
        let place = self.hasher.hash_one(address) as usize % SHARDS;
        // No code panics while it holds the lock.
        self.shards[place].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One attempt in progress. Dropping it ends the attempt.
pub(crate) struct Slot {
    all: Arc<InFlight>,
    address: BucketKey,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.all.leave(self.address);
    }
}

/// A request that the handler authenticates, such as a login. If the client disconnects, the result is unknown, and the
/// request is charged as a guess.
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

/// A charge that has to be waited for. The failure has happened, so the charge is completed even if its client disconnects; without
/// a runtime that can complete it, it is lost.
struct PendingCharge {
    charge: Option<BoxFuture<Allowed>>,
    attempts: Attempts,
    /// The runtime that polls the charge.
    runtime: Option<Runtime>,
}

impl Future for PendingCharge {
    type Output = Allowed;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Allowed> {
        let this = &mut *self;
        // A future that is polled after its end stays pending and does not panic.
        let Some(charge) = &mut this.charge else { return Poll::Pending };
        if this.runtime.is_none() {
            this.runtime = current_runtime();
        }
        let allowed = ready!(charge.as_mut().poll(cx));
        this.charge = None;
        Poll::Ready(allowed)
    }
}

impl Drop for PendingCharge {
    fn drop(&mut self) {
        if let (Some(charge), Some(runtime)) = (self.charge.take(), self.runtime.take()) {
            let completed = Box::pin(async move { drop(charge.await) });
            let _ = self.attempts.carry_on(completed, &runtime);
        }
    }
}
