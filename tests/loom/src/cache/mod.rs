//! The files of `src/cache` that hold atomics, with loom's atomics. The modules below `exact` have atomics that are too weak, to
//! show that the models find that.

mod cases;
mod weak;

macro_rules! sources {
    () => {
        #[path = "../../../../src/cache/epochs.rs"]
        mod epochs;
        #[path = "invalidations.rs"]
        pub(crate) mod invalidations;
        #[path = "../../../../src/cache/lease.rs"]
        mod lease;
        #[path = "promise.rs"]
        pub(crate) mod promise;
    };
}

/// With the orderings that the sources name.
#[path = "."]
mod exact {
    mod sync {
        pub(super) use loom::sync::atomic::{AtomicU64, Ordering};
    }
    sources!();
}

/// Reads acquire nothing.
#[path = "."]
mod relaxed_reads {
    mod sync {
        pub(super) use loom::sync::atomic::Ordering;
        pub(super) type AtomicU64 = super::super::weak::Weak<{ super::super::weak::READS }>;
    }
    sources!();
}

/// Writes release nothing.
#[path = "."]
mod relaxed_writes {
    mod sync {
        pub(super) use loom::sync::atomic::Ordering;
        pub(super) type AtomicU64 = super::super::weak::Weak<{ super::super::weak::WRITES }>;
    }
    sources!();
}

/// The last number stays, and not the largest.
#[path = "."]
mod last_stays {
    mod sync {
        pub(super) use loom::sync::atomic::Ordering;
        pub(super) type AtomicU64 = super::super::weak::Weak<{ super::super::weak::LARGEST }>;
    }
    sources!();
}
