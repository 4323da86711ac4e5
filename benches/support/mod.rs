//! Shared by the benchmarks: a harness that interleaves candidates, and the services that ours is compared with.

pub(crate) mod floor;
pub(crate) mod harness;
pub(crate) mod peers;
pub(crate) mod services;
