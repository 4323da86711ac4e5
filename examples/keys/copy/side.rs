//! One of the two databases. A registry could not write what another registry has decided.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tower_auth::{
    KeyDigest, RegistryError,
    registry::{
        AuditFilter, AuditRow, Change, Decide, Entry, Holder, KeyFilter, Page, RegistryFuture, RegistryStore, Tombstone,
    },
};

use super::BATCH;
use crate::{failure::Failure, open, options::Common, output::Progress};

/// How long one page or one transaction may take.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Side(Arc<dyn RegistryStore>);

impl Side {
    pub(super) async fn open(url: &str) -> Result<Self, Failure> {
        Ok(Self(open::checked(url).await?.registry()))
    }

    /// Tells the servers what is written, if they listen to Redis.
    pub(super) fn announcing(self, common: &Common) -> Result<Self, Failure> {
        Ok(Self(open::announcing(self.0, common)?))
    }

    pub(super) async fn keys(&self, filter: &KeyFilter) -> Result<Page<Entry>, RegistryError> {
        answer(self.0.list(filter)).await
    }

    pub(super) async fn audit(&self, filter: &AuditFilter) -> Result<Page<AuditRow>, RegistryError> {
        answer(self.0.audit(filter)).await
    }

    /// Returns the last row of the audit log, and its place. Two rows may be equal.
    pub(super) async fn last_change(&self) -> Result<Page<AuditRow>, RegistryError> {
        self.audit(&AuditFilter::all().newest_first().limit(1)).await
    }

    pub(super) async fn holders(&self, after: Option<&Holder>) -> Result<Vec<(Holder, SystemTime)>, RegistryError> {
        answer(self.0.holders(after)).await
    }

    pub(super) async fn removed(&self, after: Option<&KeyDigest>) -> Result<Vec<Tombstone>, RegistryError> {
        answer(self.0.removed(after)).await
    }

    pub(super) async fn transact(&self, ids: Vec<String>, decide: Decide) -> Result<(), RegistryError> {
        answer(self.0.transact(ids, decide)).await.map(drop)
    }

    /// Writes in transactions of one batch each.
    pub(super) async fn write_all(&self, changes: Vec<Change>, progress: &mut Progress) -> Result<(), RegistryError> {
        let mut changes = changes.into_iter().peekable();
        while changes.peek().is_some() {
            let batch: Vec<Change> = changes.by_ref().take(BATCH).collect();
            self.transact(Vec::new(), Box::new(|_| Ok(batch))).await?;
            progress.step(|| "copying".to_owned());
        }
        Ok(())
    }
}

async fn answer<T>(future: RegistryFuture<T>) -> Result<T, RegistryError> {
    let late = |_| RegistryError::Store("the database has not answered within a minute".into());
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|elapsed| Err(late(elapsed)))
}
