//! Which keys an account has.

use std::{collections::BTreeSet, hash::BuildHasher as _, hash::RandomState};

/// The numbers of the keys of each account, as 16 bytes a key. Accounts whose hashes are equal share a list, so the reader
/// compares the account of each key.
#[derive(Default)]
pub(super) struct Accounts {
    hasher: RandomState,
    numbers: BTreeSet<(u64, i64)>,
}

impl Accounts {
    pub(super) fn insert(&mut self, account: Option<&str>, number: i64) {
        self.numbers.insert((self.hasher.hash_one(account), number));
    }

    pub(super) fn remove(&mut self, account: Option<&str>, number: i64) {
        self.numbers.remove(&(self.hasher.hash_one(account), number));
    }

    /// Iterates over the numbers of the keys from this number on, in their order.
    pub(super) fn numbers(&self, account: &str, from: i64) -> impl Iterator<Item = i64> {
        let hash = self.hasher.hash_one(Some(account));
        self.numbers.range((hash, from)..=(hash, i64::MAX)).map(|(_, number)| *number)
    }
}
