//! The table of buckets, as a backend of shared limits.

use std::{sync::Arc, time::Duration};

use tokio::{runtime::Handle, sync::oneshot};

use super::{
    line::{Done, Job, Lines, Waiting},
    table::{PATIENCE, Table},
};
use crate::{
    Clock, Health,
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
}

impl Buckets {
    pub(super) fn new(store: &PostgresKeyStore, policy: &SharedPolicy) -> Self {
        let deadline = policy.deadline;
        let (table, breaker) = (Table::new(store), Breaker::new(deadline));
        Self(Arc::new(Shared { table, lines: Lines::default(), breaker, deadline }))
    }

    async fn ask(&self, bucket: BucketKey, job: Job) -> Result<Done, Outage> {
        guarded(&self.0, self.0.ask(bucket, job)).await
    }
}

impl Shared {
    async fn ask(self: &Arc<Self>, bucket: BucketKey, job: Job) -> Result<Done, Outage> {
        let runtime = Handle::try_current().map_err(|error| Outage::not_asked(error.to_string()))?;
        let (answer, answered) = oneshot::channel();
        if self.lines.join(bucket, Waiting { job, answer }) {
            // A task of its own: whoever asked first may go away, and others wait behind.
            runtime.spawn(Arc::clone(self).serve(bucket));
        }
        answered.await.unwrap_or_else(|_| Err(Outage::asked("the task that counts has ended: its runtime has stopped")))
    }

    /// Answers until nobody waits.
    async fn serve(self: Arc<Self>, bucket: BucketKey) {
        let mut turn = self.lines.serve(bucket);
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
        // Those who asked give up at the same time or earlier.
        match self.count(bucket, &jobs.iter().collect::<Vec<_>>(), self.deadline).await {
            Ok(done) => done.into_iter().zip(answers).for_each(|(done, answer)| drop(answer.send(Ok(done)))),
            Err(outage) => answers.into_iter().for_each(|answer| drop(answer.send(Err(outage.clone())))),
        }
    }

    async fn count(&self, bucket: BucketKey, jobs: &[&Job], limit: Duration) -> Result<Vec<Done>, Outage> {
        Clock::system().within(limit, self.table.count(bucket, jobs)).await.map_err(Outage::asked)?
    }

    /// Counts a request that nobody has made: it shows that the table can be read and written.
    async fn try_out(&self, limit: Duration) -> Result<(), Outage> {
        let limits = Limits::new(Quota::per_second(1_000_000)).map_err(|error| Outage::not_asked(error.to_string()))?;
        let bucket = BucketKey::new(["probe"]);
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
}

impl Backend for Buckets {
    async fn take(&self, ask: Ask) -> Result<Taken, Outage> {
        match self.ask(ask.bucket, Job::Take(ask)).await? {
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
