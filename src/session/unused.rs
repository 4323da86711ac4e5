use std::{fmt, sync::Arc};

use crate::{
    BoxError, Dpop, MaybeReady,
    dpop::{Proof, Replay},
};

/// A proof that is right, and of which nobody knows yet whether it was used.
#[derive(Clone)]
pub(super) struct Unused {
    settings: Arc<Dpop>,
    proof: Arc<Proof>,
}

impl Unused {
    #[cfg(feature = "strict-body")]
    pub(super) fn new(settings: Arc<Dpop>, proof: Proof) -> Self {
        Self { settings, proof: Arc::new(proof) }
    }

    pub(super) fn record(&self) -> MaybeReady<Result<Replay, BoxError>> {
        self.settings.record(&self.proof)
    }
}

impl PartialEq for Unused {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.proof, &other.proof)
    }
}

impl Eq for Unused {}

impl fmt::Debug for Unused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unused")
    }
}
