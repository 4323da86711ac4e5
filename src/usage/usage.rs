use std::{
    fmt,
    future::poll_fn,
    mem,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::{Duration, SystemTime},
};

use super::{
    By, Forget, KeyUse, RefusedRequest, UsageBatch, UsageCount, UsageError, UsageFuture, UsageOf, UsageQuery,
    UsageStore, UsageTotals, entry::Entry, merge::Sums, policy::UsagePolicy, table::Table,
};
use crate::{BoxError, Clock, Decision, TraceId, base::time_limit::TimeLimit};

/// Counts what becomes of the requests of each key, account and organisation, and reads the counts. Clones share the counts.
///
/// ```
/// use tower_auth::{ApiKeyLayer, AuthStack, KeyFormat, KeyScheme, MemoryKeyStore, Usage, usage::UsageOf};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = MemoryKeyStore::new();
/// let usage = Usage::new(store.clone());
/// let keys = ApiKeyLayer::new(KeyScheme::ephemeral(KeyFormat::prefixed("ak", 40)?), store);
/// let stack = AuthStack::builder().auth(keys).on_decision(usage.observer()).build()?;
/// // While the service runs, keep the task: `let upkeep = usage.start();` (feature `tokio`)
/// usage.flush().await?;
/// assert!(usage.totals(UsageOf::account("acme"), 30).await?.is_empty());
/// # Ok::<_, tower_auth::BoxError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Usage(Arc<Shared>);

struct Shared {
    store: Arc<dyn UsageStore>,
    table: Arc<Table>,
    limit: TimeLimit,
    policy: UsagePolicy,
    writer: String,
    queue: Mutex<Queue>,
    #[cfg(feature = "tokio")]
    active: super::active::ActiveKeys,
}

/// What was taken from the table and is not written yet.
#[derive(Default)]
struct Queue {
    taken: Vec<Entry>,
    /// The batch that is being written. It is kept as it is until the store has answered, because the store may have added it.
    writing: Option<Arc<UsageBatch>>,
    /// The keys of that batch, for alerts.
    #[cfg(feature = "tokio")]
    active: Vec<super::active::ActiveKey>,
    /// The number of the last batch.
    last: i64,
}

/// How long a call waits for the store.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The number of entries of one batch. Other tasks may run between two batches.
const AT_ONCE: usize = 1_000;
/// The number of rows that are removed at once.
const FORGET: usize = 5_000;

/// How usage is set up.
impl Usage {
    /// Counts requests for this store, with the default [`UsagePolicy`].
    #[must_use]
    pub fn new(store: impl UsageStore) -> Self {
        Self::with(store, UsagePolicy::new(), Clock::system())
    }

    /// Counts requests for this store, with this policy and clock. Use the clock of the stack.
    #[must_use]
    pub fn with(store: impl UsageStore, policy: UsagePolicy, clock: impl Into<Clock>) -> Self {
        Self(Arc::new(Shared {
            store: Arc::new(store),
            table: Arc::new(Table::new(policy.max_waiting, policy.keep_refusals)),
            limit: TimeLimit::new(clock.into(), TIMEOUT),
            policy,
            writer: TraceId::random().to_string(),
            queue: Mutex::default(),
            #[cfg(feature = "tokio")]
            active: super::active::ActiveKeys::default(),
        }))
    }

    /// Returns the observer of a stack: [`AuthStackBuilder::on_decision`](crate::stack::AuthStackBuilder::on_decision). It
    /// counts in memory, waits for no other thread, and allocates nothing for an admitted request of a known key.
    pub fn observer(&self) -> impl Fn(&Decision<'_>) + Send + Sync + 'static {
        let (table, clock) = (Arc::clone(&self.0.table), self.0.limit.clock().clone());
        move |decision| table.count(decision, decision.now(&clock))
    }

    /// Returns how many requests were not counted because the store did not answer for so long that
    /// [`UsagePolicy::max_waiting`] was reached.
    #[must_use]
    pub fn lost_count(&self) -> u64 {
        self.0.table.lost()
    }

    /// Returns the keys whose requests were written since the last call, and since the first one.
    #[cfg(feature = "tokio")]
    pub(crate) fn take_active(&self) -> Vec<super::active::ActiveKey> {
        self.0.active.take()
    }

    /// Returns keys that could not be looked at. The next call takes them again.
    #[cfg(feature = "tokio")]
    pub(crate) fn put_back_active(&self, keys: Vec<super::active::ActiveKey>) {
        self.0.active.note(keys);
    }

    #[cfg(feature = "tokio")]
    pub(super) fn policy(&self) -> &UsagePolicy {
        &self.0.policy
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.0.limit.clock()
    }
}

/// What was counted. Counts that no process has written yet are missing: at most those of the last
/// [interval](UsagePolicy::flush_every).
impl Usage {
    /// Writes what this process has counted. `start` (feature `tokio`) does this at regular intervals.
    ///
    /// # Errors
    /// If the store does not answer. Nothing is lost; call it again.
    pub async fn flush(&self) -> Result<(), UsageError> {
        // What an earlier call has left comes first. As long as it cannot be written, the table keeps the rest: its size is
        // limited, and that of the queue is not.
        self.write_taken().await?;
        self.take();
        self.write_taken().await
    }

    /// Returns the counts of each of the days that overlap with these times, by outcome; days without requests are left out.
    /// Days begin at midnight UTC.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn days(&self, of: UsageOf, times: Range<SystemTime>) -> Result<Vec<UsageCount>, UsageError> {
        self.answer(self.0.store.counts(&UsageQuery::new(of, By::Day, times))).await
    }

    /// Returns the counts of each of the hours that overlap with these times, by outcome; hours without requests are left
    /// out. They are kept for [two days](UsagePolicy::keep_hours).
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn hours(&self, of: UsageOf, times: Range<SystemTime>) -> Result<Vec<UsageCount>, UsageError> {
        self.answer(self.0.store.counts(&UsageQuery::new(of, By::Hour, times))).await
    }

    /// Returns the sums of the last days, today included.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn totals(&self, of: UsageOf, days: u32) -> Result<UsageTotals, UsageError> {
        let now = self.clock().now();
        let day = Duration::from_secs(By::Day.seconds());
        let from = now.checked_sub(day.saturating_mul(days.saturating_sub(1))).unwrap_or(SystemTime::UNIX_EPOCH);
        Ok(UsageTotals::of(&self.days(of, from..now + Duration::from_micros(1)).await?))
    }

    /// Returns when and from where these keys were used last. Keys that were never used are left out.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn last_uses(&self, keys: &[String]) -> Result<Vec<KeyUse>, UsageError> {
        self.answer(self.0.store.last_uses(keys)).await
    }

    /// Returns the last refused requests of a key, the latest first.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn refusals(&self, key: &str) -> Result<Vec<RefusedRequest>, UsageError> {
        self.answer(self.0.store.refusals(key, self.0.policy.keep_refusals)).await
    }

    /// Removes what is older than the policy says. `start` (feature `tokio`) does this every hour.
    ///
    /// # Errors
    /// If the store does not answer. Something may be left then; call it again.
    pub async fn forget(&self) -> Result<(), UsageError> {
        for what in self.0.policy.too_old(self.clock().now()) {
            self.forget_batches(&what).await?;
        }
        Ok(())
    }

    /// Removes everything that was counted for a key, an account or an organisation. Counts that are under way are added
    /// later: revoke the key first, and wait for the [interval](UsagePolicy::flush_every) of every process.
    ///
    /// [`KeyRegistry::erase_account`](crate::KeyRegistry::erase_account) does this for an account and its keys, in the stores
    /// of this crate.
    ///
    /// # Errors
    /// If the store does not answer. Something may be left then; call it again.
    pub async fn erase(&self, of: UsageOf) -> Result<(), UsageError> {
        self.forget_batches(&Forget::Of(of)).await
    }
}

/// How it is carried out.
impl Usage {
    /// Takes what is in the table. Under the lock, so that no other call finds both of them empty in between.
    fn take(&self) {
        let mut queue = self.queue();
        let mut all = self.0.table.take();
        // A database writes neighbours faster, and the entries of one key, one for each thread, come into one batch.
        all.sort_unstable_by(|one, other| one.place().cmp(&other.place()));
        queue.taken.append(&mut all);
    }

    async fn write_taken(&self) -> Result<(), UsageError> {
        while let Some(batch) = self.next() {
            self.answer(self.0.store.add(Arc::clone(&batch))).await?;
            self.written(batch.sequence);
            let_others_run().await;
        }
        Ok(())
    }

    /// Returns the batch that is to be written next, if there is any.
    fn next(&self) -> Option<Arc<UsageBatch>> {
        let mut queue = self.queue();
        if queue.writing.is_none() {
            let rest = queue.taken.len().saturating_sub(AT_ONCE);
            let mut sums = Sums::default();
            let entries = queue.taken.split_off(rest);
            for entry in &entries {
                sums.add(entry);
            }
            #[cfg(feature = "tokio")]
            queue.active.extend(self.0.active.of(&entries));
            if let Some(batch) = sums.into_batch(&self.0.writer, self.clock().now(), self.0.policy.keep_refusals) {
                queue.last += 1;
                queue.writing = Some(Arc::new(UsageBatch { sequence: queue.last, ..batch }));
            }
        }
        queue.writing.clone()
    }

    async fn forget_batches(&self, what: &Forget) -> Result<(), UsageError> {
        while self.answer(self.0.store.forget(what, FORGET)).await? > 0 {}
        Ok(())
    }

    /// Forgets a batch that was written, unless another call has done it.
    fn written(&self, sequence: i64) {
        let mut queue = self.queue();
        if queue.writing.as_ref().is_some_and(|writing| writing.sequence == sequence) {
            queue.writing = None;
            #[cfg(feature = "tokio")]
            self.0.active.note(mem::take(&mut queue.active));
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics under the lock.
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the store, but not for ever.
    async fn answer<T>(&self, future: UsageFuture<T>) -> Result<T, UsageError> {
        match self.0.limit.wait(future).await {
            Ok(answer) => answer.map_err(UsageError::from),
            Err(late) => Err(BoxError::from(format!("the store {late}")).into()),
        }
    }
}

/// Lets other tasks of the thread run.
async fn let_others_run() {
    let mut has_run = false;
    poll_fn(|cx| {
        if mem::replace(&mut has_run, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl fmt::Debug for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Usage")
            .field("policy", &self.0.policy)
            .field("lost", &self.lost_count())
            .finish_non_exhaustive()
    }
}
