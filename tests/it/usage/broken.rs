//! Whether the checks of a store of the usage see a store that does not conform.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use futures_util::FutureExt as _;
use tower_auth::{
    MemoryKeyStore,
    testing::conformance,
    usage::{By, Forget, KeyUse, RefusedRequest, UsageBatch, UsageCount, UsageFuture, UsageOf, UsageQuery, UsageStore},
};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// A batch is added each time.
    Twice,
    /// Counts of an account are those of the key with the same id.
    Kinds,
    /// Days are hours.
    Days,
    /// Counts have 32 bits.
    Narrow,
    /// The first period is left out if the time is not its start.
    First,
    /// The address of a last use is lost.
    Address,
    /// Refusals are listed the oldest first.
    Order,
    /// Nothing is forgotten.
    Keeps,
    /// What is too old of traces takes the last use with it.
    Greedy,
}

#[derive(Clone)]
struct Broken {
    store: MemoryKeyStore,
    fault: Fault,
    next: Arc<AtomicI64>,
}

impl UsageStore for Broken {
    fn add(&self, batch: Arc<UsageBatch>) -> UsageFuture<()> {
        let mut batch = (*batch).clone();
        match self.fault {
            Fault::Twice => batch.sequence = self.next.fetch_add(1, Ordering::SeqCst),
            Fault::Kinds => batch.counts.iter_mut().for_each(|count| count.of = UsageOf::key(count.of.id())),
            Fault::Narrow => batch.counts.iter_mut().for_each(|count| count.count &= 0xFFFF_FFFF),
            Fault::Address => batch.uses.iter_mut().for_each(|last| last.address = None),
            _ => {}
        }
        self.store.add(Arc::new(batch))
    }

    fn counts(&self, query: &UsageQuery) -> UsageFuture<Vec<UsageCount>> {
        let mut query = query.clone();
        match self.fault {
            Fault::Days => query.by = By::Hour,
            Fault::First if query.from != query.first_start() => {
                query.from = query.first_start() + std::time::Duration::from_secs(query.by.seconds());
            }
            _ => {}
        }
        self.store.counts(&query)
    }

    fn last_uses(&self, keys: &[String]) -> UsageFuture<Vec<KeyUse>> {
        self.store.last_uses(keys)
    }

    fn refusals(&self, key: &str, limit: usize) -> UsageFuture<Vec<RefusedRequest>> {
        let mut all = self.store.refusals(key, limit).now_or_never().unwrap().unwrap();
        if self.fault == Fault::Order {
            all.reverse();
        }
        UsageFuture::ready(Ok(all))
    }

    fn forget(&self, what: &Forget, limit: usize) -> UsageFuture<usize> {
        match (self.fault, what) {
            (Fault::Keeps, _) => UsageFuture::ready(Ok(0)),
            (Fault::Greedy, Forget::Traces { .. }) => self.store.forget(&Forget::Of(UsageOf::key("key_1")), limit),
            _ => self.store.forget(what, limit),
        }
    }
}

async fn conforms(fault: Fault) -> bool {
    let fresh = async || Broken { store: MemoryKeyStore::new(), fault, next: Arc::new(AtomicI64::new(1)) };
    AssertUnwindSafe(conformance::check_usage(fresh)).catch_unwind().await.is_ok()
}

#[tokio::test]
async fn the_checks_find_each_fault() {
    assert!(conforms(Fault::None).await);
    for fault in [
        Fault::Twice,
        Fault::Kinds,
        Fault::Days,
        Fault::Narrow,
        Fault::First,
        Fault::Address,
        Fault::Order,
        Fault::Keeps,
        Fault::Greedy,
    ] {
        assert!(!conforms(fault).await, "{fault:?} is not noticed");
    }
}
