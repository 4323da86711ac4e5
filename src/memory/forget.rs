//! What is removed in batches.

use std::collections::HashSet;

use super::{book::Book, guarded::Guarded};
use crate::registry::{AuditRow, Forget};

impl Book {
    /// Removes one batch, and returns its size; `None` if this is not known.
    pub(super) fn forget(&mut self, what: &Forget, limit: usize, guarded: &mut Guarded) -> Option<usize> {
        match what {
            Forget::Audit { before } => {
                let mut gone = 0;
                self.audit.retain(|(_, row)| {
                    let is_old = gone < limit && row.at < *before;
                    gone += usize::from(is_old);
                    !is_old
                });
                Some(gone)
            }
            Forget::Addresses { before } => {
                Some(self.change_rows(limit, |row| row.at < *before && row.address.take().is_some()))
            }
            Forget::Account { account } => Some(self.erase(account, limit, guarded)),
            #[allow(unreachable_patterns, reason = "as a store of another crate, this one answers for later kinds")]
            _ => None,
        }
    }

    fn erase(&mut self, account: &str, limit: usize, guarded: &mut Guarded) -> usize {
        let ids: HashSet<String> = self.ids_of(account).take(limit).map(str::to_owned).collect();
        let erased = self.change_rows(limit, |row| {
            let of_key = row.key.as_ref().is_some_and(|key| ids.contains(key));
            (row.account.as_deref() == Some(account) || of_key) && erase_row(row)
        });
        if erased > 0 {
            return erased;
        }
        for id in &ids {
            self.remove(id, guarded);
        }
        ids.len()
    }

    /// Changes at most so many rows, and returns how many `change` has changed.
    fn change_rows(&mut self, limit: usize, mut change: impl FnMut(&mut AuditRow) -> bool) -> usize {
        self.audit.iter_mut().filter_map(|(_, row)| change(row).then_some(())).take(limit).count()
    }
}

/// Returns whether anything had to be erased.
fn erase_row(row: &mut AuditRow) -> bool {
    let erased = row.clone().erased();
    let differs = *row != erased;
    *row = erased;
    differs
}
