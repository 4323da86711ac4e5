//! From which networks keys are used, as the requests of this process show it.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::{AuthMethod, Decision, Principal, base::clock::Clock};

/// A use of a key from a network that this process has not seen the key use lately.
pub(super) struct Seen {
    pub(super) who: Principal,
    pub(super) network: IpNet,
    pub(super) at: SystemTime,
    mark: u64,
}

/// The networks that were seen, by key. A lock is shared by few keys.
pub(super) struct Networks {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    clock: Clock,
}

#[derive(Default)]
struct Shard {
    /// A hash of each key and network.
    known: HashSet<u64>,
    pending: HashMap<u64, Seen>,
    /// How many of them each key has: one key must not take the room of the others.
    of_key: HashMap<u64, usize>,
    /// When everything is forgotten, so that the store learns the time of the last use.
    until: Duration,
}

const SHARDS: usize = 64;
/// The number of keys and networks of one shard. More are looked at each time.
const MOST: usize = 16_384;
const MOST_PENDING: usize = 4_096;
const MOST_OF_KEY: usize = 16;
const FORGET_EVERY: Duration = Duration::from_secs(24 * 3600);

impl Networks {
    pub(super) fn new(clock: Clock) -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), hasher: RandomState::new(), clock }
    }

    /// Notes the network of an admitted request with a key.
    pub(super) fn note(&self, decision: &Decision<'_>) {
        let Some(who) = decision.principal().filter(|_| decision.is_admitted() && decision.is_enforced()) else {
            return;
        };
        if !matches!(who.method(), AuthMethod::ApiKey) || who.credential_id().is_none() {
            return;
        }
        let Some(address) = decision.client_ip().or_else(|| decision.peer_ip()) else { return };
        let network = network_of(address);
        let mark = self.hasher.hash_one((who.bucket().low(), network));
        let mut shard = self.shard(mark);
        if !shard.known.contains(&mark) {
            shard.add(mark, who.bucket().low(), || Seen {
                who: who.clone(),
                network,
                at: decision.now(&self.clock),
                mark,
            });
        }
    }

    /// Takes what is not known. It is known from now on, unless [`forget`](Self::forget) is called.
    pub(super) fn take(&self) -> Vec<Seen> {
        let now = self.clock.elapsed();
        let mut all = Vec::new();
        for shard in &self.shards {
            let mut shard = lock(shard);
            if now >= shard.until || shard.known.len() > MOST {
                shard.known.clear();
                shard.until = now.saturating_add(FORGET_EVERY);
            }
            shard.of_key.clear();
            let pending = std::mem::take(&mut shard.pending);
            shard.known.extend(pending.keys());
            all.extend(pending.into_values());
        }
        all
    }

    /// Forgets that these are known: nobody wanted to know, or they could not be written.
    pub(super) fn forget<'a>(&self, all: impl IntoIterator<Item = &'a Seen>) {
        for seen in all {
            self.shard(seen.mark).known.remove(&seen.mark);
        }
    }

    /// Takes these again at the next call of [`take`](Self::take).
    pub(super) fn put_back(&self, all: Vec<Seen>) {
        for seen in all {
            let mut shard = self.shard(seen.mark);
            shard.known.remove(&seen.mark);
            shard.add(seen.mark, seen.who.bucket().low(), || seen);
        }
    }

    fn shard(&self, mark: u64) -> MutexGuard<'_, Shard> {
        #[expect(clippy::cast_possible_truncation, reason = "any bits do")]
        lock(&self.shards[mark as usize % SHARDS])
    }
}

impl Shard {
    fn add(&mut self, mark: u64, key: u64, seen: impl FnOnce() -> Seen) {
        let count = self.of_key.get(&key).copied().unwrap_or(0);
        if count < MOST_OF_KEY && self.pending.len() < MOST_PENDING && !self.pending.contains_key(&mark) {
            self.of_key.insert(key, count + 1);
            self.pending.insert(mark, seen());
        }
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // Nothing panics under the lock.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the /24 of an IPv4 address, or the /48 of an IPv6 address: about one place.
fn network_of(address: IpAddr) -> IpNet {
    match address.to_canonical() {
        IpAddr::V4(address) => Ipv4Net::new_assert(address, 24).trunc().into(),
        IpAddr::V6(address) => Ipv6Net::new_assert(address, 48).trunc().into(),
    }
}
