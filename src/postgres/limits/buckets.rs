//! The table of buckets, as a backend of shared limits.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use tokio::{runtime::Handle, sync::oneshot};

use super::{
    line::{Done, Job, Lines, Turn, Waiting},
    table::{PATIENCE, Progress, Table},
};
use crate::{
    Clock, Health,
    base::clock::TimedOut,
    limit::{
        BucketKey, Limits, Quota, Reservation,
        shared::{Ask, Backend, Breaker, Guarded, Outage, SharedPolicy, Taken, guarded},
    },
    postgres::PostgresKeyStore,
};

pub(super) struct Buckets(Arc<Shared>);

struct Shared {
    table: Table,
    lines: Lines,
    breaker: Breaker,
    deadline: Duration,
    /// The name of a bucket that only this process probes with: others would change its row meanwhile.
    probe: String,
}

impl Buckets {
    pub(super) fn new(store: &PostgresKeyStore, policy: &SharedPolicy) -> Self {
        let deadline = policy.deadline;
        let (table, breaker) = (Table::new(store), Breaker::new(deadline));
        let probe = RandomState::new().hash_one(0).to_string();
        Self(Arc::new(Shared { table, lines: Lines::default(), breaker, deadline, probe }))
    }

    async fn ask(&self, bucket: BucketKey, job: Job) -> Result<Done, Outage> {
        guarded(&self.0, self.0.ask(bucket, job)).await
    }
}

impl Shared {
    async fn ask(self: &Arc<Self>, bucket: BucketKey, job: Job) -> Result<Done, Outage> {
        let runtime = Handle::try_current().map_err(|error| Outage::not_asked(error.to_string()))?;
        let (answer, answered) = oneshot::channel();
        if let Some(turn) = self.lines.join(bucket, Waiting { job, answer }) {
            // A task of its own: whoever asked first may go away, and others wait behind.
            runtime.spawn(Arc::clone(self).serve(bucket, turn));
        }
        // The turn before may fail for this bucket only, so this one does not tell whether the server answers.
        match Clock::system().within(self.deadline / 10 * 9, answered).await {
            Ok(answer) => {
                answer.unwrap_or_else(|_| Err(Outage::asked("the task that counts has ended: its runtime has stopped")))
            }
            Err(late) => Err(Outage::of_bucket(format_args!(
                "PostgreSQL: counting in a shared limit {late}, behind other questions about this bucket"
            ))),
        }
    }

    /// Answers until nobody waits.
    async fn serve(self: Arc<Self>, bucket: BucketKey, mut turn: Turn) {
        while let Some(waiting) = turn.next() {
            self.answer(bucket, waiting).await;
        }
        drop(turn);
        if !self.breaker.is_open() && self.table.is_untidy() {
            self.table.tidy().await;
        }
    }

    async fn answer(&self, bucket: BucketKey, waiting: Vec<Waiting>) {
        let (jobs, answers): (Vec<_>, Vec<_>) =
            waiting.into_iter().map(|waiting| (waiting.job, waiting.answer)).unzip();
        // Before those who asked first give up, so that they hear why.
        match self.count(bucket, &jobs.iter().collect::<Vec<_>>(), self.deadline / 10 * 8).await {
            Ok(done) => done.into_iter().zip(answers).for_each(|(done, answer)| drop(answer.send(Ok(done)))),
            Err(outage) => answers.into_iter().for_each(|answer| drop(answer.send(Err(outage.clone())))),
        }
    }

    async fn count(&self, bucket: BucketKey, jobs: &[&Job], limit: Duration) -> Result<Vec<Done>, Outage> {
        let progress = Progress::default();
        let counted = Clock::system().within(limit, self.table.count(bucket, jobs, &progress)).await;
        counted.map_err(|late| progress.late(late))?
    }

    /// Counts a request that nobody has made: it shows that the table can be read and written.
    async fn try_out(&self, limit: Duration) -> Result<(), Outage> {
        let limits = Limits::new(Quota::per_second(1_000_000)).map_err(|error| Outage::not_asked(error.to_string()))?;
        let bucket = BucketKey::new(["probe", &self.probe]);
        let job = Job::Take(Ask { bucket, limits, want: 1, least: 1 });
        match self.count(bucket, &[&job], limit).await?.first() {
            Some(Done::Taken(_)) => Ok(()),
            _ => Err(unreadable()),
        }
    }
}

impl Guarded for Shared {
    fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// The first question may need a new connection. The second one is like that of a request.
    async fn probe(&self) -> Result<(), Outage> {
        self.try_out(PATIENCE).await?;
        self.try_out(self.deadline).await
    }

    fn late(&self, late: TimedOut) -> Outage {
        Outage::asked(format_args!(
            "PostgreSQL: counting in a shared limit {late}; help: check the server, its locks and the size of the pool"
        ))
    }
}

impl Backend for Buckets {
    /// Each needs a connection of the pool, which belongs to the service.
    const CHORES: usize = 2;

    async fn take(&self, ask: &Ask) -> Result<Taken, Outage> {
        match self.ask(ask.bucket, Job::Take(ask.clone())).await? {
            Done::Taken(taken) => Ok(taken),
            // The other buckets are not concerned, so the breaker stays closed.
            Done::GivenBack | Done::Unreadable => Err(unreadable()),
        }
    }

    async fn give_back(&self, bucket: BucketKey, reservation: Reservation) -> Result<(), Outage> {
        match self.ask(bucket, Job::GiveBack(reservation)).await? {
            Done::GivenBack => Ok(()),
            Done::Taken(_) | Done::Unreadable => Err(unreadable()),
        }
    }

    async fn check(&self) -> Result<(), Outage> {
        self.0.try_out(PATIENCE).await?;
        self.0.table.tidy_once().await.map(drop)
    }

    fn health(&self) -> Health {
        self.0.breaker.health()
    }
}

fn unreadable() -> Outage {
    Outage::asked(
        "PostgreSQL: a bucket in the table limit_buckets has a form that this version cannot read; help: update tower-auth in \
         this service",
    )
}
