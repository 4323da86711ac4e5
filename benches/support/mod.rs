//! What the benchmarks share: a harness that interleaves candidates, and the services that ours is measured against.

pub(crate) mod harness;
pub(crate) mod peers;
pub(crate) mod services;
