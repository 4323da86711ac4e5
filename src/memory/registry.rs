use std::{ops::Bound, time::SystemTime};

use super::MemoryKeyStore;
use crate::{
    KeyDigest, RegistryError,
    registry::{
        AuditFilter, AuditRow, Change, Cursor, Decide, Entry, Forget, Holder, KeyFilter, Page, PepperCount,
        RegistryFuture, RegistryStore, Tombstone,
    },
    usage::UsageOf,
};

/// The length of a list of holders or of removed keys.
const PAGE: usize = 1000;

/// All calls answer at once. The last 10,000 rows of the audit log are kept.
impl RegistryStore for MemoryKeyStore {
    fn transact(&self, ids: Vec<String>, decide: Decide) -> RegistryFuture<Vec<Change>> {
        RegistryFuture::ready(self.carry_out(&ids, decide))
    }

    fn forget(&self, what: &Forget, limit: usize) -> RegistryFuture<usize> {
        let mut book = self.book();
        if let Forget::Account { account } = what {
            let keys = book.ids_of(account).map(UsageOf::key);
            let all: Vec<UsageOf> = keys.chain([UsageOf::account(account)]).collect();
            for of in &all {
                self.usage().forget_of(of);
            }
            #[cfg(feature = "tokio")]
            self.alert_book().forget_account(account, book.ids_of(account).chain(book.first_ids_of(account)));
            #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
            self.change_sessions().forget_account(account);
        }
        let forgotten = book.forget(what, limit, &mut self.write());
        RegistryFuture::ready(forgotten.ok_or_else(|| RegistryError::unsupported(what)))
    }

    fn get(&self, id: &str) -> RegistryFuture<Option<Entry>> {
        let book = self.book();
        RegistryFuture::ready(Ok(book.find(id, &self.read())))
    }

    fn list(&self, filter: &KeyFilter) -> RegistryFuture<Page<Entry>> {
        let (book, guarded) = (self.book(), self.read());
        RegistryFuture::ready(Ok(Page::of(book.select(filter, &guarded), filter.size())))
    }

    fn audit(&self, filter: &AuditFilter) -> RegistryFuture<Page<AuditRow>> {
        let book = self.book();
        let place = filter.place().map(Cursor::row);
        let selected = |(_, row): &&(i64, AuditRow)| filter.matches(row);
        RegistryFuture::ready(Ok(if filter.is_newest_first() {
            let rows = book.audit.iter().rev().skip_while(|(number, _)| place.is_some_and(|place| *number >= place));
            Page::of(rows.filter(selected).cloned(), filter.size())
        } else {
            let rows = book.audit.iter().skip_while(|(number, _)| place.is_some_and(|place| *number <= place));
            Page::of(rows.filter(selected).cloned(), filter.size())
        }))
    }

    fn suspended(&self, holders: &[Holder]) -> RegistryFuture<Vec<(Holder, SystemTime)>> {
        let book = self.book();
        let found = holders.iter().filter_map(|holder| Some((holder.clone(), *book.holders.get(holder)?)));
        RegistryFuture::ready(Ok(found.collect()))
    }

    fn holders(&self, after: Option<&Holder>) -> RegistryFuture<Vec<(Holder, SystemTime)>> {
        let book = self.book();
        let rest = book.holders.range((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        RegistryFuture::ready(Ok(rest.take(PAGE).map(|(holder, since)| (holder.clone(), *since)).collect()))
    }

    fn removed(&self, after: Option<&KeyDigest>) -> RegistryFuture<Vec<Tombstone>> {
        let (book, after) = (self.book(), after.map(KeyDigest::as_bytes));
        let rest = book.tombs.range::<[u8; 32], _>((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        RegistryFuture::ready(Ok(rest.take(PAGE).map(|(_, tomb)| *tomb).collect()))
    }

    fn count_by_pepper(&self) -> RegistryFuture<Vec<PepperCount>> {
        RegistryFuture::ready(Ok(self.book().peppers().into_values().collect()))
    }
}

impl MemoryKeyStore {
    fn carry_out(&self, ids: &[String], decide: Decide) -> Result<Vec<Change>, RegistryError> {
        let mut book = self.book();
        let entries: Vec<Entry> = {
            let guarded = self.read();
            ids.iter().filter_map(|id| book.find(id, &guarded)).collect()
        };
        let changes = decide(&entries)?;
        let mut guarded = self.write();
        book.check(&changes, &guarded)?;
        for change in &changes {
            book.apply(change, &mut guarded);
        }
        Ok(changes)
    }
}
