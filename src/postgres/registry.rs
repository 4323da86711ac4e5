use std::time::{Duration, SystemTime};

use deadpool_postgres::tokio_postgres::Row;

use super::{
    PostgresKeyStore,
    failure::Failure,
    forget::forget,
    transact::transact,
    values::{self, Hidden, Param, is_impossible},
};
use crate::{
    BoxError, KeyDigest,
    registry::{
        AuditFilter, AuditRow, Change, Decide, Entry, Forget, Holder, KeyFilter, Page, PepperCount, RegistryFuture,
        RegistryStore, Tombstone,
    },
};

/// A transaction takes four round trips and one flush to disk.
impl RegistryStore for PostgresKeyStore {
    fn transact(&self, ids: Vec<String>, decide: Decide) -> RegistryFuture<Vec<Change>> {
        RegistryFuture::boxed(transact(self.clone(), ids, decide))
    }

    fn forget(&self, what: &Forget, limit: usize) -> RegistryFuture<usize> {
        let forgotten = forget(self.clone(), what.clone(), limit);
        RegistryFuture::boxed(async { forgotten.await.map_err(|failure| failure.registry("forgetting old rows")) })
    }

    fn get(&self, id: &str) -> RegistryFuture<Option<Entry>> {
        if is_impossible(id) {
            return RegistryFuture::ready(Ok(None));
        }
        let (store, id) = (self.clone(), id.to_owned());
        RegistryFuture::boxed(async move {
            let values: [Param; 1] = [Box::new(id)];
            let rows =
                store.read(&store.sql.get, &values).await.map_err(|failure| failure.registry("reading a key"))?;
            rows.first()
                .map(|row| values::entry(row, 0))
                .transpose()
                .map_err(|failure| failure.registry("reading a key"))
        })
    }

    fn list(&self, filter: &KeyFilter) -> RegistryFuture<Page<Entry>> {
        if [filter.of_account(), filter.of_organization()].into_iter().flatten().any(is_impossible) {
            return RegistryFuture::ready(Ok(Page::of([], filter.size())));
        }
        let (store, (statement, values), size) = (self.clone(), self.sql.list(filter), filter.size());
        RegistryFuture::boxed(async move {
            let listed = async {
                let rows = store.read(&statement, &values).await?;
                let entries = rows.iter().map(|row| Ok((row.try_get(0)?, values::entry(row, 1)?)));
                Ok::<_, Failure>(Page::of(entries.collect::<Result<Vec<_>, Failure>>()?, size))
            };
            listed.await.map_err(|failure| failure.registry("listing keys"))
        })
    }

    fn audit(&self, filter: &AuditFilter) -> RegistryFuture<Page<AuditRow>> {
        if filter.names().into_iter().flatten().any(is_impossible) {
            return RegistryFuture::ready(Ok(Page::of([], filter.size())));
        }
        let (store, (statement, values), size) = (self.clone(), self.sql.audit(filter), filter.size());
        RegistryFuture::boxed(async move {
            let listed = async {
                let rows = store.read(&statement, &values).await?;
                let rows = rows.iter().map(|row| Ok((row.try_get(0)?, values::audit_row(row, 1)?)));
                Ok::<_, Failure>(Page::of(rows.collect::<Result<Vec<_>, Failure>>()?, size))
            };
            listed.await.map_err(|failure| failure.registry("reading the audit log"))
        })
    }

    fn suspended(&self, holders: &[Holder]) -> RegistryFuture<Vec<(Holder, SystemTime)>> {
        let possible = holders.iter().filter(|holder| !is_impossible(holder.id()));
        let (kinds, ids): (Vec<&str>, Vec<String>) =
            possible.map(|holder| (holder.kind(), holder.id().to_owned())).unzip();
        let store = self.clone();
        RegistryFuture::boxed(async move {
            let found = async {
                let values: [Param; 2] = [Box::new(kinds), Box::new(ids)];
                let rows = store.read(&store.sql.suspended, &values).await?;
                rows.iter().map(holder).collect::<Result<_, Failure>>()
            };
            found.await.map_err(|failure| failure.registry("reading who is suspended"))
        })
    }

    fn holders(&self, after: Option<&Holder>) -> RegistryFuture<Vec<(Holder, SystemTime)>> {
        let (kind, id) = after.map_or(("", ""), |holder| (holder.kind(), holder.id()));
        let (store, id) = (self.clone(), id.to_owned());
        RegistryFuture::boxed(async move {
            let listed = async {
                let values: [Param; 2] = [Box::new(kind), Box::new(id)];
                let rows = store.read(&store.sql.moving.holders, &values).await?;
                rows.iter().map(holder).collect::<Result<_, Failure>>()
            };
            listed.await.map_err(|failure| failure.registry("listing who is suspended"))
        })
    }

    fn removed(&self, after: Option<&KeyDigest>) -> RegistryFuture<Vec<Tombstone>> {
        // An empty string of bytes comes before every digest.
        let (store, after) = (self.clone(), after.map_or_else(Vec::new, |digest| digest.as_bytes().to_vec()));
        RegistryFuture::boxed(async move {
            let listed = async {
                let values: [Param; 1] = [Box::new(Hidden(after))];
                let rows = store.read(&store.sql.moving.removed, &values).await?;
                rows.iter().map(tombstone).collect::<Result<_, Failure>>()
            };
            listed.await.map_err(|failure| failure.registry("listing removed keys"))
        })
    }

    fn count_by_pepper(&self) -> RegistryFuture<Vec<PepperCount>> {
        let store = self.clone();
        RegistryFuture::boxed(async move {
            let counted = async {
                let rows = store.read(&store.sql.count_by_pepper, &[]).await?;
                rows.iter().map(count).collect::<Result<_, Failure>>()
            };
            counted.await.map_err(|failure: Failure| failure.registry("counting keys"))
        })
    }

    fn staleness(&self) -> RegistryFuture<Duration> {
        let store = self.clone();
        RegistryFuture::boxed(async move {
            store.cache_bound().await.map_err(|failure| failure.registry("reading the bound of caches"))
        })
    }
}

fn holder(row: &Row) -> Result<(Holder, SystemTime), Failure> {
    Ok((values::holder(row, 0)?, values::time_of(row, 2)?))
}

fn tombstone(row: &Row) -> Result<Tombstone, Failure> {
    let bytes: [u8; 32] = row.try_get::<_, &[u8]>(0)?.try_into().map_err(BoxError::from)?;
    let tomb = Tombstone::new(KeyDigest::from_bytes(bytes), version(row, 1)?);
    Ok(if row.try_get(2)? { tomb.moved() } else { tomb })
}

fn count(row: &Row) -> Result<PepperCount, Failure> {
    let number = |column| Ok::<_, Failure>(u64::try_from(row.try_get::<_, i64>(column)?).map_err(BoxError::from)?);
    Ok(PepperCount::new(version(row, 0)?).keys(number(1)?).removed(number(2)?))
}

fn version(row: &Row, column: usize) -> Result<Option<u32>, Failure> {
    let pepper: Option<i64> = row.try_get(column)?;
    Ok(pepper.map(u32::try_from).transpose().map_err(BoxError::from)?)
}
