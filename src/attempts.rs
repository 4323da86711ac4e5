//! A budget of failed attempts, as whoever tells who is calling draws on it.

use std::{fmt, sync::Arc};

use crate::{
    Answer, Rejection,
    limit::{Bucket, Taken},
};

/// What counts failed attempts.
pub(crate) trait Budget: Send + Sync + 'static {
    /// What tells it from other budgets.
    fn id(&self) -> u64;

    /// Takes one attempt out of a bucket, or refuses.
    fn draw(&self, bucket: Bucket) -> Answer<Result<Taken, Rejection>>;

    /// Puts one back.
    fn give_back(&self, bucket: Bucket, taken: &Taken);
}

/// The failed attempts that whoever sends this request has left. A guard leaves it in the request; those behind draw on it
/// before they do what is costly and could be in vain.
#[derive(Clone)]
pub(crate) struct Attempts {
    budget: Arc<dyn Budget>,
    bucket: Bucket,
}

impl Attempts {
    pub(crate) const fn new(budget: Arc<dyn Budget>, bucket: Bucket) -> Self {
        Self { budget, bucket }
    }

    /// Of which budget they are.
    pub(crate) fn budget(&self) -> u64 {
        self.budget.id()
    }

    /// Takes one out, or refuses.
    pub(crate) fn draw(&self) -> Answer<Result<Drawn, Rejection>> {
        let attempts = self.clone();
        self.budget.draw(self.bucket).map(|answer| answer.map(|taken| Drawn { attempts, taken }))
    }
}

/// An attempt that was taken out of a budget. Dropped, it stays taken: who goes away in the middle of an attempt has made
/// it.
#[derive(Debug)]
pub(crate) struct Drawn {
    attempts: Attempts,
    taken: Taken,
}

impl Drawn {
    /// Of which budget it is.
    pub(crate) fn budget(&self) -> u64 {
        self.attempts.budget()
    }

    /// It was no failed one.
    pub(crate) fn give_back(self) {
        self.attempts.budget.give_back(self.attempts.bucket, &self.taken);
    }
}

/// Whether an attempt was taken for a request, and who settles it.
#[derive(Debug, Default)]
pub(crate) enum Draw {
    /// None was taken yet.
    #[default]
    NotYet,
    /// One was taken, and is to be given back or not.
    Held(Drawn),
    /// Whoever took one out of this budget settles it.
    #[cfg_attr(
        not(any(feature = "aws-lc-rs", feature = "rust-crypto")),
        expect(dead_code, reason = "only tokens are costly without being waited for")
    )]
    Settled(u64),
}

impl Draw {
    pub(crate) fn give_back(self) {
        if let Self::Held(drawn) = self {
            drawn.give_back();
        }
    }
}

impl fmt::Debug for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempts").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}
