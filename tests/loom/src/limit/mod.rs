//! The files of `src/limit`, except `lock.rs`.

#[path = "../../../../src/limit/bucket.rs"]
mod bucket;
#[path = "../../../../src/limit/calendar.rs"]
mod calendar;
#[path = "../../../../src/limit/carry.rs"]
mod carry;
#[path = "../../../../src/limit/decide.rs"]
mod decide;
#[path = "../../../../src/limit/gcra.rs"]
mod gcra;
#[path = "../../../../src/limit/levels.rs"]
mod levels;
#[path = "../../../../src/limit/time.rs"]
mod time;
#[path = "../../../../src/limit/zone.rs"]
mod zone;
#[path = "../../../../src/limit/layout.rs"]
mod layout;
#[path = "../../../../src/limit/limiter.rs"]
mod limiter;
#[path = "../../../../src/limit/limits.rs"]
mod limits;
#[path = "../../../../src/limit/memory.rs"]
mod memory;
#[path = "../../../../src/limit/quota.rs"]
mod quota;
#[path = "../../../../src/limit/returned.rs"]
mod returned;
#[path = "../../../../src/limit/shard.rs"]
mod shard;
#[path = "../../../../src/limit/window.rs"]
mod window;

/// Replaces `src/limit/lock.rs` by loom's mutex and atomics, and by seeds that are the same in each interleaving.
mod lock {
    pub(super) use std::sync::PoisonError;

    pub(super) use loom::sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    };

    pub(super) fn seeds() -> [u64; 2] {
        [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03]
    }
}

mod one_bucket;
mod one_shard;

use std::time::Duration;

use self::{
    limiter::{LimitDecision, Limiter, Reservation},
    limits::Limits,
    quota::Quota,
    time::LimitTime,
};
use super::orders::every_order;

const NOW: Duration = Duration::from_secs(3600);

fn limits(quotas: impl IntoIterator<Item = Quota>) -> Limits {
    Limits::new(quotas).unwrap()
}

/// Runs each closure on its own thread and returns their results.
fn together<T: Send + 'static>(work: Vec<Box<dyn FnOnce() -> T + Send>>) -> Vec<T> {
    let threads: Vec<_> = work.into_iter().map(loom::thread::spawn).collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}
