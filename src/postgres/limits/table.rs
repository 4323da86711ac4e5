//! The table of buckets.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use super::line::{Done, Job};
use crate::{
    BoxError, Clock,
    base::{clock::TimedOut, trouble::Trouble},
    limit::{
        BucketKey,
        shared::{Counting, Kept, Outage},
    },
    postgres::{
        PostgresKeyStore,
        connection::Connection,
        failure::Failure,
        values::{At, Hidden},
    },
};

pub(super) struct Table {
    store: PostgresKeyStore,
    /// When buckets that are full again are removed next, in seconds of the clock of this process.
    tidied: AtomicU64,
    trouble: Trouble,
}

/// What a read has found.
struct Found {
    /// The clock of the server, in microseconds since 1970.
    clock: i64,
    text: Option<String>,
}

type Key = Hidden<Vec<u8>>;

/// How many times in a row a bucket may have changed before the next read waits a little.
const EAGER: u32 = 4;
const PAUSE: Duration = Duration::from_millis(1);
/// To how many microseconds the times are rounded up at which rows are removed.
const GRAIN: i64 = 300_000_000;
/// How often rows are removed, in seconds, and how many at once.
const TIDY: u64 = 60;
const BATCH: i64 = 1_000;
/// How long a question may take for which no request waits.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

impl Table {
    pub(super) fn new(store: &PostgresKeyStore) -> Self {
        let trouble = Trouble::new(
            "buckets of shared limits that are full again cannot be removed from their table; it is tried again",
            "buckets of shared limits that are full again are removed from their table again",
        );
        Self { store: store.clone(), tidied: AtomicU64::new(0), trouble }
    }

    /// Carries jobs out in their order, as one change of the row. Nothing is locked between the read and the write, so a process that stops here
    /// holds up nobody.
    pub(super) async fn count(
        &self,
        bucket: BucketKey,
        jobs: &[&Job],
        progress: &Progress,
    ) -> Result<Vec<Done>, Outage> {
        let key = Hidden(bucket.to_bytes().to_vec());
        let counted = async {
            let (mut connection, mut found) = self.begin(&key).await?;
            let mut turns = 0;
            loop {
                let Some(mut counting) = found.counting() else {
                    return Ok(jobs.iter().map(|_| Done::Unreadable).collect());
                };
                let done = jobs.iter().map(|job| carry_out(&mut counting, job)).collect();
                let is_done = match counting.changed() {
                    Some(kept) => {
                        progress.write();
                        self.write(&mut connection, &key, kept, found.text.as_deref()).await?
                    }
                    None => true,
                };
                if is_done {
                    return Ok(done);
                }
                progress.outrun();
                turns += 1;
                if turns >= EAGER {
                    // Not all at the same time.
                    Clock::system().sleep(PAUSE * (1 + random(turns) % 4)).await;
                }
                found = self.read(&mut connection, &key).await?;
            }
        };
        counted.await.map_err(|failure: Failure| outage(failure, "counting in a shared limit", progress.is_writing()))
    }

    /// Reads the row, once more if that may help: nothing is decided yet.
    async fn begin(&self, key: &Key) -> Result<(Connection, Found), Failure> {
        let mut connection = self.store.connection().await?;
        match self.read(&mut connection, key).await {
            Err(failure) if failure.is_transient() => {
                drop(connection); // the pool may have no other
                connection = self.store.connection().await?;
                let found = self.read(&mut connection, key).await?;
                Ok((connection, found))
            }
            found => Ok((connection, found?)),
        }
    }

    async fn read(&self, connection: &mut Connection, key: &Key) -> Result<Found, Failure> {
        let rows = connection.query(&self.store.sql.limits.read, &[key]).await?;
        let Some(row) = rows.first() else { return Err(Failure::Row("the server has answered without a row".into())) };
        let At(clock) = row.try_get(0)?;
        Ok(Found { clock, text: row.try_get(1)? })
    }

    /// Returns `false` if somebody else has written since the read.
    async fn write(
        &self,
        connection: &mut Connection,
        key: &Key,
        kept: &Kept,
        before: Option<&str>,
    ) -> Result<bool, Failure> {
        let text = kept.text().map_err(BoxError::from)?;
        let micros = i64::try_from(kept.expires() / 1_000).unwrap_or(i64::MAX);
        let expires = At((micros / GRAIN).saturating_add(1).saturating_mul(GRAIN));
        let sql = &self.store.sql.limits;
        let written = match before {
            None => connection.query(&sql.create, &[key, &text, &expires]).await,
            Some(before) => connection.query(&sql.replace, &[key, &text, &expires, &before]).await,
        };
        match written {
            Ok(rows) => Ok(!rows.is_empty()),
            // The same, where the isolation is stricter than READ COMMITTED.
            Err(failure) if failure.is_conflict() => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Returns whether rows are to be removed now. It is `true` at most once a minute.
    pub(super) fn is_untidy(&self) -> bool {
        let (now, next) = (Clock::system().elapsed().as_secs(), self.tidied.load(Ordering::Relaxed));
        let turn = || self.tidied.compare_exchange(next, now + TIDY, Ordering::Relaxed, Ordering::Relaxed);
        now >= next && turn().is_ok()
    }

    /// Removes the rows of buckets that are full again: they are as good as none.
    pub(super) async fn tidy(&self) {
        let tidied = async {
            while self.tidy_once().await? >= BATCH.unsigned_abs() {}
            Ok::<_, Outage>(())
        };
        self.trouble.note(tidied.await);
    }

    /// Removes one batch, and returns how many rows it had.
    pub(super) async fn tidy_once(&self) -> Result<u64, Outage> {
        let removed = async {
            let mut connection = self.store.connection().await?;
            connection.query(&self.store.sql.limits.tidy, &[&BATCH]).await
        };
        let removed = Clock::system().within(PATIENCE, removed).await.map_err(Outage::asked)?;
        let rows = removed.map_err(|failure| outage(failure, "removing full buckets of shared limits", true))?;
        Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
    }
}

impl Found {
    /// Returns `None` if this version cannot read the row.
    fn counting(&self) -> Option<Counting> {
        let kept = match &self.text {
            Some(text) => Some(Kept::read(text)?),
            None => None,
        };
        let clock = u64::try_from(self.clock).unwrap_or_default().saturating_mul(1_000);
        Some(Counting::new(kept, clock))
    }
}

fn carry_out(counting: &mut Counting, job: &Job) -> Done {
    match job {
        Job::Take(ask) => counting.take(ask).map_or(Done::Unreadable, Done::Taken),
        Job::GiveBack(reservation) => {
            counting.give_back(reservation);
            Done::GivenBack
        }
    }
}

fn outage(failure: Failure, doing: &str, may_be_written: bool) -> Outage {
    let why = failure.boxed(doing).to_string();
    if may_be_written { Outage::asked(why) } else { Outage::not_asked(why) }
}

fn random(turn: u32) -> u32 {
    u32::try_from(RandomState::new().hash_one(turn) >> 32).unwrap_or(0)
}

/// How far a question has come, for who gives up waiting for it.
#[derive(Default)]
pub(super) struct Progress {
    /// The outcome of a write is unknown.
    is_writing: AtomicBool,
    /// Others have changed the row between a read and a write.
    is_outrun: AtomicBool,
}

impl Progress {
    fn write(&self) {
        self.is_writing.store(true, Ordering::Relaxed);
    }

    /// Somebody else was faster, so nothing is written.
    fn outrun(&self) {
        self.is_writing.store(false, Ordering::Relaxed);
        self.is_outrun.store(true, Ordering::Relaxed);
    }

    fn is_writing(&self) -> bool {
        self.is_writing.load(Ordering::Relaxed)
    }

    pub(super) fn late(&self, late: TimedOut) -> Outage {
        let doing = "PostgreSQL: counting in a shared limit";
        if self.is_outrun.load(Ordering::Relaxed) {
            return Outage::of_bucket(format_args!(
                "{doing} {late}, because its row is locked, or changes all the time; help: lease it (SharedPolicy::leased), raise the \
                 deadline, or use Redis"
            ));
        }
        let late =
            format!("{doing} {late}; help: check the server and its locks, and that the pool has a connection left");
        if self.is_writing() { Outage::asked(late) } else { Outage::not_asked(late) }
    }
}
