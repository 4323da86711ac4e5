//! Answers of one kind: those that are kept, and the lookups that are under way.

use std::{
    fmt,
    hash::{BuildHasher, Hash},
    sync::Arc,
};

use quick_cache::{DefaultHashBuilder, Equivalent, UnitWeighter, sync::Cache};

use super::{
    changed::Mark,
    flights::Flights,
    freshness::{Begun, Freshness},
};
use crate::BoxError;

/// An answer of the store, and what it depends on.
#[derive(Clone)]
pub(super) struct Answer<V, M> {
    pub(super) begun: Begun,
    pub(super) marks: M,
    /// The longest life, in nanoseconds.
    pub(super) longest: u64,
    pub(super) value: V,
}

impl<V, M: AsRef<[Mark]>> Answer<V, M> {
    #[inline]
    pub(super) fn is_good(&self, freshness: &Freshness) -> bool {
        freshness.is_good(&self.begun, self.marks.as_ref(), self.longest)
    }
}

/// What a lookup has found. `None` is an unknown key.
#[derive(Clone)]
pub(super) struct Looked<V, M> {
    pub(super) begun: Begun,
    pub(super) found: Result<Option<Answer<V, M>>, SharedError>,
}

/// An error that all who waited for one lookup get.
#[derive(Clone, Debug)]
pub(super) struct SharedError(pub(super) Arc<BoxError>);

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for SharedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// The answers of one kind.
pub(super) struct Answers<K, V, M, B = DefaultHashBuilder> {
    kept: Cache<K, Answer<V, M>, UnitWeighter, B>,
    pub(super) flights: Flights<K, Looked<V, M>>,
}

impl<K, V, M, B> Answers<K, V, M, B>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
    M: Clone + Send + Sync + 'static,
    B: BuildHasher + Clone + Default,
{
    /// Creates room for so many answers.
    pub(super) fn new(capacity: usize) -> Self {
        let weight = u64::try_from(capacity).unwrap_or(u64::MAX);
        let kept =
            Cache::with(capacity, weight, UnitWeighter, B::default(), quick_cache::sync::DefaultLifecycle::default());
        Self { kept, flights: Flights::new() }
    }

    #[inline]
    pub(super) fn get<Q>(&self, key: &Q) -> Option<Answer<V, M>>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.kept.get(key)
    }

    pub(super) fn keep(&self, key: K, answer: Answer<V, M>) {
        self.kept.insert(key, answer);
    }

    pub(super) fn forget(&self, key: &K) {
        self.kept.remove(key);
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }
}
