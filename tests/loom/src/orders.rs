//! Runs models.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use loom::model::Builder;

/// Enough for each mistake that the models are known to find. The variable `LOOM_MAX_PREEMPTIONS` replaces it.
const INTERRUPTIONS: usize = 3;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs the model in all interleavings and returns their number.
pub(crate) fn every_order(name: &str, model: impl Fn() + Send + Sync + 'static) -> u32 {
    run(name, Builder::new(), model)
}

/// Runs the model in all interleavings in which threads are interrupted at most [`INTERRUPTIONS`] times.
pub(crate) fn orders(name: &str, model: impl Fn() + Send + Sync + 'static) -> u32 {
    run(name, bounded(), model)
}

/// Returns what the model says about the first interleaving in which it fails.
pub(crate) fn failure(model: impl Fn() + Send + Sync + 'static) -> String {
    let _one_model_at_a_time = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let failed = catch_unwind(AssertUnwindSafe(|| bounded().check(model)));
    let said = failed.expect_err("the model fails in no interleaving");
    said.downcast_ref::<String>().cloned().or_else(|| said.downcast_ref::<&str>().map(ToString::to_string)).unwrap()
}

fn bounded() -> Builder {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(INTERRUPTIONS));
    builder
}

fn run(name: &str, builder: Builder, model: impl Fn() + Send + Sync + 'static) -> u32 {
    let _one_model_at_a_time = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let count = Arc::new(AtomicU32::new(0));
    let (counted, start) = (Arc::clone(&count), Instant::now());
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let orders = count.load(Ordering::Relaxed);
    println!("{name}: {orders} orders in {:?}", start.elapsed());
    assert!(orders > 1, "there is only one interleaving");
    orders
}
